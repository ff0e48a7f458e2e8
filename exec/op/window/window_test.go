package window_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/exec/op/window"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Columns of sorted: the partition, the order with ties and nulls, values, a
// filter, a number per row, and text that makes rows wide.
const (
	part = iota
	order
	number
	double
	text
	filter
	id
)

// sorted returns rows in the order that a window expects: some partitions of a few
// rows, some of many.
func sorted(r *rand.Rand, n int, kind columnar.Type, desc, nullsLast bool) *columnar.Batch {
	b := optest.Random(r, n, optest.Column{Type: columnar.Int64Type}, optest.Column{Type: kind},
		optest.Column{Type: columnar.Int64Type, Distinct: 1000, Nulls: 0.2}, optest.Column{Type: columnar.Float64Type, Distinct: 1000, Nulls: 0.1},
		optest.Column{Type: columnar.StringType, Distinct: 2000, Nulls: 0.2, Longest: 700}, optest.Column{Type: columnar.BoolType, Distinct: 2, Nulls: 0.1}, optest.Column{Type: columnar.Int64Type})
	groups, keys, numbers := make([]int64, n), make([]int64, n), make([]int64, n)
	valid := columnar.NewBitmap(n)
	for from, g := 0, int64(0); from < n; g++ {
		size := 1 + r.IntN(30)
		if r.IntN(3) == 0 {
			size = n * 2 / 3
		}
		size = min(size, n-from)
		nulls := r.IntN(2) * r.IntN(1+size/4)
		key := make([]int64, size-nulls)
		for i := range key {
			key[i] = int64(r.IntN(1 + size/2))
		}
		slices.Sort(key)
		if desc {
			slices.Reverse(key)
		}
		for i := range size {
			groups[from+i], numbers[from+i] = g, int64(from+i)
			k := i - nulls
			if nullsLast {
				k = i
			}
			if null := k < 0 || k >= len(key); !null {
				valid.Set(from + i)
				keys[from+i] = key[k]
			}
		}
		from += size
	}
	b.Cols[part].Data, b.Cols[id].Data = columnar.BytesOf(groups), columnar.BytesOf(numbers)
	b.Cols[order].Valid, b.Schema.Fields[order].Nullable = valid, true
	switch {
	case kind.IsFloat():
		xs := make([]float64, n)
		for i, k := range keys {
			xs[i] = float64(k)
		}
		b.Cols[order].Data = columnar.BytesOf(xs)
	default:
		b.Cols[order].Data = columnar.BytesOf(keys)
	}
	return b
}

func column(b *columnar.Batch, i int) expr.Expr {
	f := b.Schema.Fields[i]
	return &expr.Column{Index: i, Name: f.Name, Typ: f.Type, Null: f.Nullable}
}

func literal(n int64) expr.Expr { return &expr.Literal{Typ: columnar.Int64Type, Value: n} }

// node returns a window of calls over the table's rows.
func node(b *columnar.Batch, desc, nullsLast bool, calls ...physical.WindowCall) *physical.Window {
	w := &physical.Window{PartitionBy: []int{part}, Order: []expr.SortOrder{{Expr: column(b, order), Desc: desc, NullsLast: nullsLast}}, Calls: calls, Child: &physical.Values{Out: b.Schema}}
	fields := append([]columnar.Field{}, b.Schema.Fields...)
	for i, c := range calls {
		fields = append(fields, columnar.Field{Name: fmt.Sprint("w", i), Type: c.Result, Nullable: true})
	}
	w.Out = columnar.NewSchema(fields...)
	return w
}

// frame returns a frame: from the partition's start, or from so many rows or
// key units before or behind the row.
func frame(r *rand.Rand, rows bool, n int) *expr.Frame {
	f := &expr.Frame{Rows: rows}
	bound := func() int64 {
		switch r.IntN(5) {
		case 0:
			return 0
		case 1:
			return int64(r.IntN(2*n) - n)
		}
		return int64(r.IntN(41) - 20)
	}
	a, z := bound(), bound()
	if a > z {
		a, z = z, a
	}
	set := func(n int64) (expr.Expr, bool) { return literal(max(n, -n)), n > 0 }
	if r.IntN(3) > 0 {
		f.Start, f.StartFollow = set(a)
	}
	if r.IntN(4) > 0 {
		f.End, f.EndFollow = set(z)
	}
	return f
}

