package agg_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/agg"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// fickle is a task's memory that refuses to grow by much at random, as it does where
// other tasks come and go.
type fickle struct {
	memory.Reservation
	r *rand.Rand
}

func (f fickle) Child(name string) memory.Reservation { return fickle{f.Reservation.Child(name), f.r} }

func (f fickle) Grow(ctx context.Context, n int64) error {
	if n > 300<<10 && f.r.IntN(4) == 0 {
		return memory.ErrSpill
	}
	return f.Reservation.Grow(ctx, n)
}

// doubtful runs an operator in such memory.
type doubtful struct {
	op.Operator
	r *rand.Rand
}

func (d doubtful) Open(ctx context.Context, t *op.TaskContext) error {
	t.Memory = fickle{t.Memory, d.r}
	return d.Operator.Open(ctx, t)
}

// TestHybrid: a final aggregation of more groups than memory holds, some of which
// stay in it, yields what one in ample memory does, whichever memory is there when.
func TestHybrid(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	number := optest.Column{Type: columnar.Int64Type, Distinct: 30_000, Nulls: 0.001}
	text := optest.Column{Type: columnar.StringType, Distinct: 30_000, Nulls: 0.001, Longest: 40}
	states := []optest.Column{{Type: columnar.Int64Type, Distinct: 9}, {Type: columnar.Int64Type, Distinct: 100, Nulls: 0.2}, {Type: columnar.StringType, Distinct: 500, Nulls: 0.2, Longest: 20}}
	aggs := []physical.AggCall{{Fn: "count", Result: columnar.Int64Type}}
	for _, fn := range []string{"min", "max"} {
		c := states[len(aggs)]
		aggs = append(aggs, physical.AggCall{Fn: fn, Args: []expr.Expr{&expr.Column{Typ: c.Type}}, ArgTypes: []columnar.Type{c.Type}, Result: c.Type, Null: true})
	}
	spilled := 0
	for name, keys := range map[string][]optest.Column{"integer": {number}, "string": {text}, "both": {number, text}} {
		b := optest.Random(r, 60_000, append(keys, states...)...)
		var ks []expr.Expr
		for k := range keys {
			ks = append(ks, optest.Ref(b.Schema, k))
		}
		run := func(budget int64) []string {
			final := agg.New(node(physical.AggFinal, b.Schema, ks, aggs), optest.NewSource(b, optest.Shape{Rows: 2000}))
			var root op.Operator = final
			if budget < 1<<30 {
				root = doubtful{final, r}
			}
			rows, err := optest.Try(root, budget)
			if err != nil {
				t.Fatalf("%s in %d bytes: %v", name, budget, err)
			}
			if _, n := final.(op.Accountant).Usage(); n > 0 {
				spilled++
			}
			return rows
		}
		want := run(1 << 30)
		for range 4 {
			budget := 3<<20 + r.Int64N(5<<20)
			optest.Same(t, name, want, run(budget))
		}
	}
	if spilled < 6 {
		t.Errorf("%d of 12 runs spilled", spilled)
	}
}
