// Package values is the operator that yields literal rows.
package values

import (
	"context"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/physical"
)

type values struct {
	node *physical.Values
	at   int
	end  int
	rows int
}

// New returns the operator of a node.
func New(n *physical.Values) op.Operator { return &values{node: n} }

func (v *values) Open(_ context.Context, t *op.TaskContext) error {
	if _, ok := t.Leaves[v.node.Leaf]; ok {
		v.end = len(v.node.Rows)
	}
	v.rows = max(1, min(t.BatchRows, columnar.MaxRows))
	return nil
}

func (v *values) Next(context.Context) (*columnar.Batch, error) {
	n := min(v.rows, v.end-v.at)
	if n <= 0 {
		return nil, io.EOF
	}
	types := make([]columnar.Type, v.node.Out.Len())
	for i, f := range v.node.Out.Fields {
		types[i] = f.Type
	}
	a := kernel.NewAppender(types, nil)
	for _, row := range v.node.Rows[v.at : v.at+n] {
		b := &columnar.Batch{Schema: v.node.Out, Rows: 1, Cols: make([]columnar.Vector, len(row))}
		for i, l := range row {
			b.Cols[i] = eval.Constant(l.Value, types[i], 1)
		}
		if err := a.Append(b); err != nil {
			return nil, err
		}
	}
	v.at += n
	return a.Take(v.node.Out), nil
}

func (v *values) Close() error { return nil }
