package task

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/exec"
)

func show(acts []Action) (out []string) {
	for _, a := range acts {
		switch {
		case a.Launch != nil:
			out = append(out, fmt.Sprintf("launch %s on %s", a.Launch.ID, a.Launch.Executor))
		case a.Kill != nil:
			out = append(out, fmt.Sprintf("kill %s", a.Kill))
		case a.Succeeded != nil:
			out = append(out, fmt.Sprintf("succeeded %s", a.Succeeded))
		case a.Fetch != nil:
			out = append(out, fmt.Sprintf("fetch failed %s", a.Fetch.ID))
		case a.Failed != nil:
			out = append(out, fmt.Sprintf("failed %s: %v", a.Failed.Stage, a.Failed.Failure))
		}
	}
	return out
}

func (s *Scheduler) expect(t *testing.T, e Event, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, show(s.Step(e))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func stage(job, st int) exec.StageID { return exec.StageID{Job: job, Stage: st} }

func ended(job, st, task, attempt int, kind exec.FailureKind) Event {
	e := &Ended{ID: exec.TaskID{Job: job, Stage: st, Task: task, Attempt: attempt}}
	if kind != 0 {
		e.Failure = &exec.Failure{Kind: kind, Cause: errors.New("cause")}
	}
	return Event{Ended: e}
}

// Tasks fill slots, the emptiest executor first; jobs in the order they came,
// and within one the earlier stage first.
func TestOrder(t *testing.T) {
	s := New(0)
	s.expect(t, Event{Set: &Set{Stage: stage(2, 0), Tasks: []int{0}}})
	s.expect(t, Event{Set: &Set{Stage: stage(1, 1), Tasks: []int{0, 1}}})
	s.expect(t, Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{7}}})
	s.expect(t, Event{Added: &ExecutorAdded{ID: "b", Slots: 1}}, "launch job 1 stage 0.0 task 7.0 on b")
	s.expect(t, Event{Added: &ExecutorAdded{ID: "a", Slots: 2}}, "launch job 1 stage 1.0 task 0.0 on a", "launch job 1 stage 1.0 task 1.0 on a")
	s.expect(t, Event{Added: &ExecutorAdded{ID: "a", Slots: 2}}) // once is enough
	s.expect(t, ended(1, 0, 7, 0, 0), "succeeded job 1 stage 0.0 task 7.0", "launch job 2 stage 0.0 task 0.0 on b")
	s.expect(t, ended(1, 0, 7, 0, 0)) // a report that comes twice
}

// A transient failure is tried four times, before others; the loss of an
// executor is not the task's failure and does not count.
func TestRetries(t *testing.T) {
	s := New(0)
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 1}})
	s.expect(t, Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{0, 1}}}, "launch job 1 stage 0.0 task 0.0 on a")
	s.expect(t, ended(1, 0, 0, 0, exec.Transient), "launch job 1 stage 0.0 task 0.1 on a")
	s.expect(t, ended(1, 0, 0, 1, exec.Transient), "launch job 1 stage 0.0 task 0.2 on a")
	s.expect(t, Event{Lost: &ExecutorLost{"a"}})
	s.expect(t, ended(1, 0, 0, 2, 0)) // too late
	s.expect(t, Event{Added: &ExecutorAdded{ID: "b", Slots: 1}}, "launch job 1 stage 0.0 task 0.3 on b")
	s.expect(t, ended(1, 0, 0, 3, exec.Transient), "launch job 1 stage 0.0 task 0.4 on b")
	s.expect(t, ended(1, 0, 0, 4, exec.Transient), "failed job 1 stage 0.0: transient: cause")
	if s.Pending() != 0 || s.Running() != 0 {
		t.Errorf("%d pending, %d running", s.Pending(), s.Running())
	}
}

// The user's error and a bug end the set at once; what runs is stopped, and its
// end means nothing any more. A lost input is for the DAG to judge.
func TestFatal(t *testing.T) {
	for _, kind := range []exec.FailureKind{exec.User, exec.Bug} {
		s := New(0)
		s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 2}})
		s.Step(Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{0, 1, 2}}})
		s.Step(Event{Set: &Set{Stage: stage(2, 0), Tasks: []int{0}}})
		want := (&exec.Failure{Kind: kind, Cause: errors.New("cause")}).Error()
		s.expect(t, ended(1, 0, 0, 0, kind), "kill job 1 stage 0.0 task 1.0", "failed job 1 stage 0.0: "+want, "launch job 2 stage 0.0 task 0.0 on a")
		s.expect(t, ended(1, 0, 1, 0, 0))
	}
	s := New(0)
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 1}})
	s.Step(Event{Set: &Set{Stage: stage(1, 1), Tasks: []int{0}}})
	s.expect(t, ended(1, 1, 0, 0, exec.FetchFailed), "fetch failed job 1 stage 1.0 task 0.0")
	id := stage(1, 1)
	s.expect(t, Event{Kill: &id})
}

// A task that waits for the reader of its rows gives its slot away (T4): to other
// sets, and of its own to earlier tasks alone. It goes on whether or not the slot
// is free again.
func TestParked(t *testing.T) {
	id := func(job, task, attempt int) exec.TaskID { return exec.TaskID{Job: job, Task: task, Attempt: attempt} }
	event := func(parked bool, id exec.TaskID) Event {
		if parked {
			return Event{Parked: &id}
		}
		return Event{Resumed: &id}
	}
	s := New(0)
	s.expect(t, Event{Added: &ExecutorAdded{ID: "a", Slots: 2}})
	s.expect(t, Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{0, 1, 2, 3}}}, "launch job 1 stage 0.0 task 0.0 on a", "launch job 1 stage 0.0 task 1.0 on a")
	s.expect(t, event(true, id(1, 1, 0))) // task 2 would only wait as well
	s.expect(t, event(true, id(1, 1, 0))) // once is enough
	s.expect(t, Event{Set: &Set{Stage: stage(2, 0), Tasks: []int{0, 1}}}, "launch job 2 stage 0.0 task 0.0 on a")
	s.expect(t, ended(1, 0, 0, 0, exec.Transient), "launch job 1 stage 0.0 task 0.1 on a") // an earlier one
	s.expect(t, event(false, id(1, 1, 0)))                                                 // three run on two slots
	s.expect(t, ended(1, 0, 0, 1, 0), "succeeded job 1 stage 0.0 task 0.1")
	s.expect(t, ended(1, 0, 1, 0, 0), "succeeded job 1 stage 0.0 task 1.0", "launch job 1 stage 0.0 task 2.0 on a")
	s.expect(t, event(true, id(1, 2, 0)), "launch job 2 stage 0.0 task 1.0 on a")
	s.expect(t, ended(1, 0, 2, 0, 0), "succeeded job 1 stage 0.0 task 2.0") // it ended parked
	s.expect(t, event(false, id(1, 2, 0)))                                  // late
	s.expect(t, ended(2, 0, 0, 0, 0), "succeeded job 2 stage 0.0 task 0.0", "launch job 1 stage 0.0 task 3.0 on a")
	s.expect(t, event(true, id(1, 3, 0)))
	s.expect(t, Event{Kill: &exec.StageID{Job: 1}}, "kill job 1 stage 0.0 task 3.0")
	s.expect(t, Event{Lost: &ExecutorLost{"a"}})
	if s.Pending() != 1 || s.Running() != 0 || len(s.parked) != 0 {
		t.Errorf("%d wait, %d run, %d are parked", s.Pending(), s.Running(), len(s.parked))
	}
}
