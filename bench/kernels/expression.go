package kernels

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

var money = columnar.DecimalType(15, 2)

// cents is a column of amounts.
func cents(n int, least, most int64) columnar.Vector {
	r := source(most)
	x := make([]int64, n)
	for i := range x {
		x[i] = least + r.Int64N(most-least+1)
	}
	return columnar.Vector{Type: money, Width: 8, Len: n, Data: columnar.BytesOf(x)}
}

// days is a column of dates as lineitem has them.
func days(n int) columnar.Vector {
	r := source(4)
	x := make([]int32, n)
	for i := range x {
		x[i] = 8035 + r.Int32N(2526)
	}
	return columnar.Vector{Type: columnar.DateType, Width: 4, Len: n, Data: columnar.BytesOf(x)}
}

// lineitem is a batch of quantity, price, discount, tax, date, comment and mode.
func lineitem() *columnar.Batch {
	n := batchRows
	b := &columnar.Batch{Rows: n, Schema: &columnar.Schema{}, Cols: []columnar.Vector{cents(n, 100, 5000), cents(n, 90_000, 10_090_000), cents(n, 0, 10), cents(n, 0, 8), days(n), comments(n), modes(n)}}
	for i, v := range b.Cols {
		b.Schema.Fields = append(b.Schema.Fields, columnar.Field{Name: string(rune('a' + i)), Type: v.Type})
	}
	return b
}

// call makes a resolved call with the casts that the analyzer would put in.
func call(name string, args ...expr.Expr) (expr.Expr, error) {
	f, ok := expr.Builtins().Lookup(name)
	if !ok {
		return nil, diag.New(diag.UnresolvedRoutine, "there is no function %s", name)
	}
	sig, err := f.Resolve(args)
	if err != nil {
		return nil, err
	}
	cast := make([]expr.Expr, len(args))
	for i, a := range args {
		cast[i] = a
		if !a.Type().Equal(sig.Args[i]) {
			cast[i] = eval.Fold(&expr.Cast{Arg: a, To: sig.Args[i]}, eval.Options{})
		}
	}
	return &expr.Call{Fn: f, Args: cast, Typ: sig.Result, Null: expr.CallNullable(f, cast, sig)}, nil
}

// node is an expression in the making: a call, or an argument.
type node struct {
	fn   string
	args []node
	leaf expr.Expr
}

func (x node) expr() (expr.Expr, error) {
	if x.leaf != nil {
		return x.leaf, nil
	}
	args := make([]expr.Expr, len(x.args))
	for i, a := range x.args {
		var err error
		if args[i], err = a.expr(); err != nil {
			return nil, err
		}
	}
	return call(x.fn, args...)
}

func fn(name string, args ...node) node { return node{fn: name, args: args} }

// expressions are programs and filters over a batch of lineitem.
func expressions() []Kernel {
	b := lineitem()
	n := b.Rows
	column := func(i int) node { return node{leaf: &expr.Column{Index: i, Typ: b.Cols[i].Type}} }
	text := func(s string) node { return node{leaf: expr.Lit(s, columnar.StringType)} }
	day := func(d int64) node { return node{leaf: expr.Lit(d, columnar.DateType)} }
	amount := func(c int64) node { return node{leaf: expr.Lit(columnar.Int128Of(c), money)} }
	one := node{leaf: expr.Lit(int64(1), columnar.Int32Type)}
	quantity, price, discount, tax, date, comment, mode := column(0), column(1), column(2), column(3), column(4), column(5), column(6)
	discounted := fn("*", price, fn("-", one, discount))
	word, long := int64(8*n), int64(16*n)
	return []Kernel{
		program("decimal add", b, 3*word, fn("+", price, quantity)),
		program("decimal multiply", b, 2*word+long, fn("*", price, discount)),
		program("decimal of q1: two products", b, 3*word+2*long, discounted, fn("*", discounted, fn("+", one, tax))),
		program("decimal divide", b, 2*word+long, fn("/", price, quantity)),
		program("year of date", b, int64(8*n), fn("year", date)),
		program("compare to bitmap", b, int64(4*n+n/8), fn("<", date, day(9000))),
		filter("compare to selection", b, int64(4*n+2*n), -1, fn("<=", date, day(10471))),
		filter("filter of q6: five conjuncts", b, int64(4*n)+2*word, -1, fn(">=", date, day(8766)), fn("<", date, day(9131)),
			fn(">=", discount, amount(5)), fn("<=", discount, amount(7)), fn("<", quantity, amount(2400))),
		filter("IN over a dictionary", b, int64(4*n+2*n), -1, fn("in", mode, text("MAIL"), text("SHIP"))),
		filter("LIKE %a%b% over text", b, size(b.Cols[5])+int64(2*n), -1, fn("like", comment, text("%special%requests%"))),
		filter("LIKE a% over text", b, size(b.Cols[5])+int64(2*n), -1, fn("like", comment, text("special%"))),
	}
}

func resolved(nodes []node) ([]expr.Expr, error) {
	out := make([]expr.Expr, len(nodes))
	for i, x := range nodes {
		var err error
		if out[i], err = x.expr(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// program computes expressions of a batch.
func program(name string, b *columnar.Batch, move int64, nodes ...node) Kernel {
	return Kernel{Name: name, Rows: b.Rows, Move: move, Out: b.Rows, Make: func(context.Context) (func() (int, error), func(), error) {
		list, err := resolved(nodes)
		if err != nil {
			return nil, nil, err
		}
		p, err := eval.Compile(list, eval.Options{})
		if err != nil {
			return nil, nil, err
		}
		s := memory.NewScratch(nil)
		return func() (int, error) {
			s.Reset()
			out, err := p.Eval(b, s)
			if err != nil {
				return 0, err
			}
			return out[0].Len, nil
		}, func() { s.Close() }, nil
	}}
}

// filter selects rows of a batch.
func filter(name string, b *columnar.Batch, move int64, want int, nodes ...node) Kernel {
	return Kernel{Name: name, Rows: b.Rows, Move: move, Out: want, Make: func(context.Context) (func() (int, error), func(), error) {
		list, err := resolved(nodes)
		if err != nil {
			return nil, nil, err
		}
		f, err := eval.CompileFilter(list, eval.Options{})
		if err != nil {
			return nil, nil, err
		}
		s := memory.NewScratch(nil)
		sel := make([]uint16, 0, columnar.MaxRows)
		return func() (int, error) {
			s.Reset()
			out, err := f.Select(b, s, sel)
			return len(out), err
		}, func() { s.Close() }, nil
	}}
}
