package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// nestedFunctions take arrays, maps and structs apart. Their nulls are their own
// business: none is strict.
var nestedFunctions = map[string]func(c *expr.Call) function{
	"getfield": func(c *expr.Call) function {
		t := c.Args[0].Type()
		list := t.Kind == columnar.List
		if list {
			t = t.Nested.Fields[0].Type
		}
		name, _ := expr.FieldName(c.Args[1])
		at, err := expr.FieldOf(t, name)
		return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
			switch {
			case err != nil:
				return columnar.Vector{}, err
			case list:
				return withElements(args[0], c.Typ, func(kid *columnar.Vector) columnar.Vector { return part(kid, at, r.s) }), nil
			}
			return part(args[0], at, r.s), nil
		}
	},
	"map_keys":   entriesOf(0),
	"map_values": entriesOf(1),
	"getitem": func(c *expr.Call) function {
		return elements(c, 0, func(i, n int) error {
			return diag.NewAt(c.Place, diag.InvalidArrayIndex, "index %d lies outside of an array of %d elements", i, n).WithRemedy("get(array, index) gives null there")
		})
	},
	"get": func(c *expr.Call) function { return elements(c, 0, nil) },
	"element_at": func(c *expr.Call) function {
		if c.Args[0].Type().Kind == columnar.Map {
			return valueOf
		}
		return elements(c, 1, func(i, n int) error {
			return diag.NewAt(c.Place, diag.InvalidArrayIndex, "position %d lies outside of an array of %d elements", i, n).WithRemedy("try_element_at gives null there; positions begin at 1")
		})
	},
	"try_element_at": func(c *expr.Call) function {
		if c.Args[0].Type().Kind == columnar.Map {
			return valueOf
		}
		return elements(c, 1, nil)
	},
	"array_contains": func(*expr.Call) function { return contains },
}

// part returns a field of a struct vector.
func part(v *columnar.Vector, at int, s *memory.Scratch) columnar.Vector {
	kid := v.Kids[at]
	if v.Enc == columnar.Const {
		if v.NullAt(0) {
			return kernel.Nulls(kid.Type, v.Len)
		}
		rows := memory.Slice[uint32](s, v.Len)
		clear(rows)
		return kernel.Take(&kid, rows, s)
	}
	if v.Valid == nil || kid.Type.Kind == columnar.Null {
		return kid
	}
	if kid.Enc == columnar.Const {
		kid = kernel.Flatten(&kid, s)
	}
	valid := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(v.Len)))
	if kid.Valid == nil {
		copy(valid, v.Valid[:len(valid)])
	} else {
		kernel.And(valid, v.Valid, kid.Valid, v.Len)
	}
	kid.Valid = valid
	return kid
}

// withElements is a list of type t whose elements f makes of those of v.
func withElements(v *columnar.Vector, t columnar.Type, f func(kid *columnar.Vector) columnar.Vector) columnar.Vector {
	out := *v
	out.Type, out.Stable = t, false
	out.Kids = []columnar.Vector{f(&v.Kids[0])}
	return out
}

// entriesOf makes map_keys and map_values: a map is a list of structs.
func entriesOf(at int) func(*expr.Call) function {
	return func(c *expr.Call) function {
		return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
			return withElements(args[0], c.Typ, func(kid *columnar.Vector) columnar.Vector { return part(kid, at, r.s) }), nil
		}
	}
}

// span returns where the elements of a row's list or map are.
func span(v *columnar.Vector, off []int32, i int) (from, n int) {
	if v.Enc == columnar.Const {
		i = 0
	}
	return int(off[i]), int(off[i+1] - off[i])
}

// elements picks an element of each row's array. Places count from base; with base
// 1 those below zero count from the end. A place that is none is the error that
// outside makes, or null without it.
func elements(c *expr.Call, base int, outside func(i, n int) error) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		v, at := args[0], args[1]
		if v.Enc == columnar.Const && v.NullAt(0) {
			return kernel.Nulls(c.Typ, r.n), nil
		}
		off := v.Offsets()
		rows := memory.Slice[uint32](r.s, r.n)
		for i := range rows {
			rows[i] = kernel.NullRow
		}
		err := r.each(func(i int) error {
			if v.NullAt(i) || at.NullAt(i) {
				return nil
			}
			from, n := span(v, off, i)
			x := int(at.Int64At(i))
			k := x - base
			if base == 1 && x < 0 {
				k = n + x
			}
			if k >= 0 && k < n {
				rows[i] = uint32(from + k)
			} else if outside != nil {
				return outside(x, n)
			}
			return nil
		})
		if err != nil {
			return columnar.Vector{}, err
		}
		return kernel.TakeNull(&v.Kids[0], rows, r.s), nil
	}
}

// pairs compares each row's value with all elements of its list or map, of which
// all are the elements, and calls hit for those that are equal.
func pairs(r *rows, v, all, value *columnar.Vector, hit func(row, element int)) {
	off := v.Offsets()
	of, which := memory.Slice[uint32](r.s, columnar.MaxRows), memory.Slice[uint32](r.s, columnar.MaxRows)
	sel := memory.Slice[uint16](r.s, columnar.MaxRows)
	n := 0
	flush := func() {
		for k := range n {
			sel[k] = uint16(k)
		}
		for _, k := range kernel.EqualRows(value, of[:n], all, which[:n], sel[:n], false) {
			hit(int(of[k]), int(which[k]))
		}
		n = 0
	}
	_ = r.each(func(i int) error {
		if v.NullAt(i) || value.NullAt(i) {
			return nil
		}
		from, count := span(v, off, i)
		for e := from; e < from+count; e++ {
			if of[n], which[n] = uint32(i), uint32(e); n+1 == len(of) {
				n++
				flush()
				continue
			}
			n++
		}
		return nil
	})
	flush()
}

// valueOf picks the value of each row's key in its map: the first, should a file
// have several.
func valueOf(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
	v, key := args[0], args[1]
	entries := &v.Kids[0]
	if v.Enc == columnar.Const && v.NullAt(0) {
		return kernel.Nulls(entries.Kids[1].Type, r.n), nil
	}
	rows := memory.Slice[uint32](r.s, r.n)
	for i := range rows {
		rows[i] = kernel.NullRow
	}
	pairs(r, v, &entries.Kids[0], key, func(row, element int) {
		if rows[row] == kernel.NullRow {
			rows[row] = uint32(element)
		}
	})
	return kernel.TakeNull(&entries.Kids[1], rows, r.s), nil
}

// contains is array_contains.
func contains(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
	v, value := args[0], args[1]
	if v.Enc == columnar.Const && v.NullAt(0) {
		return kernel.Nulls(columnar.BoolType, r.n), nil
	}
	b := newBuilder(r, columnar.BoolType)
	all := &v.Kids[0]
	pairs(r, v, all, value, func(row, _ int) { b.bool(row, true) })
	off := v.Offsets()
	_ = r.each(func(i int) error {
		if v.NullAt(i) || value.NullAt(i) {
			b.null(i)
			return nil
		}
		if all.HasNulls() && !b.v.Bits().Get(i) {
			from, n := span(v, off, i)
			for e := from; e < from+n; e++ {
				if all.NullAt(e) {
					b.null(i)
					break
				}
			}
		}
		return nil
	})
	return b.vector(), nil
}
