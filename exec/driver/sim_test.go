package driver

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// The simulation drives the real loop (without its goroutine), both schedulers, the
// tracker and the brokers of memory over a fake cluster that loses executors at any
// moment, damages outputs, fails tasks, delivers launches late and reports late,
// twice or never, drains executors, has more and fewer of them as tasks need
// (sim_leave_test.go), and lets time jump. Outputs carry their lineage: which run of each
// task they stem from. At each step it must hold that
//
//   - no task is planned on outputs that are not all there (D2);
//   - no executor has more tasks than slots (T2);
//   - what tasks share is released only after the last of them stopped (R4);
//   - outputs are given up only when they are gone, or their stage must run anew (D6);
//   - a second attempt runs on another executor, and only what does not count is
//     dropped (T6);
//   - an executor that leaves runs nothing, and loses nothing that was not given up: no
//     fetch fails and no task runs again because of draining or shrinking alone (R7);
//   - memory granted is within the budget, but for A6 of columnar/memory;
//
// and at the end that
//
//   - every job has ended within so many steps, or failed with a class;
//   - a result holds the rows of each task exactly once and in order, and no two
//     runs of a task whose rows may differ (D6, R5), however little of it fits
//     the window and whenever the consumer takes some;
//   - what a task adds to an accumulator is added once (R6);
//   - nothing is reserved any more, neither here nor on any executor;
//   - all of that holds, too, when stages that have not begun are planned again, with
//     other tasks, other inputs, and new stages before them, and each row of an input
//     that is read in parts was read by one task (sim_replan_test.go).
//
// All of it comes out of a seed: the same one leads to the same events (trace_test.go).

// tally counts what happened, so that a fault that never strikes is noticed.
type tally struct{ ok, failed, lost, fetch, stale, transient, late, rollbacks, parked, given, hurried, waited, near, twice, discarded, jumps, damaged, crashed, delayed, waiting, refused, over, replanned, inserted, dropped, unneeded, parted, drained, moved, unmoved, grown, shrunk int }

func (a *tally) add(b tally) {
	a.ok += b.ok
	a.failed += b.failed
	a.lost += b.lost
	a.fetch += b.fetch
	a.stale += b.stale
	a.transient += b.transient
	a.late += b.late
	a.rollbacks += b.rollbacks
	a.parked += b.parked
	a.given += b.given
	a.hurried += b.hurried
	a.waited += b.waited
	a.near += b.near
	a.twice += b.twice
	a.discarded += b.discarded
	a.jumps += b.jumps
	a.damaged += b.damaged
	a.crashed += b.crashed
	a.delayed += b.delayed
	a.waiting += b.waiting
	a.refused += b.refused
	a.over += b.over
	a.replanned += b.replanned
	a.inserted += b.inserted
	a.dropped += b.dropped
	a.unneeded += b.unneeded
	a.parted += b.parted
	a.drained += b.drained
	a.moved += b.moved
	a.unmoved += b.unmoved
	a.grown += b.grown
	a.shrunk += b.shrunk
}

type outKey struct{ job, stage, task, attempt int }

type lineage map[[2]int]uint64 // stage and task → run

type sim struct {
	t       *testing.T
	seed    uint64
	r       *rand.Rand
	d       *Driver
	jobs    []*job
	next    int // executor
	alive   map[exec.ExecutorID]bool
	running []*attempt
	late    []cluster.Report // reports still under way
	outputs map[outKey]lineage
	rows    map[*columnar.Batch]row
	taken   map[int][]row                       // by job: what the consumer had
	added   map[[3]int]int                      // by job, stage and task: how often it was accumulated
	parts   map[[3]int]stage.Part               // what it had read then
	moves   []cluster.Move                      // under way
	retired map[exec.ExecutorID]map[outKey]bool // executors that left, and what they could not give away
	version uint64
	now     time.Duration
	kills   int
	tally   tally
	nodes   map[exec.ExecutorID]*node // memory of those that are alive
	doors   []*door                   // of jobs that wait for memory, in order
	damaged map[outKey]bool
	without faults
	bubble  bool // goroutines wait for memory (synctest)
	trace
}

type attempt struct {
	ex     exec.ExecutorID
	id     exec.TaskID
	task   *wire.TaskDescription
	told   [][]shuffle.MapStatus // by input: where the outputs lay when it was launched
	late   bool                  // the launch is still under way
	memory *stay
	killed bool
	parked bool
	read   lineage // inputs, once read
	made   lineage // output, once made
	pushed int     // rows of the result handed over
	fail   *exec.Failure
}

// row is a row of a result, which is a batch of its own.
type row struct {
	task, number int
	from         lineage
}

// rowsPerTask is how many rows a task of a result stage yields.
const rowsPerTask = 3

