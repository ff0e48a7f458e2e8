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
	"github.com/millrace-engine/millrace/plan/physical"
)

// topN keeps the first rows of an order: it gathers candidates, cuts them to
// what is wanted when there are twice as many, and from then on ignores rows
// behind the last one kept.
type topN struct {
	node    *physical.TopN
	child   op.Operator
	keys    *keyer
	scratch *memory.Scratch
	memory  memory.Reservation
	size    int
	keep    int

	best  *columnar.Batch // the rows kept by the last cut, in order
	edge  *row.Keys       // the key of the last of them
	extra *kernel.Appender
	sel   []uint16
	out   *rows
}

// NewTopN returns the operator of a node.
func NewTopN(n *physical.TopN, child op.Operator) op.Operator { return &topN{node: n, child: child} }

func (t *topN) Open(ctx context.Context, c *op.TaskContext) (err error) {
	t.memory = c.Memory.Child("topn")
	t.scratch = memory.NewScratch(t.memory)
	t.size, t.keep = c.BatchRows, int(t.node.Count+t.node.Offset)
	if t.keys, err = newKeyer(t.node.Order, c.EvalOptions()); err != nil {
		return err
	}
	t.extra = kernel.NewAppender(types(t.node.Child.Schema()), t.memory)
	return t.child.Open(ctx, c)
}

func (t *topN) Next(ctx context.Context) (*columnar.Batch, error) {
	if t.keep == 0 {
		return nil, io.EOF
	}
	if t.out == nil {
		for {
			b, err := t.child.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if err := t.add(ctx, b); err != nil {
				return nil, err
			}
		}
		if err := t.cut(); err != nil {
			return nil, err
		}
		from := 0
		if !t.node.Partial {
			from = min(int(t.node.Offset), t.best.Rows)
		}
		order := make([]uint32, 0, t.best.Rows)
		for i := from; i < t.best.Rows; i++ {
			order = append(order, uint32(i))
		}
		t.out = newRows(t.best, order, t.size, t.scratch)
	}
	return t.out.next()
}

func (t *topN) add(ctx context.Context, b *columnar.Batch) error {
	t.scratch.Reset()
	if t.edge != nil {
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
	if err := add(ctx, t.extra, b, t.memory); err != nil {
		return err
	}
	if t.extra.Len() >= max(t.keep, columnar.MaxRows) {
		return t.cut()
	}
	return nil
}

// cut merges the candidates into the best rows.
func (t *topN) cut() error {
	schema := t.node.Child.Schema()
	if t.best != nil && t.extra.Len() == 0 {
		return nil
	}
	a := kernel.NewAppender(types(schema), nil)
	if t.best != nil {
		if err := a.Append(t.best); err != nil {
			return err
		}
	}
	if err := a.Append(t.extra.Take(schema)); err != nil {
		return err
	}
	all := a.Take(schema)
	k, err := encodeLong(t.keys, all, t.scratch)
	if err != nil {
		return err
	}
	order := k.Sort()
	if len(order) > t.keep {
		order = order[:t.keep]
	}
	best := &columnar.Batch{Schema: schema, Rows: len(order), Cols: make([]columnar.Vector, len(all.Cols))}
	for i := range all.Cols {
		best.Cols[i] = kernel.Take(&all.Cols[i], order, nil)
		best.Cols[i].Stable = true
	}
	t.best = best
	if len(order) == t.keep {
		last := []uint32{uint32(len(order) - 1)}
		one := &columnar.Batch{Schema: schema, Rows: 1, Cols: make([]columnar.Vector, len(best.Cols))}
		for i := range best.Cols {
			one.Cols[i] = kernel.Take(&best.Cols[i], last, nil)
		}
		if t.edge, err = t.keys.encode(one, nil); err != nil {
			return err
		}
	}
	return nil
}

func (t *topN) Close() error {
	if t.scratch != nil {
		t.scratch.Close()
		t.memory.Close()
	}
	t.best, t.extra, t.out = nil, nil, nil
	return t.child.Close()
}
