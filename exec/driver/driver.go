// Package driver runs queries: it owns the loop that feeds the two schedulers,
// the only place with goroutines and time.
//
//	Run ─► encode stages, enumerate splits ─► dag ─► task ─► backend
//	                                           ▲       ▲        │ reports
//	                                           └───────┴────────┘
//
// Invariants:
//
//   - R1 The schedulers' actions are carried out one after the other, in the
//     order in which they were made (loop.go).
//   - R2 An output is registered, and a result kept, only when the attempt that
//     made it is the current one of its stage.
//   - R3 Run returns only after the last task of its job has stopped; then the
//     job's blocks, filters and shared state are released.
//     Rows of the result that are still to be read are not among them.
//   - R4 What the tasks of a stage share is released after the last of them
//     stopped, killed ones included.
//   - R5 Rows of the result are given out in the order of the tasks, each once,
//     and never of two runs that may differ (results.go). What waits to be read is
//     bounded by the window; tasks wait for room without holding a slot.
//   - R6 What a task adds to an accumulator is added once, however often it runs: by
//     the first run that succeeds.
//   - R7 An executor that is to leave ends without loss: no task runs there, its outputs
//     are registered elsewhere, and no task that was told the old places runs (leave.go).
package driver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/allocate"
	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// tasksPerSlot bounds how many tasks a scan is cut into: enough to even out, few
// enough that what each task sets up does not count.
const tasksPerSlot = 8

// Config is what a driver works with. Results is what the executors push the rows
// of result stages into; Memory is charged for those that wait to be read.
type Config struct {
	Backend cluster.Backend
	Tables  *connector.Registry
	Tracker *shuffle.Tracker
	Results *Results
	Memory  *memory.Broker
	// Datasets are the cached datasets of the session; nil: there are none.
	Datasets *Datasets
	Bus      *event.Bus
	// Accumulate adds what a task told to an accumulator of the session: once for
	// each task of a job, on the loop. Its error ends the job.
	Accumulate func(node *physical.Accumulate, values []byte) error
	// Grace is how long jobs wait when there is no executor at all. 0 = 30 s.
	Grace time.Duration
	// Drain bounds the time that an executor takes to leave. 0 = 5 min.
	Drain time.Duration
	// Allocation says between how many executors there are as tasks need them; nil: those
	// that the backend begins with. The backend must be Elastic.
	Allocation *allocate.Config
	// Patience is how long, while slots are idle, a stage waits for runtime filters
	// of others. 0 = 1 s; negative: until somebody hurries it.
	Patience time.Duration
	// Locality is how long tasks wait for an executor that holds most of their input,
	// and as long again for one of its host. 0 = 300 ms; negative: they don't.
	Locality time.Duration
	// Speculation gives tasks that take long a second attempt on another executor; the
	// zero value: none.
	Speculation task.Speculation
	// Policy says who gets slots, nil: first come, first served. Pools are the pools
	// that jobs may name by ConfPool; others weigh 1.
	Policy task.Policy
	// Quick is how long the tasks of a job may run altogether while slots count twice for
	// them, so that short queries don't wait for long tasks. 0: not at all.
	Quick time.Duration
	Pools map[string]task.Pool
}

// ConfPool is the key of the pool that a job runs in, among what Start is given.
const ConfPool = "scheduler.pool"

// Driver runs jobs on a backend. It is safe for concurrent use.
type Driver struct {
	Config
	hosts map[exec.ExecutorID]string // that executors run on, "" where that is not known

	slots atomic.Int64 // of the executors that there are, and how many these are
	count atomic.Int64
	inbox chan func()
	stop  chan struct{}
	done  chan struct{}
	door  chan struct{} // holds one while a job is let in
	close sync.Once

	mu   sync.Mutex
	next int

	// Owned by the loop:
	dag     *dag.Scheduler
	task    *task.Scheduler
	sizes   map[exec.ExecutorID]int  // slots of each executor that gets tasks
	asked   map[exec.ExecutorID]bool // to leave, and have not begun
	leaving map[exec.ExecutorID]*leaving
	moves   moves
	due     bool // some partition of a dataset may have fewer holders than it should
	turn    int  // of who gets what an executor leaves behind
	jobs    map[int]*job
	queue   []func() // actions to carry out (R1)
	grace   *time.Timer
	idle    *time.Timer // runs while slots are idle and stages wait for runtime filters
	sizing  *sizing     // nil: none
	look    *time.Timer // runs while tasks wait for a better place than is free
	clock   func() time.Duration
}

