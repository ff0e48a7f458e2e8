package ui

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// Cluster serves what the master at a URL knows; state is asked for each request.
func Cluster(url string, state func() standalone.StateBody) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		render(w, http.StatusOK, "cluster.html", view{Title: "Cluster", Live: true, Content: newClusterView(url, state())})
	})
	m.HandleFunc("GET /api/cluster", func(w http.ResponseWriter, _ *http.Request) { answer(w, state()) })
	assets(m)
	return m
}

// clusterView is a cluster as its page shows it, the newest drivers first.
type clusterView struct {
	URL     string
	Summary string
	Workers []workerView
	Apps    []appView
	Drivers []driverView
}

// mark is a state: its word, the class of its colour, and what is to be said of it.
type mark struct{ Word, Class, Why string }

// The classes of states.
var (
	workerClasses = map[string]string{standalone.WorkerThere: "succeeded", standalone.WorkerDraining: "running", standalone.Away: "failed"}
	appClasses    = map[string]string{standalone.AppRunning: "succeeded", standalone.AppWaiting: "running", standalone.Away: "failed"}
	driverClasses = map[string]string{standalone.DriverWaiting: "running", standalone.DriverRunning: "running", standalone.DriverFinished: "succeeded", standalone.DriverFailed: "failed", standalone.DriverStopped: "failed"}
)

// gauge is a part of a whole.
type gauge struct {
	Part, Whole int
	Text        string
}

type workerView struct {
	ID, Host           string
	State              mark
	Cores, Memory      gauge
	Executors, Drivers int
}

type appView struct {
	ID, Name  string
	State     mark
	Executors gauge
	Each, On  string
}

type driverView struct {
	standalone.DriverState
	Mark mark
	Last string // lines of output
}

func newClusterView(url string, s standalone.StateBody) clusterView {
	v := clusterView{URL: url}
	var has, uses standalone.Size // of the workers that are there
	for _, w := range s.Workers {
		used := w.Size.Plus(-1, w.Free)
		x := workerView{ID: w.ID, Host: w.Host, State: mark{w.State(), workerClasses[w.State()], ""},
			Cores:  gauge{used.Cores, w.Size.Cores, fmt.Sprintf("%d of %d", used.Cores, w.Size.Cores)},
			Memory: gauge{int(used.Memory), int(w.Size.Memory), amount(used.Memory) + " of " + amount(w.Size.Memory)}}
		for _, a := range s.Apps {
			for _, h := range a.Executors {
				if h.Worker == w.ID {
					x.Executors++
				}
			}
		}
		for _, d := range s.Drivers {
			if d.Worker == w.ID && d.State == standalone.DriverRunning {
				x.Drivers++
			}
		}
		if !w.Away {
			has, uses = has.Plus(1, w.Size), uses.Plus(1, used)
		}
		v.Workers = append(v.Workers, x)
	}
	v.Summary = fmt.Sprintf("%d of %d cores and %s of %s in use", uses.Cores, has.Cores, amount(uses.Memory), amount(has.Memory))
	for _, a := range s.Apps {
		x := appView{ID: a.ID, Name: a.Name, State: mark{a.State(), appClasses[a.State()], a.Waiting}, Each: a.Size.String(),
			Executors: gauge{len(a.Executors), a.Wanted, fmt.Sprintf("%d of %d", len(a.Executors), a.Wanted)}}
		if a.Away {
			x.State.Why = "" // who is away waits for nothing
		}
		var on []string
		for _, h := range a.Executors {
			on = append(on, h.Worker)
		}
		slices.Sort(on)
		x.On = strings.Join(slices.Compact(on), ", ")
		v.Apps = append(v.Apps, x)
	}
	for _, d := range slices.Backward(s.Drivers) {
		v.Drivers = append(v.Drivers, driverView{d, mark{d.State, driverClasses[d.State], d.Reason}, lastLines(d.Output)})
	}
	return v
}

// lastLines are the last few lines of an output.
func lastLines(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
