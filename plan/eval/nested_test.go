package eval

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// record is a row of nested values, nil where something is null.
type record struct {
	list  []*int // nil: null
	empty bool   // the list is there
	keys  []string
	vals  []*int
	noMap bool
	field *int
	noRow bool // the struct is null
	index *int
	key   *string
}

func (x *record) String() string {
	return fmt.Sprintf("list %v, map %v, struct %v, index %v, key %v", show(x.list...), x.keys, x.noRow, show(x.index), x.key)
}

func show(xs ...*int) string {
	var out []string
	for _, x := range xs {
		if x == nil {
			out = append(out, "null")
		} else {
			out = append(out, fmt.Sprint(*x))
		}
	}
	return strings.Join(out, " ")
}

var nestedSchema = struct{ list, dict, row columnar.Type }{
	columnar.ListType(columnar.Int64Type, true), columnar.MapType(columnar.StringType, columnar.Int64Type, true),
	columnar.StructType(columnar.Field{Name: "a", Type: columnar.StringType, Nullable: true}, columnar.Field{Name: "b", Type: columnar.Int64Type, Nullable: true}),
}

func randomRecord(r *rand.Rand) (x record) {
	maybe := func() *int {
		if r.IntN(5) == 0 {
			return nil
		}
		n := r.IntN(6) - 2
		return &n
	}
	x.empty, x.noMap, x.noRow = r.IntN(5) > 0, r.IntN(5) == 0, r.IntN(5) == 0
	for range r.IntN(5) {
		x.list = append(x.list, maybe())
	}
	for _, k := range r.Perm(5)[:r.IntN(5)] {
		x.keys, x.vals = append(x.keys, fmt.Sprint("k", k)), append(x.vals, maybe())
	}
	x.field, x.index = maybe(), maybe()
	if k := fmt.Sprint("k", r.IntN(6)); r.IntN(6) > 0 {
		x.key = &k
	}
	return x
}

// nestedBatch makes columns list, map, struct, index and key of records.
func nestedBatch(xs []record) *columnar.Batch {
	n := len(xs)
	ints := func(vs []*int) columnar.Vector {
		data, valid := make([]int64, len(vs)), columnar.NewBitmap(max(len(vs), 1))
		for i, v := range vs {
			if valid.SetTo(i, v != nil); v != nil {
				data[i] = int64(*v)
			}
		}
		return columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: len(vs), Data: columnar.BytesOf(data), Valid: valid}
	}
	texts := func(vs []*string) columnar.Vector {
		off, valid, b := make([]int32, len(vs)+1), columnar.NewBitmap(max(len(vs), 1)), []byte{}
		for i, v := range vs {
			if valid.SetTo(i, v != nil); v != nil {
				b = append(b, *v...)
			}
			off[i+1] = int32(len(b))
		}
		return columnar.Vector{Type: columnar.StringType, Len: len(vs), Data: columnar.BytesOf(off), Bytes: b, Valid: valid}
	}
	lists, maps := make([]int32, n+1), make([]int32, n+1)
	hasList, hasMap, hasRow := columnar.NewBitmap(n), columnar.NewBitmap(n), columnar.NewBitmap(n)
	var elements, values, fields, index []*int
	var keys, names, key []*string
	for i := range xs {
		x := &xs[i]
		hasList.SetTo(i, x.empty)
		hasMap.SetTo(i, !x.noMap)
		hasRow.SetTo(i, !x.noRow)
		elements, values = append(elements, x.list...), append(values, x.vals...)
		for k := range x.keys {
			keys = append(keys, &x.keys[k])
		}
		lists[i+1], maps[i+1] = int32(len(elements)), int32(len(values))
		fields, names, index, key = append(fields, x.field), append(names, x.key), append(index, x.index), append(key, x.key)
	}
	entries := columnar.Vector{Type: columnar.StructType(nestedSchema.dict.Nested.Fields...), Len: len(values)}
	entries.Kids = []columnar.Vector{texts(keys), ints(values)}
	b := &columnar.Batch{Rows: n, Cols: []columnar.Vector{
		{Type: nestedSchema.list, Len: n, Data: columnar.BytesOf(lists), Valid: hasList, Kids: []columnar.Vector{ints(elements)}},
		{Type: nestedSchema.dict, Len: n, Data: columnar.BytesOf(maps), Valid: hasMap, Kids: []columnar.Vector{entries}},
		{Type: nestedSchema.row, Len: n, Valid: hasRow, Kids: []columnar.Vector{texts(names), ints(fields)}},
		ints(index), texts(key),
	}}
	return b
}

