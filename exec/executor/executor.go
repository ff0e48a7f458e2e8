// Package executor runs tasks: it decodes stages and tasks, builds operators,
// runs them into the exchange or the result, and reports.
//
// Invariants:
//
//   - X1 A panic in a task ends that task alone, as a Bug failure.
//   - X2 A stage is decoded once; what its tasks share lives until EndStage.
package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/build"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
)

// Config is what an executor works with.
type Config struct {
	ID     exec.ExecutorID
	Slots  int
	Broker *memory.Broker
	Tables *connector.Registry
	// Functions are what stages may call; nil stands for expr.Builtins.
	Functions expr.Lookup
	Outputs   exchange.Outputs
	// Spill is where tasks spill; nil stands for a fresh directory. It is closed
	// with the executor.
	Spill *spill.Space
	// Keep is where the output of every map task is written as an .mrs file, which
	// stays; nil: nowhere (OpenKeep). It is closed with the executor.
	Keep *os.Root
	// CachePolicy makes what says which blocks of cached datasets leave memory first,
	// nil: cache.NewS3FIFO.
	CachePolicy func() cache.Policy
	// Shared: executors of this host map its output instead of having it sent.
	Shared bool
	// Results takes the rows of result stages.
	Results ResultSink
	// Holders returns who holds the blocks of an executor, this one included, nil
	// when it is gone. A nil function: this executor is the only one.
	Holders func(executor string) exchange.Holder
	// Panics is told about panics with their stack; nil drops them.
	Panics func(task exec.TaskID, value any, stack []byte)
}

// ResultSink takes the rows that tasks of result stages make.
type ResultSink interface {
	// Push hands over a stable batch. It waits until there is room for it, bounded by
	// ctx, and tells parked when it begins and ends to wait; after an error the task is
	// to end.
	Push(ctx context.Context, id exec.TaskID, b *columnar.Batch, parked func(bool)) error
}

// Executor runs tasks. It is safe for concurrent use.
type Executor struct {
	Config
	store  *cache.Store
	kept   *cache.Datasets
	level  cache.Level // of exchange output
	mu     sync.Mutex
	specs  map[[32]byte]*wire.StageSpec
	stages map[exec.StageID]*op.Shared
	jobs   map[exec.StageID]*op.Filters // of jobs, and of attempts of stages after the first
	sent   map[int]*sentFilters         // that the driver published, by job
	shared map[int]memory.Reservation   // what the stages of a job share
	// Decoded counts stages and tasks that were decoded, for tests.
	DecodedStages, DecodedTasks int
}

// New returns an executor.
func New(c Config) *Executor {
	if c.Spill == nil {
		c.Spill = spill.NewSpace("")
	}
	where, level := cache.Disk(disk{c.Spill}), cache.MemoryAndDisk
	if c.Keep != nil {
		where, level = kept{c.Keep}, cache.DiskOnly
	}
	if c.CachePolicy == nil {
		c.CachePolicy = cache.NewS3FIFO
	}
	store := cache.NewStoreWith(c.Broker, "blocks", where, c.CachePolicy)
	return &Executor{Config: c, store: store, kept: cache.NewDatasets(store), level: level, specs: map[[32]byte]*wire.StageSpec{}, stages: map[exec.StageID]*op.Shared{}, jobs: map[exec.StageID]*op.Filters{}, sent: map[int]*sentFilters{}, shared: map[int]memory.Reservation{}}
}

// BeginJob sets aside what the stages of a job share, and makes sure that tasks
// of task bytes can start: it waits for other jobs. A job that needs more than
// there is is refused.
func (e *Executor) BeginJob(ctx context.Context, job int, shared, task int64) error {
	r, err := e.Broker.Admit(ctx, fmt.Sprint("job ", job), shared, task)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shared[job] = r
	return nil
}

// Store returns the blocks that this executor holds.
func (e *Executor) Store() *cache.Store { return e.store }

// Blocks returns the number of blocks held, for tests.
func (e *Executor) Blocks() int { return e.store.Len() }

// BlockBytes returns the memory that those take.
func (e *Executor) BlockBytes() int64 { return e.store.Bytes() }