// Result is what a job did.
type Result struct {
	Batches []*columnar.Batch // rows of the result, in order; Run alone fills it
	Graph   *stage.Graph      // as it was in the end
	Stages  []StageResult
	Passes  Passes
	Millis  float64
}

// StageResult is what a stage did.
type StageResult struct {
	Stage     *stage.Stage
	Tasks     int
	Millis    float64 // from its first task's start to its last one's end
	Fastest   float64 // ms of the task that took least, and most
	Slowest   float64
	Times     []float64 // ms of each attempt that succeeded
	Written   int64     // bytes that its tasks put into their exchange
	Peak      int64     // bytes reserved by the hungriest task
	Spilled   int64     // bytes written to disk, output included
	Operators []event.OperatorStats
}

// Passes counts what went through which part, so that tests can show that every
// query takes the same way.
type Passes struct{ StagesEncoded, TasksEncoded, DAGEvents, TaskEvents, TasksReported int }

type job struct {
	id       int
	graph    *stage.Graph
	conf     []catalog.Option
	rewrite  rewrite // nil: the plan stays as it is
	groups   map[stage.Group]group
	pool     task.Pool
	deadline time.Duration // by the driver's clock; 0: none
	encoded  [][]byte
	hashes   [][32]byte
	tasks    [][][]wire.LeafAssignment // by stage and task
	least    []int64                   // memory of each task, by stage
	start    time.Time
	millis   float64
	stream   *Stream // of the result stage
	stats    []StageResult
	keys     *keysets        // of runtime filters
	told     map[[2]int]bool // stages and tasks that have added to accumulators
	began    []time.Time
	passes   Passes
	running  map[exec.TaskID]exec.ExecutorID // attempts that were launched and have not ended
	live     map[exec.StageID]int            // of them, by stage attempt
	ending   map[exec.StageID]bool           // attempts to release when live is 0 (R4), true for complete ones
	ledgers  map[ledgerID]*shuffle.Ledger    // nil until there is one
	read     map[int]bool                    // stages that have read all of their inputs
	ended    bool
	err      error
	done     chan struct{}
}

// New starts a driver; Close ends it.
func New(c Config) *Driver {
	if c.Datasets == nil {
		c.Datasets = NewDatasets()
	}
	d := &Driver{Config: c, inbox: make(chan func(), 16), stop: make(chan struct{}), done: make(chan struct{}), door: make(chan struct{}, 1), dag: dag.New(), sizes: map[exec.ExecutorID]int{}, asked: map[exec.ExecutorID]bool{}, leaving: map[exec.ExecutorID]*leaving{}, moves: newMoves(), jobs: map[int]*job{}}
	start := time.Now()
	d.clock = func() time.Duration { return time.Since(start) }
	switch {
	case c.Locality == 0:
		c.Locality = 300 * time.Millisecond
	case c.Locality < 0:
		c.Locality = 0
	}
	d.task = task.New(c.Locality)
	d.task.Speculation, d.task.Policy, d.task.Quick = c.Speculation, c.Policy, c.Quick
	if e, ok := c.Backend.(cluster.Elastic); ok && c.Allocation != nil {
		s := allocate.New(*c.Allocation)
		d.sizing = &sizing{state: s, backend: e}
	}
	for _, e := range c.Backend.Executors() {
		d.enlist(e)
	}
	go d.loop()
	return d
}

// Slots returns the slots of the executors that there are now, or that there may be
// under Allocation.
func (d *Driver) Slots() int {
	n := int(d.slots.Load())
	if d.sizing != nil {
		n = max(n, d.sizing.state.Most*d.sizing.state.Slots)
	}
	return n
}

// Executors returns how many there are now.
func (d *Driver) Executors() int { return int(d.count.Load()) }

