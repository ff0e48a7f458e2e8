package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/plan/expr"
)

// truth returns a boolean vector as two bitmaps: rows that are true and rows
// that are false. Null rows are in neither.
func truth(r *rows, v *columnar.Vector) (t, f columnar.Bitmap) {
	t, f = r.bitmap(), r.bitmap()
	if v.Type.Kind == columnar.Null || v.Enc == columnar.Const {
		is := v.Type.Kind != columnar.Null && !v.NullAt(0)
		t.Fill(8*len(t), is && v.Bits().Get(0))
		f.Fill(8*len(f), is && !v.Bits().Get(0))
		return t, f
	}
	v = flat(v, r.s)
	kernel.And(t, v.Bits(), v.Valid, r.n)
	kernel.Not(f, v.Bits(), r.n)
	if v.Valid != nil {
		kernel.And(f, f, v.Valid, r.n)
	}
	return t, f
}

// booleans builds a vector out of the rows that are true and those that are
// false.
func booleans(r *rows, t, f columnar.Bitmap) columnar.Vector {
	v := columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: t}
	valid := r.bitmap()
	kernel.Or(valid, t, f, r.n)
	if valid.Count(r.n) < r.n {
		v.Valid = valid
	}
	return v
}

// plain returns a boolean vector without nulls as bits, else nil.
func plain(v *columnar.Vector) columnar.Bitmap {
	if v.Type.Kind != columnar.Bool || v.Enc != columnar.Flat || v.Valid != nil {
		return nil
	}
	return v.Bits()
}

func logic(name string) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		if a := plain(args[0]); a != nil { // two-valued
			out := r.bitmap()
			v := columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: out}
			if name == "not" {
				kernel.Not(out, a, r.n)
				return v, nil
			}
			if b := plain(args[1]); b != nil {
				if name == "and" {
					kernel.And(out, a, b, r.n)
				} else {
					kernel.Or(out, a, b, r.n)
				}
				return v, nil
			}
		}
		at, af := truth(r, args[0])
		if name == "not" {
			return booleans(r, af, at), nil
		}
		bt, bf := truth(r, args[1])
		t, f := r.bitmap(), r.bitmap()
		if name == "and" {
			kernel.And(t, at, bt, r.n)
			kernel.Or(f, af, bf, r.n)
		} else {
			kernel.Or(t, at, bt, r.n)
			kernel.And(f, af, bf, r.n)
		}
		return booleans(r, t, f), nil
	}
}

// lazyLogic computes the right side only where the left does not decide.
func (p *Program) lazyLogic(c *expr.Call) (function, error) {
	left, err := p.branch(c.Args[0])
	if err != nil {
		return nil, err
	}
	right, err := p.branch(c.Args[1])
	if err != nil {
		return nil, err
	}
	combine := logic(c.Fn.Name)
	return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
		a, err := left.full(r, r.sel)
		if err != nil {
			return a, err
		}
		t, f := truth(r, &a)
		decided := f
		if c.Fn.Name == "or" {
			decided = t
		}
		open := r.bitmap()
		kernel.Not(open, decided, r.n)
		sel := r.pick(open, r.sel)
		if len(sel) == 0 {
			return a, nil
		}
		b, err := right.full(r, sel)
		if err != nil {
			return b, err
		}
		return combine(r, []*columnar.Vector{&a, &b})
	}, nil
}

func isNull(name string) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		a := args[0]
		out := r.bitmap()
		want := name == "isnull"
		switch {
		case a.Type.Kind == columnar.Null || a.Enc == columnar.Const:
			out.Fill(8*len(out), a.NullAt(0) == want)
		case a.Valid == nil:
			out.Fill(8*len(out), !want)
		case want:
			kernel.Not(out, a.Valid, r.n)
		default:
			kernel.And(out, a.Valid, nil, r.n)
		}
		return columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: out}, nil
	}
}

func isTruth(name string) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		t, f := truth(r, args[0])
		if name == "isfalse" {
			t = f
		}
		return columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: t}, nil
	}
}
