package driver

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed alone")
	simSeeds = flag.Int("sim.seeds", 3000, "how many seeds to run")
)

// The simulation drives the real loop (without its goroutine), both schedulers
// and the tracker over a fake cluster that loses executors, fails tasks, and
// delivers reports late, twice or never. Outputs carry their lineage: which run
// of each task they stem from. It must hold that
//
//   - every job ends;
//   - no task is planned on outputs that are not all there (D2);
//   - what tasks share is released only after the last of them stopped (R4);
//   - a result holds the rows of each task exactly once and in order, and no two
//     runs of a task whose rows may differ (D6, R5), however little of it fits
//     the window and whenever the consumer takes some;
//   - a second attempt runs on another executor, and only what does not count is
//     dropped (T6);
//   - what a task adds to an accumulator is added once (R6).
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		newSim(t, *simSeed).run()
		return
	}
	total := tally{}
	for seed := uint64(1); seed <= uint64(*simSeeds) && !t.Failed(); seed++ {
		s := newSim(t, seed)
		s.run()
		total.add(s.tally)
	}
	t.Logf("%+v", total)
	if total.lost == 0 || total.fetch == 0 || total.stale == 0 || total.transient == 0 || total.late == 0 || total.ok < *simSeeds/2 || total.failed == 0 || total.rollbacks == 0 || total.parked == 0 || total.given == 0 || total.hurried == 0 || total.waited == 0 || total.near == 0 || total.twice == 0 || total.discarded == 0 {
		t.Errorf("a fault never struck: %+v", total)
	}
}

// tally counts what happened, so that a fault that never strikes is noticed.
type tally struct{ ok, failed, lost, fetch, stale, transient, late, rollbacks, parked, given, hurried, waited, near, twice, discarded int }

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
	taken   map[int][]row  // by job: what the consumer had
	added   map[[3]int]int // by job, stage and task: how often it was accumulated
	version uint64
	now     time.Duration
	kills   int
	tally   tally
}

type attempt struct {
	ex     exec.ExecutorID
	id     exec.TaskID
	task   *wire.TaskDescription
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

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 7)), alive: map[exec.ExecutorID]bool{}, outputs: map[outKey]lineage{}, rows: map[*columnar.Batch]row{}, taken: map[int][]row{}, added: map[[3]int]int{}}
	s.d = &Driver{Config: Config{Backend: s, Tracker: shuffle.NewTracker(), Results: &Results{}, Datasets: NewDatasets(), Memory: memory.NewBroker(1 << 30), Patience: -1}, dag: dag.New(), task: task.New(50 * time.Millisecond), sizes: map[exec.ExecutorID]int{}, jobs: map[int]*job{}, done: make(chan struct{})}
	s.d.look = time.NewTimer(time.Hour) // it is the simulation that lets time pass
	s.d.look.Stop()
	s.d.task.Speculation = task.Speculation{Quantile: 0.4, Factor: 1.5, Least: 5 * time.Millisecond}
	s.d.clock = func() time.Duration { return s.now }
	s.d.Accumulate = func(n *physical.Accumulate, values []byte) error {
		s.added[[3]int{n.ID, int(values[0]), int(values[1])}]++
		return nil
	}
	s.kills = s.r.IntN(6)
	for range 1 + s.r.IntN(3) {
		s.addExecutor()
	}
	return s
}

func (s *sim) fail(format string, args ...any) {
	s.t.Errorf("seed %d (-sim.seed=%d): %s", s.seed, s.seed, fmt.Sprintf(format, args...))
}

func (s *sim) addExecutor() {
	s.next++
	id := exec.ExecutorID(fmt.Sprint("x", s.next))
	s.alive[id] = true
	s.deliver(cluster.Report{Added: &cluster.Executor{ID: id, Slots: 1 + s.r.IntN(3)}})
}

func (s *sim) deliver(r cluster.Report) {
	s.d.report(r)
	s.d.drain()
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
	s.d.stream(j, []int64{4, 40, 1 << 20}[s.r.IntN(3)])
	s.jobs = append(s.jobs, j)
	s.d.submit(j)
	s.d.drain()
}

