package task

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

func twice(n int) *Set {
	x := &Set{Stage: stage(1, 0), Twice: true}
	for i := range n {
		x.Tasks = append(x.Tasks, i)
	}
	return x
}

// A task that takes three times as long as most gets a second attempt on another
// executor; whichever ends first counts, once, and what the other wrote is dropped.
func TestSecondAttempt(t *testing.T) {
	for _, winner := range []int{0, 1} {
		s := New(0)
		s.Speculation = Speculation{Quantile: 0.75, Factor: 3, Least: 100 * ms}
		s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 2}})
		s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 2}})
		s.Step(Event{Set: twice(4)})
		for i := range 3 {
			s.expect(t, at(200*ms, ended(1, 0, i, 0, 0)), fmt.Sprintf("succeeded job 1 stage 0.0 task %d.0", i))
		}
		if w, ok := s.Wake(); !ok || w != 600*ms {
			t.Errorf("the next look is at %v, %v", w, ok)
		}
		s.expect(t, at(599*ms, Event{}))
		s.expect(t, at(600*ms, Event{}), "launch job 1 stage 0.0 task 3.1 on a") // the first runs on b
		s.expect(t, at(9999*ms, Event{}))                                        // two are enough
		s.expect(t, ended(1, 0, 3, winner, 0), fmt.Sprintf("succeeded job 1 stage 0.0 task 3.%d", winner), fmt.Sprintf("kill job 1 stage 0.0 task 3.%d", 1-winner))
		if acts := s.Step(ended(1, 0, 3, 1-winner, 0)); len(acts) != 1 || acts[0].Discard == nil || acts[0].Discard.Executor != exec.ExecutorID([]string{"a", "b"}[winner]) {
			t.Errorf("the second to end leads to %v", acts)
		}
		if s.Running() != 0 {
			t.Errorf("%d are running", s.Running())
		}
	}
}

