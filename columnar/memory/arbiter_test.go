package memory

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// world is a simulated process: jobs come and go, their tasks enter, grow,
// spill and end, a store borrows and gives back when asked.
type world struct {
	t      *testing.T
	r      *rand.Rand
	a      *arbiter
	held   map[int]int64 // as granted
	kinds  map[int]kind
	least  map[int]int64
	jobs   []simJob
	tasks  []int // running
	queue  []simTask
	wants  map[int]simTask // tasks that wait to enter
	next   int
	parked map[int]bool
	over   bool // a task was let in over the budget
	trace  uint64
	events int
}

type simJob struct {
	id   int
	left int // tasks to come or running
	in   bool
	task int64
}

type simTask struct{ job, id int }

const storeID = 1

func (w *world) step(e event) (ok bool) {
	w.t.Helper()
	w.events++
	for _, a := range w.a.step(e, nil) {
		w.trace = w.trace*1099511628211 + uint64(a.op)<<32 + uint64(a.id)<<8 + uint64(a.n)
		switch a.op {
		case granted:
			w.held[a.id] += a.n
			ok = ok || a.id == e.id
			if t, ok := w.wants[a.id]; ok {
				delete(w.wants, a.id)
				w.over = w.over || len(w.parked) == len(w.tasks)
				w.tasks = append(w.tasks, t.id)
			} else if w.kinds[a.id] == job {
				w.over = w.over || len(w.tasks) > 0 && len(w.parked) == len(w.tasks)
			}
			for i := range w.jobs {
				if w.jobs[i].id == a.id {
					w.jobs[i].in = true
				}
			}
		case reclaim:
			n := min(a.n, w.held[storeID])
			if a.id != 0 && w.held[storeID]-n < w.a.budget/2-1 { // A5
				w.t.Fatalf("growth of %d takes %d of the store's %d of a budget of %d", a.id, n, w.held[storeID], w.a.budget)
			}
			if n > 0 && w.r.IntN(4) > 0 { // sometimes its blocks are pinned
				w.held[storeID] -= n
				w.step(event{op: give, id: storeID, n: n})
			}
		}
	}
	sum := int64(0)
	for _, n := range w.held {
		sum += n
	}
	w.over = w.over && sum > w.a.budget
	if sum != w.a.held || sum > w.a.budget && !w.over { // A1
		w.t.Fatalf("%d granted, the arbiter counts %d of %d", sum, w.a.held, w.a.budget)
	}
	if w.held[storeID] != w.a.byKind[store] {
		w.t.Fatalf("the store holds %d, the arbiter counts %d", w.held[storeID], w.a.byKind[store])
	}
	return ok
}

func (w *world) job(tasks int) {
	w.next++
	j := simJob{id: w.next, left: 1 + w.r.IntN(tasks), task: 1 + w.r.Int64N(w.a.budget/2)}
	shared := w.r.Int64N(w.a.budget - j.task + 1)
	w.kinds[j.id], w.least[j.id] = job, shared
	w.jobs = append(w.jobs, j)
	w.enter(event{op: enter, id: j.id, kind: job, n: shared, tasks: j.task})
}

// enter is what a root does that wants in.
func (w *world) enter(e event) {
	if !w.step(e) {
		w.step(event{op: insist, id: e.id})
	}
}

// launch puts tasks of admitted jobs into free slots.
func (w *world) launch(slots int) {
	for len(w.tasks)+len(w.wants) < slots && len(w.queue) > 0 {
		t := w.queue[0]
		w.queue = w.queue[1:]
		for i := range w.jobs {
			if w.jobs[i].id == t.job {
				w.least[t.id] = 1 + w.r.Int64N(w.jobs[i].task)
			}
		}
		w.kinds[t.id] = task
		w.wants[t.id] = t
		w.enter(event{op: enter, id: t.id, kind: task, n: w.least[t.id]})
	}
}

func (w *world) end(i int) {
	id := w.tasks[i]
	w.tasks = append(w.tasks[:i], w.tasks[i+1:]...)
	delete(w.held, id)
	delete(w.parked, id)
	w.step(event{op: leave, id: id})
	for k := range w.jobs {
		j := &w.jobs[k]
		if w.least[id] <= j.task && j.in && j.left > 0 { // any will do: which job it was does not matter
			j.left--
			break
		}
	}
}

