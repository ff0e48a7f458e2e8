package master

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// Times of the master.
const (
	// WorkerGrace and AppGrace are how long a worker or an application may be away
	// before it counts as lost.
	WorkerGrace = 15 * time.Second
	AppGrace    = 5 * time.Second
	// answering bounds the time that an application takes to say what a placed
	// executor has to know; starting how long that takes to reach its driver;
	// recovery what executors and drivers that somebody
	// told of may take to turn up.
	answering = 30 * time.Second
	starting  = 60 * time.Second
	recovery  = 60 * time.Second
	// maxBackoff bounds the pause after executors that did not start.
	maxBackoff = 16 * time.Second
)

// maxFailures is how many executors of an application may end in a row before one
// reaches its driver.
const maxFailures = 10

// maxEnded bounds the ended drivers that are remembered.
const maxEnded = 100

// State is what the master knows, and decides. It is pure: time and ids come with
// the events.
type State struct {
	policy  Policy
	now     time.Duration
	workers []*worker // sorted by id
	apps    []*app    // in the order in which they came
	drivers []*Driver // likewise
	acts    []Action
}

// worker is one that is there, or may come back.
type worker struct {
	id, host string
	size     standalone.Size
	away     bool
	until    time.Duration // when it is given up, if away
	draining bool          // it gets nothing more (drain.go)
}

// app is an application. One that has ended stays until its executors are gone.
type app struct {
	id, name  string
	want      int
	size      standalone.Size
	next      int
	away      bool
	until     time.Duration // when it is given up, if away
	ended     bool
	failures  int           // executors in a row that did not get up
	retry     time.Duration // no executor is placed before
	last      string        // why the last one ended
	waiting   string        // what it was told about its waiting
	executors []*executor
}

// phase is how far an executor is.
type phase uint8

const (
	placed   phase = iota // its application is asked what it has to know
	expected              // somebody said that it runs; its worker has not come back
	started               // its worker was told to start it
	up                    // it has reached its driver
	stopping              // its worker was told to end it
)

type executor struct {
	n      int
	worker string
	size   standalone.Size
	phase  phase
	until  time.Duration // of placed, expected and started
	// reached: its driver says that it is there. The driver of one that a new master
	// hears of may come before its worker.
	reached bool
	leaving bool // its application was, or will be, told to empty it
}

// New returns the state of a master that begins, with the drivers that it had.
func New(p Policy, drivers []Driver) *State {
	s := &State{policy: p}
	for _, d := range drivers {
		d.until = recovery
		s.drivers = append(s.drivers, &d)
	}
	return s
}

// Step takes an event and returns what to do, in order.
func (s *State) Step(e Event) []Action {
	s.acts = nil
	s.now = max(s.now, e.Now)
	switch {
	case e.Join != nil:
		s.join(e.Join)
	case e.Lost != nil:
		if w := s.worker(e.Lost.Worker); w != nil {
			w.away, w.until = true, s.now+WorkerGrace
			if e.Lost.Done {
				w.until = s.now
			}
		}
	case e.Ended != nil:
		if a, x := s.find(e.Ended.Body.ID); x != nil && x.worker == e.Ended.Worker {
			s.gone(a, x, e.Ended.Body.Reason)
		}
	case e.Driver != nil:
		s.driverSaid(e.Driver.Worker, e.Driver.Report)
	case e.Register != nil:
		s.register(e.Register)
	case e.Left != nil:
		if a := s.app(e.Left.App); a != nil && e.Left.Done {
			s.end(a)
		} else if a != nil {
			a.away, a.until = true, s.now+AppGrace
		}
	case e.Spec != nil:
		a, x := s.find(standalone.ExecutorID{App: e.Spec.App, N: e.Spec.Body.N})
		if x != nil && x.phase == placed {
			x.phase, x.until = started, s.now+starting
			s.tell(x.worker, standalone.StartExecutor, standalone.StartExecutorBody{ID: standalone.ExecutorID{App: a.id, N: x.n}, Size: x.size, Spec: e.Spec.Body.Spec})
		}
	case e.Down != nil:
		if a, x := s.find(*e.Down); x != nil && x.phase != placed {
			s.stop(a, x)
		}
	case e.Up != nil:
		if a, x := s.find(*e.Up); x != nil {
			x.reached = true
			if x.phase == started {
				x.phase = up
				a.failures, a.last = 0, ""
			}
			s.empty(a, x)
		}
	case e.Submit != nil:
		s.submit(*e.Submit)
	case e.Stop != nil:
		s.stopDriver(*e.Stop)
	case e.Drain != nil:
		if w := s.worker(*e.Drain); w != nil {
			s.drain(w)
		}
	case e.Want != nil:
		if a := s.app(e.Want.App); a != nil {
			a.want = e.Want.Executors
		}
	}
	s.expire()
	s.schedule()
	return s.acts
}