// An executor on which a task takes longer than its second attempt elsewhere gets
// tasks last, and second attempts at once, until it is tried again; a task there that
// takes as long as others heals it. That a task is as long everywhere says nothing.
func TestSlowExecutor(t *testing.T) {
	begin := func(took time.Duration) *Scheduler { // took: by the second attempt of a task on b
		s := New(0)
		s.Speculation = Speculation{Quantile: 0.75, Factor: 3, Least: 100 * ms}
		s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 2}})
		s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 1}})
		s.expect(t, Event{Set: twice(4)}, "launch job 1 stage 0.0 task 0.0 on a", "launch job 1 stage 0.0 task 1.0 on b", "launch job 1 stage 0.0 task 2.0 on a")
		s.expect(t, at(100*ms, ended(1, 0, 0, 0, 0)), "succeeded job 1 stage 0.0 task 0.0", "launch job 1 stage 0.0 task 3.0 on a")
		s.expect(t, ended(1, 0, 2, 0, 0), "succeeded job 1 stage 0.0 task 2.0")
		s.expect(t, at(200*ms, ended(1, 0, 3, 0, 0)), "succeeded job 1 stage 0.0 task 3.0")
		s.expect(t, at(300*ms, Event{}), "launch job 1 stage 0.0 task 1.1 on a")
		s.expect(t, at(300*ms+took, ended(1, 0, 1, 1, 0)), "succeeded job 1 stage 0.0 task 1.1", "kill job 1 stage 0.0 task 1.0")
		s.Step(ended(1, 0, 1, 0, exec.Killed))
		return s
	}
	set := func(job, n int) Event {
		x := twice(n)
		x.Stage.Job = job
		return Event{Set: x}
	}
	s := begin(350 * ms) // 650 ms on b
	s.expect(t, set(2, 2), "launch job 2 stage 0.0 task 0.0 on a", "launch job 2 stage 0.0 task 1.0 on b")

	s = begin(100 * ms) // at least four times as slow
	s.expect(t, set(2, 2), "launch job 2 stage 0.0 task 0.0 on a", "launch job 2 stage 0.0 task 1.0 on a")
	s.expect(t, set(3, 1), "launch job 3 stage 0.0 task 0.0 on b") // better than to wait for others' tasks
	s.expect(t, ended(2, 0, 0, 0, 0), "succeeded job 2 stage 0.0 task 0.0", "launch job 3 stage 0.0 task 0.1 on a")
	s.expect(t, ended(3, 0, 0, 1, 0), "succeeded job 3 stage 0.0 task 0.1", "kill job 3 stage 0.0 task 0.0")
	s.Step(ended(3, 0, 0, 0, exec.Killed))
	s.Step(ended(2, 0, 1, 0, 0))
	s.expect(t, set(4, 11), "launch job 4 stage 0.0 task 0.0 on a", "launch job 4 stage 0.0 task 1.0 on a", "launch job 4 stage 0.0 task 2.0 on b") // nine wait: more than 4 · 2
	s.expect(t, ended(4, 0, 2, 0, 0), "succeeded job 4 stage 0.0 task 2.0")                                                                         // too short to say anything, and eight wait
	for i := range 2 {
		s.Step(at(time.Second, ended(4, 0, i, 0, 0)))
	}
	for i := 3; i < 11; i++ {
		s.Step(at(time.Second+time.Duration(i)*200*ms, ended(4, 0, i, 0, 0)))
	}
	s.expect(t, at(29*time.Second, set(5, 2)), "launch job 5 stage 0.0 task 0.0 on a", "launch job 5 stage 0.0 task 1.0 on a")
	for i := range 2 {
		s.Step(at(29*time.Second, ended(5, 0, i, 0, 0)))
	}
	s.expect(t, at(31*time.Second, set(6, 2)), "launch job 6 stage 0.0 task 0.0 on a", "launch job 6 stage 0.0 task 1.0 on b") // tried again

	s = begin(100 * ms)
	s.expect(t, set(2, 3), "launch job 2 stage 0.0 task 0.0 on a", "launch job 2 stage 0.0 task 1.0 on a")
	s.Step(at(time.Second, ended(2, 0, 0, 0, 0)))
	s.Step(ended(2, 0, 1, 0, 0))
	s.Step(ended(2, 0, 2, 0, 0))
	s.expect(t, set(3, 11), "launch job 3 stage 0.0 task 0.0 on a", "launch job 3 stage 0.0 task 1.0 on a", "launch job 3 stage 0.0 task 2.0 on b")
	s.expect(t, at(1200*ms, ended(3, 0, 2, 0, 0)), "succeeded job 3 stage 0.0 task 2.0", "launch job 3 stage 0.0 task 3.0 on b") // healed
}

// One of two attempts that fails or is lost leaves the other; the task starts anew
// only when both are gone. A loser that fails is nobody's failure.
func TestSecondAttemptFails(t *testing.T) {
	s := New(0)
	s.Speculation = Standard
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 1}})
	s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 1}})
	s.Step(Event{Set: twice(10)})
	for i := range 9 {
		s.Step(at(time.Duration(i)*ms, ended(1, 0, i, 0, 0)))
	}
	s.expect(t, at(500*ms, Event{}), "launch job 1 stage 0.0 task 9.1 on a")
	s.expect(t, ended(1, 0, 9, 1, exec.Transient))
	s.expect(t, at(501*ms, Event{})) // it was bad there
	s.expect(t, Event{Lost: &ExecutorLost{"b"}}, "launch job 1 stage 0.0 task 9.2 on a")
	s.expect(t, ended(1, 0, 9, 2, 0), "succeeded job 1 stage 0.0 task 9.2")
}

// Nothing is tried twice where that is not wanted, or could do harm.
func TestNoSecondAttempt(t *testing.T) {
	for what, change := range map[string]func(*Scheduler, *Set){
		"it is off":         func(s *Scheduler, _ *Set) { s.Speculation = Speculation{} },
		"it does harm":      func(_ *Scheduler, x *Set) { x.Twice = false },
		"there is no other": func(s *Scheduler, _ *Set) { s.Step(Event{Lost: &ExecutorLost{"b"}}) },
	} {
		s := New(0)
		s.Speculation = Standard
		s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 2}})
		s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 2}})
		set := twice(4)
		change(s, set)
		s.Step(Event{Set: set})
		for i := range 3 {
			s.Step(at(ms, ended(1, 0, i, 0, 0)))
		}
		if acts := s.Step(at(time.Hour, Event{})); len(acts) > 0 {
			t.Errorf("%s: %v", what, show(acts))
		}
	}
}

