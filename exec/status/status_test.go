package status

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec/event"
)

func at(second int) time.Time { return time.Unix(1_800_000_000+int64(second), 0) }

// A stage runs, loses an executor, and runs in part again.
func TestFold(t *testing.T) {
	var s Store
	for _, e := range []event.Event{
		{Kind: event.AppStarted, Time: at(0), App: &event.App{ID: "a", Name: "x", Settings: map[string]string{"k": "v"}}},
		{Kind: event.ExecutorAdded, Time: at(0), Executor: "1"},
		{Kind: event.ExecutorAdded, Time: at(0), Executor: "2"},
		{Kind: event.JobStarted, Time: at(1), Job: 1, Stages: 2, Query: "SELECT 1", Plan: "plan"},
		{Kind: event.StageStarted, Time: at(1), Job: 1, Stage: 0, Tasks: 2},
		{Kind: event.TaskStarted, Time: at(1), Job: 1, Stage: 0, Task: 0, Executor: "1"},
		{Kind: event.TaskStarted, Time: at(1), Job: 1, Stage: 0, Task: 1, Executor: "2"},
		{Kind: event.TaskEnded, Time: at(2), Job: 1, Stage: 0, Task: 0, Executor: "1", Millis: 1000, Metrics: []event.OperatorStats{{Node: "Scan", Rows: 7, Bytes: 70}}, SpilledBytes: 5},
		{Kind: event.TaskEnded, Time: at(2), Job: 1, Stage: 0, Task: 1, Executor: "2", Error: "lost", Lost: 3},
		{Kind: event.ExecutorLost, Time: at(2), Executor: "2"},
		{Kind: event.TaskStarted, Time: at(2), Job: 1, Stage: 0, Task: 1, Retry: 1, Executor: "1"},
		{Kind: event.TaskEnded, Time: at(3), Job: 1, Stage: 0, Task: 1, Retry: 1, Executor: "1", Millis: 1000},
		{Kind: event.StageEnded, Time: at(3), Job: 1, Stage: 0, Millis: 2000, Metrics: []event.OperatorStats{{Node: "Scan"}}},
		{Kind: event.StageStarted, Time: at(3), Job: 1, Stage: 1, Tasks: 1},
		{Kind: event.TaskStarted, Time: at(3), Job: 1, Stage: 1, Task: 0, Executor: "1"},
	} {
		s.Apply(e)
	}
	j, ok := s.Job(1)
	if !ok || j.State != Running || j.Query != "SELECT 1" || j.Planned != 2 || len(j.Stages) != 2 {
		t.Fatalf("the job is %+v", j)
	}
	if want := (Counts{Total: 3, Running: 1, Done: 2, Failed: 1}); j.Tasks != want {
		t.Errorf("tasks are %+v, want %+v", j.Tasks, want)
	}
	if st := j.Stages[0]; st.State != Succeeded || len(st.Tasks) != 3 || st.Tasks[1].State != Failed || st.Tasks[0].Rows != 7 || len(st.Operators) != 1 {
		t.Errorf("stage 0 is %+v", st)
	}
	s.Apply(event.Event{Kind: event.JobEnded, Time: at(4), Job: 1, Error: "no more executors", Millis: 3000})
	j, _ = s.Job(1)
	if j.State != Failed || j.Stages[1].State != Failed || j.Stages[1].Millis != 1000 || j.Tasks.Running != 0 {
		t.Errorf("after its end the job is %+v", j)
	}
	x := s.Executors()
	if len(x) != 2 || x[0].Counts.Done != 2 || x[0].Spill != 5 || x[1].Gone.IsZero() || x[1].Counts.Failed != 1 {
		t.Errorf("executors are %+v", x)
	}
	if a := s.App(); a.ID != "a" || a.Lost != 3 || !a.Started.Equal(at(0)) {
		t.Errorf("the application is %+v", a)
	}
	if list := s.Jobs(); len(list) != 1 || list[0].Plan != "" || list[0].Stages[0].Tasks != nil {
		t.Errorf("the list is %+v", list)
	}
}

// The newest jobs are kept, running ones longest, and a bounded number of tasks.
func TestBounds(t *testing.T) {
	var s Store
	s.Apply(event.Event{Kind: event.JobStarted, Job: 1}) // goes on
	for i := 2; i < maxJobs+100; i++ {
		s.Apply(event.Event{Kind: event.JobStarted, Job: i})
		for k := range 200 {
			s.Apply(event.Event{Kind: event.TaskStarted, Job: i, Task: k, Executor: "1"})
		}
		s.Apply(event.Event{Kind: event.JobEnded, Job: i})
	}
	jobs := s.Jobs()
	if len(jobs) != maxJobs || jobs[0].ID != maxJobs+99 || jobs[len(jobs)-1].ID != 1 {
		t.Errorf("%d jobs are kept, from %d to %d", len(jobs), jobs[len(jobs)-1].ID, jobs[0].ID)
	}
	held := 0
	for _, j := range s.jobs {
		for _, st := range j.stages {
			held += len(st.Tasks)
		}
	}
	if held != s.tasks || held > maxTasks || held < maxTasks/2 {
		t.Errorf("%d tasks are held, %d counted, %d allowed", held, s.tasks, maxTasks)
	}
	if j, ok := s.Job(maxJobs + 99); !ok || len(j.Stages[0].Tasks) != 200 {
		t.Error("the newest job lost its tasks")
	}
}

// Whatever comes, in whatever order, counts stay sane.
func TestRandomEvents(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	kinds := []event.Kind{event.AppStarted, event.AppEnded, event.JobStarted, event.JobEnded, event.StageStarted, event.StageEnded, event.TaskStarted, event.TaskEnded, event.ExecutorAdded, event.ExecutorLost, "news"}
	var s Store
	for i := range 20_000 {
		e := event.Event{Kind: kinds[r.IntN(len(kinds))], Time: at(r.IntN(1000)), Job: r.IntN(20), Stage: r.IntN(4), Task: r.IntN(4), Retry: r.IntN(2), Tasks: r.IntN(5), Executor: fmt.Sprint(r.IntN(4))}
		if r.IntN(4) == 0 {
			e.Error = "x"
		}
		s.Apply(e)
		if i%500 != 0 {
			continue
		}
		held := 0
		for _, j := range s.Jobs() {
			whole, ok := s.Job(j.ID)
			if !ok || whole.Tasks.Running < 0 || j.Tasks != whole.Tasks {
				t.Fatalf("seed %d, event %d: job %+v", seed, i, whole)
			}
			for _, st := range whole.Stages {
				held += len(st.Tasks)
			}
		}
		if held != s.tasks || len(s.Executors()) > 4 {
			t.Fatalf("seed %d, event %d: %d tasks are held, %d counted", seed, i, held, s.tasks)
		}
	}
}