// tell sends something to a worker, inform to an application.
func (s *State) tell(worker string, k kind, body any) {
	s.acts = append(s.acts, Action{Worker: worker, Kind: k, Body: body})
}

func (s *State) inform(a *app, k kind, body any) {
	if !a.away && !a.ended {
		s.acts = append(s.acts, Action{App: a.id, Kind: k, Body: body})
	}
}

func (s *State) save() { s.acts = append(s.acts, Action{Save: true}) }

func (s *State) worker(id string) *worker {
	for _, w := range s.workers {
		if w.id == id {
			return w
		}
	}
	return nil
}

func (s *State) app(id string) *app {
	for _, a := range s.apps {
		if a.id == id {
			return a
		}
	}
	return nil
}

func (a *app) executor(n int) *executor {
	for _, x := range a.executors {
		if x.n == n {
			return x
		}
	}
	return nil
}

func (s *State) find(id standalone.ExecutorID) (*app, *executor) {
	a := s.app(id.App)
	if a == nil {
		return nil, nil
	}
	return a, a.executor(id.N)
}

// Refuses says why a worker or an application may not come now, or returns "".
func (s *State) Refuses(worker, app string) string {
	if w := s.worker(worker); w != nil && !w.away {
		return fmt.Sprintf("there is a worker %s already", worker)
	}
	if a := s.app(app); a != nil && (!a.away || a.ended) {
		return fmt.Sprintf("there is an application %s already", app)
	}
	return ""
}

// join takes in a worker and what it says that it runs.
func (s *State) join(j *Join) {
	w := s.worker(j.Worker)
	if w == nil {
		w = &worker{id: j.Worker}
		s.workers = append(s.workers, w)
		slices.SortFunc(s.workers, func(a, b *worker) int { return cmp.Compare(a.id, b.id) })
	}
	w.host, w.size, w.away = j.Body.Host, j.Body.Size, false
	runs := map[standalone.ExecutorID]bool{}
	for _, r := range j.Body.Executors {
		runs[r.ID] = true
		s.adopt(w, r)
	}
	for _, a := range slices.Clone(s.apps) {
		for _, x := range slices.Clone(a.executors) {
			if x.worker == w.id && x.phase != placed && !runs[standalone.ExecutorID{App: a.id, N: x.n}] {
				x.excuse()
				s.gone(a, x, "it had ended when its worker came back")
			}
		}
	}
	s.rejoined(w.id, j.Body.Drivers)
	if w.draining || j.Body.Draining {
		s.drain(w)
	}
}

// adopt takes in an executor that a worker says it runs: nobody may have told this
// master of it.
func (s *State) adopt(w *worker, r standalone.Running) {
	a := s.app(r.ID.App)
	if a == nil { // its application may come back, too
		a = &app{id: r.ID.App, name: r.ID.App, size: r.Size, away: true, until: s.now + AppGrace}
		s.apps = append(s.apps, a)
	}
	x := a.executor(r.ID.N)
	switch {
	case x == nil:
		x = &executor{n: r.ID.N, worker: w.id, size: r.Size, phase: started, until: s.now + starting}
		a.executors = append(a.executors, x)
		a.next = max(a.next, x.n+1)
		if !a.away || a.ended { // it has done without
			s.stop(a, x)
		}
	case x.phase == expected:
		x.phase, x.worker, x.until = started, w.id, s.now+starting
		if x.reached {
			x.phase = up
		}
	case x.phase == stopping:
		s.stop(a, x)
	}
}

