package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/plan/expr"
)

// truth returns a boolean vector as two bitmaps: rows that are true and rows
// that are false. Null rows are in neither.
func truth(r *rows, v *columnar.Vector) (t, f columnar.Bitmap) {
	n := columnar.BitmapBytes(r.n)
	t, f = r.s.Bytes(n), r.s.Bytes(n)
	if v.Type.Kind == columnar.Null || v.Enc == columnar.Const {
		is := v.Type.Kind != columnar.Null && !v.NullAt(0)
		t.Fill(8*n, is && v.Bits().Get(0))
		f.Fill(8*n, is && !v.Bits().Get(0))
		return t, f
	}
	flat := kernel.Flatten(v, r.s)
	kernel.And(t, flat.Bits(), flat.Valid, r.n)
	kernel.Not(f, flat.Bits(), r.n)
	if flat.Valid != nil {
		kernel.And(f, f, flat.Valid, r.n)
	}
	return t, f
}

// booleans builds a vector out of the rows that are true and those that are
// false.
func booleans(r *rows, t, f columnar.Bitmap) columnar.Vector {
	v := columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: t}
	valid := columnar.Bitmap(r.s.Bytes(columnar.BitmapBytes(r.n)))
	kernel.Or(valid, t, f, r.n)
	if valid.Count(r.n) < r.n {
		v.Valid = valid
	}
	return v
}

func logic(name string) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		n := columnar.BitmapBytes(r.n)
		at, af := truth(r, args[0])
		if name == "not" {
			return booleans(r, af, at), nil
		}
		bt, bf := truth(r, args[1])
		t, f := columnar.Bitmap(r.s.Bytes(n)), columnar.Bitmap(r.s.Bytes(n))
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
	left, err := p.sub(c.Args[0])
	if err != nil {
		return nil, err
	}
	right, err := p.sub(c.Args[1])
	if err != nil {
		return nil, err
	}
	combine := logic(c.Fn.Name)
	return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
		a, err := left(r, r.sel)
		if err != nil {
			return a, err
		}
		t, f := truth(r, &a)
		decided := f
		if c.Fn.Name == "or" {
			decided = t
		}
		open := columnar.Bitmap(r.s.Bytes(columnar.BitmapBytes(r.n)))
		kernel.Not(open, decided, r.n)
		sel := kernel.SelectBits(open, nil, r.n, r.sel, make([]uint16, 0, r.n))
		if len(sel) == 0 {
			return a, nil
		}
		b, err := right(r, sel)
		if err != nil {
			return b, err
		}
		return combine(r, []*columnar.Vector{&a, &b})
	}, nil
}

func isNull(name string) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		a := args[0]
		out := columnar.Bitmap(r.s.Bytes(columnar.BitmapBytes(r.n)))
		want := name == "isnull"
		switch {
		case a.Type.Kind == columnar.Null || a.Enc == columnar.Const:
			out.Fill(8*len(out), a.NullAt(0) == want)
		case a.Valid == nil:
			out.Fill(8*len(out), !want)
		case want:
			kernel.Not(out, a.Valid, r.n)
		default:
			copy(out, a.Valid[:columnar.BitmapBytes(r.n)])
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

// choice is a value for some of the rows.
type choice struct {
	v    columnar.Vector
	rows []uint16
}

// merge assembles a vector of a type out of choices for disjoint rows; other
// rows are null.
func merge(r *rows, t columnar.Type, parts []choice) (columnar.Vector, error) {
	if len(parts) == 1 && len(parts[0].rows) == r.n && parts[0].v.Type.Equal(t) {
		return parts[0].v, nil
	}
	if t.Kind == columnar.Null {
		return allNull(t, r.n), nil
	}
	from := make([]int16, r.n)
	for i := range from {
		from[i] = -1
	}
	for k, p := range parts {
		for _, i := range p.rows {
			from[i] = int16(k)
		}
	}
	b := newBuilder(r, t)
	for i := range r.n {
		if k := from[i]; k < 0 || parts[k].v.NullAt(i) {
			b.null(i)
		} else {
			b.copy(&parts[k].v, i)
		}
	}
	return b.vector(), nil
}

func allRows(r *rows) []uint16 {
	if r.sel != nil {
		return r.sel
	}
	out := make([]uint16, r.n)
	for i := range out {
		out[i] = uint16(i)
	}
	return out
}

// caseWhen computes each condition for the rows that no earlier one took, and
// each value for the rows of its condition.
func (p *Program) caseWhen(c *expr.Case) (function, error) {
	type branch struct {
		cond, then func(*rows, []uint16) (columnar.Vector, error)
	}
	branches := make([]branch, len(c.Whens))
	var err error
	for i, w := range c.Whens {
		if branches[i].cond, err = p.sub(w.Cond); err != nil {
			return nil, err
		}
		if branches[i].then, err = p.sub(w.Then); err != nil {
			return nil, err
		}
	}
	var other func(*rows, []uint16) (columnar.Vector, error)
	if c.Else != nil {
		if other, err = p.sub(c.Else); err != nil {
			return nil, err
		}
	}
	t := c.Type()
	return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
		left := allRows(r)
		var parts []choice
		for _, b := range branches {
			if len(left) == 0 {
				break
			}
			v, err := b.cond(r, left)
			if err != nil {
				return v, err
			}
			is, _ := truth(r, &v)
			taken := kernel.SelectBits(is, nil, r.n, left, make([]uint16, 0, len(left)))
			if len(taken) == 0 {
				continue
			}
			if v, err = b.then(r, taken); err != nil {
				return v, err
			}
			parts = append(parts, choice{v, taken})
			rest := columnar.Bitmap(r.s.Bytes(columnar.BitmapBytes(r.n)))
			kernel.Not(rest, is, r.n)
			left = kernel.SelectBits(rest, nil, r.n, left, make([]uint16, 0, len(left)))
		}
		if other != nil && len(left) > 0 {
			v, err := other(r, left)
			if err != nil {
				return v, err
			}
			parts = append(parts, choice{v, left})
		}
		return merge(r, t, parts)
	}, nil
}

// coalesce computes each argument for the rows that are null so far.
func (p *Program) coalesce(c *expr.Call) (function, error) {
	subs := make([]func(*rows, []uint16) (columnar.Vector, error), len(c.Args))
	for i, a := range c.Args {
		s, err := p.sub(a)
		if err != nil {
			return nil, err
		}
		subs[i] = s
	}
	return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
		left := allRows(r)
		var parts []choice
		for _, s := range subs {
			if len(left) == 0 {
				break
			}
			v, err := s(r, left)
			if err != nil {
				return v, err
			}
			if !v.HasNulls() {
				parts = append(parts, choice{v, left})
				break
			}
			var have, rest []uint16
			for _, i := range left {
				if v.NullAt(int(i)) {
					rest = append(rest, i)
				} else {
					have = append(have, i)
				}
			}
			parts = append(parts, choice{v, have})
			left = rest
		}
		return merge(r, c.Typ, parts)
	}, nil
}
