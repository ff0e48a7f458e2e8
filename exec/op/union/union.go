// Package union is the operator that yields the rows of several inputs, one
// after the other.
package union

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

type union struct {
	node   *physical.Union
	kids   []op.Operator
	leaves [][]int
	task   *op.TaskContext
	at     int
	open   bool
	out    columnar.Batch
}

// New returns the operator of a node. leaves lists the leaves below each input:
// a task runs the inputs of which it was assigned one.
func New(n *physical.Union, kids []op.Operator, leaves [][]int) op.Operator {
	return &union{node: n, kids: kids, leaves: leaves}
}

func (u *union) Open(_ context.Context, t *op.TaskContext) error {
	u.task = t
	return nil
}

func (u *union) assigned(i int) bool {
	for _, l := range u.leaves[i] {
		if _, ok := u.task.Leaves[l]; ok {
			return true
		}
	}
	return false
}

func (u *union) Next(ctx context.Context) (*columnar.Batch, error) {
	for ; u.at < len(u.kids); u.at++ {
		if !u.open {
			if !u.assigned(u.at) {
				continue
			}
			u.open = true
			if err := u.kids[u.at].Open(ctx, u.task); err != nil {
				return nil, err
			}
		}
		b, err := u.kids[u.at].Next(ctx)
		if err == nil {
			u.out = *b
			u.out.Schema = u.node.Out
			return &u.out, nil
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		u.open = false
	}
	return nil, io.EOF
}

func (u *union) Close() error {
	var first error
	for _, k := range u.kids {
		if err := k.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
