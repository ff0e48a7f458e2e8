package sort

import (
	"context"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// rows yields rows of a long batch in an order.
type rows struct {
	all     *columnar.Batch
	order   []uint32
	dicts   []*columnar.Dictionary // per flat string column: its values, so that they are not copied
	size    int
	scratch *memory.Scratch
	out     columnar.Batch
}

func newRows(all *columnar.Batch, order []uint32, size int, s *memory.Scratch) *rows {
	r := &rows{size: max(1, min(size, columnar.MaxRows)), scratch: s}
	r.reset(all, order)
	return r
}

// reset makes the rows those of another batch.
func (r *rows) reset(all *columnar.Batch, order []uint32) {
	r.all, r.order = all, order
	r.dicts = make([]*columnar.Dictionary, len(all.Cols))
	for i := range all.Cols {
		if v := &all.Cols[i]; v.Enc == columnar.Flat && v.Type.IsBytes() && v.Len > 0 {
			plain := *v
			plain.Valid = nil
			r.dicts[i] = &columnar.Dictionary{Values: plain}
		}
	}
	r.out = columnar.Batch{Schema: all.Schema, Cols: make([]columnar.Vector, len(all.Cols))}
}

// Next returns the next rows, valid until the following call; io.EOF ends.
func (r *rows) Next(context.Context) (*columnar.Batch, error) {
	n := min(r.size, len(r.order))
	if n <= 0 {
		return nil, io.EOF
	}
	pick := r.order[:n]
	r.order = r.order[n:]
	r.scratch.Reset()
	for i := range r.all.Cols {
		v := &r.all.Cols[i]
		if d := r.dicts[i]; d != nil {
			r.out.Cols[i] = kernel.IndirectTo(d, v.Valid, pick, r.scratch)
		} else {
			r.out.Cols[i] = kernel.Take(v, pick, r.scratch)
		}
	}
	r.out.Rows = n
	return &r.out, nil
}

// Close implements op.BatchIterator.
func (r *rows) Close() error { return nil }
