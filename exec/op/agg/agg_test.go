package agg_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/agg"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// calls are all aggregate functions over the columns of table that they take.
func calls(s *columnar.Schema) (out []physical.AggCall) {
	add := func(fn string, at int, result columnar.Type) {
		c := physical.AggCall{Fn: fn, Result: result, Null: true}
		if at >= 0 {
			c.Args, c.ArgTypes = []expr.Expr{optest.Ref(s, at)}, []columnar.Type{s.Fields[at].Type}
		}
		out = append(out, c)
	}
	const number, text, decimal, double, boolean = 3, 4, 5, 6, 7
	add("count", -1, columnar.Int64Type)
	add("count", text, columnar.Int64Type)
	add("sum", number, columnar.Int64Type)
	add("sum", decimal, columnar.DecimalType(38, 2))
	add("sum", double, columnar.Float64Type)
	add("avg", double, columnar.Float64Type)
	add("avg", decimal, columnar.DecimalType(38, 6))
	add("min", number, columnar.Int64Type)
	add("max", text, columnar.StringType)
	add("min", decimal, s.Fields[decimal].Type)
	add("max", double, columnar.Float64Type)
	add("bool_or", boolean, columnar.BoolType)
	add("count_if", boolean, columnar.Int64Type)
	add("var_pop", number, columnar.Float64Type)
	add("collect_list", text, columnar.ListType(columnar.StringType, false))
	add("collect_list", number, columnar.ListType(columnar.Int64Type, false))
	out[2].Filter = optest.Ref(s, boolean)
	return out
}

// table has three keys and a column for every kind of argument. Doubles are
// multiples of a quarter, so that sums do not depend on their order.
func table(t *testing.T, n int) *columnar.Batch {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	return optest.Random(r, n, optest.Column{Type: columnar.Int64Type, Distinct: 1 << 40, Nulls: 0.01}, optest.Column{Type: columnar.StringType, Distinct: n / 2, Nulls: 0.1, Longest: 30},
		optest.Column{Type: columnar.Int32Type, Distinct: 10, Nulls: 0.1},
		optest.Column{Type: columnar.Int64Type, Distinct: 9, Nulls: 0.2}, optest.Column{Type: columnar.StringType, Distinct: 500, Nulls: 0.2, Longest: 40},
		optest.Column{Type: columnar.DecimalType(30, 2), Distinct: 1000, Nulls: 0.2}, optest.Column{Type: columnar.Float64Type, Distinct: 1000, Nulls: 0.2},
		optest.Column{Type: columnar.BoolType, Distinct: 2, Nulls: 0.2})
}

// node makes an aggregation of a mode over rows of a schema.
func node(mode physical.AggMode, s *columnar.Schema, keys []expr.Expr, aggs []physical.AggCall) *physical.Aggregate {
	n := &physical.Aggregate{Mode: mode, Keys: keys, Aggs: aggs, Child: &physical.Values{Out: s}, Out: &columnar.Schema{}}
	add := func(t columnar.Type) {
		n.Out.Fields = append(n.Out.Fields, columnar.Field{Name: fmt.Sprint("o", n.Out.Len()), Type: t, Nullable: true})
	}
	for _, k := range keys {
		add(k.Type())
	}
	for _, a := range aggs {
		if mode != physical.AggPartial {
			add(a.Result)
			continue
		}
		types, _ := physical.StateTypes(a)
		for _, t := range types {
			add(t)
		}
	}
	return n
}

// TestAggregate: complete aggregations by keys of every shape, and the same in
// two halves, agree under all variations and when they spill.
func TestAggregate(t *testing.T) {
	b := table(t, 8000)
	s := b.Schema
	for name, keys := range map[string][]int{"integer": {0}, "string": {1}, "few": {2}, "all": {2, 1, 0}, "bool": {7}, "wide": {5, 6}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			var ks []expr.Expr
			for _, k := range keys {
				ks = append(ks, optest.Ref(s, k))
			}
			many := name == "integer" || name == "string" || name == "all" || name == "wide"
			c := optest.Case{Tables: []*columnar.Batch{b}, New: func(in ...op.Operator) op.Operator {
				return agg.New(node(physical.AggComplete, s, ks, calls(s)), in[0])
			}}
			if many {
				c.Tiny = 1 << 20
			}
			optest.Check(t, c)
			complete := optest.Rows(t, c.New(optest.NewSource(b, optest.Shape{Rows: 500})), 1<<30)
			for _, budget := range []int64{1 << 30, 1 << 20} {
				if !many && budget < 1<<30 {
					continue
				}
				p := node(physical.AggPartial, s, ks, calls(s))
				var fk []expr.Expr
				for i := range keys {
					fk = append(fk, optest.Ref(p.Out, i))
				}
				half := agg.New(p, optest.NewSource(b, optest.Shape{Rows: 900, Selection: true}))
				optest.Same(t, "in two halves", complete, optest.Rows(t, agg.New(node(physical.AggFinal, p.Out, fk, calls(s)), half), budget))
			}
		})
	}
}

// TestDistinct: an aggregation without functions, which DISTINCT and the set
// operations are.
func TestDistinct(t *testing.T) {
	b := table(t, 20_000)
	n := node(physical.AggComplete, b.Schema, []expr.Expr{optest.Ref(b.Schema, 0), optest.Ref(b.Schema, 1)}, nil)
	optest.Check(t, optest.Case{Tables: []*columnar.Batch{b}, Tiny: 1 << 20, New: func(in ...op.Operator) op.Operator { return agg.New(n, in[0]) },
		Want: func(tables []*columnar.Batch) (out []string) {
			x := *tables[0]
			x.Cols = x.Cols[:2]
			rows := optest.Render(&x)
			slices.Sort(rows)
			return slices.Compact(rows)
		}})
}

// TestOneGroup: a group that is larger than memory is refused with the reason,
// and one that is not is not.
func TestOneGroup(t *testing.T) {
	b := optest.Random(rand.New(rand.NewPCG(3, 3)), 60_000, optest.Column{Type: columnar.Int64Type, Distinct: 1}, optest.Column{Type: columnar.StringType, Distinct: 60_000, Longest: 90})
	list := physical.AggCall{Fn: "collect_list", Args: []expr.Expr{optest.Ref(b.Schema, 1)}, ArgTypes: []columnar.Type{columnar.StringType}, Result: columnar.ListType(columnar.StringType, false)}
	n := node(physical.AggComplete, b.Schema, []expr.Expr{optest.Ref(b.Schema, 0)}, []physical.AggCall{list})
	run := func(budget int64) ([]string, error) {
		return optest.Try(agg.New(n, optest.NewSource(b, optest.Shape{Rows: 1000})), budget)
	}
	if _, err := run(2 << 20); diag.ClassOf(err) != diag.MemoryLimit || !strings.Contains(err.Error(), "one group") {
		t.Errorf("in 2 MiB: %v", err)
	}
	if rows, err := run(32 << 20); err != nil || len(rows) != 1 || strings.Count(rows[0], "s") < 60_000 {
		t.Errorf("in 32 MiB: %d rows, %v", len(rows), err)
	}
}