func call(r *rand.Rand, b *columnar.Batch, n int) physical.WindowCall {
	arg := column(b, []int{number, double, text}[r.IntN(3)])
	c := physical.WindowCall{Args: []expr.Expr{arg}, Result: arg.Type(), Null: true}
	framed := true
	switch r.IntN(14) {
	case 0:
		c.Fn, c.Args, c.Result, framed = []string{"row_number", "rank", "dense_rank"}[r.IntN(3)], nil, columnar.Int32Type, false
	case 1:
		c.Fn, c.Args, c.Result, framed = "ntile", []expr.Expr{literal(int64(1 + r.IntN(9)))}, columnar.Int32Type, false
	case 2:
		c.Fn, c.Args, c.Result, framed = []string{"percent_rank", "cume_dist"}[r.IntN(2)], nil, columnar.Float64Type, false
	case 3, 4:
		c.Fn, framed = []string{"lag", "lead"}[r.IntN(2)], false
		c.Args = append(c.Args, literal([]int64{0, 1, 7, int64(n / 2)}[r.IntN(4)]))
		if r.IntN(2) == 0 && arg.Type().Kind == columnar.Int64 {
			c.Args = append(c.Args, column(b, id))
		}
		c.IgnoreNulls = r.IntN(2) == 0
	case 5, 6:
		c.Fn, c.IgnoreNulls = []string{"first", "last", "any_value"}[r.IntN(3)], r.IntN(2) == 0
	case 7:
		c.Fn, c.IgnoreNulls = "nth_value", r.IntN(2) == 0
		c.Args = append(c.Args, literal(int64(1+r.IntN(4))))
	case 8:
		c.Fn, c.Args, c.Result = "count", []expr.Expr{arg}[:r.IntN(2)], columnar.Int64Type
	case 9:
		c.Fn, c.Args, c.Result = "count_if", []expr.Expr{column(b, filter)}, columnar.Int64Type
	case 10:
		c.Fn, c.Args, c.Result = "bool_or", []expr.Expr{column(b, filter)}, columnar.BoolType
	case 11:
		c.Fn, c.Args = "sum", []expr.Expr{column(b, []int{number, double}[r.IntN(2)])}
		c.Result = c.Args[0].Type()
	default:
		c.Fn = []string{"min", "max"}[r.IntN(2)]
	}
	if framed {
		c.Frame = frame(r, r.IntN(2) == 0, n)
		if r.IntN(3) == 0 {
			c.Filter = column(b, filter)
		}
	}
	return c
}

// TestSpooled: every function over every kind of frame computes the same over
// partitions on disk as over partitions in memory.
func TestSpooled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	spooled := 0
	for round := range 40 {
		n := 3000 + r.IntN(6000)
		kind := []columnar.Type{columnar.Int64Type, columnar.Float64Type}[r.IntN(2)]
		desc, last := r.IntN(2) == 0, r.IntN(2) == 0
		b := sorted(r, n, kind, desc, last)
		c := call(r, b, n)
		w := node(b, desc, last, c)
		if r.IntN(4) == 0 {
			w.PartitionBy = nil
			w.Order[0].Expr = column(b, id) // they are in no other order
		}
		run := func(budget int64) []string {
			o := window.New(w, optest.NewSource(b, optest.Shape{Rows: 1 + r.IntN(columnar.MaxRows)}))
			rows, err := optest.Try(o, budget)
			if err != nil {
				t.Fatalf("seed %d, round %d, %d bytes: %v\n%s", seed, round, budget, err, describe(c))
			}
			if _, n := o.(op.Accountant).Usage(); n > 0 {
				spooled++
			}
			return rows
		}
		want, got := run(1<<30), run(2<<20)
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("seed %d, round %d: row %d of %d is\n%.300s, want\n%.300s\n%s", seed, round, i, len(got), got[min(i, len(got)-1)], want[i], describe(c))
			}
		}
	}
	if spooled < 15 {
		t.Errorf("in %d rounds alone a partition went to disk", spooled)
	}
}

func describe(c physical.WindowCall) string {
	s := fmt.Sprintf("%s of %v, ignoring nulls: %v, filter: %v", c.Fn, c.Args, c.IgnoreNulls, c.Filter)
	if c.Frame != nil {
		s += " " + c.Frame.String()
	}
	return s
}

// The operator's contract, with a partition that memory does not hold among others.
func TestWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	b := sorted(r, 12_000, columnar.Int64Type, false, false)
	running := &expr.Frame{End: literal(0)}
	around := &expr.Frame{Rows: true, Start: literal(30), End: literal(2000), EndFollow: true}
	w := node(b, false, false,
		physical.WindowCall{Fn: "rank", Result: columnar.Int32Type},
		physical.WindowCall{Fn: "sum", Args: []expr.Expr{column(b, number)}, Frame: running, Result: columnar.Int64Type},
		physical.WindowCall{Fn: "max", Args: []expr.Expr{column(b, text)}, Frame: around, Result: columnar.StringType})
	optest.Check(t, optest.Case{Tables: []*columnar.Batch{b}, Ordered: true, Tiny: 2 << 20,
		New: func(in ...op.Operator) op.Operator { return window.New(w, in[0]) }})
}