func newSim(t *testing.T, seed uint64, without faults) *sim {
	s := &sim{t: t, seed: seed, without: without, nodes: map[exec.ExecutorID]*node{}, damaged: map[outKey]bool{}, r: rand.New(rand.NewPCG(seed, 7)), alive: map[exec.ExecutorID]bool{}, outputs: map[outKey]lineage{}, rows: map[*columnar.Batch]row{}, taken: map[int][]row{}, added: map[[3]int]int{}, parts: map[[3]int]stage.Part{}, retired: map[exec.ExecutorID]map[outKey]bool{}}
	s.d = &Driver{Config: Config{Backend: s, Tracker: shuffle.NewTracker(), Results: &Results{}, Datasets: NewDatasets(), Memory: memory.NewBroker(1 << 30), Patience: -1}, dag: dag.New(), task: task.New(50 * time.Millisecond), sizes: map[exec.ExecutorID]int{}, asked: map[exec.ExecutorID]bool{}, leaving: map[exec.ExecutorID]*leaving{}, moves: newMoves(), jobs: map[int]*job{}, done: make(chan struct{})}
	s.d.look = time.NewTimer(time.Hour) // it is the simulation that lets time pass
	s.d.look.Stop()
	s.d.task.Speculation = task.Speculation{Quantile: 0.4, Factor: 1.5, Least: 5 * time.Millisecond}
	s.d.clock = func() time.Duration { return s.now }
	s.d.Accumulate = func(n *physical.Accumulate, values []byte) error {
		at := [3]int{n.ID, int(values[0]), int(values[1])}
		s.added[at]++
		s.parts[at] = partOf(values[2:])
		return nil
	}
	s.kills = s.r.IntN(6)
	if s.r.IntN(2) == 0 {
		s.allocate()
	}
	return s
}

func (s *sim) addExecutor() {
	s.next++
	id := exec.ExecutorID(fmt.Sprint("x", s.next))
	s.alive[id] = true
	s.nodes[id] = s.newNode()
	x := &cluster.Executor{ID: id, Slots: 1 + s.r.IntN(3)}
	s.log("executor %s of %d slots and %d MiB", id, x.Slots, s.nodes[id].broker.Budget()>>20)
	s.deliver(cluster.Report{Added: x})
}

// deliver tells the driver something. Outputs that it gives up then are gone, or of
// stages that must run anew.
func (s *sim) deliver(r cluster.Report) {
	var before []registered
	if r.Lost && s.retired[r.Executor] != nil {
		s.checkLeft(r.Executor)
	}
	if careful := r.Lost || r.Failure != nil && r.Failure.Kind == exec.FetchFailed; careful {
		before = s.registered()
	}
	s.d.report(r)
	s.d.drain()
	for _, o := range before {
		j := s.d.jobs[o.key.job]
		if j == nil || j.ended || !s.alive[o.on] || s.damaged[o.key] || s.holds(o.key) {
			continue
		}
		if st := j.graph.Stages[o.key.stage]; st.Class != stage.Unstable && !whole(st.Root) {
			s.fail("the output of stage %d task %d of job %d is given up, though it is there and stable", o.key.stage, o.key.task, o.key.job)
		}
	}
}

// registered is a map output that the tracker knows.
type registered struct {
	key outKey
	on  exec.ExecutorID
}

// registered lists the outputs of running jobs.
func (s *sim) registered() (out []registered) {
	for _, j := range s.jobs {
		for _, st := range j.graph.Stages {
			if st.Out == nil || s.d.jobs[j.id] == nil {
				continue
			}
			_, maps := s.d.Tracker.Outputs(j.id, st.Out.Exchange)
			for _, m := range maps {
				out = append(out, registered{outKey{j.id, st.ID, m.Map, m.Attempt}, exec.ExecutorID(m.Executor)})
			}
		}
	}
	return out
}

// holds reports whether the tracker knows an output.
func (s *sim) holds(k outKey) bool {
	_, maps := s.d.Tracker.Outputs(k.job, s.jobs[k.job-1].graph.Stages[k.stage].Out.Exchange)
	return slices.ContainsFunc(maps, func(m shuffle.MapStatus) bool { return m.Map == k.task && m.Attempt == k.attempt })
}

