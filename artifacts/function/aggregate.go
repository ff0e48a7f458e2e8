package function

import (
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Aggregate says how values of A become one R for each group, by way of a state S,
// which travels between processes (ValueOf tells which types do). Nulls are passed
// over. All four functions are package-level; Add and Merge may change and return
// the state that they get, but not keep the other one.
type Aggregate[S, A, R any] struct {
	Zero   func() S     // of a group without rows
	Add    func(S, A) S // a row
	Merge  func(S, S) S // two parts of a group, in any order
	Result func(S) R    // R may be a Null
	Size   func(S) int  // bytes that a state takes beside itself; nil: none grows
}

// Aggregate1 registers an aggregate function of one value.
func Aggregate1[S, A, R any](r *Registry, name string, f Aggregate[S, A, R], opts ...Option) {
	a, err1 := columnOf[A]()
	result, err2 := columnOf[R]()
	state, err3 := ValueOf[S]()
	if !r.types(name, err1, err2, err3) {
		return
	}
	if a.nullable {
		r.fail("function %s: an aggregate does not see nulls, so its parameter cannot be a Null", name)
		return
	}
	if f.Zero == nil || f.Add == nil || f.Merge == nil || f.Result == nil {
		r.fail("function %s: an aggregate needs Zero, Add, Merge and Result", name)
		return
	}
	d := describe(name, result.typ, true, false, []columnar.Type{a.typ}, opts)
	d.Kind, d.NullOnNull, d.NeverNull = expr.AggregateFunction, false, false
	d.Aggregate = &aggregate[S, A, R]{Aggregate: f, name: name, arg: a, result: result, state: state}
	impls := []any{f.Zero, f.Add, f.Merge, f.Result}
	if f.Size != nil {
		impls = append(impls, f.Size)
	}
	r.add(d, "aggregate", impls...)
}

// aggregate is an expr.ForeignAggregate.
type aggregate[S, A, R any] struct {
	Aggregate[S, A, R]
	name   string
	arg    column[A]
	result column[R]
	state  Value[S]
}

func (x *aggregate[S, A, R]) State() columnar.Type { return columnar.BinaryType }
func (x *aggregate[S, A, R]) Groups() expr.Groups  { return &groups[S, A, R]{aggregate: x} }

// groups holds states by group number.
type groups[S, A, R any] struct {
	*aggregate[S, A, R]
	states []S
	grown  int64 // bytes that states take beside themselves
	buffer []A
}

// Grow makes room; that of group 0 stays unused.
func (g *groups[S, A, R]) Grow(n int) {
	for len(g.states) < n {
		g.states = append(g.states, g.Zero())
	}
}

func (g *groups[S, A, R]) Update(args []columnar.Vector, to []uint32) error {
	g.buffer = resize(g.buffer, len(to))
	values := g.arg.load(&args[0], len(to), g.buffer)
	at := -1
	return g.try(func() string { return shown(values[at]) }, &at, func() {
		for i, k := range to {
			if k == 0 {
				continue
			}
			at = i
			if g.Size == nil {
				g.states[k] = g.Add(g.states[k], values[i])
				continue
			}
			before := g.Size(g.states[k])
			g.states[k] = g.Add(g.states[k], values[i])
			g.grown += int64(g.Size(g.states[k]) - before)
		}
	})
}

func (g *groups[S, A, R]) Merge(state *columnar.Vector, to []uint32) error {
	at := -1
	var failed error
	err := g.try(func() string { return "" }, &at, func() {
		for i, k := range to {
			if k == 0 {
				continue
			}
			other, err := g.state.Decode(state.BytesAt(i))
			if err != nil {
				failed = err
				return
			}
			if g.Size != nil {
				g.grown += int64(g.Size(other))
			}
			g.states[k] = g.Aggregate.Merge(g.states[k], other)
		}
	})
	if err == nil && failed != nil {
		err = diag.New(diag.Internal, "a state of %s cannot be read: %v", g.name, failed)
	}
	return err
}

// try runs f and recovers; at, if not negative, is the row that given prints.
func (g *groups[S, A, R]) try(given func() string, at *int, f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			text := ""
			if *at >= 0 {
				text = given()
			}
			err = panicked(g.name, p, text)
		}
	}()
	f()
	return nil
}

func (g *groups[S, A, R]) States(from, n int) (columnar.Vector, error) {
	xs := make([]string, n)
	var b []byte
	for i := range xs {
		b = g.state.Append(b[:0], g.states[from+i])
		xs[i] = string(b)
	}
	v, err := storeTexts(columnar.BinaryType, xs, nil)
	v.Stable = true
	return v, err
}

func (g *groups[S, A, R]) Result(from, n int) (v columnar.Vector, err error) {
	xs := make([]R, n)
	at := -1
	err = g.try(nil, &at, func() {
		for i := range xs {
			xs[i] = g.Aggregate.Result(g.states[from+i])
		}
	})
	if err != nil {
		return v, err
	}
	v, err = g.result.store(xs, nil)
	v.Stable = true
	return v, err
}

func (g *groups[S, A, R]) Reset() {
	clear(g.states)
	g.states, g.grown = g.states[:0], 0
}

func (g *groups[S, A, R]) Bytes() int64 {
	var s S
	return int64(cap(g.states))*int64(unsafe.Sizeof(s)) + g.grown
}
