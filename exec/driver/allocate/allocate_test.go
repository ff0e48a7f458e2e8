package allocate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

// executors returns n of them, of which so many are busy.
func executors(n, busy int) (out []Executor) {
	for i := range n {
		out = append(out, Executor{ID: exec.ExecutorID(fmt.Sprint("x", i)), Busy: i < busy})
	}
	return out
}

// TestGrow: one, two, four … more while tasks wait, up to what they need; a pause of
// the waiting begins anew.
func TestGrow(t *testing.T) {
	s := New(Config{Least: 1, Most: 20, Slots: 2, Backlog: time.Second, Sustained: 500 * time.Millisecond})
	ms := time.Millisecond
	for _, x := range []struct {
		at            time.Duration
		waiting, runs int
		there, want   int
		wake          time.Duration
	}{
		{0, 98, 2, 1, 1, 1000 * ms},
		{999 * ms, 98, 2, 1, 1, 1000 * ms},
		{1000 * ms, 98, 2, 1, 2, 1500 * ms},
		{1400 * ms, 96, 4, 2, 2, 1500 * ms},
		{1500 * ms, 96, 4, 2, 4, 2000 * ms},
		{2000 * ms, 92, 8, 4, 8, 2500 * ms},
		{2500 * ms, 84, 16, 8, 16, 3000 * ms},
		{3000 * ms, 84, 16, 8, 20, 0}, // Most
		{3100 * ms, 0, 16, 8, 8, 0},   // the others are of no use any more
		{3200 * ms, 4, 16, 8, 8, 4200 * ms},
		{4200 * ms, 4, 16, 8, 9, 4700 * ms},
		{4700 * ms, 4, 16, 8, 10, 0}, // as many as the tasks need
	} {
		d := s.Step(View{Now: x.at, Waiting: x.waiting, Running: x.runs, Executors: executors(x.there, x.there)})
		if d.Want != x.want || len(d.Leave) > 0 || d.Wake != x.wake {
			t.Errorf("at %s: %+v, want %d and %s", x.at, d, x.want, x.wake)
		}
	}
}

// TestShrink: idle executors leave, the one that has been idle for longest first, but
// never below what is least or needed, and none that keeps data.
func TestShrink(t *testing.T) {
	s := New(Config{Least: 1, Most: 8, Begin: 4, Idle: 10 * time.Second})
	if d := s.Step(View{Running: 2, Executors: executors(4, 2)}); d.Want != 4 || d.Leave != nil || d.Wake != 10*time.Second {
		t.Errorf("%+v", d)
	}
	xs := executors(4, 1)
	xs[2].Keeps = true
	s.Step(View{Now: 5 * time.Second, Running: 1, Executors: xs})
	if d := s.Step(View{Now: 10 * time.Second, Running: 1, Executors: xs}); d.Want != 3 || !slices.Equal(d.Leave, []exec.ExecutorID{"x3"}) {
		t.Errorf("%+v", d)
	}
	xs = xs[:3]
	if d := s.Step(View{Now: 15 * time.Second, Waiting: 2, Running: 1, Executors: xs}); d.Want != 3 || d.Leave != nil {
		t.Errorf("one leaves that tasks could use: %+v", d)
	}
	xs[0].Busy = false
	if d := s.Step(View{Now: 20 * time.Second, Executors: xs}); d.Want != 2 || !slices.Equal(d.Leave, []exec.ExecutorID{"x1"}) {
		t.Errorf("%+v", d)
	}
	xs = []Executor{xs[0]}
	if d := s.Step(View{Now: 60 * time.Second, Executors: xs}); d.Want != 1 || d.Leave != nil {
		t.Errorf("the last one leaves: %+v", d)
	}
}

// TestSimulation: under random load, with executors that come late, end by themselves
// or never come, what is wanted stays between its bounds, nobody leaves who is at work
// or keeps data, load is served by as many as it needs, and without load only the least
// are left.
func TestSimulation(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		c := Config{Least: 1 + r.IntN(3), Most: 1 + r.IntN(12), Begin: r.IntN(6), Slots: 1 + r.IntN(3), Backlog: time.Duration(1+r.IntN(2000)) * time.Millisecond, Idle: time.Duration(1+r.IntN(20)) * time.Second}
		s := New(c)
		c = c.filled()
		now, next := time.Duration(0), 0
		tasks := 0
		there := map[exec.ExecutorID]int{} // tasks of each
		var coming []time.Duration
		step := func(load bool) {
			now += time.Duration(1+r.IntN(700)) * time.Millisecond
			if load && r.IntN(4) == 0 {
				tasks += r.IntN(40)
			}
			coming = slices.DeleteFunc(coming, func(at time.Duration) bool {
				if at <= now {
					there[exec.ExecutorID(fmt.Sprintf("x%04d", next))] = 0
					next++
				}
				return at <= now
			})
			v := View{Now: now, Waiting: tasks}
			for _, id := range slices.Sorted(func(yield func(exec.ExecutorID) bool) {
				for id := range there {
					if !yield(id) {
						return
					}
				}
			}) {
				if load && r.IntN(200) == 0 { // it is killed
					v.Waiting, tasks = v.Waiting+there[id], tasks+there[id]
					delete(there, id)
					continue
				}
				if there[id] > 0 && r.IntN(3) == 0 {
					there[id]--
				}
				for there[id] < c.Slots && v.Waiting > 0 {
					there[id]++
					v.Waiting, tasks = v.Waiting-1, tasks-1
				}
				v.Running += there[id]
				v.Executors = append(v.Executors, Executor{ID: id, Busy: there[id] > 0, Keeps: load && r.IntN(30) == 0})
			}
			d := s.Step(v)
			if d.Want < c.Least || d.Want > c.Most {
				t.Fatalf("seed %d: %d are wanted of %d to %d", seed, d.Want, c.Least, c.Most)
			}
			for _, id := range d.Leave {
				at := slices.IndexFunc(v.Executors, func(e Executor) bool { return e.ID == id })
				if at < 0 || v.Executors[at].Busy || v.Executors[at].Keeps {
					t.Fatalf("seed %d: %s is to leave of %+v", seed, id, v.Executors)
				}
				delete(there, id)
			}
			if len(there) < c.Least && len(d.Leave) > 0 {
				t.Fatalf("seed %d: only %d stay", seed, len(there))
			}
			for len(there)+len(coming) < d.Want {
				coming = append(coming, now+time.Duration(r.IntN(5000))*time.Millisecond)
			}
		}
		for range 200 {
			step(true)
		}
		tasks += 1000 * c.Most // more than the simulation does
		for range 200 {
			step(false)
		}
		if s.Want() != c.Most || len(there) != c.Most {
			t.Fatalf("seed %d: under load %d are wanted and %d there, not %d", seed, s.Want(), len(there), c.Most)
		}
		tasks = 0
		for range 400 {
			step(false)
		}
		if s.Want() != c.Least || len(there) != c.Least {
			t.Fatalf("seed %d: without load %d are wanted and %d there, not %d", seed, s.Want(), len(there), c.Least)
		}
	}
}
