package master

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// Config says what a master is made of.
type Config struct {
	Transport transport.Transport // of the role Master
	At        transport.Addr
	Dir       string // where it keeps what must outlive it
	Lease     *Lease // of one of several masters that share Dir; nil: there is one
	Policy    Policy
	Log       *slog.Logger
	Silence   time.Duration // 0 stands for standalone.Silence
}

// Master serves a cluster.
type Master struct {
	Config
	store    store
	listener transport.Listener
	began    time.Time
	stop     context.CancelFunc
	ticking  sync.WaitGroup

	mu      sync.Mutex
	state   *State
	deposed bool
	lines   map[string]*standalone.Line // of workers, "w/" and the id, and of applications, "a/"
}

// Start starts a master; Close ends it.
func Start(ctx context.Context, c Config) (*Master, error) {
	if c.Silence == 0 {
		c.Silence = standalone.Silence
	}
	m := &Master{Config: c, began: time.Now(), lines: map[string]*standalone.Line{}}
	var drivers []Driver
	var err error
	if m.store, drivers, err = openStore(c.Dir, c.Lease); err != nil {
		return nil, err
	}
	m.state = New(c.Policy, drivers)
	if m.listener, err = c.Transport.Listen(ctx, c.At, m.serve, identity.Worker, identity.Client); err != nil {
		return nil, diag.New(diag.ClusterFailed, "the master cannot listen at %s: %v", c.At, err).WithCause(err).
			WithRemedy("--host and --port choose another place")
	}
	ctx, m.stop = context.WithCancel(context.Background())
	m.ticking.Go(func() {
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				m.step(Event{})
			case <-ctx.Done():
				return
			}
		}
	})
	return m, nil
}

// tick is how often the master looks at the time.
const tick = 500 * time.Millisecond

// Addr is where it listens.
func (m *Master) Addr() transport.Addr { return m.listener.Addr() }

// Close ends the master. Workers and applications go on without.
func (m *Master) Close() error {
	m.stop()
	m.ticking.Wait()
	return m.listener.Close()
}

// State returns what the master knows.
func (m *Master) State() standalone.StateBody {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Report()
}

func (m *Master) step(e Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locked(e)
}

// locked takes an event in and carries out what it leads to (M1). A master that is not
// the leader any more does nothing (M4).
func (m *Master) locked(e Event) error {
	if m.deposed {
		return errReplaced
	}
	e.Now = time.Since(m.began)
	for _, a := range m.state.Step(e) {
		if a.Save {
			err := m.store.save(m.state.Drivers())
			if errors.Is(err, errDeposed) {
				m.deposed = true
				return errReplaced
			}
			if err != nil { // it goes on with what is in memory
				m.Log.Error("the drivers cannot be saved", "file", m.store.path, "error", err)
			}
			continue
		}
		to := "w/" + a.Worker
		if a.Worker == "" {
			to = "a/" + a.App
		}
		m.say(to, a)
		if l := m.lines[to]; l != nil {
			l.Send(a.Kind, a.Body)
		}
	}
	return nil
}

var errReplaced = diag.New(diag.ClusterFailed, "another master leads the cluster").WithRemedy("try again")

// say logs what matters to whoever runs the cluster.
func (m *Master) say(to string, a Action) {
	switch b := a.Body.(type) {
	case standalone.PlacedBody:
		m.Log.Info("executor placed", "application", a.App, "executor", b.N, "worker", b.Worker, "size", b.Size.String())
	case standalone.GoneBody:
		m.Log.Warn("executor lost", "application", a.App, "executor", b.N, "reason", b.Reason)
	case standalone.ReasonBody:
		m.Log.Info(map[kind]string{standalone.Waiting: "application waits", standalone.GivenUp: "application given up"}[a.Kind], "application", a.App, "reason", b.Reason)
	case standalone.StartDriverBody:
		m.Log.Info("driver placed", "driver", b.ID, "worker", a.Worker)
	}
}

// verb is what a stream may begin with, and who may do so.
type verb struct {
	roles []identity.Role
	serve func(m *Master, ctx context.Context, id string, body []byte, s transport.Stream, f *message.Conn) error
}

// verbs are all of them (M3).
var verbs = map[message.Kind]verb{
	standalone.Join:        {[]identity.Role{identity.Worker}, (*Master).serveWorker},
	standalone.Register:    {[]identity.Role{identity.Client}, (*Master).serveApp},
	standalone.Submit:      {[]identity.Role{identity.Client}, (*Master).submit},
	standalone.Status:      {[]identity.Role{identity.Client}, (*Master).status},
	standalone.StopDriver:  {[]identity.Role{identity.Client}, (*Master).stopDriver},
	standalone.DrainWorker: {[]identity.Role{identity.Client}, (*Master).drainWorker},
}