func (s *sim) submit(id int) {
	g := &stage.Graph{}
	leaf := &physical.Accumulate{ID: id, Child: &physical.Values{Out: columnar.NewSchema()}}
	n := 1 + s.r.IntN(6)
	j := &job{id: id, graph: g, done: make(chan struct{}), running: map[exec.TaskID]exec.ExecutorID{}, live: map[exec.StageID]int{}, ending: map[exec.StageID]bool{}, read: map[int]bool{}}
	read := make([]bool, n)
	for i := range n {
		st := &stage.Stage{ID: i, Root: leaf, Class: stage.Determinism(s.r.IntN(3))}
		if s.r.IntN(5) == 0 {
			st.Root = &physical.HashJoin{Kind: logical.Full, Shared: true, Together: true, Left: leaf, Right: leaf}
		}
		if i < n-1 {
			st.Out = &stage.Output{Exchange: i + 1}
		}
		for p := range i {
			if s.r.IntN(3) == 0 || i == n-1 && !read[p] {
				read[p] = true
				st.Inputs = append(st.Inputs, stage.Input{Exchange: p + 1, Stage: p})
				if g.Stages[p].Class == stage.Unstable {
					st.Class = stage.Unstable
				}
			}
		}
		for a := range n { // of any order, so that they may await each other for ever
			if a != i && s.r.IntN(8) == 0 {
				st.Awaits = append(st.Awaits, a)
			}
		}
		if st.Class == stage.Stable && len(st.Inputs) > 0 {
			st.Class = stage.Unordered
		}
		g.Stages = append(g.Stages, st)
		j.encoded, j.hashes = append(j.encoded, nil), append(j.hashes, [32]byte{})
		tasks := make([][]wire.LeafAssignment, 1+s.r.IntN(4))
		for t := range tasks { // all leaves are number 0
			tasks[t] = []wire.LeafAssignment{{Part: stage.One(t)}}
		}
		j.tasks = append(j.tasks, tasks)
		j.least = append(j.least, stage.MemoryOf(st.Root, st.Out).Task)
		j.stats = append(j.stats, StageResult{})
	}
	g.Result = n - 1
	j.began = make([]time.Time, n)
	if s.r.IntN(2) == 0 {
		j.rewrite = s.rewrite
	}
	s.d.stream(j, []int64{4, 40, 1 << 20}[s.r.IntN(3)])
	s.jobs = append(s.jobs, j)
	s.log("job %d of %d stages", id, n)
	s.admit(j)
}

func (s *sim) run() {
	defer close(s.d.done) // timers that fire later find nobody
	defer s.leave()
	for range 1 + s.r.IntN(3) {
		s.addExecutor()
	}
	jobs := 1 + s.r.IntN(3)
	for id := 1; id <= jobs; id++ {
		s.submit(id)
		for range s.r.IntN(10) {
			s.step()
		}
	}
	for steps := 0; len(s.d.jobs)+len(s.doors) > 0; steps++ {
		if steps > 20000 {
			for _, j := range s.d.inOrder() {
				s.log("job %d ended: %t, on the driver's books: %v", j.id, j.ended, j.running)
			}
			s.fail("jobs do not end: %d running, %d waiting, %d for memory", len(s.running), s.d.task.Pending(), len(s.doors))
		}
		s.step()
		if s.failure != "" {
			return
		}
	}
	for _, j := range s.jobs {
		s.check(j)
	}
	if s.d.dag.Jobs() != 0 || s.d.task.Pending() != 0 {
		s.fail("the schedulers keep %d jobs and %d tasks", s.d.dag.Jobs(), s.d.task.Pending())
	}
	s.checkEnd()
}

func (s *sim) step() {
	s.now += time.Duration(s.r.IntN(5)) * time.Millisecond
	if s.strikes("jump", 200) {
		s.tally.jumps++
		s.now += time.Duration(s.r.Int64N(int64(3 * time.Hour)))
		s.log("it is %s", s.now)
		s.d.stepTasks(nil, task.Event{})
		s.d.drain()
	}
	if s.strikes("damage", 60) {
		s.damage()
	}
	s.act()
	s.settle()
	s.open()
	s.watch()
}

// act lets something happen.
func (s *sim) act() {
	switch n := s.r.IntN(100); {
	case n < 3 && s.kills > 0 && len(s.alive) > 0 && !s.without["kill"]:
		s.kill(s.anybody())
	case n < 5 || len(s.alive) == 0:
		if len(s.alive) < 4 {
			s.addExecutor()
		}
	case n < 7:
		s.resize()
	case n < 12 && len(s.moves) > 0:
		s.carry(s.r.IntN(len(s.moves)))
	case n < 20 && len(s.late) > 0:
		i := s.r.IntN(len(s.late))
		r := s.late[i]
		s.late = append(s.late[:i], s.late[i+1:]...)
		s.deliver(r)
	case n >= 60:
		s.take(s.jobs[s.r.IntN(len(s.jobs))], 1+s.r.IntN(4))
	case n < 30 && len(s.running) > 0:
		if a := s.running[s.r.IntN(len(s.running))]; s.runs(a) && a.read == nil && a.fail == nil {
			s.read(a)
		}
	case n < 35 && len(s.running) > 0:
		s.running[s.r.IntN(len(s.running))].memory.grow(s)
	case len(s.running) > 0:
		s.finish(s.r.IntN(len(s.running)))
	case len(s.late) > 0:
		r := s.late[0]
		s.late = s.late[1:]
		s.deliver(r)
	default:
		s.tally.hurried += len(s.d.dag.Waiting())
		s.d.hurry()
		s.d.drain()
		if at, ok := s.d.task.Wake(); ok {
			s.tally.waited++
			s.now = max(s.now, at)
			s.d.stepTasks(nil, task.Event{})
			s.d.drain()
		}
	}
}