// stage returns the decoded stage and what its tasks share.
func (e *Executor) stage(id exec.StageID, hash [32]byte, encoded []byte) (*wire.StageSpec, *op.Shared, *op.Filters, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	spec, ok := e.specs[hash]
	if !ok {
		if wire.Hash(encoded) != hash {
			return nil, nil, nil, errors.New("a stage does not have the hash that its task names")
		}
		var err error
		if spec, err = wire.DecodeStage(encoded, e.Functions); err != nil {
			return nil, nil, nil, err
		}
		e.DecodedStages++
		e.specs[hash] = spec
	}
	sh, ok := e.stages[id]
	if !ok {
		sh = &op.Shared{Memory: e.sharedMemory(id, spec), Spill: e.Spill.File()}
		e.stages[id] = sh
	}
	key := exec.StageID{Job: id.Job}
	if id.Attempt > 0 { // its build side may have other rows than the run before
		key = id
	}
	f, ok := e.jobs[key]
	if !ok {
		f = &op.Filters{Base: &e.published(id.Job).Filters}
		e.jobs[key] = f
	}
	return spec, sh, f, nil
}

// sharedMemory opens the reservation of what the tasks of a stage share. An
// executor that came later than the job has none set aside.
func (e *Executor) sharedMemory(id exec.StageID, spec *wire.StageSpec) memory.Reservation {
	r, ok := e.shared[id.Job]
	if !ok {
		return e.Broker.Reserve(id.String(), 0)
	}
	return memory.Part(r, id.String(), stage.MemoryOf(spec.Plan, spec.Out).Shared)
}

// Discard drops what an attempt of a task wrote to an exchange, all partitions.
func (e *Executor) Discard(output cache.BlockID) {
	e.store.DropWhere(func(id cache.BlockID) bool {
		id.Partition = output.Partition
		return id == output
	})
}

// EndDataset drops what is held of a cached dataset.
func (e *Executor) EndDataset(dataset int) { e.kept.End(dataset) }

// EndStage releases what the tasks of a stage shared.
func (e *Executor) EndStage(id exec.StageID) {
	e.mu.Lock()
	sh := e.stages[id]
	delete(e.stages, id)
	e.mu.Unlock()
	if sh != nil {
		sh.Close()
		sh.Spill.Close()
		sh.Memory.Close()
	}
}

// EndJob releases a job's blocks, filters and stages.
func (e *Executor) EndJob(job int) {
	e.mu.Lock()
	var ends []exec.StageID
	for id := range e.stages {
		if id.Job == job {
			ends = append(ends, id)
		}
	}
	for id := range e.jobs {
		if id.Job == job {
			delete(e.jobs, id)
		}
	}
	if s := e.sent[job]; s != nil {
		s.memory.Close()
		delete(e.sent, job)
	}
	clear(e.specs)
	shared := e.shared[job]
	delete(e.shared, job)
	idle := len(e.shared) == 0
	e.mu.Unlock()
	for _, id := range ends {
		e.EndStage(id)
	}
	e.store.DropWhere(func(b cache.BlockID) bool { return b.Job == job })
	if shared != nil {
		shared.Close()
	}
	if idle {
		memory.TrimSlabs(idleSlabs)
	}
}

// idleSlabs is how much freed memory an executor without jobs keeps for the next.
const idleSlabs = 16 << 20

// Run runs one task attempt to its end.
func (e *Executor) Run(ctx context.Context, id exec.TaskID, task, encoded []byte) (r cluster.Report) {
	start := time.Now()
	r = cluster.Report{Task: id, Executor: e.ID}
	defer func() {
		if p := recover(); p != nil {
			if e.Panics != nil {
				e.Panics(id, p, debug.Stack())
			}
			r.Failure = &exec.Failure{Kind: exec.Bug, Cause: fmt.Errorf("%s: %v", id, p)}
		}
		r.Millis = float64(time.Since(start).Microseconds()) / 1000
	}()
	if err := e.run(ctx, id, task, encoded, &r); err != nil {
		r.Failure = exec.Classify(err)
	}
	r.Usages = e.store.Usages()
	return r
}

