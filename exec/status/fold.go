package status

import (
	"slices"

	"github.com/millrace-engine/millrace/exec/event"
)

// Follow takes in what a subscription yields until its channel is closed.
func (s *Store) Follow(events <-chan event.Event) {
	for e := range events {
		s.Apply(e)
	}
}

// Apply takes in an event.
func (s *Store) Apply(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app.Lost += e.Lost
	s.app.Seen = e.Time
	switch e.Kind {
	case event.AppStarted:
		s.app.Started = e.Time
		if e.App != nil {
			s.app.App = *e.App
		}
	case event.AppEnded:
		s.app.Ended = e.Time
	case event.ExecutorAdded:
		s.executor(e)
	case event.ExecutorLost:
		s.executor(e).Gone = e.Time
	case event.JobStarted:
		if s.find(e.Job) == nil {
			s.addJob(e)
		}
	case event.JobEnded:
		s.cached = e.Cached
		if j := s.find(e.Job); j != nil {
			j.end(e)
		}
	case event.StageStarted, event.StageEnded, event.TaskStarted, event.TaskEnded:
		if j := s.find(e.Job); j != nil {
			s.work(j, e)
		}
	}
}

func outcome(e event.Event) State {
	if e.Error != "" {
		return Failed
	}
	return Succeeded
}

// executor returns the executor that an event names.
func (s *Store) executor(e event.Event) *Executor {
	for _, x := range slices.Backward(s.executors) {
		if x.ID == e.Executor {
			return x
		}
	}
	x := &Executor{ID: e.Executor, Added: e.Time}
	s.executors = append(s.executors, x)
	return x
}

// addJob puts a job in its place, and forgets the oldest that has ended when there
// are too many (S1).
func (s *Store) addJob(e event.Event) {
	j := &job{Job: Job{ID: e.Job, Query: e.Query, Plan: e.Plan, State: Running, Started: e.Time, Planned: e.Stages}}
	at, _ := slices.BinarySearchFunc(s.jobs, e.Job, func(j *job, id int) int { return j.ID - id })
	s.jobs = slices.Insert(s.jobs, at, j)
	if len(s.jobs) > maxJobs {
		at := max(slices.IndexFunc(s.jobs, func(j *job) bool { return j.State != Running }), 0)
		s.forget(s.jobs[at])
		s.jobs = slices.Delete(s.jobs, at, at+1)
	}
}

// forget drops the records of a job's tasks.
func (s *Store) forget(j *job) {
	for _, st := range j.stages {
		s.tasks -= len(st.Tasks)
		st.Tasks = nil
	}
}

func (j *job) end(e event.Event) {
	j.State, j.Error, j.Millis = outcome(e), e.Error, e.Millis
	j.PeakBytes, j.SpilledBytes, j.ReservedPeakBytes = e.PeakBytes, e.SpilledBytes, e.ReservedPeakBytes
	for _, st := range j.stages { // of those no event comes any more
		if st.State == Running {
			st.State = j.State
			st.Millis = e.Time.Sub(st.Started).Seconds() * 1e3
		}
		st.Counts.Running = 0
	}
}

// work takes in an event of a stage or task.
func (s *Store) work(j *job, e event.Event) {
	at, ok := slices.BinarySearchFunc(j.stages, e.Stage, func(st *Stage, id int) int { return st.ID - id })
	if !ok {
		j.stages = slices.Insert(j.stages, at, &Stage{ID: e.Stage, State: Running, Started: e.Time})
	}
	st := j.stages[at]
	switch e.Kind {
	case event.StageStarted:
		st.State, st.Attempt = Running, max(st.Attempt, e.Attempt)
		st.Counts.Total += e.Tasks
	case event.StageEnded:
		st.State, st.Millis, st.Operators = outcome(e), e.Millis, e.Metrics
		st.PeakBytes, st.SpilledBytes = e.PeakBytes, e.SpilledBytes
	case event.TaskStarted:
		st.Counts.Running++
		s.executor(e).Counts.add(Counts{Total: 1, Running: 1})
		if s.tasks >= maxTasks {
			s.forgetOldest(j)
		}
		if s.tasks < maxTasks {
			s.tasks++
			st.Tasks = append(st.Tasks, Task{Task: e.Task, Attempt: e.Attempt, Retry: e.Retry, Executor: e.Executor, State: Running, Started: e.Time})
		}
	case event.TaskEnded:
		s.endTask(st, e)
	}
}

// forgetOldest makes room for the tasks of a job.
func (s *Store) forgetOldest(keep *job) {
	for _, j := range s.jobs {
		if j != keep && s.tasks >= maxTasks {
			s.forget(j)
		}
	}
}

func (s *Store) endTask(st *Stage, e event.Event) {
	var rows, bytes int64
	if len(e.Metrics) > 0 {
		rows, bytes = e.Metrics[0].Rows, e.Metrics[0].Bytes
	}
	ended := Counts{Running: -1, Done: 1}
	if e.Error != "" {
		ended = Counts{Running: -1, Failed: 1}
	}
	x := s.executor(e)
	for _, c := range []*Counts{&st.Counts, &x.Counts} {
		c.add(ended)
		c.Running = max(c.Running, 0) // its start may have been missed
	}
	x.Millis += e.Millis
	x.Bytes += bytes
	x.Spill += e.SpilledBytes
	for i := range slices.Backward(st.Tasks) {
		if t := &st.Tasks[i]; t.Task == e.Task && t.Attempt == e.Attempt && t.Retry == e.Retry && t.State == Running {
			t.State, t.Error, t.Millis, t.Executor = outcome(e), e.Error, e.Millis, e.Executor
			t.Rows, t.Bytes, t.PeakBytes, t.SpilledBytes = rows, bytes, e.PeakBytes, e.SpilledBytes
			return
		}
	}
}
