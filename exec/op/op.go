// Package op is the contract of operators: what turns batches into batches
// inside one task.
//
//	Open ──► Next … Next ──► io.EOF ──► Close
//
// Invariants:
//
//   - O1 A batch is valid until the next Next or Close of the operator that
//     returned it; whoever keeps rows longer copies them (kernel.Detach).
//   - O2 A returned batch has at least one selected row, unless it is the end.
//   - O3 Close is idempotent, legal after any error and before Open, and closes
//     the operator's inputs.
//   - O4 An operator is called on one goroutine, whatever it starts itself; what tasks of one stage share lives in
//     TaskContext.Shared.
//   - O5 Memory that outlives a Next is reserved before it is used.
//
// Operators live in subpackages; build makes them from physical nodes.
package op

import (
	"context"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/stage"
)

// Operator yields batches; io.EOF ends.
type Operator interface {
	Open(ctx context.Context, t *TaskContext) error
	Next(ctx context.Context) (*columnar.Batch, error)
	Close() error
}

// TaskContext is what a running task offers its operators.
type TaskContext struct {
	Memory    memory.Reservation
	Spill     *spill.File // where the task's operators put what memory has no room for
	BatchRows int         // rows per batch that operators aim at, 1 … columnar.MaxRows
	Slots     int         // slots of this executor: how many tasks of the stage may run at once
	Zone      *time.Location
	Now       time.Time // start of the query, for current_timestamp()
	Leaves    map[int]Assignment
	Exchanges Exchanges
	Tables    *connector.Registry
	Datasets  *cache.Datasets // that this executor holds partitions of
	// Block reads a block that another executor holds; nil if there is none.
	Block   func(ctx context.Context, executor string, id cache.BlockID, schema *columnar.Schema) BatchIterator
	Shared  *Shared  // state shared by the tasks of this stage on this executor
	Filters *Filters // runtime filters of the query on this executor
	Stage   string   // printed id for messages
	Task    int      // task index within the stage
	Tasks   int      // tasks of the stage
	Attempt int
	Turn    Turn // at the processor
}

// EvalOptions returns what expressions need to know of the task.
func (t *TaskContext) EvalOptions() eval.Options { return eval.Options{Zone: t.Zone, Now: t.Now} }

// Assignment is what a task reads at one leaf: splits of a table, parts of an
// exchange, or a partition of a cached dataset.
type Assignment struct {
	Splits    [][]byte
	Parts     []stage.Part
	Partition int
	Holders   []string // of a partition of a dataset: executors that may have its rows,
	Attempts  []int    // and the attempt that each has
}

// Exchanges reads exchange output. Rows arrive in no particular order except
// under Merge. The schema is that of the exchange's rows.
type Exchanges interface {
	// Parts returns the batches of parts, which do not overlap.
	Parts(ctx context.Context, exchange int, parts []stage.Part, schema *columnar.Schema) (BatchIterator, error)
	// Runs returns one iterator per map output of a partition, for merging.
	Runs(ctx context.Context, exchange, partition int, schema *columnar.Schema) ([]BatchIterator, error)
	// All returns the batches of all partitions.
	All(ctx context.Context, exchange int, schema *columnar.Schema) (BatchIterator, error)
}

// BatchIterator yields batches until io.EOF, each valid until the next Next or
// Close. Vectors that say so are stable, as everywhere.
type BatchIterator interface {
	Next(ctx context.Context) (*columnar.Batch, error)
	Close() error
}

// Shared holds state that the tasks of one stage on one executor build
// together, keyed by the operator's place in the plan. It lives as long as the
// stage runs here.
type Shared struct {
	// Memory is charged for what lives as long as the stage runs here.
	Memory memory.Reservation
	// Spill is where such things go when memory has no room for them.
	Spill *spill.File

	mu     sync.Mutex
	values map[int]any
	closed bool
}

// Get returns the value of a key, made by the first caller. If the value has a
// Close method it is called when the stage ends on this executor.
func (s *Shared) Get(key int, make_ func() any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[int]any{}
	}
	v, ok := s.values[key]
	if !ok {
		v = make_()
		s.values[key] = v
	}
	return v
}

// Forget removes a value that turned out to be of no use, so that the next
// caller of Get makes another.
func (s *Shared) Forget(key int, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[key] == v {
		delete(s.values, key)
	}
}

// Close closes every value once.
func (s *Shared) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, v := range s.values {
		if c, ok := v.(interface{ Close() }); ok {
			c.Close()
		}
	}
	s.values = nil
}

// Filters holds the runtime filters published so far in a query on this
// executor. Scans look at it between batches; a filter that comes late is
// simply not used by what was read before. Those of Base, which may be nil, are
// visible too.
type Filters struct {
	Base *Filters

	mu   sync.RWMutex
	byID map[int]RuntimeFilter
}

// RuntimeFilter is a published filter, not yet bound to a column.
type RuntimeFilter interface {
	// Bind returns the filter for a scan's column position.
	Bind(column int) connector.DynamicFilter
}

// Publish makes a filter visible; the first one of an id stays, unless replace
// is set (thresholds that tighten).
func (f *Filters) Publish(id int, r RuntimeFilter, replace bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID == nil {
		f.byID = map[int]RuntimeFilter{}
	}
	if _, ok := f.byID[id]; !ok || replace {
		f.byID[id] = r
	}
}

// Get returns a published filter.
func (f *Filters) Get(id int) (RuntimeFilter, bool) {
	f.mu.RLock()
	r, ok := f.byID[id]
	f.mu.RUnlock()
	if !ok && f.Base != nil {
		return f.Base.Get(id)
	}
	return r, ok
}