// Verbs are the kinds of messages that a stream to the master may begin with.
func Verbs() []message.Kind { return slices.Sorted(maps.Keys(verbs)) }

// serve answers a stream that a worker or a client opened.
func (m *Master) serve(ctx context.Context, from identity.Name, s transport.Stream) {
	f := message.New(s, standalone.MaxMessage)
	k, body, err := f.Read()
	if err != nil {
		return
	}
	v, ok := verbs[k]
	switch {
	case !ok:
		err = diag.New(diag.ClusterFailed, "the master does not know the request %d", k).WithRemedy("all parts of a cluster must be of one release")
	case !slices.Contains(v.roles, from.Role):
		err = diag.New(diag.ClusterFailed, "a %s may not do that", from.Role)
	default:
		err = v.serve(m, ctx, from.ID, body, s, f)
	}
	if d, ok := err.(*diag.Error); ok && f.Send(standalone.Refused, standalone.RefusedBody{Class: string(d.Class), Message: d.Message, Remedy: d.Remedy}) != nil {
		return
	}
	s.CloseWrite()
}

func sameVersion(v int) error {
	if v == standalone.Version {
		return nil
	}
	return diag.New(diag.ClusterFailed, "the master speaks version %d, not %d", standalone.Version, v).WithRemedy("all parts of a cluster must be of one release")
}

// enter makes a line the one of a worker or an application and takes the event in
// that tells of it, unless there is one already.
func (m *Master) enter(l *standalone.Line, worker, app string, e Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if why := m.state.Refuses(worker, app); why != "" {
		return diag.New(diag.ClusterFailed, "%s", why)
	}
	if worker != "" {
		m.lines["w/"+worker] = l
	} else {
		m.lines["a/"+app] = l
	}
	l.Send(standalone.Welcome, struct{}{})
	return m.locked(e)
}

// leave is the end of a line.
func (m *Master) leave(to string, e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lines, to)
	m.locked(e)
}

// serveWorker serves a worker until its stream ends.
func (m *Master) serveWorker(ctx context.Context, id string, body []byte, s transport.Stream, f *message.Conn) error {
	b, err := message.Decode[standalone.JoinBody](body)
	if err != nil {
		return err
	}
	if err := sameVersion(b.Version); err != nil {
		return err
	}
	if b.Size.Cores < 1 || b.Size.Memory < 1 {
		return diag.New(diag.InvalidArgument, "a worker of %s can run nothing", b.Size)
	}
	l := standalone.NewLine(ctx)
	if err := m.enter(l, id, "", Event{Join: &Join{id, b}}); err != nil {
		return err
	}
	m.Log.Info("worker joined", "worker", id, "host", b.Host, "size", b.Size.String(), "executors", len(b.Executors))
	done := false
	err = l.Talk(s, f, m.Silence, func(k message.Kind, body []byte) error {
		switch k {
		case standalone.Leave:
			done = true
			return errLeft
		case standalone.ExecutorEnded:
			return standalone.On(body, func(b standalone.ExecutorEndedBody) { m.step(Event{Ended: &Ended{id, b}}) })
		case standalone.DriverEnded:
			return standalone.On(body, func(b standalone.DriverReport) { m.step(Event{Driver: &DriverSaid{id, b}}) })
		}
		return fmt.Errorf("%w: kind %d of a worker", message.ErrMalformed, k)
	})
	m.leave("w/"+id, Event{Lost: &Lost{id, done}})
	m.Log.Info("worker away", "worker", id, "reason", err)
	return nil
}

// The most that an application may ask for.
const (
	maxExecutors = 10_000
	maxCores     = 1024
	minMemory    = 16 << 20
	maxName      = 200
)

func checkSize(executors int, z standalone.Size, name string) error {
	if executors < 1 || executors > maxExecutors || z.Cores < 1 || z.Cores > maxCores || z.Memory < minMemory || len(name) > maxName {
		return diag.New(diag.InvalidArgument, "%d executors of %s are not what an application may ask for", executors, z).
			WithRemedy("ask for 1 to %d executors of 1 to %d cores and at least 16MiB", maxExecutors, maxCores)
	}
	return nil
}