// A task goes elsewhere after it failed, a set after two of its tasks did, all sets
// after two sets did; when there is nothing else, the bad one will do.
func TestBadExecutor(t *testing.T) {
	s := New(0)
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 1}})
	s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 1}})
	s.expect(t, Event{Set: twice(4)}, "launch job 1 stage 0.0 task 0.0 on a", "launch job 1 stage 0.0 task 1.0 on b")
	s.expect(t, ended(1, 0, 0, 0, exec.Transient), "launch job 1 stage 0.0 task 2.0 on a")
	s.expect(t, ended(1, 0, 2, 0, exec.Transient)) // both wait for b
	s.expect(t, ended(1, 0, 1, 0, 0), "succeeded job 1 stage 0.0 task 1.0", "launch job 1 stage 0.0 task 2.1 on b")
	s.expect(t, Event{Lost: &ExecutorLost{"b"}}, "launch job 1 stage 0.0 task 2.2 on a")
	s.expect(t, ended(1, 0, 2, 2, 0), "succeeded job 1 stage 0.0 task 2.2", "launch job 1 stage 0.0 task 0.1 on a")

	s = New(0)
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 2}})
	s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 9}})
	for job := 1; job <= 2; job++ {
		set := twice(9)
		set.Stage.Job = job
		for _, a := range s.Step(Event{Set: set}) {
			if a.Launch.Executor == "a" {
				s.Step(Event{Ended: &Ended{ID: a.Launch.ID, Failure: &exec.Failure{Kind: exec.Transient}}})
			}
		}
		st := set.Stage
		s.Step(Event{Kill: &st})
		for _, id := range s.sorted(func(exec.TaskID, exec.ExecutorID) bool { return true }) {
			s.Step(Event{Ended: &Ended{ID: id, Failure: &exec.Failure{Kind: exec.Killed}}})
		}
	}
	last := func(now time.Duration) (on []exec.ExecutorID) {
		set := twice(2)
		set.Stage.Job = 3 + int(now/ms)
		for _, a := range s.Step(at(now, Event{Set: set})) {
			on = append(on, a.Launch.Executor)
			s.Step(Event{Ended: &Ended{ID: a.Launch.ID}})
		}
		return on
	}
	if on := last(ms); len(on) != 2 || on[0] != "b" || on[1] != "b" {
		t.Errorf("after two sets went elsewhere the next runs on %v", on)
	}
	if on := last(banTime + ms); len(on) != 2 || on[0] != "a" && on[1] != "a" {
		t.Errorf("after a while sets run on %v still", on)
	}
}

// A host with two bad executors is bad for the set.
func TestBadHost(t *testing.T) {
	s := New(0)
	for _, id := range []exec.ExecutorID{"a", "b", "c"} {
		s.Step(Event{Added: &ExecutorAdded{ID: id, Slots: 2, Host: "x"}})
	}
	s.Step(Event{Added: &ExecutorAdded{ID: "z", Slots: 1, Host: "y"}})
	launched := s.Step(Event{Set: twice(9)})
	for _, a := range launched {
		if on := a.Launch.Executor; on == "a" || on == "b" {
			for _, b := range s.Step(Event{Ended: &Ended{ID: a.Launch.ID, Failure: &exec.Failure{Kind: exec.Transient}}}) {
				launched = append(launched, b)
			}
		}
	}
	for _, e := range s.executors {
		if got := s.bad(s.sets[stage(1, 0)], 8, e); got != (e.host == "x") {
			t.Errorf("%s on %s is bad: %v", e.id, e.host, got)
		}
	}
}

