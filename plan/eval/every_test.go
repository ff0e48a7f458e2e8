package eval

import (
	"math/rand/v2"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

var everyType = append([]columnar.Type{columnar.BinaryType, columnar.TimestampNTZType, columnar.DayTimeType, columnar.YearMonthType,
	columnar.Int16Type, columnar.Float32Type, columnar.DecimalType(15, 4)}, columnTypes...)

// ofCollections reports the functions that take arrays, maps and structs: see
// TestNestedFunctions.
func ofCollections(name string) bool {
	_, ok := nestedFunctions[name]
	return ok || name == "size"
}

// TestEveryFunction computes each function on a batch and on its rows alone:
// both must agree, in values and in failing, whatever the encodings.
func TestEveryFunction(t *testing.T) {
	r := newRandom(t)
	seen := map[*expr.Function]bool{}
	for _, name := range expr.Builtins().Names() {
		f, _ := expr.Builtins().Lookup(name)
		if f.Kind != expr.ScalarFunction || f.Volatile || seen[f] || ofCollections(f.Name) {
			continue
		}
		seen[f] = true
		worked := 0
		for range 10_000 {
			if worked == 12 {
				break
			}
			args, cols := everyArguments(r)
			sig, err := f.Resolve(args)
			if err != nil {
				if diag.ClassOf(err) == "" {
					t.Fatalf("%s: %v", name, err)
				}
				continue
			}
			cast := make([]expr.Expr, len(args))
			for i, a := range args {
				cast[i] = a
				if !a.Type().Equal(sig.Args[i]) {
					cast[i] = &expr.Cast{Arg: a, To: sig.Args[i]}
				}
			}
			e := &expr.Call{Fn: f, Args: cast, Typ: sig.Result, Null: expr.CallNullable(f, cast, sig)}
			worked++
			if !t.Run(name, func(t *testing.T) { everyBatch(t, r, e, cols) }) {
				break
			}
		}
		if worked == 0 {
			t.Errorf("%s: no arguments found", name)
		}
	}
	t.Logf("%d functions", len(seen))
}

// everyArguments makes up to four columns and literals of random types.
func everyArguments(r *rand.Rand) (args []expr.Expr, types []columnar.Type) {
	for range r.IntN(5) {
		typ := everyType[r.IntN(len(everyType))]
		if r.IntN(3) == 0 {
			typ = []columnar.Type{columnar.StringType, columnar.Int32Type, columnar.Float64Type, columnar.BoolType}[r.IntN(4)]
		}
		switch r.IntN(4) {
		case 0:
			args = append(args, expr.Lit(everyValue(r, typ), typ))
		default:
			args = append(args, &expr.Column{Index: len(types), Typ: typ, Null: true})
			types = append(types, typ)
		}
	}
	return args, types
}

func everyValue(r *rand.Rand, t columnar.Type) any {
	if t.IsBytes() && r.IntN(2) == 0 {
		return []string{"", "12", "-3.5", "2020-02-29", "true", " a b ", "ABC", "a%_", "[", "(", "%", "\\", "é", "year", "1.5e3", "\xff"}[r.IntN(16)]
	}
	if t.IsBytes() {
		return randomValue(r, columnar.StringType)
	}
	if r.IntN(3) == 0 && t.IsInteger() {
		return int64(r.IntN(300) - 100)
	}
	return randomValue(r, t)
}

func everyBatch(t *testing.T, r *rand.Rand, e expr.Expr, types []columnar.Type) {
	t.Helper()
	defer func() {
		if x := recover(); x != nil {
			t.Fatalf("%s panics: %v", e, x)
		}
	}()
	p, err := Compile([]expr.Expr{e}, Options{})
	if err != nil {
		if diag.ClassOf(err) == "" || diag.ClassOf(err) == diag.Internal {
			t.Errorf("%s: %v", e, err)
		}
		return
	}
	alone, err := Compile([]expr.Expr{e}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := memory.NewScratch(nil)
	n := []int{1, 9, 70}[r.IntN(3)]
	b := &columnar.Batch{Rows: n}
	for _, typ := range types {
		b.Cols = append(b.Cols, everyColumn(r, typ, n))
	}
	if r.IntN(2) == 0 {
		b.Sel = []uint16{}
		for i := range n {
			if r.IntN(2) == 0 {
				b.Sel = append(b.Sel, uint16(i))
			}
		}
	}
	vs, err := p.Eval(b, s)
	if err != nil && (diag.ClassOf(err) == "" || diag.ClassOf(err) == diag.Internal) {
		t.Fatalf("%s: %v", e, err)
	}
	failed := false
	for i := range b.Selected() {
		row := b.RowAt(i)
		one := &columnar.Batch{Rows: 1}
		for c := range b.Cols {
			v := kernel.Take(&b.Cols[c], []uint32{uint32(row)}, nil)
			one.Cols = append(one.Cols, kernel.Flatten(&v, nil))
		}
		ws, rowErr := alone.Eval(one, nil)
		if rowErr != nil {
			failed = true
			continue
		}
		if err == nil {
			got, want := Value(&vs[0], row), Value(&ws[0], 0)
			if !equalValues(got, want) {
				t.Fatalf("row %d of %s is %v, alone %v", row, e, got, want)
			}
			if got == nil && !e.Nullable() {
				t.Fatalf("row %d of %s is null, which it may not be", row, e)
			}
		}
	}
	if failed != (err != nil) {
		t.Fatalf("%s: the batch fails with %v, a row alone: %v", e, err, failed)
	}
	if err != nil && !expr.Fallible(e) {
		t.Fatalf("%s fails, which it may not: %v", e, err)
	}
	if !vs0Type(vs, e) {
		t.Fatalf("%s is of type %s, not %s", e, vs[0].Type, e.Type())
	}
}

func vs0Type(vs []columnar.Vector, e expr.Expr) bool {
	return vs == nil || vs[0].Type.Equal(e.Type()) || vs[0].Type.Kind == columnar.Null
}

func everyColumn(r *rand.Rand, t columnar.Type, n int) columnar.Vector {
	values := make([]any, n)
	few := r.IntN(2) == 0
	entries := []any{everyValue(r, t), everyValue(r, t), everyValue(r, t)}
	codes := make([]uint32, n)
	for i := range values {
		codes[i] = uint32(r.IntN(3))
		values[i] = everyValue(r, t)
	}
	v := vectorOf(t, values, r)
	if few && t.Kind != columnar.Bool {
		d := &columnar.Dictionary{Values: vectorOf(t, entries, r)}
		d.Values.Stable = true
		v = columnar.Vector{Type: t, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: d}
	}
	if r.IntN(6) == 0 {
		return Constant(entries[0], t, n)
	}
	if r.IntN(2) == 0 {
		v.Valid = columnar.NewBitmap(n)
		for i := range n {
			v.Valid.SetTo(i, r.IntN(4) > 0)
		}
	}
	return v
}
