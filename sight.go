package millrace

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/status"
	"github.com/millrace-engine/millrace/exec/ui"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

// waitingEvents is how many events may wait for the pages, and for the log.
const waitingEvents = 1 << 14

// sight is what shows a session's work: its pages and its log, each if it is wanted.
type sight struct {
	bus    *event.Bus
	server *ui.Server
	ends   []func() // of the subscriptions
	work   sync.WaitGroup

	mu  sync.Mutex
	err error // of the log
}

// newSight opens what the settings ask for, and tells it of the application.
func newSight(ctx context.Context, conf *settings.Set, bus *event.Bus, budget int64) (*sight, error) {
	s := &sight{bus: bus}
	id := "app-" + time.Now().UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
	if dir := conf.Get(settings.EventLogDir).Text; dir != "" {
		if err := s.log(filepath.Join(dir, id+ui.LogSuffix)); err != nil {
			return nil, err
		}
	}
	if address := conf.Get(settings.UIAddress).Text; address != "" {
		store := &status.Store{}
		server, err := ui.Listen(ctx, address, ui.Handler(store))
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.server = server
		s.follow(store.Follow)
	}
	if bus.Heard() {
		app := &event.App{ID: id, Name: conf.Get(settings.AppName).Text, Master: conf.Get(settings.Master).Text, Version: version(), Memory: budget, Settings: map[string]string{}}
		for _, x := range settings.All() {
			app.Settings[x.Key] = conf.Get(x.Key).Text
		}
		bus.Publish(event.Event{Kind: event.AppStarted, Time: time.Now(), App: app})
	}
	return s, nil
}

// log writes events to a new file. A disk that fills ends the log, not the session:
// Close tells.
func (s *sight) log(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return diag.New(diag.InvalidSetting, "the event log cannot be written: %v", err).WithPath(path).WithRemedy("a directory that exists and is writable in %s", settings.EventLogDir)
	}
	s.follow(func(events <-chan event.Event) {
		err := event.NewLog(f).Record(events)
		for range events { // they are not kept waiting by a log that failed
		}
		if err = errors.Join(err, f.Close()); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.err = diag.New(diag.WriteFailed, "the event log is not whole: %v", err).WithPath(path)
		}
	})
	return nil
}

// follow hands events to f on a goroutine that ends with close.
func (s *sight) follow(f func(<-chan event.Event)) {
	events, end := s.bus.Subscribe(waitingEvents)
	s.ends = append(s.ends, end)
	s.work.Go(func() { f(events) })
}

func (s *sight) close() error {
	s.bus.Publish(event.Event{Kind: event.AppEnded, Time: time.Now()})
	for _, end := range s.ends {
		end()
	}
	s.work.Wait()
	if s.server != nil {
		return errors.Join(s.err, s.server.Close())
	}
	return s.err
}

// version is that of this module in the program.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, d := range b.Deps {
		if d.Path == "github.com/millrace-engine/millrace" {
			return d.Version
		}
	}
	return b.Main.Version
}

// UI returns the address of the session's pages, "" if the setting ui.address asks
// for none.
func (s *Session) UI() string {
	if s.sight.server == nil {
		return ""
	}
	return s.sight.server.URL
}

type descriptionKey struct{}

// WithDescription says what the queries that run under a context are for, as the
// pages and the event log show it. Without it they show the SQL text, or the line
// of the program that made the frame.
func WithDescription(ctx context.Context, text string) context.Context {
	return context.WithValue(ctx, descriptionKey{}, text)
}

// described is WithDescription unless there is one.
func described(ctx context.Context, text string) context.Context {
	if text == "" || description(ctx) != "" {
		return ctx
	}
	return WithDescription(ctx, text)
}

func description(ctx context.Context) string {
	text, _ := ctx.Value(descriptionKey{}).(string)
	return text
}