// Close ends the loop and the backend.
func (d *Driver) Close(ctx context.Context) error {
	var err error
	d.close.Do(func() {
		close(d.stop)
		<-d.done
		if d.sizing != nil && d.sizing.timer != nil {
			d.sizing.timer.Stop()
		}
		for _, l := range d.leaving {
			l.over.Stop()
		}
		for _, t := range []*time.Timer{d.grace, d.idle, d.look} {
			if t != nil {
				t.Stop()
			}
		}
		err = d.Backend.Close(ctx)
	})
	return err
}

// do runs f on the loop, then the actions that it led to.
func (d *Driver) do(ctx context.Context, f func()) error {
	select {
	case d.inbox <- f:
		return nil
	case <-d.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errClosed = diag.New(diag.Cancelled, "the session is closed")

func cancelled(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return diag.New(diag.Cancelled, "the query ran out of its time").WithCause(cause)
	}
	return diag.New(diag.Cancelled, "the query was cancelled").WithCause(cause)
}

// prepare encodes the stages and enumerates the tasks.
func (d *Driver) prepare(ctx context.Context, j *job, conf []catalog.Option) error {
	var t op.TaskContext // as the tasks will see the settings
	if err := t.Configure(conf); err != nil {
		return err
	}
	for _, o := range conf {
		if o.Key == ConfPool && o.Value != "" {
			j.pool = d.Pools[o.Value]
			j.pool.Name = o.Value
		}
	}
	n := len(j.graph.Stages)
	j.conf, j.groups = conf, map[stage.Group]group{}
	j.encoded, j.hashes, j.tasks, j.least, j.stats = make([][]byte, n), make([][32]byte, n), make([][][]wire.LeafAssignment, n), make([]int64, n), make([]StageResult, n)
	for _, st := range j.graph.Stages {
		if err := j.encode(st, conf); err != nil {
			return err
		}
		var tasks [][]wire.LeafAssignment
		buffers := int64(0)
		for i, g := range st.Drivers {
			if g.Scan == nil {
				tasks = append(tasks, sourceTasks(g)...)
				continue
			}
			more, n, err := d.assignments(ctx, g, t.EvalOptions())
			if err != nil {
				return err
			}
			j.groups[stage.Group{Stage: st.ID, Group: i}] = group{more, n}
			tasks, buffers = append(tasks, more...), max(buffers, n)
		}
		j.assign(st, tasks, buffers)
	}
	j.began = make([]time.Time, len(j.graph.Stages))
	return nil
}

// assignments lists the tasks of a group of leaves, and the least memory that one
// takes for buffers.
func (d *Driver) assignments(ctx context.Context, g stage.Driver, o eval.Options) ([][]wire.LeafAssignment, int64, error) {
	switch {
	case g.Scan != nil && g.Scan.Dataset != nil:
		return d.partitions(ctx, g, o)
	case g.Scan != nil:
		return d.splits(ctx, g.Scan, o)
	}
	return sourceTasks(g), 0, nil
}

// splits packs a scan's splits into tasks of about equal size.
func (d *Driver) splits(ctx context.Context, s *physical.Scan, o eval.Options) (out [][]wire.LeafAssignment, buffers int64, err error) {
	c, err := d.Tables.Lookup(s.Table.Connector)
	if err != nil {
		return nil, 0, err
	}
	splits, err := c.Splits(ctx, s.Table, connector.ScanRequest{Columns: s.Columns, Filters: s.Filters, Project: s.Project, Eval: o})
	if err != nil {
		return nil, 0, err
	}
	total := int64(0)
	for _, x := range splits {
		total += max(x.Bytes, 1)
		buffers = max(buffers, x.Memory)
	}
	limit := max(total/int64(tasksPerSlot*max(1, d.Slots())), 256<<10)
	size := int64(0)
	for _, x := range splits {
		n := max(x.Bytes, 1)
		if len(out) == 0 || x.Alone || size+n > limit+limit/4 || len(out[len(out)-1]) >= 256 {
			out = append(out, nil)
			size = 0
		}
		size += n
		at := len(out) - 1
		out[at] = append(out[at], wire.LeafAssignment{Leaf: s.Leaf, Split: x.Data, Hosts: x.Hosts})
	}
	return out, buffers, nil
}
