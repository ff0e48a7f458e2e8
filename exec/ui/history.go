package ui

import (
	"cmp"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/status"
)

// LogSuffix is what the names of event logs end in; before it is the application's id.
const LogSuffix = ".events.jsonl"

// maxOpen is how many applications History keeps read.
const maxOpen = 16

// history serves the applications whose logs lie in a directory.
type history struct {
	root *os.Root

	mu   sync.Mutex
	open []*logged // the last asked for last
}

type logged struct {
	name     string
	size     int64
	modified time.Time
	store    *status.Store
	err      error
}

// listed is a row of the list.
type listed struct {
	status.App
	Bytes int64
	Error string
}

// History serves the event logs in a directory, newest first, each as its
// application showed it. Logs that grow are read anew when they are asked for.
func History(dir *os.Root) http.Handler {
	h := &history{root: dir}
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", h.index)
	m.HandleFunc("GET /apps/{app}/", h.app)
	assets(m)
	return m
}

func (h *history) index(w http.ResponseWriter, _ *http.Request) {
	entries, err := fs.ReadDir(h.root.FS(), ".")
	if err != nil {
		http.Error(w, "the logs cannot be listed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	var rows []listed
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), LogSuffix)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		row := listed{App: status.App{App: event.App{ID: id}}}
		if info, err := e.Info(); err == nil {
			row.Bytes = info.Size()
		}
		if a, err := h.ends(e.Name()); err != nil {
			row.Error = "unreadable: " + err.Error()
		} else {
			a.ID = id
			row.App = a
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b listed) int { return cmp.Compare(b.Started.UnixNano(), a.Started.UnixNano()) })
	render(w, http.StatusOK, "history.html", view{Title: "Applications", Content: rows})
}

// ends reads an application off the first and the last events of its log, so that a
// list of long logs is quick.
func (h *history) ends(name string) (status.App, error) {
	f, err := h.root.Open(name)
	if err != nil {
		return status.App{}, err
	}
	defer f.Close()
	var s status.Store
	enough := errors.New("enough")
	err = event.Read(f, func(e event.Event) error { s.Apply(e); return enough })
	if err != nil && !errors.Is(err, enough) {
		return status.App{}, err
	}
	if last, err := event.Last(f); err == nil && last.Kind == event.AppEnded {
		s.Apply(last)
	}
	return s.App(), nil
}

func (h *history) app(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("app")
	s, err := h.load(id + LogSuffix)
	if err != nil {
		render(w, http.StatusNotFound, "missing.html", view{Title: "Not found", Content: "There is no readable log of " + id + "."})
		return
	}
	root := "/apps/" + id
	http.StripPrefix(root, (&application{store: s, root: root}).routes()).ServeHTTP(w, r)
}

// load reads a log, unless it is as it was when it was read last.
func (h *history) load(name string) (*status.Store, error) {
	if name != filepath.Base(name) {
		return nil, fs.ErrNotExist
	}
	info, err := h.root.Stat(name)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := slices.IndexFunc(h.open, func(l *logged) bool { return l.name == name })
	if at >= 0 {
		l := h.open[at]
		h.open = slices.Delete(h.open, at, at+1)
		if l.size == info.Size() && l.modified.Equal(info.ModTime()) {
			h.open = append(h.open, l)
			return l.store, l.err
		}
	}
	f, err := h.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l := &logged{name: name, size: info.Size(), modified: info.ModTime(), store: &status.Store{}}
	l.err = event.Read(f, func(e event.Event) error { l.store.Apply(e); return nil })
	if len(h.open) == maxOpen {
		h.open = h.open[1:]
	}
	h.open = append(h.open, l)
	return l.store, l.err
}
