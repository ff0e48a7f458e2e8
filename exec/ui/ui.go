// Package ui shows what an application did and does, and what runs on a cluster, as pages
// and as JSON.
//
//	exec/status.Store ─► Handler ─► /  /jobs/ID  /jobs/ID/stages/ID  /executors  /storage  /settings
//	                             └► /api/app  /api/jobs  /api/jobs/ID  /api/executors  /api/storage
//	event logs        ─► History ─► /  and the same below /apps/ID/
//	a master's state  ─► Cluster ─► /  /api/cluster
//
// Invariants:
//
//   - V1 Pages change nothing: every route is a GET.
//   - V2 Text of users (queries, errors, names) reaches a page through html/template
//     alone, and pages may load nothing but this package's own style and script.
//   - V3 It is served on the loopback only, and to requests that ask for a loopback
//     name: a page of another site cannot read it by a name of its own (listen.go).
//
// It imports exec/event, exec/status and the messages of a standalone cluster; never the
// scheduler, so that a log shows the same as a running application. Tested by stories through the routes.
package ui

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/exec/status"
)

//go:embed page
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"amount": amount, "millis": millis, "clock": clock, "count": count, "share": share, "brief": brief, "ago": ago,
	"sum":    func(a, b int) int { return a + b },
	"indent": func(n int) string { return strings.Repeat("  ", n) },
	"ended":  ended,
}).ParseFS(files, "page/*.html"))

// view is what a page is made of.
type view struct {
	Root    string // path that all links begin with
	Title   string
	App     status.App
	Live    bool // the application runs: the page asks again
	Here    string
	Content any
}

// application serves one application's pages.
type application struct {
	store *status.Store
	root  string
	live  bool
}

// Handler serves an application that runs.
func Handler(s *status.Store) http.Handler { return (&application{store: s, live: true}).routes() }

func (a *application) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", a.index)
	m.HandleFunc("GET /jobs/{job}", a.job)
	m.HandleFunc("GET /jobs/{job}/stages/{stage}", a.stage)
	m.HandleFunc("GET /executors", a.executors)
	m.HandleFunc("GET /storage", a.storage)
	m.HandleFunc("GET /settings", a.settings)
	m.HandleFunc("GET /api/app", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.store.App()) })
	m.HandleFunc("GET /api/jobs", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.store.Jobs()) })
	m.HandleFunc("GET /api/executors", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.store.Executors()) })
	m.HandleFunc("GET /api/storage", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.store.Cached()) })
	m.HandleFunc("GET /api/jobs/{job}", func(w http.ResponseWriter, r *http.Request) {
		if j, ok := a.find(r); ok {
			answer(w, j)
		} else {
			http.Error(w, "there is no such job", http.StatusNotFound)
		}
	})
	assets(m)
	return m
}

// assets serves the style and the script.
func assets(m *http.ServeMux) {
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "refresh.js": "text/javascript; charset=utf-8"} {
		m.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			b, err := files.ReadFile("page/" + name)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "max-age=3600")
			_, _ = w.Write(b)
		})
	}
}

func (a *application) show(w http.ResponseWriter, page, title, here string, content any) {
	render(w, http.StatusOK, page, view{Root: a.root, Title: title, App: a.store.App(), Live: a.live, Here: here, Content: content})
}

// render makes the whole page before it sends a byte, so that none is half.
func render(w http.ResponseWriter, status int, page string, v view) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, page, v); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a reader that has gone is no matter
}

func answer(w http.ResponseWriter, x any) {
	b, err := json.Marshal(x)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
}

func (a *application) missing(w http.ResponseWriter, what string) {
	render(w, http.StatusNotFound, "missing.html", view{Root: a.root, Title: "Not found", App: a.store.App(), Content: what})
}

func (a *application) index(w http.ResponseWriter, _ *http.Request) {
	a.show(w, "jobs.html", "Jobs", "jobs", a.store.Jobs())
}

func (a *application) executors(w http.ResponseWriter, _ *http.Request) {
	a.show(w, "executors.html", "Executors", "executors", a.store.Executors())
}

func (a *application) storage(w http.ResponseWriter, _ *http.Request) {
	a.show(w, "storage.html", "Storage", "storage", a.store.Cached())
}

func (a *application) settings(w http.ResponseWriter, _ *http.Request) {
	a.show(w, "settings.html", "Settings", "settings", a.store.App().Settings)
}

func (a *application) find(r *http.Request) (status.Job, bool) {
	id, err := strconv.Atoi(r.PathValue("job"))
	if err != nil {
		return status.Job{}, false
	}
	return a.store.Job(id)
}

func (a *application) job(w http.ResponseWriter, r *http.Request) {
	j, ok := a.find(r)
	if !ok {
		a.missing(w, "There is no job "+r.PathValue("job")+", or not any more: the newest are kept.")
		return
	}
	a.show(w, "job.html", fmt.Sprintf("Job %d", j.ID), "jobs", jobView{Job: j, Timeline: stagesOf(&j)})
}

func (a *application) stage(w http.ResponseWriter, r *http.Request) {
	j, ok := a.find(r)
	if ok {
		for i := range j.Stages {
			if st := &j.Stages[i]; strconv.Itoa(st.ID) == r.PathValue("stage") {
				a.show(w, "stage.html", fmt.Sprintf("Job %d, stage %d", j.ID, st.ID), "jobs", newStageView(&j, st))
				return
			}
		}
	}
	a.missing(w, fmt.Sprintf("There is no stage %s of job %s, or it has not begun.", r.PathValue("stage"), r.PathValue("job")))
}
