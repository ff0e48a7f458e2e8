package sort

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// topN keeps the first rows of an order: it gathers candidates, cuts them to
// what is wanted when there are twice as many, and from then on ignores rows
// behind the last one kept. When memory is short of even those, they become a
// sorted run.
type topN struct {
	node    *physical.TopN
	child   op.Operator
	keys    *keyer
	scratch *memory.Scratch
	memory  memory.Reservation
	size    int
	keep    int64
	filters *op.Filters

	buffer *buffer
	runs   *runs
	edge   *row.Keys // the key of the last row kept, once there are enough
	sel    []uint16
	sorted op.BatchIterator
	skip   int64 // rows not yielded yet, before those that are
	left   int64
	out    columnar.Batch
}

// NewTopN returns the operator of a node.
func NewTopN(n *physical.TopN, child op.Operator) op.Operator { return &topN{node: n, child: child} }

func (t *topN) Open(ctx context.Context, c *op.TaskContext) (err error) {
	t.memory = c.Memory.Child("topn")
	t.scratch = memory.NewScratch(t.memory)
	t.size, t.keep = c.BatchRows, t.node.Count+t.node.Offset
	t.left, t.filters = t.keep, c.Filters
	if !t.node.Partial {
		t.skip, t.left = t.node.Offset, t.node.Count
	}
	if t.keys, err = newKeyer(t.node.Order, c.EvalOptions()); err != nil {
		return err
	}
	schema := t.node.Child.Schema()
	t.buffer = newBuffer(t.keys, schema, t.memory)
	t.runs = &runs{file: c.Spill, keys: t.keys, schema: schema, size: t.size, memory: t.memory}
	return t.child.Open(ctx, c)
}

func (t *topN) Next(ctx context.Context) (*columnar.Batch, error) {
	if t.left == 0 {
		return nil, io.EOF
	}
	if t.sorted == nil {
		if err := t.consume(ctx); err != nil {
			return nil, err
		}
	}
	for t.left > 0 {
		b, err := t.sorted.Next(ctx)
		if err != nil {
			return nil, err
		}
		n := int64(b.Selected())
		from := min(t.skip, n)
		t.skip -= from
		to := min(n, from+t.left)
		t.left -= to - from
		if from == to {
			continue
		}
		if from == 0 && to == n {
			return b, nil
		}
		t.sel = t.sel[:0]
		for i := from; i < to; i++ {
			t.sel = append(t.sel, uint16(b.RowAt(int(i))))
		}
		t.out = *b
		t.out.Sel = t.sel
		return &t.out, nil
	}
	return nil, io.EOF
}

// consume finds the first rows of the whole input.
func (t *topN) consume(ctx context.Context) error {
	for {
		b, err := t.child.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := t.add(ctx, b); err != nil {
			return err
		}
	}
	all, order, err := t.first()
	if err != nil {
		return err
	}
	sorted := newRows(all, order, t.size, t.scratch)
	if len(t.runs.list) == 0 {
		t.sorted = sorted
		return nil
	}
	err = t.runs.add(ctx, sorted)
	t.buffer.release()
	if err != nil {
		return err
	}
	t.scratch.Close()
	m, err := t.runs.merge(ctx)
	if err == nil {
		t.sorted = m
	}
	return err
}

// add takes the rows of a batch that may be among the first.
func (t *topN) add(ctx context.Context, b *columnar.Batch) error {
	if t.edge != nil {
		t.scratch.Reset()
		k, err := t.keys.encode(b, t.scratch)
		if err != nil {
			return err
		}
		t.sel = t.sel[:0]
		for i := range b.Selected() {
			if r := b.RowAt(i); row.Compare(k, r, t.edge, 0) < 0 {
				t.sel = append(t.sel, uint16(r))
			}
		}
		if len(t.sel) == 0 {
			return nil
		}
		c := *b
		c.Sel = t.sel
		b = &c
	}
	short, err := t.buffer.add(ctx, b)
	if err != nil {
		return err
	}
	if short || int64(t.buffer.appender.Len()) >= t.keep+max(t.keep, columnar.MaxRows) {
		return t.cut(ctx, short)
	}
	return nil
}

// first returns the rows collected and the order of the first of them.
func (t *topN) first() (*columnar.Batch, []uint32, error) {
	all, order, err := t.buffer.take()
	if err == nil && int64(len(order)) > t.keep {
		order = order[:t.keep]
	}
	return all, order, err
}

// cut drops candidates that are not among the first. If memory is short and
// that did not halve them, the rest becomes a run.
func (t *topN) cut(ctx context.Context, short bool) error {
	all, order, err := t.first()
	if err != nil {
		return err
	}
	if int64(len(order)) == t.keep {
		if err := t.tighten(all, order[len(order)-1]); err != nil {
			return err
		}
	}
	t.buffer.release()
	best := newRows(all, order, t.size, t.scratch)
	if short && 2*len(order) > all.Rows {
		return t.runs.add(ctx, best)
	}
	for {
		b, err := best.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = t.buffer.add(ctx, b) // what memory says is heard at the next batch of the input
		}
		if err != nil {
			return err
		}
	}
}

// tighten makes a row the last one wanted.
func (t *topN) tighten(all *columnar.Batch, last uint32) error {
	one := &columnar.Batch{Schema: all.Schema, Rows: 1, Cols: make([]columnar.Vector, len(all.Cols))}
	for i := range all.Cols {
		one.Cols[i] = kernel.Take(&all.Cols[i], []uint32{last}, nil)
	}
	edge, err := t.keys.encode(one, nil)
	if err != nil {
		return err
	}
	if t.edge != nil && row.Compare(edge, 0, t.edge, 0) >= 0 {
		return nil
	}
	t.edge = edge
	if t.node.Filter == 0 || t.filters == nil {
		return nil
	}
	first := t.node.Order[0]
	if v := &one.Cols[first.Expr.(*expr.Column).Index]; !v.NullAt(0) {
		(&threshold{typ: v.Type, last: v.Int64At(0), desc: first.Desc}).publish(t.node.Filter, t.filters)
	}
	return nil
}

// Usage implements op.Accountant.
func (t *topN) Usage() (peak, spilled int64) { return usage(t.memory, t.runs) }

func (t *topN) Close() error {
	var err error
	if t.sorted != nil {
		err = t.sorted.Close()
		t.sorted = ended{}
	}
	if t.scratch != nil {
		t.scratch.Close()
		t.memory.Close()
	}
	t.buffer = nil
	return errors.Join(err, t.child.Close())
}
