package worker

import (
	"cmp"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/transport/message"
)

// Grace is how long a process may take to end by itself.
const Grace = 5 * time.Second

// Key names a process: an executor or a driver.
type Key struct {
	Executor standalone.ExecutorID
	Driver   string
}

// Event is what happened, and when. Exactly one of the others is set, or none: then
// time has passed.
type Event struct {
	Now time.Duration // it never goes back

	StartExecutor *standalone.StartExecutorBody
	StopExecutor  *standalone.ExecutorID
	StartDriver   *standalone.StartDriverBody
	EndDriver     *string
	Noted         *string // a driver whose end the master knows
	Exited        *Exited
	Drain         bool // run nothing more, and end when nothing runs
	Close         bool // end everything
}

// Exited is a process that has ended, or did not start.
type Exited struct {
	Key    Key
	Failed bool
	Reason string
	Output string
}

// Action is what to do. Exactly one field is set.
type Action struct {
	SpawnExecutor *standalone.StartExecutorBody
	SpawnDriver   *standalone.StartDriverBody
	Ask, Kill     *Key
	Report        *Report
	Done          bool // everything has ended after Close, or Drain
}

// Report is something that the master is to know.
type Report struct {
	Kind message.Kind
	Body any
}

// State is what a worker runs, and decides. It is pure.
type State struct {
	size      standalone.Size
	now       time.Duration
	processes []*run // in the order of their starts
	ended     []standalone.DriverReport
	closing   bool
	draining  bool
	acts      []Action
}

// run is a process as the state knows it.
type run struct {
	key   Key
	size  standalone.Size
	asked bool
	kill  time.Duration // when it is killed, if asked
}

// New returns the state of a worker that has so much room.
func New(size standalone.Size) *State { return &State{size: size} }

// Step takes an event and returns what to do, in order.
func (s *State) Step(e Event) []Action {
	s.acts = nil
	s.now = max(s.now, e.Now)
	switch {
	case e.StartExecutor != nil && !s.runs(Key{Executor: e.StartExecutor.ID}):
		key := Key{Executor: e.StartExecutor.ID}
		if why := s.refuses(key, e.StartExecutor.Size); why != "" {
			s.report(standalone.ExecutorEnded, standalone.ExecutorEndedBody{ID: e.StartExecutor.ID, Reason: why})
		} else {
			s.acts = append(s.acts, Action{SpawnExecutor: e.StartExecutor})
		}
	case e.StartDriver != nil && !s.runs(Key{Driver: e.StartDriver.ID}):
		key := Key{Driver: e.StartDriver.ID}
		if why := s.refuses(key, standalone.Size{Memory: e.StartDriver.Spec.Memory}); why != "" {
			s.driverEnded(Exited{Key: key, Failed: true, Reason: why})
		} else {
			s.acts = append(s.acts, Action{SpawnDriver: e.StartDriver})
		}
	case e.StopExecutor != nil:
		if !s.ask(Key{Executor: *e.StopExecutor}) {
			s.report(standalone.ExecutorEnded, standalone.ExecutorEndedBody{ID: *e.StopExecutor, Reason: "it had ended"})
		}
	case e.EndDriver != nil:
		s.ask(Key{Driver: *e.EndDriver})
	case e.Noted != nil:
		s.ended = slices.DeleteFunc(s.ended, func(r standalone.DriverReport) bool { return r.ID == *e.Noted })
	case e.Exited != nil:
		s.exited(*e.Exited)
	case e.Drain:
		s.draining = true
	case e.Close:
		s.closing = true
		for _, p := range s.processes {
			s.ask(p.key)
		}
	}
	for _, p := range s.processes {
		if p.asked && s.now >= p.kill {
			p.kill = s.now + Grace // and again
			s.acts = append(s.acts, Action{Kill: &p.key})
		}
	}
	if len(s.processes) == 0 && (s.closing || s.draining && len(s.ended) == 0) {
		s.acts = append(s.acts, Action{Done: true})
	}
	return s.acts
}

func (s *State) runs(key Key) bool {
	return slices.ContainsFunc(s.processes, func(p *run) bool { return p.key == key })
}

// refuses takes a process in, or says why it cannot run (W4).
func (s *State) refuses(key Key, size standalone.Size) string {
	free := s.size
	for _, p := range s.processes {
		free = free.Plus(-1, p.size)
	}
	switch {
	case s.closing || s.draining:
		return "it is ending"
	case !free.Fits(size):
		return "the worker has no room for " + size.String()
	}
	s.processes = append(s.processes, &run{key: key, size: size})
	return ""
}

// ask asks a process to end; it is false if there is none.
func (s *State) ask(key Key) bool {
	for _, p := range s.processes {
		if p.key == key {
			if !p.asked {
				p.asked, p.kill = true, s.now+Grace
				s.acts = append(s.acts, Action{Ask: &p.key})
			}
			return true
		}
	}
	return false
}

func (s *State) exited(e Exited) {
	n := len(s.processes)
	s.processes = slices.DeleteFunc(s.processes, func(p *run) bool { return p.key == e.Key })
	switch {
	case len(s.processes) == n:
	case e.Key.Driver != "":
		s.driverEnded(e)
	default:
		s.report(standalone.ExecutorEnded, standalone.ExecutorEndedBody{ID: e.Key.Executor, Reason: e.Reason})
	}
}

func (s *State) driverEnded(e Exited) {
	r := standalone.DriverReport{ID: e.Key.Driver, Ended: true, Failed: e.Failed, Reason: e.Reason, Output: e.Output}
	s.ended = append(s.ended, r) // W5
	s.report(standalone.DriverEnded, r)
}

func (s *State) report(k message.Kind, body any) {
	s.acts = append(s.acts, Action{Report: &Report{k, body}})
}

// Running returns what the worker tells a master that it comes to.
func (s *State) Running() standalone.JoinBody {
	var executors []standalone.Running
	drivers := slices.Clone(s.ended)
	for _, p := range s.processes {
		if p.key.Driver != "" {
			drivers = append(drivers, standalone.DriverReport{ID: p.key.Driver})
		} else {
			executors = append(executors, standalone.Running{ID: p.key.Executor, Size: p.size})
		}
	}
	slices.SortFunc(drivers, func(a, b standalone.DriverReport) int { return cmp.Compare(a.ID, b.ID) })
	return standalone.JoinBody{Size: s.size, Executors: executors, Drivers: drivers, Draining: s.draining}
}