// serveApp serves an application until its stream ends.
func (m *Master) serveApp(ctx context.Context, _ string, body []byte, s transport.Stream, f *message.Conn) error {
	b, err := message.Decode[standalone.RegisterBody](body)
	if err != nil {
		return err
	}
	if err := sameVersion(b.Version); err != nil {
		return err
	}
	if err := checkSize(b.Executors, b.Size, b.Name); err != nil {
		return err
	}
	if _, err := identity.ParseName(b.App + "/" + string(identity.Driver) + "/0"); err != nil {
		return diag.New(diag.InvalidArgument, "%.80q cannot be the id of an application", b.App)
	}
	l := standalone.NewLine(ctx)
	if err := m.enter(l, "", b.App, Event{Register: &b}); err != nil {
		return err
	}
	m.Log.Info("application registered", "application", b.App, "name", b.Name, "executors", b.Executors, "size", b.Size.String())
	done := false
	l.Talk(s, f, m.Silence, func(k message.Kind, body []byte) error {
		switch k {
		case standalone.Spec:
			return standalone.On(body, func(x standalone.SpecBody) { m.step(Event{Spec: &Answer{b.App, x}}) })
		case standalone.Up:
			return standalone.On(body, func(x standalone.UpBody) { m.step(Event{Up: &standalone.ExecutorID{App: b.App, N: x.N}}) })
		case standalone.Down:
			return standalone.On(body, func(x standalone.UpBody) { m.step(Event{Down: &standalone.ExecutorID{App: b.App, N: x.N}}) })
		case standalone.Want:
			return standalone.On(body, func(x standalone.WantBody) {
				m.step(Event{Want: &Want{b.App, min(max(x.Executors, 0), maxExecutors)}})
			})
		case standalone.Leave:
			done = true
			return errLeft
		}
		return fmt.Errorf("%w: kind %d of an application", message.ErrMalformed, k)
	})
	m.leave("a/"+b.App, Event{Left: &Left{b.App, done}})
	m.Log.Info("application left", "application", b.App, "done", done)
	return nil
}

var errLeft = errors.New("it has left")

// maxSQL bounds the text of a driver.
const maxSQL = 2 << 20

// submit takes in a driver; it is on disk when its id is told (M2).
func (m *Master) submit(_ context.Context, _ string, body []byte, _ transport.Stream, f *message.Conn) error {
	spec, err := message.Decode[standalone.DriverSpec](body)
	if err != nil {
		return err
	}
	size := len(spec.SQL)
	for _, a := range spec.Args {
		size += len(a) + 1
	}
	if size > maxSQL || len(spec.Name) > maxName || spec.Memory < minMemory {
		return diag.New(diag.InvalidArgument, "the application is too long, or its memory of %d bytes too small", spec.Memory)
	}
	id := "driver-" + strings.ToLower(rand.Text()[:12])
	if err := m.step(Event{Submit: &Driver{ID: id, Spec: spec, Since: time.Now().UTC().Truncate(time.Second)}}); err != nil {
		return err
	}
	m.Log.Info("driver submitted", "driver", id, "name", spec.Name)
	return f.Send(standalone.Submitted, standalone.DriverBody{ID: id})
}

func (m *Master) status(_ context.Context, _ string, _ []byte, _ transport.Stream, f *message.Conn) error {
	return f.Send(standalone.State, m.State())
}

// stopDriver ends a driver, and answers with the state then.
func (m *Master) stopDriver(_ context.Context, _ string, body []byte, _ transport.Stream, f *message.Conn) error {
	b, err := message.Decode[standalone.DriverBody](body)
	if err != nil {
		return err
	}
	m.mu.Lock()
	known := m.state.driver(b.ID) != nil
	if known {
		m.locked(Event{Stop: &b.ID})
	}
	m.mu.Unlock()
	if !known {
		return diag.New(diag.InvalidArgument, "there is no driver %q", b.ID)
	}
	return f.Send(standalone.State, m.State())
}

// drainWorker has a worker end once it is empty, and answers with the state then.
func (m *Master) drainWorker(_ context.Context, _ string, body []byte, _ transport.Stream, f *message.Conn) error {
	b, err := message.Decode[standalone.WorkerBody](body)
	if err != nil {
		return err
	}
	m.mu.Lock()
	known := m.state.worker(b.ID) != nil
	if known {
		m.locked(Event{Drain: &b.ID})
	}
	m.mu.Unlock()
	if !known {
		return diag.New(diag.InvalidArgument, "there is no worker %q", b.ID).WithRemedy("`millrace cluster` shows those that there are")
	}
	m.Log.Info("worker drains", "worker", b.ID)
	return f.Send(standalone.State, m.State())
}
