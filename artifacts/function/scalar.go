package function

import (
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Option declares something about a function.
type Option func(*expr.Function)

// Volatile declares that a function may give different results for the same
// arguments: it is called once per row, never ahead or twice. Without it a function
// is deterministic.
func Volatile() Option { return func(f *expr.Function) { f.Volatile = true } }

// Doc is the sentence that SHOW FUNCTIONS has of a function.
func Doc(text string) Option { return func(f *expr.Function) { f.Doc = text } }

// describe makes the planner's view of a function. One without Null parameters is
// strict: null in, null out, and it is not called.
func describe(name string, result columnar.Type, nullable, sees bool, params []columnar.Type, opts []Option) *expr.Function {
	f := &expr.Function{Name: name, NullOnNull: !sees, Fallible: true, NeverNull: sees && !nullable, Resolve: expr.Fixed(name, result, nullable, params...)}
	for _, o := range opts {
		o(f)
	}
	return f
}

// Scalar1 registers a function of one value.
func Scalar1[A, R any](r *Registry, name string, f func(A) R, opts ...Option) {
	scalar1(r, name, "scalar", f, func(as []A, out []R, at *int) {
		for i, a := range as {
			*at = i
			out[i] = f(a)
		}
	}, opts)
}

// Vector1 registers a function of many values at once: it fills out, which has the
// length of as. It may not keep either.
func Vector1[A, R any](r *Registry, name string, f func(as []A, out []R), opts ...Option) {
	scalar1(r, name, "vector", f, func(as []A, out []R, _ *int) { f(as, out) }, opts)
}

func scalar1[A, R any](r *Registry, name, kind string, f any, run func([]A, []R, *int), opts []Option) {
	a, err1 := columnOf[A]()
	result, err2 := columnOf[R]()
	if !r.types(name, err1, err2) {
		return
	}
	x := &scalar[R]{name: name, inputs: inputs{strict: !a.nullable}, result: result}
	x.run = func(n int, rows []uint16, args []*columnar.Vector, w *work[R]) (given func() string, call func()) {
		as := pick(a.load(args[0], n, slot[A](w, 0, n)), rows, w, 0)
		return func() string { return shown(as[w.at]) }, func() { run(as, w.out, &w.at) }
	}
	d := describe(name, result.typ, result.nullable, a.nullable, []columnar.Type{a.typ}, opts)
	d.Scalar = x
	r.add(d, kind, f)
}

// Scalar2 registers a function of two values.
func Scalar2[A, B, R any](r *Registry, name string, f func(A, B) R, opts ...Option) {
	scalar2(r, name, "scalar", f, func(as []A, bs []B, out []R, at *int) {
		for i, a := range as {
			*at = i
			out[i] = f(a, bs[i])
		}
	}, opts)
}

// Vector2 registers a function of many pairs of values at once, as Vector1.
func Vector2[A, B, R any](r *Registry, name string, f func(as []A, bs []B, out []R), opts ...Option) {
	scalar2(r, name, "vector", f, func(as []A, bs []B, out []R, _ *int) { f(as, bs, out) }, opts)
}

func scalar2[A, B, R any](r *Registry, name, kind string, f any, run func([]A, []B, []R, *int), opts []Option) {
	a, err1 := columnOf[A]()
	b, err2 := columnOf[B]()
	result, err3 := columnOf[R]()
	if !r.types(name, err1, err2, err3) {
		return
	}
	sees := a.nullable || b.nullable
	x := &scalar[R]{name: name, inputs: inputs{strict: !sees, never: []bool{!a.nullable, !b.nullable}}, result: result}
	x.run = func(n int, rows []uint16, args []*columnar.Vector, w *work[R]) (func() string, func()) {
		as := pick(a.load(args[0], n, slot[A](w, 0, n)), rows, w, 0)
		bs := pick(b.load(args[1], n, slot[B](w, 1, n)), rows, w, 1)
		return func() string { return shown(as[w.at], bs[w.at]) }, func() { run(as, bs, w.out, &w.at) }
	}
	d := describe(name, result.typ, result.nullable || sees, sees, []columnar.Type{a.typ, b.typ}, opts)
	d.NeverNull = false
	d.Scalar = x
	r.add(d, kind, f)
}

// Scalar3 registers a function of three values.
func Scalar3[A, B, C, R any](r *Registry, name string, f func(A, B, C) R, opts ...Option) {
	a, err1 := columnOf[A]()
	b, err2 := columnOf[B]()
	c, err3 := columnOf[C]()
	result, err4 := columnOf[R]()
	if !r.types(name, err1, err2, err3, err4) {
		return
	}
	sees := a.nullable || b.nullable || c.nullable
	x := &scalar[R]{name: name, inputs: inputs{strict: !sees, never: []bool{!a.nullable, !b.nullable, !c.nullable}}, result: result}
	x.run = func(n int, rows []uint16, args []*columnar.Vector, w *work[R]) (func() string, func()) {
		as := pick(a.load(args[0], n, slot[A](w, 0, n)), rows, w, 0)
		bs := pick(b.load(args[1], n, slot[B](w, 1, n)), rows, w, 1)
		cs := pick(c.load(args[2], n, slot[C](w, 2, n)), rows, w, 2)
		return func() string { return shown(as[w.at], bs[w.at], cs[w.at]) }, func() {
			for i, a := range as {
				w.at = i
				w.out[i] = f(a, bs[i], cs[i])
			}
		}
	}
	d := describe(name, result.typ, result.nullable || sees, sees, []columnar.Type{a.typ, b.typ, c.typ}, opts)
	d.NeverNull = false
	d.Scalar = x
	r.add(d, "scalar", f)
}

// types notes the errors of a function's types.
func (r *Registry) types(name string, errs ...error) bool {
	for _, err := range errs {
		if err != nil {
			r.fail("function %s: %v", name, err)
			return false
		}
	}
	return true
}

// scalar is an expr.ForeignScalar.
type scalar[R any] struct {
	name string
	inputs
	result column[R]
	// run readies a call for rows (nil: all n); given prints the arguments at w.at.
	run  func(n int, rows []uint16, args []*columnar.Vector, w *work[R]) (given func() string, call func())
	pool sync.Pool // of *work[R]
}

var _ expr.ForeignScalar = (*scalar[int64])(nil)

// work is the room that a call needs; it is reused.
type work[R any] struct {
	out   []R
	full  []R
	slots [6]any // slices of arguments: loaded, picked
	rows  []uint16
	at    int // the row being computed, among those that count; −1: many at once
}

// slot returns room for n values that is kept for the next call.
func slot[T, R any](w *work[R], i, n int) []T {
	s, ok := w.slots[i].(*[]T)
	if !ok {
		s = new([]T)
		w.slots[i] = s
	}
	*s = resize(*s, n)
	return *s
}

// pick gathers the rows that count.
func pick[T, R any](xs []T, rows []uint16, w *work[R], i int) []T {
	if rows == nil {
		return xs
	}
	out := slot[T](w, 3+i, len(rows))
	for k, row := range rows {
		out[k] = xs[row]
	}
	return out
}

// Compute implements expr.ForeignScalar.
func (x *scalar[R]) Compute(n int, sel []uint16, args []*columnar.Vector, s *memory.Scratch) (v columnar.Vector, err error) {
	w, _ := x.pool.Get().(*work[R])
	if w == nil {
		w = &work[R]{}
	}
	rows, valid := x.live(n, sel, args, s, &w.rows)
	count := n
	if rows != nil {
		count = len(rows)
	}
	w.out = resize(w.out, count)
	given, call := x.run(n, rows, args, w)
	if err := x.try(w, given, call); err != nil {
		return columnar.Vector{}, err
	}
	out := w.out
	if rows != nil {
		w.full = resize(w.full, n)
		clear(w.full)
		for k, row := range rows {
			w.full[row] = w.out[k]
		}
		out = w.full
	}
	if v, err = x.result.store(out, s); err != nil {
		return v, err
	}
	if valid != nil {
		if v.Valid == nil {
			v.Valid = valid
		} else {
			kernel.And(v.Valid, v.Valid, valid, n)
		}
	}
	clear(w.out) // of strings
	x.pool.Put(w)
	return v, nil
}

// try calls the function and recovers.
func (x *scalar[R]) try(w *work[R], given func() string, call func()) (err error) {
	w.at = -1
	defer func() {
		if p := recover(); p != nil {
			text := ""
			if w.at >= 0 {
				text = given()
			}
			err = panicked(x.name, p, text)
		}
	}()
	call()
	return nil
}

// inputs says what a function does with nulls.
type inputs struct {
	strict bool   // rows with a null are not called for
	never  []bool // arguments that must not be null where the function sees others' nulls
}

// live returns the rows that the function is called for, nil if it is all, and which
// are not null for a null argument, nil if all are not.
func (x inputs) live(n int, sel []uint16, args []*columnar.Vector, s *memory.Scratch, room *[]uint16) ([]uint16, columnar.Bitmap) {
	var valid columnar.Bitmap
	for i, a := range args {
		if !a.HasNulls() || !x.strict && (x.never == nil || !x.never[i]) {
			continue
		}
		if valid == nil {
			valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
			valid.Fill(n, true)
		}
		if a.Enc == columnar.Const {
			if a.NullAt(0) {
				clear(valid)
			}
			continue
		}
		kernel.And(valid, valid, a.Valid, n)
	}
	if sel == nil && valid == nil {
		return nil, nil
	}
	if valid == nil {
		return sel, nil
	}
	rows := resize(*room, 0)
	if sel != nil {
		for _, i := range sel {
			if valid.Get(int(i)) {
				rows = append(rows, i)
			}
		}
	} else {
		for i := range n {
			if valid.Get(i) {
				rows = append(rows, uint16(i))
			}
		}
	}
	if rows == nil {
		rows = []uint16{}
	}
	*room = rows
	return rows, valid
}
