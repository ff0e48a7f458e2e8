// Package allocate is the state machine that decides how many executors an application
// has: more while tasks wait for slots, fewer when executors have nothing to do.
//
//	tasks wait, for Backlog        one more, after each Sustained twice as many more
//	nobody waits                   no more than the tasks that run need
//	an executor idle for Idle      leaves, unless Least or the tasks need it
//
// Invariants:
//
//   - A1 It is pure: Step(view) returns what to do; no clock, no goroutine.
//   - A2 What is wanted lies between Least and Most.
//   - A3 No executor leaves that runs tasks, or keeps what nobody else has, or that the
//     tasks that there are could use.
//
// It is tested by a simulation whose executors come late and end by themselves.
package allocate

import (
	"slices"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

// Config says how many executors there may be, and how long it waits for what. The zero
// value of a time stands for the default.
type Config struct {
	Least, Most int           // executors; at least 1
	Begin       int           // how many are wanted first
	Slots       int           // of each executor
	Backlog     time.Duration // tasks wait so long before there are more; 1 s
	Sustained   time.Duration // and so long after that before there are more again; Backlog
	Idle        time.Duration // an executor has nothing to do for so long before it leaves; 60 s
}

func (c Config) filled() Config {
	c.Least = max(1, c.Least)
	c.Most = max(c.Least, c.Most)
	c.Begin = min(max(c.Begin, c.Least), c.Most)
	c.Slots = max(1, c.Slots)
	if c.Backlog <= 0 {
		c.Backlog = time.Second
	}
	if c.Sustained <= 0 {
		c.Sustained = c.Backlog
	}
	if c.Idle <= 0 {
		c.Idle = time.Minute
	}
	return c
}

// View is what there is, at a time.
type View struct {
	Now              time.Duration // it never goes back
	Waiting, Running int           // tasks
	Executors        []Executor    // those that get tasks
}

// Executor is one of them.
type Executor struct {
	ID    exec.ExecutorID
	Busy  bool
	Keeps bool // data that would have to be made again
}

// Decision is what to do.
type Decision struct {
	Want  int               // executors, from now on
	Leave []exec.ExecutorID // they are to leave; the next view has them no more
	// Wake is when to look again, if nothing happens before; 0: never.
	Wake time.Duration
}

// State is what it remembers.
type State struct {
	Config
	want int
	add  int           // how many more next time
	more time.Duration // when that is, if tasks wait still; 0: none wait
	idle map[exec.ExecutorID]time.Duration
}

// New returns a state that wants c.Begin executors.
func New(c Config) *State {
	c = c.filled()
	return &State{Config: c, want: c.Begin, add: 1, idle: map[exec.ExecutorID]time.Duration{}}
}

// Want is how many executors are wanted now.
func (s *State) Want() int { return s.want }

// Step takes in what there is and decides.
func (s *State) Step(v View) Decision {
	need := (v.Waiting + v.Running + s.Slots - 1) / s.Slots
	s.grow(v, need)
	d := Decision{Leave: s.shrink(v, need)}
	d.Want = s.want
	if s.more > 0 && s.want < min(s.Most, need) {
		d.Wake = s.more
	}
	for _, at := range s.idle {
		if t := at + s.Idle; t > v.Now && (d.Wake == 0 || t < d.Wake) {
			d.Wake = t
		}
	}
	return d
}

// grow wants more executors while tasks wait.
func (s *State) grow(v View, need int) {
	switch {
	case v.Waiting == 0:
		s.more, s.add = 0, 1
	case s.more == 0:
		s.more = v.Now + s.Backlog
	case v.Now >= s.more:
		s.want = max(s.want, min(max(s.want, len(v.Executors))+s.add, need, s.Most))
		s.add *= 2
		s.more = v.Now + s.Sustained
	}
}

// shrink has executors leave that have been idle for long enough.
func (s *State) shrink(v View, need int) (leave []exec.ExecutorID) {
	there := map[exec.ExecutorID]bool{}
	var idle []exec.ExecutorID
	for _, e := range v.Executors {
		there[e.ID] = true
		since, was := s.idle[e.ID]
		switch {
		case e.Busy || e.Keeps:
			delete(s.idle, e.ID)
		case !was:
			s.idle[e.ID] = v.Now
		case v.Now-since >= s.Idle:
			idle = append(idle, e.ID)
		}
	}
	for id := range s.idle {
		if !there[id] {
			delete(s.idle, id)
		}
	}
	// The one that has been idle for longest first.
	slices.SortFunc(idle, func(a, b exec.ExecutorID) int {
		if d := s.idle[a] - s.idle[b]; d != 0 {
			return int(min(max(d, -1), 1))
		}
		return strings.Compare(string(a), string(b))
	})
	for left := len(v.Executors); len(idle) > 0 && left > max(s.Least, need); left-- {
		leave = append(leave, idle[0])
		delete(s.idle, idle[0])
		idle = idle[1:]
	}
	if len(leave) > 0 || v.Waiting == 0 { // what has not come yet is of no use
		s.want = min(s.want, max(len(v.Executors)-len(leave), min(need, s.Most), s.Least))
	}
	return leave
}