// Under random jobs, tasks and pins nothing is granted over the budget, nobody
// takes the store's half for growth, shares are kept, and whatever happens
// everybody gets in as soon as those who run have ended: without that there is
// a deadlock. The same seed takes the same decisions.
func TestArbiterSimulation(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for round := range uint64(300) {
		first := simulate(t, seed+round)
		if round%50 == 0 && simulate(t, seed+round) != first {
			t.Fatalf("seed %d: two runs differ", seed+round)
		}
	}
}

func simulate(t *testing.T, seed uint64) uint64 {
	r := rand.New(rand.NewPCG(seed, 7))
	w := &world{t: t, r: r, a: newArbiter(16 + r.Int64N(200)), held: map[int]int64{}, kinds: map[int]kind{storeID: store}, least: map[int]int64{}, wants: map[int]simTask{}, parked: map[int]bool{}, next: storeID}
	slots := 1 + r.IntN(6)
	w.step(event{op: enter, id: storeID, kind: store})
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("seed %d: %s", seed, fmt.Sprintf(format, args...))
	}
	live := func(id int) bool { _, ok := w.a.members[id]; return ok }
	for range 600 {
		w.launch(slots)
		if len(w.tasks) > 0 && r.IntN(5) == 0 { // a task begins or ends to wait for its reader
			id := w.tasks[r.IntN(len(w.tasks))]
			n := int64(0)
			if w.parked[id] {
				delete(w.parked, id)
			} else {
				w.parked[id], n = true, 1
			}
			w.step(event{op: park, id: id, n: n})
		}
		switch k := r.IntN(11); {
		case k == 10 && len(w.tasks) > 0: // a task takes what it cannot do without (A7)
			w.over = true
			w.step(event{op: take, id: w.tasks[r.IntN(len(w.tasks))], n: 1 + r.Int64N(8)})
		case k == 0 && len(w.jobs) < 5:
			w.job(8)
		case k == 1 && len(w.jobs) > 0: // an admitted job submits a task
			if j := w.jobs[r.IntN(len(w.jobs))]; j.in && j.left > 0 {
				w.next++
				w.queue = append(w.queue, simTask{j.id, w.next})
			}
		case k == 2 && len(w.jobs) > 0: // a job without tasks ends
			i := r.IntN(len(w.jobs))
			j := w.jobs[i]
			busy := len(w.wants)+len(w.tasks) > 0
			for _, q := range w.queue {
				busy = busy || q.job == j.id
			}
			if j.in && !busy {
				w.jobs = append(w.jobs[:i], w.jobs[i+1:]...)
				delete(w.held, j.id)
				w.step(event{op: leave, id: j.id})
			}
		case k == 3 && len(w.tasks) > 0:
			w.end(r.IntN(len(w.tasks)))
		case k == 4:
			w.step(event{op: ask, id: storeID, n: 1 + r.Int64N(8)})
		case k == 5 && len(w.tasks) > 0: // a task spills
			id := w.tasks[r.IntN(len(w.tasks))]
			if n := w.held[id] - w.least[id]; n > 0 {
				n = 1 + r.Int64N(n)
				w.held[id] -= n
				w.step(event{op: give, id: id, n: n})
			}
		case k == 6 && len(w.jobs) > 0:
			if j := w.jobs[r.IntN(len(w.jobs))]; j.in {
				w.step(event{op: ask, id: j.id, n: 1 + r.Int64N(8)})
			}
		case len(w.tasks) > 0:
			id := w.tasks[r.IntN(len(w.tasks))]
			n := 1 + r.Int64N(8)
			share := w.a.share()
			if w.step(event{op: ask, id: id, n: n}) && w.held[id] > max(share, w.least[id]) { // A4
				fail("task %d holds %d, the share is %d", id, w.held[id], share)
			}
		}
	}
	// All who run end, and those who enter meanwhile; the store has no pins left.
	for i := 0; len(w.tasks)+len(w.wants)+len(w.queue) > 0; i++ {
		if i > 1000 {
			fail("%d tasks wait for ever: %d of %d held, %d by jobs, %d by the store", len(w.wants), w.a.held, w.a.budget, w.a.byKind[job], w.a.byKind[store])
		}
		w.launch(slots)
		if len(w.tasks) > 0 {
			w.end(0)
		} else if n := w.a.wanted(); n > 0 {
			w.held[storeID] -= n
			w.step(event{op: give, id: storeID, n: n})
		}
	}
	for i := 0; len(w.jobs) > 0; i++ {
		at := -1
		for k, j := range w.jobs {
			if j.in {
				at = k
			}
		}
		if at < 0 {
			n := w.a.wanted()
			if n == 0 || i > 1000 {
				fail("%d jobs wait for ever: %d of %d held", len(w.jobs), w.a.held, w.a.budget)
			}
			w.held[storeID] -= n
			w.step(event{op: give, id: storeID, n: n})
			continue
		}
		id := w.jobs[at].id
		w.jobs = append(w.jobs[:at], w.jobs[at+1:]...)
		if live(id) {
			delete(w.held, id)
			w.step(event{op: leave, id: id})
		}
	}
	if w.a.held != w.held[storeID] || w.a.running != 0 || len(w.a.members) != 1 {
		fail("at the end %d bytes are held, %d tasks run, %d are in", w.a.held, w.a.running, len(w.a.members))
	}
	return w.trace
}