// register takes in an application, and what it says that it has.
func (s *State) register(r *standalone.RegisterBody) {
	a := s.app(r.App)
	if a == nil {
		a = &app{id: r.App}
		s.apps = append(s.apps, a)
	}
	a.name, a.want, a.size, a.away, a.waiting = r.Name, r.Executors, r.Size, false, ""
	a.next = max(a.next, r.Next)
	has := map[int]bool{}
	for _, h := range r.Have {
		has[h.N] = true
		if a.executor(h.N) != nil {
			continue
		}
		x := &executor{n: h.N, worker: h.Worker, size: r.Size, phase: expected, until: s.now + recovery}
		a.executors = append(a.executors, x)
		if w := s.worker(h.Worker); w != nil && !w.away { // it would have said so
			s.gone(a, x, "its worker does not know it")
		}
	}
	for _, x := range slices.Clone(a.executors) {
		if !has[x.n] {
			s.stop(a, x)
		} else {
			s.empty(a, x)
		}
	}
}

// stop ends an executor: what it takes is free when its worker says so (S3).
func (s *State) stop(a *app, x *executor) {
	if x.phase == placed || x.phase == expected {
		a.drop(x)
		return
	}
	x.phase = stopping
	s.tell(x.worker, standalone.StopExecutor, standalone.StopExecutorBody{ID: standalone.ExecutorID{App: a.id, N: x.n}})
}

func (a *app) drop(x *executor) {
	a.executors = slices.DeleteFunc(a.executors, func(y *executor) bool { return y == x })
}

// gone takes an executor off the books.
func (s *State) gone(a *app, x *executor, reason string) {
	a.drop(x)
	if x.phase == stopping {
		s.forget(a)
		return
	}
	s.inform(a, standalone.Gone, standalone.GoneBody{N: x.n, Reason: reason})
	if x.phase == started || x.phase == placed {
		s.failed(a, reason)
	}
}

// failed counts an executor that did not get up.
func (s *State) failed(a *app, reason string) {
	a.failures++
	a.last = reason
	a.retry = s.now + min(maxBackoff, time.Second<<(a.failures-1)/2)
	if a.failures >= maxFailures {
		s.inform(a, standalone.GivenUp, standalone.ReasonBody{Reason: fmt.Sprintf("%d executors in a row did not start; the last: %s", a.failures, reason)})
		s.end(a)
	}
}

// excuse says that it is not the application's failure if the executor ends now.
func (x *executor) excuse() {
	if x.phase == started {
		x.phase = up
	}
}

// end ends an application and its executors.
func (s *State) end(a *app) {
	a.ended = true
	for _, x := range slices.Clone(a.executors) {
		if x.phase != stopping {
			s.stop(a, x)
		}
	}
	s.forget(a)
}

// forget drops an application that has ended and has no executors.
func (s *State) forget(a *app) {
	if a.ended && len(a.executors) == 0 {
		s.apps = slices.DeleteFunc(s.apps, func(b *app) bool { return b == a })
	}
}

const tooSlow = "it did not reach its driver in time"

// expire does what time has come for.
func (s *State) expire() {
	for _, w := range slices.Clone(s.workers) {
		if w.away && s.now >= w.until {
			s.workers = slices.DeleteFunc(s.workers, func(x *worker) bool { return x == w })
			s.lost(w)
		}
	}
	for _, a := range slices.Clone(s.apps) {
		if a.away && !a.ended && s.now >= a.until {
			s.end(a)
		}
		for _, x := range slices.Clone(a.executors) {
			if s.now < x.until {
				continue
			}
			switch x.phase {
			case placed:
				s.gone(a, x, "the application did not say what it needs")
			case expected:
				s.gone(a, x, "its worker did not come back")
			case started:
				s.inform(a, standalone.Gone, standalone.GoneBody{N: x.n, Reason: tooSlow})
				s.stop(a, x)
				s.failed(a, tooSlow)
			}
		}
	}
	s.expireDrivers()
}

// lost takes everything of a worker off the books.
func (s *State) lost(w *worker) {
	reason := fmt.Sprintf("the worker %s on %s was lost", w.id, w.host)
	for _, a := range slices.Clone(s.apps) {
		for _, x := range slices.Clone(a.executors) {
			if x.worker == w.id {
				x.excuse()
				s.gone(a, x, reason)
			}
		}
	}
	for _, d := range s.drivers {
		if d.Worker == w.id && d.State == standalone.DriverRunning {
			s.ended(d, standalone.DriverFailed, reason)
		}
	}
}
