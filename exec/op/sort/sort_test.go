package sort_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/exec/op/sort"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// rows are random rows with ties, nulls and strings of very different lengths;
// the last column numbers them, so that the order of equal ones is seen.
func rows(t *testing.T, n int) *columnar.Batch {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	b := optest.Random(r, n, optest.Column{Type: columnar.Int64Type, Distinct: 50, Nulls: 0.1}, optest.Column{Type: columnar.StringType, Distinct: 3000, Nulls: 0.1, Longest: 120},
		optest.Column{Type: columnar.DecimalType(38, 2), Distinct: 1 << 40}, optest.Column{Type: columnar.Int32Type})
	numbers := make([]int32, n)
	for i := range numbers {
		numbers[i] = int32(i)
	}
	b.Cols[3].Data = columnar.BytesOf(numbers)
	return b
}

func column(s *columnar.Schema, i int) expr.Expr {
	return &expr.Column{Index: i, Name: s.Fields[i].Name, Typ: s.Fields[i].Type, Null: s.Fields[i].Nullable}
}

func TestSort(t *testing.T) {
	b := rows(t, 12_000)
	for name, order := range map[string][]expr.SortOrder{
		"int, string": {{Expr: column(b.Schema, 0), Desc: true, NullsLast: true}, {Expr: column(b.Schema, 1)}},
		"string":      {{Expr: column(b.Schema, 1), NullsLast: true}},
		"decimal":     {{Expr: column(b.Schema, 2), Desc: true}},
	} {
		t.Run(name, func(t *testing.T) {
			node := &physical.Sort{Order: order, Child: &physical.Values{Out: b.Schema}}
			optest.Check(t, optest.Case{Tables: []*columnar.Batch{b}, Ordered: true, Tiny: 1 << 20,
				New: func(in ...op.Operator) op.Operator { return sort.NewSort(node, in[0]) }})
		})
	}
}

func TestTopN(t *testing.T) {
	b := rows(t, 12_000)
	order := []expr.SortOrder{{Expr: column(b.Schema, 1), Desc: true}, {Expr: column(b.Schema, 2)}, {Expr: column(b.Schema, 3)}}
	for _, n := range []*physical.TopN{{Count: 10, Offset: 3}, {Count: 9_000}, {Count: 7_000, Offset: 2000, Partial: true}, {Count: 6_000, Offset: 5_000}} {
		n.Order, n.Child = order, &physical.Values{Out: b.Schema}
		c := optest.Case{Tables: []*columnar.Batch{b}, Ordered: true, New: func(in ...op.Operator) op.Operator { return sort.NewTopN(n, in[0]) }}
		if n.Count > 100 {
			c.Tiny = 1 << 20
		}
		optest.Check(t, c)
	}
}