// TestNestedFunctions compares the functions of arrays, maps and structs with plain
// slices, on all rows, on selected ones, on parts of a batch and on constants.
func TestNestedFunctions(t *testing.T) {
	r := newRandom(t)
	list, dict, row := &expr.Column{Index: 0, Typ: nestedSchema.list, Null: true}, &expr.Column{Index: 1, Typ: nestedSchema.dict, Null: true}, &expr.Column{Index: 2, Typ: nestedSchema.row, Null: true}
	index, key := &expr.Cast{Arg: &expr.Column{Index: 3, Typ: columnar.Int64Type, Null: true}, To: columnar.Int32Type}, &expr.Column{Index: 4, Typ: columnar.StringType, Null: true}
	value := &expr.Column{Index: 3, Typ: columnar.Int64Type, Null: true}
	at := func(x *record, base int) (v *int, outside bool) {
		if !x.empty || x.index == nil {
			return nil, false
		}
		k := *x.index - base
		if base == 1 && *x.index < 0 {
			k = len(x.list) + *x.index
		}
		if k < 0 || k >= len(x.list) {
			return nil, true
		}
		return x.list[k], false
	}
	for _, c := range []struct {
		fn   string
		args []expr.Expr
		want func(x *record) (v *int, fails bool)
	}{
		{"getitem", []expr.Expr{list, index}, func(x *record) (*int, bool) { return at(x, 0) }},
		{"get", []expr.Expr{list, index}, func(x *record) (*int, bool) { v, _ := at(x, 0); return v, false }},
		{"element_at", []expr.Expr{list, index}, func(x *record) (*int, bool) { return at(x, 1) }},
		{"try_element_at", []expr.Expr{list, index}, func(x *record) (*int, bool) { v, _ := at(x, 1); return v, false }},
		{"element_at", []expr.Expr{dict, key}, func(x *record) (*int, bool) {
			for i, k := range x.keys {
				if !x.noMap && x.key != nil && k == *x.key {
					return x.vals[i], false
				}
			}
			return nil, false
		}},
		{"getfield", []expr.Expr{row, expr.Lit("B", columnar.StringType)}, func(x *record) (*int, bool) {
			if x.noRow {
				return nil, false
			}
			return x.field, false
		}},
		{"array_contains", []expr.Expr{list, value}, func(x *record) (*int, bool) {
			if !x.empty || x.index == nil {
				return nil, false
			}
			found, null := 0, false
			for _, v := range x.list {
				if null = null || v == nil; v != nil && *v == *x.index {
					found = 1
				}
			}
			if found == 0 && null {
				return nil, false
			}
			return &found, false
		}},
		{"size", []expr.Expr{callOf(t, "map_values", dict)}, func(x *record) (*int, bool) {
			n := len(x.keys)
			if x.noMap {
				return nil, false
			}
			return &n, false
		}},
	} {
		t.Run(c.fn, func(t *testing.T) {
			e := callOf(t, c.fn, c.args...)
			for range 60 {
				xs := make([]record, 1+r.IntN(40))
				for i := range xs {
					xs[i] = randomRecord(r)
				}
				b, s := nestedBatch(xs), memory.NewScratch(nil)
				switch r.IntN(3) {
				case 0: // a part
					from := r.IntN(len(xs))
					b, xs = kernel.SliceBatch(b, from, len(xs)-from, s), xs[from:]
				case 1: // one row for all
					xs = xs[:1]
					one := kernel.SliceBatch(b, 0, 1, s)
					for i := range one.Cols {
						one.Cols[i].Enc, one.Cols[i].Len = columnar.Const, 5
					}
					one.Rows, b = 5, one
					for len(xs) < 5 {
						xs = append(xs[:len(xs):len(xs)], xs[0])
					}
				}
				sel := []uint16{}
				fails := false
				for i := range xs {
					if r.IntN(3) > 0 {
						sel = append(sel, uint16(i))
						_, f := c.want(&xs[i])
						fails = fails || f
					}
				}
				if len(sel) == 0 {
					continue
				}
				b.Sel = sel
				p, err := Compile([]expr.Expr{e}, Options{})
				if err != nil {
					t.Fatal(err)
				}
				vs, err := p.Eval(b, s)
				if fails != (diag.ClassOf(err) == diag.InvalidArrayIndex) || !fails && err != nil {
					t.Fatalf("%s: %v, fails: %t", e, err, fails)
				}
				for _, i := range sel {
					if fails {
						break
					}
					want, _ := c.want(&xs[i])
					got := "null"
					switch x := Value(&vs[0], int(i)).(type) {
					case bool:
						if got = "0"; x {
							got = "1"
						}
					case int64:
						got = fmt.Sprint(x)
					}
					if got != show(want) {
						t.Fatalf("%s of %s is %s, want %s", e, &xs[i], got, show(want))
					}
				}
				s.Close()
			}
		})
	}
}

func callOf(t *testing.T, name string, args ...expr.Expr) expr.Expr {
	t.Helper()
	f, _ := expr.Builtins().Lookup(name)
	sig, err := f.Resolve(args)
	if err != nil {
		t.Fatal(err)
	}
	return &expr.Call{Fn: f, Args: args, Typ: sig.Result, Null: expr.CallNullable(f, args, sig)}
}
