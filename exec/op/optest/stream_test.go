package optest_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/filter"
	"github.com/millrace-engine/millrace/exec/op/limit"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/exec/op/project"
	"github.com/millrace-engine/millrace/exec/op/union"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

func table(t *testing.T, n int) *columnar.Batch {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return optest.Random(rand.New(rand.NewPCG(seed, 1)), n, optest.Column{Type: columnar.Int64Type, Distinct: 50, Nulls: 0.1},
		optest.Column{Type: columnar.StringType, Distinct: 300, Nulls: 0.1, Longest: 20}, optest.Column{Type: columnar.Int64Type, Distinct: 9})
}

// TestStreaming: operators that keep no rows.
func TestStreaming(t *testing.T) {
	b := table(t, 3000)
	s := b.Schema
	child := &physical.Values{Out: s}
	sum := optest.Call(t, "+", optest.Ref(s, 0), optest.Ref(s, 2))
	cases := map[string]func(in ...op.Operator) op.Operator{
		"filter": func(in ...op.Operator) op.Operator {
			return filter.New(&physical.Filter{Conjuncts: []expr.Expr{optest.Call(t, ">", optest.Ref(s, 0), optest.Ref(s, 2)), optest.Call(t, "isnotnull", optest.Ref(s, 1))}, Child: child}, in[0])
		},
		"filter of all rows": func(in ...op.Operator) op.Operator {
			return filter.New(&physical.Filter{Conjuncts: []expr.Expr{optest.Call(t, "isnotnull", optest.Ref(s, 2))}, Child: child}, in[0])
		},
		"project": func(in ...op.Operator) op.Operator {
			out := columnar.NewSchema(columnar.Field{Name: "u", Type: columnar.StringType, Nullable: true}, columnar.Field{Name: "s", Type: columnar.Int64Type, Nullable: true}, s.Fields[0])
			return project.New(&physical.Project{Exprs: []expr.Expr{optest.Call(t, "upper", optest.Ref(s, 1)), sum, optest.Ref(s, 0)}, Out: out, Child: child}, in[0])
		},
		"limit": func(in ...op.Operator) op.Operator {
			return limit.New(&physical.Limit{Count: 400, Offset: 77, Child: child}, in[0])
		},
		"limit without count": func(in ...op.Operator) op.Operator {
			return limit.New(&physical.Limit{Count: -1, Offset: 500, Child: child}, in[0])
		},
		"partial limit": func(in ...op.Operator) op.Operator {
			return limit.New(&physical.Limit{Count: 400, Offset: 77, Partial: true, Child: child}, in[0])
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			c := optest.Case{Tables: []*columnar.Batch{b}, Ordered: true, New: make}
			if strings.Contains(name, "limit") {
				c.StopsEarly = true
			}
			optest.Check(t, c)
		})
	}
	t.Run("union", func(t *testing.T) {
		optest.Check(t, optest.Case{Tables: []*columnar.Batch{b, table(t, 1500)}, Ordered: true, New: func(in ...op.Operator) op.Operator {
			return &assigned{union.New(&physical.Union{Inputs: []physical.Plan{child, child}, Out: s}, in, [][]int{{0}, {1}})}
		}})
	})
}

// assigned gives a union's task its leaves.
type assigned struct{ op.Operator }

func (a *assigned) Open(ctx context.Context, t *op.TaskContext) error {
	t.Leaves[0], t.Leaves[1] = op.Assignment{}, op.Assignment{}
	return a.Operator.Open(ctx, t)
}

// careless keeps what its input returned and hands it on a call later.
type careless struct {
	op.Operator
	kept *columnar.Batch
}

func (c *careless) Next(ctx context.Context) (*columnar.Batch, error) {
	b, err := c.Operator.Next(ctx)
	if b, c.kept = c.kept, b; b != nil {
		return b, nil
	}
	if err == nil {
		return c.Next(ctx)
	}
	return nil, err
}

// TestHarness: the harness notices an operator that reads a batch after its
// time.
func TestHarness(t *testing.T) {
	b := table(t, 100)
	want := optest.Rows(t, optest.NewSource(b, optest.Shape{Rows: 10}), 1<<30)
	got := optest.Rows(t, &careless{Operator: optest.NewSource(b, optest.Shape{Rows: 10})}, 1<<30)
	if len(got) != len(want) {
		t.Fatalf("%d rows of %d", len(got), len(want))
	}
	same := 0
	for i := range got {
		if got[i] == want[i] {
			same++
		}
	}
	if same > len(want)/2 {
		t.Errorf("%d of %d rows are right although they were overwritten", same, len(want))
	}
	s := optest.NewSource(b, optest.Shape{Rows: 60, FailAt: 2})
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, optest.ErrInput) || errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}
