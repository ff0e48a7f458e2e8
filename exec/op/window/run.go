package window

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// run is whole partitions. Rows are numbered from 0.
type run struct {
	node    *physical.Window
	n       int
	cols    []columnar.Vector
	results []columnar.Vector // one per call
	starts  []int32           // the first row of each partition, then n
	peers   []int32           // the first row of each group that is equal in order, then n
	frames  []*frame          // those computed
	memory  memory.Reservation
}

// newRun finds the partitions of some rows, which it owns the reservation of.
func newRun(n *physical.Window, b *columnar.Batch, held memory.Reservation) *run {
	r := &run{node: n, n: b.Rows, cols: b.Cols, memory: held}
	keys := make([]columnar.Vector, len(n.PartitionBy))
	for i, c := range n.PartitionBy {
		keys[i] = b.Cols[c]
	}
	r.starts = groups(keys, r.n, []int32{0, int32(r.n)})
	return r
}

func (r *run) close() { r.memory.Close() }

// cut drops the rows from a partition's start on.
func (r *run) cut(n int) {
	r.n = n
	r.starts = r.starts[:len(r.starts)-1]
}

// groups returns the first row of each group of equal rows within the groups
// given, then n.
func groups(keys []columnar.Vector, n int, within []int32) []int32 {
	if len(keys) == 0 {
		return within
	}
	k := row.Encode(make([]row.Key, len(keys)), keys, n)
	out := make([]int32, 0, len(within))
	for g := 0; g+1 < len(within); g++ {
		out = append(out, within[g])
		for i := int(within[g]) + 1; i < int(within[g+1]); i++ {
			if row.Compare(k, i-1, k, i) != 0 {
				out = append(out, int32(i))
			}
		}
	}
	return append(out, int32(n))
}

// compute computes every call.
func (r *run) compute(ctx context.Context) error {
	keys := make([]columnar.Vector, len(r.node.Order))
	for i, o := range r.node.Order {
		keys[i] = r.cols[o.Expr.(*expr.Column).Index]
	}
	r.peers = groups(keys, r.n, r.starts)
	if err := r.reserve(ctx, int64(4*(len(r.starts)+len(r.peers)))); err != nil {
		return err
	}
	for i := range r.node.Calls {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := &r.node.Calls[i]
		if err := r.reserve(ctx, int64(r.n*(c.Result.FixedWidth()+8))); err != nil {
			return err
		}
		v, err := r.call(ctx, c)
		if err != nil {
			return err
		}
		r.results = append(r.results, v)
	}
	r.frames = nil
	return nil
}

func (r *run) reserve(ctx context.Context, n int64) error {
	return op.Reserve(ctx, r.memory, n, "the partition of a window function")
}

// call computes one function for all rows.
func (r *run) call(ctx context.Context, c *physical.WindowCall) (columnar.Vector, error) {
	switch c.Fn {
	case "row_number", "rank", "dense_rank", "ntile":
		return r.rank(c), nil
	case "percent_rank", "cume_dist":
		return r.share(c), nil
	case "lag", "lead":
		return r.neighbour(c), nil
	case "first", "last", "any_value", "nth_value":
		f, err := r.frameOf(ctx, c.Frame)
		if err != nil {
			return columnar.Vector{}, err
		}
		return r.pick(c, f), nil
	}
	f, err := r.frameOf(ctx, c.Frame)
	if err != nil {
		return columnar.Vector{}, err
	}
	return r.aggregate(ctx, c, f)
}

// argument returns the vector of an argument, which the planner made a column.
func (r *run) argument(e expr.Expr) *columnar.Vector { return &r.cols[e.(*expr.Column).Index] }

// number returns an argument that is a literal number.
func number(args []expr.Expr, i int, otherwise int64) (n int64, null bool) {
	if i >= len(args) {
		return otherwise, false
	}
	l, ok := args[i].(*expr.Literal)
	if !ok || l.Value == nil {
		return 0, true
	}
	n, ok = l.Value.(int64)
	return n, !ok
}

// counted returns, for rows 0 … n, how many rows before count for a call, and the
// rows that do; nil if all do. A row counts if the filter is true and, where nulls
// are passed over, none of the values is null.
func (r *run) counted(c *physical.WindowCall, values []*columnar.Vector) (before []int32, rows []uint32) {
	var filter *columnar.Vector
	if c.Filter != nil {
		filter = r.argument(c.Filter)
	}
	maybe := filter != nil
	for _, v := range values {
		maybe = maybe || v.Valid != nil || v.Enc == columnar.Dict || v.Type.Kind == columnar.Null
	}
	if !maybe {
		return nil, nil
	}
	before = make([]int32, r.n+1)
	for i := range r.n {
		before[i] = int32(len(rows))
		ok := filter == nil || !filter.NullAt(i) && filter.Int64At(i) != 0
		for _, v := range values {
			ok = ok && !v.NullAt(i)
		}
		if ok {
			rows = append(rows, uint32(i))
		}
	}
	before[r.n] = int32(len(rows))
	return before, rows
}
