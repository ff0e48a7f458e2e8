package expr

import (
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// ForeignScalar computes a function that is not the engine's own. It is safe for
// concurrent use.
type ForeignScalar interface {
	// Compute returns one value for each of n rows, of the call's result type. The
	// arguments have the signature's types and are flat or constant. Rows that are not
	// in sel (nil: all) do not count: they hold anything, must not fail, and their
	// values mean nothing. The result is valid as long as the arguments and s.
	Compute(n int, sel []uint16, args []*columnar.Vector, s *memory.Scratch) (columnar.Vector, error)
}

// ForeignAggregate makes the groups of an aggregate function that is not the engine's own.
type ForeignAggregate interface {
	// State is the one column in which partial states travel.
	State() columnar.Type
	Groups() Groups
}

// Groups are the states of one aggregate function by group number. It is used by
// one goroutine at a time.
type Groups interface {
	// Grow makes room for groups below n.
	Grow(n int)
	// Update adds rows: args are flat. Rows of group 0 do not count.
	Update(args []columnar.Vector, groups []uint32) error
	// Merge adds partial states; nulls add nothing.
	Merge(state *columnar.Vector, groups []uint32) error
	// States and Result return stable columns of groups [from, from+n).
	States(from, n int) (columnar.Vector, error)
	Result(from, n int) (columnar.Vector, error)
	// Reset forgets all groups.
	Reset()
	// Bytes is about what the states take.
	Bytes() int64
}

// ForeignTable makes rows for each row. It is safe for concurrent use.
type ForeignTable interface {
	// Columns are those of the rows that it makes.
	Columns() *columnar.Schema
	// Open begins with n rows, whose arguments are as those of ForeignScalar and stay
	// until Close. Most is how many rows Next returns at most.
	Open(n int, sel []uint16, args []*columnar.Vector, most int, s *memory.Scratch) ForeignTableRows
}

// ForeignTableRows are the rows that a table function makes of a batch. It is used by
// one goroutine at a time.
type ForeignTableRows interface {
	// Next returns columns of further rows, in s, and the row of the batch that each was
	// made for, both valid until the next call, then io.EOF.
	Next(s *memory.Scratch) ([]columnar.Vector, []uint16, error)
	Close()
}

// ForeignPartition computes the rows of a task from those that come in.
type ForeignPartition interface {
	// Open begins with partition number task of tasks. In returns batches, each valid
	// until the next call, then io.EOF; the rows that come out have the types of out.
	Open(task, tasks int, args []byte, out *columnar.Schema, in func() (*columnar.Batch, error)) ForeignRows
}

// ForeignRows are rows that come out. It is used by one goroutine at a time.
type ForeignRows interface {
	// Next returns at most rows rows, a batch that is stable, then io.EOF.
	Next(rows int) (*columnar.Batch, error)
	Close()
}

// Lookup finds functions by the names that plans hold. An error is a *diag.Error
// that says what is missing.
type Lookup interface {
	Find(name string) (*Function, error)
}

// Find returns the function of a name (Lookup).
func (t *FunctionTable) Find(name string) (*Function, error) {
	if f, ok := t.Lookup(name); ok {
		return f, nil
	}
	return nil, diag.New(diag.UnresolvedRoutine, "this executor has no function %s", name).
		WithRemedy("run executors of the program that registers it: its own binary, whose main begins with millrace.Main(register)")
}

// With returns a table that has further functions; their names are in lower case.
// One that t has already is hidden.
func (t *FunctionTable) With(more ...*Function) *FunctionTable {
	if len(more) == 0 {
		return t
	}
	out := &FunctionTable{byName: make(map[string]*Function, len(t.byName)+len(more))}
	for n, f := range t.byName {
		out.byName[n] = f
	}
	for _, f := range more {
		out.byName[strings.ToLower(f.Name)] = f
	}
	for n := range out.byName {
		out.names = append(out.names, n)
	}
	sort.Strings(out.names)
	return out
}

// Fixed returns the Resolve of a function whose parameters have fixed types.
func Fixed(name string, result columnar.Type, nullable bool, params ...columnar.Type) func([]Expr) (Signature, error) {
	resolve := fixedTypes(name, result, len(params), params...)
	return func(args []Expr) (Signature, error) {
		s, err := resolve(args)
		s.Nullable = nullable
		return s, err
	}
}
