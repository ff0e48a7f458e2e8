// Package status folds events into what a person wants to know: which jobs there
// were, what their stages and tasks did, and which executors ran them.
//
//	exec/event (a bus, or a log that was written) ─► Store ─► exec/ui
//
// Invariants:
//
//   - S1 What a store holds is bounded: the newest jobs, and of these the tasks of as
//     many as maxTasks allow, counts stay.
//   - S2 Events may be missing, doubled or out of order (a bus drops what is not
//     fetched in time): nothing panics, and what is shown was told by some event.
//   - S3 What it returns is the reader's: copies, which later events do not change.
//
// It imports exec/event alone. Its tests feed it stories, and random events.
package status

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec/event"
)

const (
	maxJobs  = 1000
	maxTasks = 100_000 // of all jobs together
)

// State is what became of a job, stage or task.
type State string

// The states.
const (
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
)

// App is the application.
type App struct {
	event.App
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Lost    int       `json:"lost_events,omitempty"` // that came too fast
	Seen    time.Time `json:"seen,omitzero"`         // time of the last event
}

// Job is a query. Stages are in the order of their ids; those that have not begun
// are not among them.
type Job struct {
	ID      int       `json:"id"`
	Query   string    `json:"query,omitempty"`
	Plan    string    `json:"plan,omitempty"`
	State   State     `json:"state"`
	Error   string    `json:"error,omitempty"`
	Started time.Time `json:"started"`
	Millis  float64   `json:"ms,omitempty"` // once it has ended
	Planned int       `json:"stages_planned"`
	Stages  []Stage   `json:"stages,omitempty"`
	Tasks   Counts    `json:"tasks"`

	PeakBytes         int64 `json:"peak_bytes,omitempty"`
	SpilledBytes      int64 `json:"spilled_bytes,omitempty"`
	ReservedPeakBytes int64 `json:"reserved_peak_bytes,omitempty"`
}

// Counts are numbers of tasks. Total grows when a stage has to run again.
type Counts struct {
	Total   int `json:"total"`
	Running int `json:"running"`
	Done    int `json:"done"`
	Failed  int `json:"failed"`
}

func (c *Counts) add(o Counts) {
	c.Total += o.Total
	c.Running += o.Running
	c.Done += o.Done
	c.Failed += o.Failed
}

// Stage is what a stage did. A second attempt, after outputs were lost, goes on in
// the same one.
type Stage struct {
	ID           int                   `json:"id"`
	Attempt      int                   `json:"attempt,omitempty"`
	State        State                 `json:"state"`
	Started      time.Time             `json:"started"`
	Millis       float64               `json:"ms,omitempty"`
	Counts       Counts                `json:"counts"`
	PeakBytes    int64                 `json:"peak_bytes,omitempty"`
	SpilledBytes int64                 `json:"spilled_bytes,omitempty"`
	Operators    []event.OperatorStats `json:"operators,omitempty"`
	Tasks        []Task                `json:"tasks,omitempty"`
}

// Task is one attempt at a task.
type Task struct {
	Task         int       `json:"task"`
	Attempt      int       `json:"attempt,omitempty"` // of the stage
	Retry        int       `json:"retry,omitempty"`
	Executor     string    `json:"executor"`
	State        State     `json:"state"`
	Error        string    `json:"error,omitempty"`
	Started      time.Time `json:"started"`
	Millis       float64   `json:"ms,omitempty"`
	Rows         int64     `json:"rows,omitempty"` // that its last operator put out
	Bytes        int64     `json:"bytes,omitempty"`
	PeakBytes    int64     `json:"peak_bytes,omitempty"`
	SpilledBytes int64     `json:"spilled_bytes,omitempty"`
}

// Executor is a process that runs tasks.
type Executor struct {
	ID     string    `json:"id"`
	Added  time.Time `json:"added"`
	Gone   time.Time `json:"gone,omitzero"`
	Counts Counts    `json:"counts"`
	Millis float64   `json:"task_ms"` // of its tasks together
	Bytes  int64     `json:"bytes"`   // that they put out
	Spill  int64     `json:"spilled_bytes,omitempty"`
}

// Store holds what events told. It is safe for concurrent use.
type Store struct {
	mu        sync.Mutex
	app       App
	jobs      []*job // by id
	executors []*Executor
	cached    []event.Cached
	tasks     int // records that the jobs hold
}

type job struct {
	Job
	stages []*Stage
}

// App returns the application.
func (s *Store) App() App {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app
	a.Settings = maps.Clone(a.Settings)
	return a
}

// Jobs returns the jobs, the newest first, without plans, operators and tasks.
func (s *Store) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Job, 0, len(s.jobs))
	for _, j := range slices.Backward(s.jobs) {
		x := j.whole(false)
		x.Plan = ""
		out = append(out, x)
	}
	return out
}

// Job returns one with all that is known.
func (s *Store) Job(id int) (Job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.find(id); j != nil {
		return j.whole(true), true
	}
	return Job{}, false
}

// Cached returns the cached datasets that there were when the last job ended.
func (s *Store) Cached() []event.Cached {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.cached)
}

// Executors returns those that there are and were, in the order of their coming.
func (s *Store) Executors() []Executor {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Executor, 0, len(s.executors))
	for _, e := range s.executors {
		out = append(out, *e)
	}
	return out
}

// whole copies a job; deep with the operators and tasks of its stages.
func (j *job) whole(deep bool) Job {
	x := j.Job
	for _, st := range j.stages {
		y := *st
		y.Operators, y.Tasks = nil, nil
		if deep {
			y.Operators, y.Tasks = slices.Clone(st.Operators), slices.Clone(st.Tasks)
		}
		x.Stages = append(x.Stages, y)
		x.Tasks.add(st.Counts)
	}
	return x
}

func (s *Store) find(id int) *job {
	if i, ok := slices.BinarySearchFunc(s.jobs, id, func(j *job, id int) int { return j.ID - id }); ok {
		return s.jobs[i]
	}
	return nil
}
