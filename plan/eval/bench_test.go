package eval

import (
	"math/rand/v2"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// lineitem makes a batch of the columns that queries compute on: quantity,
// extendedprice, discount and tax as decimal(15,2), shipdate, a comment and a
// mode from a dictionary.
func lineitem(n int) *columnar.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	ints := func(t columnar.Type, f func() int64) columnar.Vector {
		b := newBuilder(&rows{n: n}, t)
		for i := range n {
			if t.Kind == columnar.Decimal {
				b.decimal(i, columnar.Int128Of(f()))
			} else {
				b.int(i, f())
			}
		}
		return b.vector()
	}
	money := columnar.DecimalType(15, 2)
	words := []string{"special ", "requests ", "carefully ", "final ", "deposits ", "among the ", "express ", "slyly "}
	text := newBuilder(&rows{n: n}, columnar.StringType)
	for i := range n {
		var s []byte
		for range 5 {
			s = append(s, words[r.IntN(len(words))]...)
		}
		text.str(i, s)
	}
	modes := newBuilder(&rows{n: 7}, columnar.StringType)
	for i, m := range []string{"AIR", "MAIL", "SHIP", "TRUCK", "RAIL", "FOB", "REG AIR"} {
		modes.str(i, []byte(m))
	}
	values := modes.vector()
	values.Stable = true
	codes := make([]uint32, n)
	for i := range codes {
		codes[i] = uint32(r.IntN(7))
	}
	cols := []columnar.Vector{
		ints(money, func() int64 { return 100 * (1 + r.Int64N(50)) }),
		ints(money, func() int64 { return 90000 + r.Int64N(10_000_000) }),
		ints(money, func() int64 { return r.Int64N(11) }),
		ints(money, func() int64 { return r.Int64N(9) }),
		ints(columnar.DateType, func() int64 { return 8035 + r.Int64N(2526) }),
		text.vector(),
		{Type: columnar.StringType, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: &columnar.Dictionary{Values: values, Unique: true}},
	}
	b := &columnar.Batch{Rows: n, Cols: cols, Schema: &columnar.Schema{}}
	for i := range cols {
		b.Schema.Fields = append(b.Schema.Fields, columnar.Field{Name: string(rune('a' + i)), Type: cols[i].Type})
	}
	return b
}

func columnOf(b *columnar.Batch, i int) *expr.Column {
	return &expr.Column{Index: i, Typ: b.Cols[i].Type}
}

// resolved makes a call as the analyzer does, casts included.
func resolved(t testing.TB, name string, args ...expr.Expr) expr.Expr {
	t.Helper()
	f, ok := expr.Builtins().Lookup(name)
	if !ok {
		t.Fatalf("no function %s", name)
	}
	sig, err := f.Resolve(args)
	if err != nil {
		t.Fatal(err)
	}
	cast := make([]expr.Expr, len(args))
	for i, a := range args {
		cast[i] = a
		if !a.Type().Equal(sig.Args[i]) {
			cast[i] = Fold(&expr.Cast{Arg: a, To: sig.Args[i]}, Options{})
		}
	}
	return &expr.Call{Fn: f, Args: cast, Typ: sig.Result, Null: expr.CallNullable(f, cast, sig)}
}

func benchProgram(b *testing.B, batch *columnar.Batch, e ...expr.Expr) {
	b.Helper()
	p, err := Compile(e, Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := memory.NewScratch(nil)
	for b.Loop() {
		s.Reset()
		if _, err := p.Eval(batch, s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch.Rows), "ns/row")
}

func benchFilter(b *testing.B, batch *columnar.Batch, e ...expr.Expr) {
	b.Helper()
	f, err := CompileFilter(e, Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := memory.NewScratch(nil)
	out := make([]uint16, 0, columnar.MaxRows)
	for b.Loop() {
		s.Reset()
		if _, err := f.Select(batch, s, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch.Rows), "ns/row")
}

func BenchmarkEval(b *testing.B) {
	l := lineitem(columnar.MaxRows)
	one := expr.Lit(int64(1), columnar.Int32Type)
	text := func(s string) expr.Expr { return expr.Lit(s, columnar.StringType) }
	money := func(x int64) expr.Expr { return expr.Lit(columnar.Int128Of(x), columnar.DecimalType(15, 2)) }
	day := func(x int64) expr.Expr { return expr.Lit(x, columnar.DateType) }
	discounted := resolved(b, "*", columnOf(l, 1), resolved(b, "-", one, columnOf(l, 2)))
	b.Run("multiply", func(b *testing.B) { benchProgram(b, l, resolved(b, "*", columnOf(l, 1), columnOf(l, 2))) })
	b.Run("q1", func(b *testing.B) {
		benchProgram(b, l, discounted, resolved(b, "*", discounted, resolved(b, "+", one, columnOf(l, 3))))
	})
	b.Run("compare", func(b *testing.B) { benchProgram(b, l, resolved(b, "<", columnOf(l, 4), day(9000))) })
	b.Run("year", func(b *testing.B) { benchProgram(b, l, resolved(b, "year", columnOf(l, 4))) })
	b.Run("case", func(b *testing.B) {
		benchProgram(b, l, &expr.Case{
			Whens: []expr.When{{Cond: resolved(b, "in", columnOf(l, 6), text("MAIL"), text("SHIP")), Then: expr.Lit(int64(1), columnar.Int64Type)}},
			Else:  expr.Lit(int64(0), columnar.Int64Type)})
	})
	b.Run("case-product", func(b *testing.B) {
		benchProgram(b, l, &expr.Case{
			Whens: []expr.When{{Cond: resolved(b, "like", columnOf(l, 6), text("MA%")), Then: discounted}},
			Else:  expr.Lit(columnar.Int128{}, discounted.Type())}, discounted)
	})
	b.Run("filter-q6", func(b *testing.B) {
		benchFilter(b, l, resolved(b, ">=", columnOf(l, 4), day(8766)), resolved(b, "<", columnOf(l, 4), day(9131)),
			resolved(b, ">=", columnOf(l, 2), money(5)), resolved(b, "<=", columnOf(l, 2), money(7)), resolved(b, "<", columnOf(l, 0), money(2400)))
	})
	b.Run("filter-q1", func(b *testing.B) { benchFilter(b, l, resolved(b, "<=", columnOf(l, 4), day(10471))) })
	b.Run("filter-like", func(b *testing.B) {
		benchFilter(b, l, resolved(b, "not", resolved(b, "like", columnOf(l, 5), text("%special%requests%"))))
	})
	b.Run("filter-in-dictionary", func(b *testing.B) {
		benchFilter(b, l, resolved(b, "in", columnOf(l, 6), text("MAIL"), text("SHIP")))
	})
	b.Run("substring", func(b *testing.B) {
		benchProgram(b, l, resolved(b, "substring", columnOf(l, 5), one, expr.Lit(int64(2), columnar.Int32Type)))
	})
	b.Run("divide", func(b *testing.B) { benchProgram(b, l, resolved(b, "/", columnOf(l, 1), columnOf(l, 0))) })
}
