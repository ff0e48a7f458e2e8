// Package limit is the operator that keeps the first rows after an offset. It
// stops asking its input as soon as it has them.
package limit

import (
	"context"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

type limit struct {
	child      op.Operator
	skip, left int64 // left < 0: all
	sel        []uint16
	out        columnar.Batch
}

// New returns the operator of a node.
func New(n *physical.Limit, child op.Operator) op.Operator {
	l := &limit{child: child, skip: n.Offset, left: n.Count}
	if n.Partial {
		l.skip = 0
		if n.Count >= 0 {
			l.left = n.Count + n.Offset
		}
	}
	return l
}

func (l *limit) Open(ctx context.Context, t *op.TaskContext) error { return l.child.Open(ctx, t) }

func (l *limit) Next(ctx context.Context) (*columnar.Batch, error) {
	for l.left != 0 {
		b, err := l.child.Next(ctx)
		if err != nil {
			return nil, err
		}
		n := int64(b.Selected())
		from := min(l.skip, n)
		l.skip -= from
		keep := n - from
		if l.left >= 0 {
			keep = min(keep, l.left)
			l.left -= keep
		}
		switch keep {
		case 0:
			continue
		case n:
			return b, nil
		}
		l.out = *b
		if b.Sel != nil {
			l.out.Sel = b.Sel[from : from+keep]
			return &l.out, nil
		}
		l.sel = l.sel[:0]
		for i := from; i < from+keep; i++ {
			l.sel = append(l.sel, uint16(i))
		}
		l.out.Sel = l.sel
		return &l.out, nil
	}
	return nil, io.EOF
}

func (l *limit) Close() error { return l.child.Close() }
