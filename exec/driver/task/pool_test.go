package task

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

func pooled(job, tasks int, p Pool) Event {
	x := &Set{Stage: stage(job, 0), Pool: p}
	for i := range tasks {
		x.Tasks = append(x.Tasks, i)
	}
	return Event{Set: x}
}

// Under Fair a short query gets the next slot that is free, though a long one came
// first; pools share by weight, and one that lacks its least goes before others.
func TestFair(t *testing.T) {
	start := func() *Scheduler {
		s := New(0)
		s.Policy = Fair
		s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 4}})
		return s
	}
	s := start()
	s.Step(pooled(1, 100, Pool{}))
	s.expect(t, pooled(2, 2, Pool{}))
	s.expect(t, ended(1, 0, 0, 0, 0), "succeeded job 1 stage 0.0 task 0.0", "launch job 2 stage 0.0 task 0.0 on a")
	s.expect(t, ended(1, 0, 1, 0, 0), "succeeded job 1 stage 0.0 task 1.0", "launch job 2 stage 0.0 task 1.0 on a")
	s.expect(t, ended(1, 0, 2, 0, 0), "succeeded job 1 stage 0.0 task 2.0", "launch job 1 stage 0.0 task 4.0 on a")

	s = start()
	s.Step(pooled(1, 100, Pool{Name: "etl", Weight: 1}))
	s.Step(pooled(2, 100, Pool{Name: "etl", Weight: 1})) // of the same pool, so after it
	s.Step(pooled(3, 100, Pool{Name: "dashboards", Weight: 3}))
	held := map[int]int{}
	for range 50 {
		ids := s.sorted(func(exec.TaskID, exec.ExecutorID) bool { return true })
		s.Step(Event{Ended: &Ended{ID: ids[0]}})
		clear(held)
		for id := range s.running {
			held[id.Job]++
		}
	}
	if held[1] != 1 || held[2] != 0 || held[3] != 3 {
		t.Errorf("slots by job: %v", held)
	}

	s = start()
	s.Step(pooled(1, 100, Pool{Name: "a", Weight: 1000}))
	s.Step(pooled(2, 100, Pool{Name: "b", Weight: 1, Least: 2}))
	for range 50 {
		ids := s.sorted(func(exec.TaskID, exec.ExecutorID) bool { return true })
		s.Step(Event{Ended: &Ended{ID: ids[0]}})
	}
	if n := s.shares[share{"b", 0}]; n != 2 {
		t.Errorf("a pool with a least of 2 has %d slots", n)
	}
}

// Priority serves the pool of most weight first, Deadline the job that ends first; others
// come in their order.
func TestPriorityAndDeadline(t *testing.T) {
	run := func(p Policy, sets ...Event) (order []int) {
		s := New(0)
		s.Policy = p
		for _, e := range sets {
			s.Step(e)
		}
		acts := s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 1}})
		for len(acts) > 0 {
			for _, a := range acts {
				if a.Launch != nil {
					order = append(order, a.Launch.ID.Job)
				}
			}
			ids := s.sorted(func(exec.TaskID, exec.ExecutorID) bool { return true })
			if len(ids) == 0 {
				break
			}
			acts = s.Step(Event{Ended: &Ended{ID: ids[0]}})
		}
		return order
	}
	if got := run(Priority, pooled(1, 1, Pool{}), pooled(2, 2, Pool{Name: "a", Weight: 2}), pooled(3, 1, Pool{Name: "b", Weight: 9}), pooled(4, 1, Pool{Name: "a", Weight: 2})); !slices.Equal(got, []int{3, 2, 2, 4, 1}) {
		t.Errorf("by priority: %v", got)
	}
	by := func(job int, at time.Duration) Event {
		e := pooled(job, 1, Pool{})
		e.Set.Deadline = at
		return e
	}
	if got := run(Deadline, by(1, 0), by(2, 30), by(3, 10), by(4, 0), by(5, 10)); !slices.Equal(got, []int{3, 5, 2, 1, 4}) {
		t.Errorf("by deadline: %v", got)
	}
}

// FIFO as a policy does what no policy does.
func TestFIFOPolicy(t *testing.T) {
	run := func(p Policy) (out []string) {
		r := rand.New(rand.NewPCG(1, 1))
		s := New(0)
		s.Policy = p
		s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 3}})
		for _, job := range []int{2, 1, 3} {
			out = append(out, show(s.Step(pooled(job, 5, Pool{})))...)
		}
		for s.Running() > 0 {
			ids := s.sorted(func(exec.TaskID, exec.ExecutorID) bool { return true })
			out = append(out, show(s.Step(Event{Ended: &Ended{ID: ids[r.IntN(len(ids))]}}))...)
		}
		return out
	}
	if with, without := run(FIFO), run(nil); !slices.Equal(with, without) {
		t.Errorf("with %v\nwithout %v", with, without)
	}
}

// TestShares runs random jobs in random pools: slots are counted right whatever
// ends, fails or is killed, and nothing waits while a slot is free.
func TestShares(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 9))
		s := New(0)
		s.Policy, s.Quick = Fair, time.Duration(r.IntN(2))*time.Second
		for i := range 1 + r.IntN(3) {
			s.Step(Event{Added: &ExecutorAdded{ID: exec.ExecutorID(fmt.Sprint("x", i)), Slots: 1 + r.IntN(4)}})
		}
		for step := range 200 {
			ids := s.sorted(func(exec.TaskID, exec.ExecutorID) bool { return true })
			switch k := r.IntN(20); {
			case k < 2:
				s.Step(pooled(step, 1+r.IntN(10), Pool{Name: []string{"", "p", "q"}[r.IntN(3)], Weight: r.IntN(3), Least: r.IntN(3)}))
			case k == 2 && len(ids) > 0:
				st := stageOf(ids[r.IntN(len(ids))])
				s.Step(Event{Kill: &st})
			case k == 3 && len(ids) > 0:
				s.Step(Event{Parked: &ids[r.IntN(len(ids))]})
			case k == 4 && len(ids) > 0:
				s.Step(Event{Resumed: &ids[r.IntN(len(ids))]})
			case k == 5 && len(ids) > 0:
				s.Step(Event{Ended: &Ended{ID: ids[r.IntN(len(ids))], Failure: &exec.Failure{Kind: exec.Killed}}})
			case len(ids) > 0:
				s.Step(Event{Ended: &Ended{ID: ids[r.IntN(len(ids))]}})
			}
			want := map[share]int{}
			for id := range s.running {
				if !s.parked[id] {
					want[s.holds[id]]++
				}
			}
			for k, n := range want {
				if s.shares[k] != n {
					t.Fatalf("seed %d: %v has %d slots, the scheduler believes %d", seed, k, n, s.shares[k])
				}
			}
			if len(want) != len(s.shares) || len(s.holds) != len(s.running) {
				t.Fatalf("seed %d: shares %v, want %v; %d holds", seed, s.shares, want, len(s.holds))
			}
			if s.Pending() > 0 && s.Idle() && len(s.parked) == 0 && len(s.banned) == 0 {
				t.Fatalf("seed %d: %d wait though a slot is free", seed, s.Pending())
			}
		}
	}
}
