// Package expand is the operator that repeats rows for grouping sets. It copies
// nothing: a batch comes out once per set, with constant nulls for the keys that the
// set leaves out.
//
// It imports columnar and the operator contract; SQL tests reach it.
package expand

import (
	"context"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

type expand struct {
	node  *physical.Expand
	child op.Operator
	in    *columnar.Batch
	next  int // set
	out   columnar.Batch
}

// New returns the operator of a node.
func New(n *physical.Expand, child op.Operator) op.Operator {
	return &expand{node: n, child: child, next: len(n.Sets)}
}

func (x *expand) Open(ctx context.Context, t *op.TaskContext) error {
	return x.child.Open(ctx, t)
}

func (x *expand) Next(ctx context.Context) (*columnar.Batch, error) {
	if len(x.node.Sets) == 0 {
		return nil, io.EOF
	}
	if x.next == len(x.node.Sets) {
		b, err := x.child.Next(ctx)
		if err != nil {
			return nil, err
		}
		x.in, x.next = b, 0
	}
	n := x.in.Rows
	x.out = columnar.Batch{Schema: x.node.Out, Rows: n, Sel: x.in.Sel, Cols: append(x.out.Cols[:0], x.in.Cols...)}
	first := len(x.in.Cols)
	for _, k := range x.node.Keys {
		x.out.Cols = append(x.out.Cols, kernel.Nulls(x.in.Cols[k].Type, n))
	}
	for _, k := range x.node.Sets[x.next] {
		x.out.Cols[first+k] = x.in.Cols[x.node.Keys[k]]
	}
	id := columnar.Vector{Type: columnar.Int64Type, Enc: columnar.Const, Width: 8, Len: n, Data: columnar.BytesOf([]int64{x.node.IDs[x.next]}), Stable: true}
	x.out.Cols = append(x.out.Cols, id)
	x.next++
	return &x.out, nil
}

func (x *expand) Close() error { return x.child.Close() }
