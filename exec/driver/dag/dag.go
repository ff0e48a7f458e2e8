// Package dag is the state machine that decides which tasks must exist: stages
// whose inputs are complete are submitted, lost outputs are made again.
//
// Invariants:
//
//   - D1 It is pure: Step(event) returns actions; no clock, no goroutine, and no
//     decision depends on the order of a map.
//   - D2 A stage is submitted only while every output that it reads is there.
//   - D3 Each job ends exactly once.
//   - D4 Reports of an attempt of a stage that is not the current one are
//     ignored.
package dag

import "fmt"

// MaxAttempts bounds how often a stage is tried.
const MaxAttempts = 4

// Stage is a stage of a job. Parents are stages with lower ids whose outputs it
// reads. Unstable: a second run may yield other rows, so that everything that
// read its output is rolled back with it.
type Stage struct {
	ID       int
	Parents  []int
	Tasks    int
	Unstable bool
}

// Event is what happened. Exactly one field is set.
type Event struct {
	Submit      *Submit
	TaskDone    *TaskDone
	FetchFailed *FetchFailed
	SetFailed   *SetFailed
	Cancel      *Cancel
}

// Submit starts a job.
type Submit struct {
	Job    int
	Stages []Stage
}

// TaskDone reports a task's success.
type TaskDone struct{ Job, Stage, Attempt, Task int }

// FetchFailed reports that a task of Stage could not read the output of task Map
// of stage Writer.
type FetchFailed struct{ Job, Stage, Attempt, Writer, Map int }

// SetFailed reports that a task of a stage failed for good.
type SetFailed struct {
	Job, Stage, Attempt int
	Err                 error
}

// Cancel ends a job.
type Cancel struct {
	Job int
	Err error
}

// Action is what to do. Exactly one field is set.
type Action struct {
	Run      *Run
	Lost     *Lost
	Kill     *Kill
	EndStage *EndStage
	Done     *Done
}

// Run asks for tasks of a stage attempt.
type Run struct {
	Job, Stage, Attempt int
	Tasks               []int
}

// Lost says that a task's output is gone and must be unregistered.
type Lost struct{ Job, Stage, Task int }

// Kill asks to stop the running tasks of a stage attempt.
type Kill struct{ Job, Stage, Attempt int }

// EndStage says that a stage attempt has no more tasks to run.
type EndStage struct{ Job, Stage, Attempt int }

// Done ends a job.
type Done struct {
	Job int
	Err error
}

// Scheduler is the state.
type Scheduler struct{ jobs map[int]*job }

// New returns a scheduler without jobs.
func New() *Scheduler { return &Scheduler{jobs: map[int]*job{}} }

type job struct {
	id     int
	stages []*stage
}

type stage struct {
	Stage
	attempt int
	running bool
	done    []bool
	left    int
}

// Step takes an event and returns what to do, in order.
func (s *Scheduler) Step(e Event) []Action {
	switch {
	case e.Submit != nil:
		j := &job{id: e.Submit.Job}
		for _, st := range e.Submit.Stages {
			j.stages = append(j.stages, &stage{Stage: st, done: make([]bool, st.Tasks), left: st.Tasks})
		}
		s.jobs[j.id] = j
		return s.advance(j, nil)
	case e.TaskDone != nil:
		d := e.TaskDone
		j, st := s.find(d.Job, d.Stage)
		if st == nil || st.attempt != d.Attempt || !st.running || d.Task >= len(st.done) || st.done[d.Task] {
			return nil
		}
		st.done[d.Task] = true
		st.left--
		if st.left > 0 {
			return nil
		}
		st.running = false
		return s.advance(j, []Action{{EndStage: &EndStage{d.Job, d.Stage, d.Attempt}}})
	case e.FetchFailed != nil:
		return s.fetchFailed(e.FetchFailed)
	case e.SetFailed != nil:
		f := e.SetFailed
		j, st := s.find(f.Job, f.Stage)
		if st == nil || st.attempt != f.Attempt {
			return nil
		}
		return s.end(j, f.Err)
	case e.Cancel != nil:
		if j, ok := s.jobs[e.Cancel.Job]; ok {
			return s.end(j, e.Cancel.Err)
		}
	}
	return nil
}

func (s *Scheduler) find(jobID, stageID int) (*job, *stage) {
	j, ok := s.jobs[jobID]
	if !ok || stageID < 0 || stageID >= len(j.stages) {
		return nil, nil
	}
	return j, j.stages[stageID]
}

// advance submits what can run, and ends the job when nothing is left.
func (s *Scheduler) advance(j *job, acts []Action) []Action {
	left := false
	for _, st := range j.stages {
		if st.left == 0 {
			continue
		}
		left = true
		if st.running || !j.ready(st) {
			continue
		}
		r := &Run{Job: j.id, Stage: st.ID, Attempt: st.attempt}
		for t, done := range st.done {
			if !done {
				r.Tasks = append(r.Tasks, t)
			}
		}
		st.running = true
		acts = append(acts, Action{Run: r})
	}
	if !left {
		return s.end(j, nil, acts...)
	}
	return acts
}

func (j *job) ready(st *stage) bool {
	for _, p := range st.Parents {
		if j.stages[p].left > 0 {
			return false
		}
	}
	return true
}

func (s *Scheduler) fetchFailed(f *FetchFailed) []Action {
	j, st := s.find(f.Job, f.Stage)
	_, w := s.find(f.Job, f.Writer)
	if st == nil || w == nil || st.attempt != f.Attempt || f.Map < 0 || f.Map >= len(w.done) {
		return nil
	}
	var acts []Action
	lose := func(x *stage, task int) {
		if x.done[task] {
			x.done[task] = false
			x.left++
			acts = append(acts, Action{Lost: &Lost{j.id, x.ID, task}})
		}
	}
	restart := func(x *stage) bool {
		if x.running {
			acts = append(acts, Action{Kill: &Kill{j.id, x.ID, x.attempt}})
			x.running = false
		}
		acts = append(acts, Action{EndStage: &EndStage{j.id, x.ID, x.attempt}})
		x.attempt++
		return x.attempt < MaxAttempts
	}
	ok := restart(st)
	lose(w, f.Map)
	if w.Unstable { // its readers may have seen rows that a second run does not make
		reset := map[int]bool{w.ID: true}
		for _, x := range j.stages {
			hit := x.ID == w.ID
			for _, p := range x.Parents {
				hit = hit || reset[p]
			}
			if !hit {
				continue
			}
			reset[x.ID] = true
			for t := range x.done {
				lose(x, t)
			}
			if x != st && x != w {
				ok = restart(x) && ok
			}
		}
	}
	if w != st {
		ok = restart(w) && ok
	}
	if !ok {
		return append(acts, s.end(j, fmt.Errorf("stage %d was tried %d times and its inputs were lost each time", st.ID, MaxAttempts))...)
	}
	return s.advance(j, acts)
}

func (s *Scheduler) end(j *job, err error, acts ...Action) []Action {
	for _, st := range j.stages {
		if st.running {
			acts = append(acts, Action{Kill: &Kill{j.id, st.ID, st.attempt}})
		}
	}
	delete(s.jobs, j.id)
	return append(acts, Action{Done: &Done{j.id, err}})
}
