package millrace

import (
	"math"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op/accumulate"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Accumulator gathers values of the rows that pass a place of queries
// (DataFrame.Accumulate), beside their results: a sum, the rows themselves, or
// whatever a function makes of them. What a task saw is added when it succeeds, and
// once, however often it had to run: also where an executor was lost. So the value
// is complete when the query is, if the query was read to its end. Queries that
// fail may have added something.
//
// An accumulator belongs to its session and is safe for concurrent use.
type Accumulator[T any] struct {
	s    *Session
	id   int
	name string
	sum  columnar.Type // of kind Null: rows are added
	zero func() T
	add  func(T, Row) T

	mu    sync.Mutex
	value T
	count int64
}

// LongAccumulator returns an accumulator that sums whole numbers up. A sum beyond
// bigint ends the query (ARITHMETIC_OVERFLOW).
func (s *Session) LongAccumulator(name string) *Accumulator[int64] {
	a := NewAccumulator(s, name, func() int64 { return 0 }, nil)
	a.sum = columnar.Int64Type
	return a
}

// DoubleAccumulator returns an accumulator that sums numbers up as doubles. Tasks
// are added in the order in which they end, so the last digits may differ between
// runs.
func (s *Session) DoubleAccumulator(name string) *Accumulator[float64] {
	a := NewAccumulator(s, name, func() float64 { return 0 }, nil)
	a.sum = columnar.Float64Type
	return a
}

// CollectionAccumulator returns an accumulator that keeps the rows of values, in no
// particular order.
func (s *Session) CollectionAccumulator(name string) *Accumulator[[]Row] {
	return NewAccumulator(s, name, func() []Row { return nil }, func(rows []Row, r Row) []Row { return append(rows, r) })
}

// NewAccumulator returns an accumulator of a type of the program's own: zero makes
// an empty one, add adds a row of values, in the driver, one call at a time; it must
// be quick and run no queries. The order of rows is that in which tasks end. A task
// may tell 16 MiB of values.
func NewAccumulator[T any](s *Session, name string, zero func() T, add func(T, Row) T) *Accumulator[T] {
	a := &Accumulator[T]{s: s, name: name, zero: zero, add: add, value: zero()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accumulators = append(s.accumulators, a)
	a.id = len(s.accumulators)
	return a
}

// Value returns what has been added so far. It is shared with the accumulator where
// the type is a slice or the like: a program that runs queries meanwhile copies it.
func (a *Accumulator[T]) Value() T {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.value
}

// Count returns the number of rows added so far, of sums those that are not null.
func (a *Accumulator[T]) Count() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

// Reset makes the accumulator empty.
func (a *Accumulator[T]) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.value, a.count = a.zero(), 0
}

// AnyAccumulator is an *Accumulator of any type.
type AnyAccumulator interface {
	node() (s *Session, n logical.Accumulate)
	take(n *physical.Accumulate, values []byte) error
}

var _ AnyAccumulator = (*Accumulator[int64])(nil)

func (a *Accumulator[T]) node() (*Session, logical.Accumulate) {
	return a.s, logical.Accumulate{ID: a.id, Name: a.name, Sum: a.sum}
}

// take adds what a task told.
func (a *Accumulator[T]) take(n *physical.Accumulate, values []byte) (err error) {
	defer func() {
		if x := recover(); x != nil { // in the program's function
			err = diag.New(diag.InvalidArgument, "the function of the accumulator %s failed: %v", a.name, x)
		}
	}()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !n.Sum {
		return accumulate.DecodeRows(values, n.Values(), func(b *columnar.Batch) error {
			for i := range b.Selected() {
				row := make(Row, len(b.Cols))
				for c := range b.Cols {
					row[c] = value(&b.Cols[c], b.RowAt(i))
				}
				a.value = a.add(a.value, row)
				a.count++
			}
			return nil
		})
	}
	rows, bits, err := accumulate.DecodeSum(values)
	if err != nil {
		return err
	}
	switch v := any(&a.value).(type) {
	case *int64:
		s := *v + int64(bits)
		if (s > *v) != (int64(bits) > 0) && bits != 0 {
			return accumulate.Overflow(a.name)
		}
		*v = s
	case *float64:
		*v += math.Float64frombits(bits)
	}
	a.count += rows
	return nil
}

// accumulate adds what a task told to the accumulator of a node.
func (s *Session) accumulate(n *physical.Accumulate, values []byte) error {
	s.mu.Lock()
	var a AnyAccumulator
	if n.ID >= 1 && n.ID <= len(s.accumulators) {
		a = s.accumulators[n.ID-1]
	}
	s.mu.Unlock()
	if a == nil {
		return diag.New(diag.Internal, "there is no accumulator %d", n.ID)
	}
	return a.take(n, values)
}

// Accumulate passes the rows on and adds values of each to an accumulator: one
// number to a sum, a Row of all to others. Conditions and limits above are not
// applied before; rows that nobody reads, for a limit, may not be added.
func (d *DataFrame) Accumulate(a AnyAccumulator, values ...any) *DataFrame {
	s, n := a.node()
	l, err := list(values)
	if err == nil && (s != d.s || len(l) == 0) {
		err = diag.New(diag.InvalidArgument, "the accumulator %s needs values of frames of its own session", n.Name)
	}
	n.List, n.Child = l, d.plan
	return d.with(&n, err)
}
