package sort_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/exec/op/sort"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
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

// listed adds a column of lists of strings, up to 5 long, some null.
func listed(b *columnar.Batch) *columnar.Batch {
	r := rand.New(rand.NewPCG(7, 7))
	off, n := make([]int32, b.Rows+1), b.Rows
	valid := columnar.NewBitmap(n)
	for i := range n {
		off[i+1] = off[i] + int32(r.IntN(6))
		valid.SetTo(i, r.IntN(9) > 0)
	}
	kid := optest.Random(r, int(off[n]), optest.Column{Type: columnar.StringType, Distinct: 1000, Nulls: 0.2, Longest: 30}).Cols[0]
	typ := columnar.ListType(columnar.StringType, true)
	out := &columnar.Batch{Schema: columnar.NewSchema(append(append([]columnar.Field{}, b.Schema.Fields...), columnar.Field{Name: "l", Type: typ, Nullable: true})...), Rows: n}
	out.Cols = append(append(out.Cols, b.Cols...), columnar.Vector{Type: typ, Len: n, Data: columnar.BytesOf(off), Valid: valid, Kids: []columnar.Vector{kid}})
	return out
}

func TestSort(t *testing.T) {
	b := listed(rows(t, 12_000))
	for name, order := range map[string][]expr.SortOrder{
		"int, string": {{Expr: optest.Ref(b.Schema, 0), Desc: true, NullsLast: true}, {Expr: optest.Ref(b.Schema, 1)}},
		"string":      {{Expr: optest.Ref(b.Schema, 1), NullsLast: true}},
		"decimal":     {{Expr: optest.Ref(b.Schema, 2), Desc: true}},
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
	order := []expr.SortOrder{{Expr: optest.Ref(b.Schema, 1), Desc: true}, {Expr: optest.Ref(b.Schema, 2)}, {Expr: optest.Ref(b.Schema, 3)}}
	for _, n := range []*physical.TopN{{Count: 10, Offset: 3}, {Count: 9_000}, {Count: 7_000, Offset: 2000, Partial: true}, {Count: 6_000, Offset: 5_000}} {
		n.Order, n.Child = order, &physical.Values{Out: b.Schema}
		c := optest.Case{Tables: []*columnar.Batch{b}, Ordered: true, New: func(in ...op.Operator) op.Operator { return sort.NewTopN(n, in[0]) }}
		if n.Count > 100 {
			c.Tiny = 1 << 20
		}
		optest.Check(t, c)
	}
}

// sorted is the operator of a merge whose exchange has its inputs, each sorted,
// as runs.
type sorted struct {
	op.Operator
	inputs []op.Operator
	slots  int
}

func (s *sorted) Open(ctx context.Context, t *op.TaskContext) error {
	for _, in := range s.inputs {
		if err := in.Open(ctx, t); err != nil {
			return err
		}
	}
	t.Leaves[0], t.Exchanges, t.Slots = op.Assignment{Parts: []stage.Part{stage.One(0)}}, s, s.slots
	return s.Operator.Open(ctx, t)
}

func (s *sorted) Close() error {
	err := s.Operator.Close()
	for _, in := range s.inputs {
		err = errors.Join(err, in.Close())
	}
	return err
}

func (s *sorted) Parts(context.Context, int, []stage.Part, *columnar.Schema) (op.BatchIterator, error) {
	return nil, nil
}
func (s *sorted) All(context.Context, int, *columnar.Schema) (op.BatchIterator, error) {
	return nil, nil
}
func (s *sorted) Runs(context.Context, int, int, *columnar.Schema) (out []op.BatchIterator, err error) {
	for _, in := range s.inputs {
		out = append(out, in)
	}
	return out, nil
}

// TestMerge: merged runs are what sorting all of their rows gives, equal rows in
// the order of the runs, whether one worker merges or several do; also where runs
// lie behind each other.
func TestMerge(t *testing.T) {
	tables := []*columnar.Batch{rows(t, 3000), rows(t, 1), rows(t, 2500), rows(t, 700), rows(t, 1200)}
	s := tables[0].Schema
	for name, order := range map[string][]expr.SortOrder{
		"int, string": {{Expr: optest.Ref(s, 0)}, {Expr: optest.Ref(s, 1), Desc: true}},
		"number":      {{Expr: optest.Ref(s, 3)}},
		"computed":    {{Expr: optest.Call(t, "length", optest.Ref(s, 1))}, {Expr: optest.Ref(s, 2), Desc: true}},
	} {
		for _, slots := range []int{1, 4} {
			t.Run(fmt.Sprint(name, ", ", slots), func(t *testing.T) { merges(t, tables, order, slots) })
		}
	}
}

func merges(t *testing.T, tables []*columnar.Batch, order []expr.SortOrder, slots int) {
	s := tables[0].Schema
	node := &physical.Sort{Order: order, Child: &physical.Values{Out: s}}
	optest.Check(t, optest.Case{Tables: tables, Ordered: true,
		New: func(in ...op.Operator) op.Operator {
			var runs []op.Operator
			for _, x := range in {
				runs = append(runs, sort.NewSort(node, x))
			}
			return &sorted{sort.NewMerge(&physical.Source{Mode: physical.ReadMerge, Order: order, Out: s}), runs, slots}
		},
		Want: func(tables []*columnar.Batch) []string {
			a := kernel.NewAppender([]columnar.Type{s.Fields[0].Type, s.Fields[1].Type, s.Fields[2].Type, s.Fields[3].Type}, nil)
			for _, b := range tables {
				if err := a.Append(b); err != nil {
					t.Fatal(err)
				}
			}
			return optest.Rows(t, sort.NewSort(node, optest.NewSource(a.Take(s), optest.Shape{Rows: 1000})), 1<<30)
		}})
}
