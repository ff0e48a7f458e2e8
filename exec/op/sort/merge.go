package sort

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

// merge yields the rows of sorted runs in their common order. Runs are few (one
// per map task), so the least is found by looking at each.
type merge struct {
	node *physical.Source
	keys *keyer
	size int
	runs []*run
	out  *kernel.Appender
}

type run struct {
	it   op.BatchIterator
	b    *columnar.Batch
	k    *row.Keys
	at   int
	pick []uint16
}

// NewMerge returns the operator of a Source in merge mode.
func NewMerge(n *physical.Source) op.Operator { return &merge{node: n} }

func (m *merge) Open(ctx context.Context, t *op.TaskContext) (err error) {
	m.size = max(1, min(t.BatchRows, columnar.MaxRows))
	if m.keys, err = newKeyer(m.node.Order, t.EvalOptions()); err != nil {
		return err
	}
	m.out = kernel.NewAppender(types(m.node.Out), nil)
	a, ok := t.Leaves[m.node.Leaf]
	if !ok {
		return nil
	}
	its, err := t.Exchanges.Runs(ctx, m.node.Exchange, a.Partition)
	if err != nil {
		return err
	}
	for _, it := range its {
		r := &run{it: it}
		more, err := m.advance(ctx, r)
		if err != nil {
			return err
		}
		if more {
			m.runs = append(m.runs, r)
		}
	}
	return nil
}

// advance loads the next batch of a run.
func (m *merge) advance(ctx context.Context, r *run) (bool, error) {
	b, err := r.it.Next(ctx)
	if errors.Is(err, io.EOF) {
		return false, r.it.Close()
	}
	if err != nil {
		return false, err
	}
	r.b, r.at = kernel.Compact(b, nil), 0
	r.k, err = m.keys.encode(r.b, nil)
	return true, err
}

func (m *merge) Next(ctx context.Context) (*columnar.Batch, error) {
	var last *run
	flush := func(r *run) error {
		if r == nil || len(r.pick) == 0 {
			return nil
		}
		err := m.out.AppendRows(r.b, r.pick)
		r.pick = r.pick[:0]
		return err
	}
	n := 0
	for n < m.size && len(m.runs) > 0 {
		best := 0
		for i := 1; i < len(m.runs); i++ {
			if row.Compare(m.runs[i].k, m.runs[i].at, m.runs[best].k, m.runs[best].at) < 0 {
				best = i
			}
		}
		r := m.runs[best]
		if r != last {
			if err := flush(last); err != nil {
				return nil, err
			}
			last = r
		}
		r.pick = append(r.pick, uint16(r.at))
		n++
		if r.at++; r.at == r.b.Rows {
			if err := flush(r); err != nil {
				return nil, err
			}
			more, err := m.advance(ctx, r)
			if err != nil {
				return nil, err
			}
			if !more {
				m.runs = append(m.runs[:best], m.runs[best+1:]...)
				last = nil
			}
		}
	}
	if err := flush(last); err != nil {
		return nil, err
	}
	if m.out.Len() == 0 {
		return nil, io.EOF
	}
	return m.out.Take(m.node.Out), nil
}

func (m *merge) Close() error {
	for _, r := range m.runs {
		r.it.Close()
	}
	m.runs = nil
	return nil
}
