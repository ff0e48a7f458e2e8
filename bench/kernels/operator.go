package kernels

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/build"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// Inputs of operators are exchanges in memory: probe is read by partition, build
// in whole.
const (
	probeInput = 1
	buildInput = 2
)

// stock serves the batches of exchanges.
type stock map[int][]*columnar.Batch

func (s stock) All(_ context.Context, exchange int, _ *columnar.Schema) (op.BatchIterator, error) {
	return &cursor{rest: s[exchange]}, nil
}

func (s stock) Parts(ctx context.Context, exchange int, _ []stage.Part, schema *columnar.Schema) (op.BatchIterator, error) {
	return s.All(ctx, exchange, schema)
}

func (s stock) Runs(ctx context.Context, exchange, _ int, schema *columnar.Schema) ([]op.BatchIterator, error) {
	it, err := s.All(ctx, exchange, schema)
	return []op.BatchIterator{it}, err
}

type cursor struct{ rest []*columnar.Batch }

func (c *cursor) Next(context.Context) (*columnar.Batch, error) {
	if len(c.rest) == 0 {
		return nil, io.EOF
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b, nil
}

func (c *cursor) Close() error { return nil }

// table cuts n rows of a key below limit, in any order or in turn, and a value
// into batches.
func table(n int, key func(i int) int64) ([]*columnar.Batch, *columnar.Schema) {
	schema := columnar.NewSchema(columnar.Field{Name: "k", Type: columnar.Int64Type}, columnar.Field{Name: "v", Type: columnar.Int64Type})
	var out []*columnar.Batch
	for at := 0; at < n; at += batchRows {
		m := min(batchRows, n-at)
		keys := make([]int64, m)
		for i := range keys {
			keys[i] = key(at + i)
		}
		k := columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: m, Data: columnar.BytesOf(keys), Stable: true}
		v := ints(m, 1000)
		v.Stable = true
		out = append(out, &columnar.Batch{Schema: schema, Rows: m, Cols: []columnar.Vector{k, v}})
	}
	return out, schema
}

func column(i int) *expr.Column { return &expr.Column{Index: i, Typ: columnar.Int64Type} }

// operators are aggregations and joins over rows of two bigints.
func operators() []Kernel {
	const n = 1 << 20
	random := func(limit int64) func(int) int64 {
		r := source(limit)
		return func(int) int64 { return r.Int64N(limit) }
	}
	inTurn := func(i int) int64 { return int64(i) }
	var list []Kernel
	for _, x := range []struct {
		name   string
		groups int64
		out    int
	}{{"aggregate into 4 groups", 4, 4}, {"aggregate into 10⁴ groups", 10_000, 10_000}, {"aggregate into 10⁶ groups", 1_000_000, -1}} {
		list = append(list, Kernel{Name: x.name, Rows: n, Move: 16 * n, Out: x.out, Make: func(ctx context.Context) (func() (int, error), func(), error) {
			rows, schema := table(n, random(x.groups))
			plan := &physical.Aggregate{Mode: physical.AggComplete, Keys: []expr.Expr{column(0)}, Groups: -1,
				Aggs: []physical.AggCall{
					{Fn: "sum", Args: []expr.Expr{column(1)}, ArgTypes: []columnar.Type{columnar.Int64Type}, Result: columnar.Int64Type, Null: true},
					{Fn: "count", Result: columnar.Int64Type}},
				Out:   columnar.NewSchema(schema.Fields[0], columnar.Field{Name: "s", Type: columnar.Int64Type, Nullable: true}, columnar.Field{Name: "n", Type: columnar.Int64Type}),
				Child: &physical.Source{Leaf: 1, Exchange: probeInput, Mode: physical.ReadPartition, Out: schema, Rows: n}}
			return run(ctx, plan, stock{probeInput: rows})
		}})
	}
	join := func(name string, rows, built int, probe, key func(int) int64, out int, counted int) {
		list = append(list, Kernel{Name: name, Rows: counted, Move: int64(16*counted + 24*max(out, 0)), Out: out, Make: func(ctx context.Context) (func() (int, error), func(), error) {
			left, schema := table(rows, probe)
			right, _ := table(built, key)
			v := columnar.Field{Name: "w", Type: columnar.Int64Type}
			plan := &physical.HashJoin{Kind: logical.Inner, Shared: true, LeftKeys: []expr.Expr{column(0)}, RightKeys: []expr.Expr{column(0)}, NullSafe: []bool{false},
				Output: []int{0, 1, 3}, Out: columnar.NewSchema(schema.Fields[0], schema.Fields[1], v), RuntimeFilters: []int{0}, BuildRows: float64(built),
				Left:  &physical.Source{Leaf: 1, Exchange: probeInput, Mode: physical.ReadPartition, Out: schema, Rows: float64(rows)},
				Right: &physical.Source{Leaf: 2, Exchange: buildInput, Mode: physical.ReadAll, Out: schema, Rows: float64(built)}}
			return run(ctx, plan, stock{probeInput: left, buildInput: right})
		}})
	}
	join("join build of 10⁶ rows", 1, 1_000_000, inTurn, inTurn, 1, 1_000_000)
	join("join probe of 10⁴ keys, all match", n, 10_000, random(10_000), inTurn, n, n)
	join("join probe of 10⁴ keys, 1 % match", n, 10_000, random(1_000_000), inTurn, -1, n)
	join("join probe of 10⁵ keys, all match", n, 100_000, random(100_000), inTurn, n, n)
	return list
}

// run makes a run of a plan's operators in one task, as an executor has them.
func run(ctx context.Context, plan physical.Plan, in stock) (func() (int, error), func(), error) {
	broker, space := memory.NewBroker(8<<30), spill.NewSpace("")
	once := func() (rows int, err error) {
		tree, err := build.Build(plan)
		if err != nil {
			return 0, err
		}
		task, stage, file := broker.Reserve("task", 0), broker.Reserve("stage", 0), space.File()
		defer task.Close()
		defer stage.Close()
		defer func() { err = errors.Join(err, file.Close()) }()
		t := &op.TaskContext{Memory: task, Spill: file, BatchRows: batchRows, Slots: 1, Tasks: 1, Zone: time.UTC, Leaves: map[int]op.Assignment{1: {}, 2: {}},
			Exchanges: in, Filters: &op.Filters{}, Stage: "kernel", Shared: &op.Shared{Memory: stage, Spill: file}}
		defer t.Shared.Close()
		defer func() { err = errors.Join(err, tree.Root.Close()) }()
		if err := tree.Root.Open(ctx, t); err != nil {
			return 0, err
		}
		for {
			b, err := tree.Root.Next(ctx)
			if errors.Is(err, io.EOF) {
				return rows, nil
			}
			if err != nil {
				return 0, err
			}
			rows += b.Selected()
		}
	}
	return once, func() { space.Close() }, nil
}