func (s *sim) run() {
	defer close(s.d.done) // timers that fire later find nobody
	jobs := 1 + s.r.IntN(3)
	for id := 1; id <= jobs; id++ {
		s.submit(id)
		for range s.r.IntN(10) {
			s.step()
		}
	}
	for steps := 0; len(s.d.jobs) > 0; steps++ {
		if steps > 20000 {
			s.fail("jobs do not end: %d running, %d waiting", len(s.running), s.d.task.Pending())
			return
		}
		s.step()
		if s.t.Failed() {
			return
		}
	}
	for _, j := range s.jobs {
		s.check(j)
	}
	if s.d.dag.Jobs() != 0 || s.d.task.Pending() != 0 {
		s.fail("the schedulers keep %d jobs and %d tasks", s.d.dag.Jobs(), s.d.task.Pending())
	}
}

func (s *sim) step() {
	s.now += time.Duration(s.r.IntN(5)) * time.Millisecond
	switch n := s.r.IntN(100); {
	case n < 3 && s.kills > 0 && len(s.alive) > 0:
		s.kill()
	case n < 5 || len(s.alive) == 0:
		if len(s.alive) < 4 {
			s.addExecutor()
		}
	case n < 20 && len(s.late) > 0:
		i := s.r.IntN(len(s.late))
		r := s.late[i]
		s.late = append(s.late[:i], s.late[i+1:]...)
		s.deliver(r)
	case n >= 60:
		s.take(s.jobs[s.r.IntN(len(s.jobs))], 1+s.r.IntN(4))
	case n < 30 && len(s.running) > 0:
		if a := s.running[s.r.IntN(len(s.running))]; a.read == nil && a.fail == nil {
			s.read(a)
		}
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

// kill takes an executor away. The driver may hear of it at once or later; what
// its tasks still had to say arrives late or never.
func (s *sim) kill() {
	s.kills--
	s.tally.lost++
	var ids []string
	for id := range s.alive {
		ids = append(ids, string(id))
	}
	sort.Strings(ids)
	id := exec.ExecutorID(ids[s.r.IntN(len(ids))])
	delete(s.alive, id)
	var keep, gone []*attempt
	for _, a := range s.running {
		if a.ex == id {
			gone = append(gone, a)
		} else {
			keep = append(keep, a)
		}
	}
	s.running = keep
	for _, a := range gone {
		if s.r.IntN(2) == 0 && s.push(a) {
			s.late = append(s.late, s.outcome(a))
			s.tally.late++
		}
	}
	if r := (cluster.Report{Executor: id, Lost: true}); s.r.IntN(2) == 0 {
		s.deliver(r)
	} else {
		s.late = append(s.late, r)
	}
}

// read takes the inputs of a task, or finds that one is gone.
func (s *sim) read(a *attempt) {
	j := s.jobs[a.id.Job-1]
	a.read = lineage{}
	for i, in := range j.graph.Stages[a.id.Stage].Inputs {
		epoch, maps := s.d.Tracker.Outputs(a.id.Job, in.Exchange)
		if epoch != a.task.Epochs[i].Epoch {
			s.tally.stale++
			a.fail = &exec.Failure{Kind: exec.FetchFailed, Exchange: in.Exchange, Map: -1, Cause: errors.New("stale")}
			return
		}
		for _, m := range maps {
			if !s.alive[exec.ExecutorID(m.Executor)] {
				s.tally.fetch++
				a.fail = &exec.Failure{Kind: exec.FetchFailed, Exchange: in.Exchange, Map: m.Map, Cause: errors.New("gone")}
				return
			}
			for k, v := range s.outputs[outKey{a.id.Job, in.Stage, m.Map, m.Attempt}] {
				if old, ok := a.read[k]; ok && old != v {
					s.fail("%s reads two runs of stage %d task %d", a.id, k[0], k[1])
				}
				a.read[k] = v
			}
			if whole(j.graph.Stages[in.Stage].Root) && m.Attempt/1000 != maps[0].Attempt/1000 {
				s.fail("%s reads two attempts of stage %d, which runs whole", a.id, in.Stage)
			}
		}
	}
}

func (s *sim) status(a *attempt, l lineage) *shuffle.MapStatus {
	at := a.id.Attempt + 1000*a.id.StageAttempt
	s.outputs[outKey{a.id.Job, a.id.Stage, a.id.Task, at}] = l
	parts := make([]shuffle.Part, 2)
	for i := range parts {
		parts[i] = shuffle.Part{Sum: shuffle.Sum{Rows: 1}, Bytes: int64(s.r.IntN(2 << 20))}
	}
	st := shuffle.NewMapStatus(a.id.Task, at, false, parts)
	st.Executor = string(a.ex)
	return &st
}

func (s *sim) finish(i int) {
	a := s.running[i]
	if !s.push(a) {
		return
	}
	i = slices.Index(s.running, a) // what it told may have started others
	s.running = append(s.running[:i], s.running[i+1:]...)
	r := s.outcome(a)
	s.deliver(r)
	if s.r.IntN(10) == 0 { // once more
		s.late = append(s.late, r)
		s.tally.late++
	}
}

// outcome is what a task ends with.
func (s *sim) outcome(a *attempt) cluster.Report {
	if a.read == nil {
		s.read(a)
	}
	r := cluster.Report{Task: a.id, Executor: a.ex, Failure: a.fail}
	switch {
	case a.fail != nil:
	case a.killed && s.r.IntN(3) > 0:
		r.Failure = &exec.Failure{Kind: exec.Killed, Cause: context.Canceled}
	case s.r.IntN(12) == 0:
		s.tally.transient++
		r.Failure = &exec.Failure{Kind: exec.Transient, Cause: errors.New("disk")}
	case s.r.IntN(150) == 0:
		r.Failure = exec.Classify(diag.New(diag.DivideByZero, "division by zero"))
	default:
		r.Updates = []exec.Update{{Accumulator: a.id.Job, Values: []byte{byte(a.id.Stage), byte(a.id.Task)}}}
		if s.jobs[a.id.Job-1].graph.Stages[a.id.Stage].Out != nil {
			r.Status = s.status(a, s.make(a))
		}
	}
	return r
}

// make makes the output of a task.
func (s *sim) make(a *attempt) lineage {
	if a.made != nil {
		return a.made
	}
	st := s.jobs[a.id.Job-1].graph.Stages[a.id.Stage]
	l := lineage{}
	h := fnv.New64()
	var keys [][2]int
	for k, v := range a.read {
		l[k] = v
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		return keys[i][0] < keys[j][0] || keys[i][0] == keys[j][0] && keys[i][1] < keys[j][1]
	})
	for _, k := range keys {
		fmt.Fprint(h, k, a.read[k])
	}
	s.version++
	own := h.Sum64()
	if st.Class == stage.Unstable {
		own = s.version
	}
	l[[2]int{st.ID, a.id.Task}] = own
	if st.Out == nil && whole(st.Root) {
		l[[2]int{st.ID, -1}] = uint64(a.id.StageAttempt)
	}
	a.made = l
	return l
}

// push hands the rows of a task of a result stage over, until there is no room.
func (s *sim) push(a *attempt) (done bool) {
	j := s.jobs[a.id.Job-1]
	if a.read == nil {
		s.read(a)
	}
	for a.fail == nil && j.graph.Stages[a.id.Stage].Out == nil && a.pushed < rowsPerTask {
		b := &columnar.Batch{Rows: 1, Hash: []uint64{0}} // of 8 bytes
		s.rows[b] = row{a.id.Task, a.pushed, s.make(a)}
		switch v, _ := j.stream.rows.offer(a.id, b, j.stream.memory); {
		case v == full:
			if !a.parked {
				a.parked = true
				s.tally.parked++
				s.d.taskStep(j, nil, task.Event{Parked: &a.id})
				s.d.drain()
			}
			if !a.killed {
				return false
			}
			a.fail = errStale
		case v == stale:
			a.fail = errStale
		default:
			if a.pushed++; s.r.IntN(20) == 0 {
				s.tally.transient++
				a.fail = &exec.Failure{Kind: exec.Transient, Cause: errors.New("disk")}
			}
		}
	}
	if a.parked {
		a.parked = false
		s.d.taskStep(j, nil, task.Event{Resumed: &a.id})
		s.d.drain()
	}
	return true
}

// take reads rows of a result.
func (s *sim) take(j *job, most int) {
	for range most {
		b, _, _ := j.stream.rows.take()
		if b == nil {
			return
		}
		s.taken[j.id] = append(s.taken[j.id], s.rows[b])
	}
}

func (s *sim) check(j *job) {
	select {
	case <-j.done:
	default:
		s.fail("job %d is not done", j.id)
		return
	}
	if _, maps := s.d.Tracker.Outputs(j.id, 1); maps != nil {
		s.fail("job %d left outputs", j.id)
	}
	for at, n := range s.added {
		if n > 1 {
			s.fail("stage %d task %d of job %d is accumulated %d times", at[1], at[2], at[0], n)
		}
	}
	if j.err != nil {
		s.tally.failed++
		if diag.ClassOf(j.err) == diag.ResultLost {
			s.tally.given++
		}
		return
	}
	s.tally.ok++
	for st := range j.tasks {
		for t := range j.tasks[st] {
			if s.added[[3]int{j.id, st, t}] != 1 {
				s.fail("stage %d task %d of job %d is not accumulated", st, t, j.id)
			}
		}
	}
	s.take(j, math.MaxInt)
	got := s.taken[j.id]
	if len(got) != rowsPerTask*len(j.tasks[j.graph.Result]) {
		s.fail("job %d has %d rows of %d tasks", j.id, len(got), len(j.tasks[j.graph.Result]))
		return
	}
	seen := lineage{}
	for i, r := range got {
		if r.task != i/rowsPerTask || r.number != i%rowsPerTask {
			s.fail("row %d of job %d is row %d of task %d", i, j.id, r.number, r.task)
		}
		for k, v := range r.from {
			if old, ok := seen[k]; ok && old != v {
				s.fail("the result of job %d mixes two runs of stage %d task %d", j.id, k[0], k[1])
			}
			seen[k] = v
		}
	}
}

// ---- the fake cluster ----

func (s *sim) Executors() []cluster.Executor { return nil }

func (s *sim) Launch(ex exec.ExecutorID, id exec.TaskID, encoded, _ []byte) {
	t, err := wire.DecodeTask(encoded)
	if err != nil {
		s.fail("%s: %v", id, err)
		return
	}
	for _, a := range s.running {
		if a.id == id {
			s.fail("%s is launched twice", id)
		}
		if o := a.id; o.Job == id.Job && o.Stage == id.Stage && o.StageAttempt == id.StageAttempt && o.Task == id.Task && s.alive[a.ex] {
			s.tally.twice++
			if a.ex == ex {
				s.fail("%s has two attempts on %s", id, ex)
			}
		}
	}
	j := s.jobs[id.Job-1]
	for i, in := range j.graph.Stages[id.Stage].Inputs {
		epoch, maps := s.d.Tracker.Outputs(id.Job, in.Exchange)
		if len(maps) != len(j.tasks[in.Stage]) && t.Epochs[i].Epoch == epoch {
			// A launch may stand in the queue before the news that stops its stage,
			// but not after it.
			if len(s.d.queue) == 0 {
				s.fail("%s is planned on %d of %d outputs of exchange %d", id, len(maps), len(j.tasks[in.Stage]), in.Exchange)
			}
		}
	}
	if id.StageAttempt > 0 && j.graph.Stages[id.Stage].Class == stage.Unstable {
		s.tally.rollbacks++
	}
	if p := s.d.places(j, id.Stage, []int{id.Task}); p != nil && slices.Contains(p[0], ex) {
		s.tally.near++
	}
	if s.alive[ex] { // else: the driver will hear of the loss
		s.running = append(s.running, &attempt{ex: ex, id: id, task: t})
	}
}

func (s *sim) Kill(id exec.TaskID) {
	for _, a := range s.running {
		if a.id == id {
			a.killed = true
		}
	}
}

func (s *sim) Discard(_ exec.ExecutorID, o cache.BlockID) {
	s.tally.discarded++
	for _, m := range func() []shuffle.MapStatus { _, maps := s.d.Tracker.Outputs(o.Job, o.Exchange); return maps }() {
		if m.Map == o.Map && m.Attempt == o.Attempt {
			s.fail("an output that counts is dropped: %v", o)
		}
	}
}

func (s *sim) Publish(int, exec.Keys) {}

func (s *sim) EndStage(id exec.StageID) {
	for _, a := range s.running {
		if stageOf(a.id) == id && s.alive[a.ex] {
			s.fail("%s is released while %s runs", id, a.id)
		}
	}
}

func (s *sim) BeginJob(context.Context, int, int64, int64) error { return nil }

func (s *sim) EndDataset(int) {}

func (s *sim) EndJob(job int) {
	for _, a := range s.running {
		if a.id.Job == job {
			s.fail("job %d is released while %s runs", job, a.id)
		}
	}
}

func (s *sim) Events() <-chan cluster.Report { return nil }

func (s *sim) Close(context.Context) error { return nil }