// Of two tasks the second gets its share, though the first took all there was:
// the first is told to yield (A4).
func TestArbiterYield(t *testing.T) {
	a := newArbiter(100)
	for id := range 2 {
		a.step(event{op: enter, id: id, kind: task, n: 10}, nil)
		if id == 0 {
			a.step(event{op: ask, id: 0, n: 80}, nil)
		}
	}
	if got := fmt.Sprint(a.step(event{op: ask, id: 1, n: 10}, nil)); got != fmt.Sprint([]action{{refused, 1, 0}, {yield, 0, 1}}) {
		t.Fatalf("got %v", got)
	}
	a.step(event{op: give, id: 0, n: 30}, nil)
	if got := fmt.Sprint(a.step(event{op: ask, id: 1, n: 20}, nil)); got != fmt.Sprint([]action{{yield, 0, 0}, {granted, 1, 20}}) {
		t.Fatalf("got %v", got)
	}
	if got := a.step(event{op: ask, id: 1, n: 21}, nil); len(got) != 1 || got[0].op != refused {
		t.Fatalf("grew over its half: %v", got)
	}
}

// The store lends what is free up to the watermark, gives way to growth down to
// its half, and to who wants to start entirely (A2, A5).
func TestArbiterStore(t *testing.T) {
	a := newArbiter(100)
	a.step(event{op: enter, id: 1, kind: store}, nil)
	for i, want := range []opcode{granted, granted, refused, granted} {
		n := []int64{50, 35, 1, 0}[i]
		if got := a.step(event{op: ask, id: 1, n: n}, nil); got[0].op != want {
			t.Fatalf("%d: got %v", i, got)
		}
	}
	a.step(event{op: enter, id: 2, kind: task, n: 10}, nil)
	if got := fmt.Sprint(a.step(event{op: ask, id: 2, n: 40}, nil)); got != fmt.Sprint([]action{{refused, 2, 0}, {reclaim, 2, 35}}) {
		t.Fatalf("got %v", got)
	}
	if got := a.step(event{op: ask, id: 2, n: 41}, nil); len(got) != 1 || got[0].op != refused {
		t.Fatalf("the store's half is not its own: %v", got)
	}
	if got := fmt.Sprint(a.step(event{op: enter, id: 3, kind: task, n: 60}, nil)); got != fmt.Sprint([]action{{reclaim, 0, 55}}) {
		t.Fatalf("got %v", got)
	}
	if got := fmt.Sprint(a.step(event{op: give, id: 1, n: 55}, nil)); got != fmt.Sprint([]action{{granted, 3, 60}, {reclaim, 0, 0}}[:1]) {
		t.Fatalf("got %v", got)
	}
}
