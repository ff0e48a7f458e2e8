package sort

import (
	"context"
	"fmt"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

// merge yields the rows of an exchange's sorted runs, one per map task, in their
// common order.
type merge struct {
	node   *physical.Source
	memory memory.Reservation
	merged *merger
}

// NewMerge returns the operator of a Source in merge mode.
func NewMerge(n *physical.Source) op.Operator { return &merge{node: n} }

func (m *merge) Open(ctx context.Context, t *op.TaskContext) error {
	m.memory = t.Memory.Child("merge")
	a, ok := t.Leaves[m.node.Leaf]
	if !ok {
		return nil
	}
	keys, err := newKeyer(m.node.Order, t.EvalOptions())
	if err != nil {
		return err
	}
	if len(a.Parts) != 1 || a.Parts[0].To != a.Parts[0].From+1 || !a.Parts[0].Whole() {
		return fmt.Errorf("sorted runs of parts %v cannot be merged", a.Parts)
	}
	inputs, err := t.Exchanges.Runs(ctx, m.node.Exchange, a.Parts[0].From, m.node.Out)
	if err != nil {
		return err
	}
	m.merged, err = newMerger(ctx, keys, m.node.Out, t.BatchRows, t.Slots, inputs, m.memory)
	return err
}

func (m *merge) Next(ctx context.Context) (*columnar.Batch, error) {
	if m.merged == nil {
		return nil, io.EOF
	}
	return m.merged.Next(ctx)
}

// Usage implements op.Accountant.
func (m *merge) Usage() (peak, spilled int64) { return usage(m.memory, nil) }

func (m *merge) Close() error {
	var err error
	if m.merged != nil {
		err = m.merged.Close()
	}
	if m.memory != nil {
		m.memory.Close()
	}
	return err
}
