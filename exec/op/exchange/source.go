package exchange

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

// source is the operator over an exchange that is not merged.
type source struct {
	node *physical.Source
	it   op.BatchIterator
	out  columnar.Batch
}

// NewSource returns the operator of a Source that reads parts or all.
func NewSource(n *physical.Source) op.Operator { return &source{node: n} }

func (s *source) Open(ctx context.Context, t *op.TaskContext) (err error) {
	if s.node.Mode == physical.ReadAll {
		s.it, err = t.Exchanges.All(ctx, s.node.Exchange, s.node.Out)
		return err
	}
	a, ok := t.Leaves[s.node.Leaf]
	if !ok {
		s.it = &sequence{done: true}
		return nil
	}
	s.it, err = t.Exchanges.Parts(ctx, s.node.Exchange, a.Parts, s.node.Out)
	return err
}

func (s *source) Next(ctx context.Context) (*columnar.Batch, error) {
	b, err := s.it.Next(ctx)
	if err != nil {
		return nil, err
	}
	s.out = *b
	s.out.Schema = s.node.Out
	return &s.out, nil
}

func (s *source) Close() error {
	if s.it == nil {
		return nil
	}
	return s.it.Close()
}