// A task that its executors do not survive fails the set in the end.
func TestLosses(t *testing.T) {
	s := New(0)
	s.Step(Event{Set: twice(1)})
	for i := range MaxLosses {
		id := exec.ExecutorID(fmt.Sprint("x", i))
		s.expect(t, Event{Added: &ExecutorAdded{ID: id, Slots: 1}}, fmt.Sprintf("launch job 1 stage 0.0 task 0.%d on %s", i, id))
		acts := s.Step(Event{Lost: &ExecutorLost{id}})
		if i < MaxLosses-1 && len(acts) > 0 || i == MaxLosses-1 && (len(acts) != 1 || acts[0].Failed == nil) {
			t.Errorf("loss %d leads to %v", i+1, show(acts))
		}
	}
}

// TestTwice runs random sets with second attempts and failures on executors that
// come and go: each task succeeds once, never has two attempts on one executor nor
// more than two at a time, and attempts are never numbered alike.
func TestTwice(t *testing.T) {
	second, discarded := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := New(0)
		s.Speculation = Speculation{Quantile: 0.5, Factor: 1.5, Least: 5 * ms}
		now, left := time.Duration(0), 1+r.IntN(30)
		running, seen, done := map[exec.TaskID]exec.ExecutorID{}, map[exec.TaskID]bool{}, map[int]bool{}
		step := func(e Event) {
			e.Now = now
			for _, a := range s.Step(e) {
				switch {
				case a.Launch != nil:
					if seen[a.Launch.ID] || done[a.Launch.ID.Task] {
						t.Fatalf("seed %d: %s is started twice, or needlessly", seed, a.Launch.ID)
					}
					seen[a.Launch.ID] = true
					n := 0
					for id, on := range running {
						if same(id, a.Launch.ID) {
							n++
							if on == a.Launch.Executor {
								t.Fatalf("seed %d: two attempts of %s on %s", seed, id, on)
							}
						}
					}
					if second += n; n > 1 {
						t.Fatalf("seed %d: %d attempts of %s", seed, n+1, a.Launch.ID)
					}
					running[a.Launch.ID] = a.Launch.Executor
				case a.Succeeded != nil:
					if done[a.Succeeded.Task] {
						t.Fatalf("seed %d: %s counts twice", seed, a.Succeeded)
					}
					done[a.Succeeded.Task] = true
				case a.Discard != nil:
					discarded++
				case a.Failed != nil:
					t.Fatalf("seed %d: %v", seed, a.Failed.Failure)
				}
			}
		}
		n := 2 + r.IntN(4)
		for i := range n {
			step(Event{Added: &ExecutorAdded{ID: exec.ExecutorID(fmt.Sprint("x", i)), Slots: 1 + r.IntN(3), Host: []string{"", "h"}[r.IntN(2)]}})
		}
		step(Event{Set: twice(left)})
		failures, kills := r.IntN(3), r.IntN(n)
		for len(done) < left {
			now += time.Duration(r.IntN(10)) * ms
			var ids []exec.TaskID
			for _, id := range s.sorted(func(exec.TaskID, exec.ExecutorID) bool { return true }) {
				if _, ok := running[id]; ok {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				t.Fatalf("seed %d: %d of %d tasks are done, and none runs", seed, len(done), left)
			}
			id := ids[min(r.IntN(len(ids)), r.IntN(len(ids)))] // later ones straggle
			switch k := r.IntN(30); {
			case k == 0 && kills > 0:
				kills--
				on := running[id]
				for other, x := range running {
					if x == on {
						delete(running, other)
					}
				}
				step(Event{Lost: &ExecutorLost{on}})
			case k == 1 && failures > 0:
				failures--
				delete(running, id)
				step(Event{Ended: &Ended{ID: id, Failure: &exec.Failure{Kind: exec.Transient}}})
			case k < 15:
				delete(running, id)
				step(Event{Ended: &Ended{ID: id}})
			default:
				step(Event{})
			}
		}
	}
	if second < 100 || discarded == 0 {
		t.Errorf("%d second attempts, %d came too late", second, discarded)
	}
}
