package window

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// run is whole partitions, and the reservation of what they take. Rows are
// numbered from 0.
type run struct {
	node   *physical.Window
	n      int
	cols   []columnar.Vector
	starts []int32  // the first row of each partition, then n
	peers  []int32  // the first row of each group that is equal in order, then n
	frames []*frame // those computed
	memory memory.Reservation
}

func (r *run) close() { r.memory.Close() }

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
func (r *run) compute(ctx context.Context) (page, error) {
	keys := make([]columnar.Vector, len(r.node.Order))
	for i, o := range r.node.Order {
		keys[i] = *argument(r.cols, o.Expr)
	}
	r.peers = groups(keys, r.n, r.starts)
	out := page{rows: r.n, cols: r.cols}
	for i := range r.node.Calls {
		if err := ctx.Err(); err != nil {
			return page{}, err
		}
		v, err := r.call(ctx, &r.node.Calls[i])
		if err != nil {
			return page{}, err
		}
		out.results = append(out.results, v)
	}
	r.frames = nil
	return out, nil
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
		return r.pick(c, r.frameOf(c.Frame)), nil
	}
	return r.aggregate(ctx, c, r.frameOf(c.Frame))
}

// argument returns the vector of an argument, which the planner made a column.
func (r *run) argument(e expr.Expr) *columnar.Vector { return argument(r.cols, e) }

func argument(cols []columnar.Vector, e expr.Expr) *columnar.Vector {
	return &cols[e.(*expr.Column).Index]
}

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

// skipped tells which of n rows do not count for a call; nil if all do. A row
// counts if the filter is true and none of the values is null.
func skipped(c *physical.WindowCall, cols []columnar.Vector, values []expr.Expr, n int) []bool {
	var skip []bool
	drop := func(v *columnar.Vector, filter bool) {
		if !filter && !v.HasNulls() {
			return
		}
		if skip == nil {
			skip = make([]bool, n)
		}
		for i := range skip {
			skip[i] = skip[i] || v.NullAt(i) || filter && v.Int64At(i) == 0
		}
	}
	if c.Filter != nil {
		drop(argument(cols, c.Filter), true)
	}
	for _, e := range values {
		drop(argument(cols, e), false)
	}
	return skip
}

// counted returns, for rows 0 … n, how many rows before count for a call, and the
// rows that do; nil if all do. Where nulls are passed over, values are what must
// not be null.
func (r *run) counted(c *physical.WindowCall, values []expr.Expr) (before []int32, rows []uint32) {
	skip := skipped(c, r.cols, values, r.n)
	if skip == nil {
		return nil, nil
	}
	before = make([]int32, r.n+1)
	for i, s := range skip {
		before[i] = int32(len(rows))
		if !s {
			rows = append(rows, uint32(i))
		}
	}
	before[r.n] = int32(len(rows))
	return before, rows
}