func (e *Executor) run(ctx context.Context, id exec.TaskID, encodedTask, encodedStage []byte, r *cluster.Report) (err error) {
	if err := ctx.Err(); err != nil { // killed while it waited for its slot
		return err
	}
	t, err := wire.DecodeTask(encodedTask)
	if err != nil {
		return &exec.Failure{Kind: exec.Bug, Cause: err}
	}
	spec, shared, filters, err := e.stage(exec.StageID{Job: id.Job, Stage: id.Stage, Attempt: id.StageAttempt}, t.StageHash, encodedStage)
	if err != nil {
		return &exec.Failure{Kind: exec.Bug, Cause: err}
	}
	e.mu.Lock()
	e.DecodedTasks++
	e.mu.Unlock()
	tree, err := build.Build(spec.Plan)
	if err != nil {
		return &exec.Failure{Kind: exec.Bug, Cause: err}
	}
	need := stage.MemoryOf(spec.Plan, spec.Out)
	reservation, err := e.Broker.Start(ctx, id.String(), max(need.Task, t.MinMemory), need.Kept)
	if err != nil {
		return err
	}
	defer reservation.Close()
	file := e.Spill.File()
	defer file.Close()
	epochs := map[int]uint64{}
	for _, x := range t.Epochs {
		epochs[x.Exchange] = x.Epoch
	}
	reader := &exchange.Reader{Store: e.store, Holders: e.Holders, Outputs: e.Outputs, Job: id.Job, Epochs: epochs, Memory: reservation}
	tc := &op.TaskContext{Memory: reservation, Spill: file, Slots: e.Slots, Tables: e.Tables, Datasets: e.kept, Shared: shared, Filters: filters,
		Exchanges: reader,
		Stage:     exec.StageID{Job: id.Job, Stage: id.Stage, Attempt: id.StageAttempt}.String(), Task: id.Task, Tasks: t.Tasks, Attempt: id.Attempt,
		Leaves: map[int]op.Assignment{}}
	if e.Holders != nil {
		tc.Block = func(ctx context.Context, executor string, id cache.BlockID, schema *columnar.Schema) op.BatchIterator {
			h := e.Holders(executor)
			if h == nil || executor == string(e.ID) {
				return nil
			}
			return h.Read(ctx, []cache.BlockID{id}, schema, reservation)
		}
	}
	if err := tc.Configure(spec.Conf); err != nil {
		return &exec.Failure{Kind: exec.Bug, Cause: err}
	}
	for _, l := range t.Leaves {
		a := tc.Leaves[l.Leaf]
		a.Partition, a.Holders, a.Attempts = l.Part.From, l.Holders, l.Attempts
		if l.Split != nil {
			a.Splits = append(a.Splits, l.Split)
		} else {
			a.Parts = append(a.Parts, l.Part)
		}
		tc.Leaves[l.Leaf] = a
	}
	defer func() {
		if cerr := tree.Root.Close(); cerr != nil && err == nil {
			err = cerr
		}
		r.Metrics = tree.Stats()
		r.Peak = reservation.Peak()
		r.Spilled += file.Spilled()
	}()
	if err := tree.Root.Open(ctx, tc); err != nil {
		return err
	}
	var sink *exchange.Sink
	if spec.Out != nil {
		sink = exchange.NewSink(e.store, id, spec.Out, spec.Plan.Schema(), tc, exchange.Options{Hashed: e.Holders != nil, Level: e.level, Shared: e.Shared})
		defer func() {
			_, spilled := sink.Usage()
			r.Spilled += spilled
			sink.Abort()
		}()
	}
	for {
		b, err := tree.Root.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if sink != nil {
			err = sink.Write(ctx, b)
		} else {
			var d *columnar.Batch
			if d, err = kernel.Detach(b, nil); err == nil {
				n := d.MemoryBytes()
				reservation.Take(n)
				err = e.Results.Push(ctx, id, d, func(waits bool) { memory.Park(reservation, waits) })
				reservation.Return(n)
			}
		}
		if err != nil {
			return err
		}
	}
	r.Updates, r.Kept = tree.Updates(), tree.Kept()
	if sink != nil {
		keys := sink.Keys() // Commit gives their memory back
		st, err := sink.Commit(ctx)
		if err != nil {
			return err
		}
		st.Executor = string(e.ID)
		r.Status, r.Keys = &st, keys
	}
	r.Reads = reader.Reads()
	return nil
}

// Close gives the executor's memory back. No task may run any more.
func (e *Executor) Close() {
	e.mu.Lock()
	var ends []exec.StageID
	for id := range e.stages {
		ends = append(ends, id)
	}
	e.mu.Unlock()
	for _, id := range ends {
		e.EndStage(id)
	}
	e.store.Close()
	for _, r := range e.shared {
		r.Close()
	}
	for _, s := range e.sent {
		s.memory.Close()
	}
	e.Spill.Close()
	if e.Keep != nil {
		e.Keep.Close()
	}
}
