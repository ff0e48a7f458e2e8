package task

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

const ms = time.Millisecond

func at(t time.Duration, e Event) Event {
	e.Now = t
	return e
}

func on(ids ...exec.ExecutorID) Place { return ids }

// A task waits for the executor that it prefers, then for its host, then goes
// anywhere; one without preferences takes what is free at once (T5).
func TestWaiting(t *testing.T) {
	s := New(100 * ms)
	for id, host := range map[exec.ExecutorID]string{"a": "x", "b": "x", "c": "y"} {
		s.Step(Event{Added: &ExecutorAdded{ID: id, Slots: 1, Host: host}})
	}
	s.expect(t, at(10*ms, Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{0, 1, 2, 3}, Prefer: []Place{on("a"), on("a"), nil, on("a")}}}),
		"launch job 1 stage 0.0 task 0.0 on a", "launch job 1 stage 0.0 task 2.0 on b")
	if w, ok := s.Wake(); !ok || w != 110*ms {
		t.Errorf("the next look is at %v, %v", w, ok)
	}
	s.expect(t, at(109*ms, Event{}))
	s.expect(t, at(110*ms, ended(1, 0, 2, 0, 0)), "succeeded job 1 stage 0.0 task 2.0", "launch job 1 stage 0.0 task 1.0 on b") // the host
	if w, ok := s.Wake(); !ok || w != 210*ms {
		t.Errorf("the next look is at %v, %v", w, ok)
	}
	s.expect(t, at(210*ms, Event{}), "launch job 1 stage 0.0 task 3.0 on c")
	if _, ok := s.Wake(); ok {
		t.Error("nothing waits, but it is to be looked again")
	}
}

// A start at the preferred place begins the waiting anew: as long as a set gets on
// there, none of its tasks goes elsewhere.
func TestProgress(t *testing.T) {
	s := New(100 * ms)
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 1}})
	s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 1}})
	s.expect(t, Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{0, 1, 2}, Prefer: []Place{on("a"), on("a"), on("a")}}}, "launch job 1 stage 0.0 task 0.0 on a")
	s.expect(t, at(90*ms, ended(1, 0, 0, 0, 0)), "succeeded job 1 stage 0.0 task 0.0", "launch job 1 stage 0.0 task 1.0 on a")
	s.expect(t, at(190*ms, Event{})) // hosts are not known: nothing is closer than anywhere
	s.expect(t, at(289*ms, Event{}))
	s.expect(t, at(290*ms, Event{}), "launch job 1 stage 0.0 task 2.0 on b")
}

// Another set gets the slot that a task does not want; of one set the task that is
// close goes before an earlier one that is not.
func TestTurns(t *testing.T) {
	s := New(100 * ms)
	s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 1, Host: "y"}})
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 0, Host: "x"}})
	s.expect(t, Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{0}, Prefer: []Place{on("a")}}})
	s.expect(t, Event{Set: &Set{Stage: stage(2, 0), Tasks: []int{0, 1}, Prefer: []Place{on("a"), on("c", "b")}}}, "launch job 2 stage 0.0 task 1.0 on b")
}

// Nobody waits for who is not there.
func TestGone(t *testing.T) {
	s := New(100 * ms)
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 1}})
	s.Step(Event{Added: &ExecutorAdded{ID: "b", Slots: 1}})
	s.expect(t, Event{Set: &Set{Stage: stage(1, 0), Tasks: []int{0, 1}, Prefer: []Place{on("a"), on("a")}}}, "launch job 1 stage 0.0 task 0.0 on a")
	s.expect(t, Event{Lost: &ExecutorLost{"a"}}, "launch job 1 stage 0.0 task 0.1 on b")
	s.expect(t, ended(1, 0, 0, 1, 0), "succeeded job 1 stage 0.0 task 0.1", "launch job 1 stage 0.0 task 1.0 on b")
}

// TestPlaces runs random sets on random executors that come and go: every task
// ends, no slot is used twice, none stays free for longer than two waits while
// tasks are there, and where executors are not lost most run where they like.
func TestPlaces(t *testing.T) {
	local, all := 0, 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		s := New(100 * ms)
		now, left := time.Duration(0), 0
		use, slots := map[exec.ExecutorID]int{}, map[exec.ExecutorID]int{}
		wants := map[exec.TaskID]Place{}
		var running []*Launch
		step := func(e Event) {
			e.Now = now
			for _, a := range s.Step(e) {
				switch {
				case a.Launch != nil:
					l := a.Launch
					if use[l.Executor]++; use[l.Executor] > slots[l.Executor] {
						t.Fatalf("seed %d: %s has too many tasks", seed, l.Executor)
					}
					key := l.ID
					key.Attempt = 0
					if p := wants[key]; len(p) > 0 {
						all++
						if s.level(p, &executor{id: l.Executor}) == process {
							local++
						}
					}
					running = append(running, l)
				case a.Succeeded != nil:
					left--
				}
			}
		}
		n := 2 + r.IntN(5)
		for i := range n {
			id := exec.ExecutorID(fmt.Sprint("x", i))
			slots[id] = 1 + r.IntN(3)
			step(Event{Added: &ExecutorAdded{ID: id, Slots: slots[id], Host: []string{"", "h", "i"}[r.IntN(3)]}})
		}
		for job := range 1 + r.IntN(3) {
			set := &Set{Stage: stage(job, 0)}
			for task := range 1 + r.IntN(30) {
				var p Place
				if r.IntN(4) > 0 {
					p = on(exec.ExecutorID(fmt.Sprint("x", r.IntN(n))))
				}
				set.Tasks, set.Prefer = append(set.Tasks, task), append(set.Prefer, p)
				wants[exec.TaskID{Job: job, Task: task}] = p
				left++
			}
			step(Event{Set: set})
		}
		kills := r.IntN(2)
		for left > 0 {
			now += time.Duration(1+r.IntN(20)) * ms
			switch {
			case kills > 0 && len(slots) > 1 && len(running) > 0 && r.IntN(20) == 0:
				kills--
				gone := running[r.IntN(len(running))].Executor
				keep := running[:0:0]
				for _, l := range running {
					if l.Executor != gone {
						keep = append(keep, l)
					}
				}
				running = keep
				delete(slots, gone)
				delete(use, gone)
				step(Event{Lost: &ExecutorLost{gone}})
			case len(running) > 0:
				i := r.IntN(len(running))
				l := running[i]
				running = append(running[:i], running[i+1:]...)
				use[l.Executor]--
				step(Event{Ended: &Ended{ID: l.ID}})
			default:
				w, ok := s.Wake()
				if !ok || w > now+200*ms {
					t.Fatalf("seed %d: %d tasks are left, and the next look is at %v, %v", seed, left, w, ok)
				}
				now = max(now, w)
				step(Event{})
			}
		}
		if s.Pending() != 0 || s.Running() != 0 {
			t.Fatalf("seed %d: %d pending, %d running", seed, s.Pending(), s.Running())
		}
	}
	if local*10 < all*6 {
		t.Errorf("%d of %d tasks ran where they prefer to", local, all)
	}
}
