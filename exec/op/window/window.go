package window

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

type window struct {
	node   *physical.Window
	child  op.Operator
	types  []columnar.Type
	size   int
	memory memory.Reservation
	scrap  *memory.Scratch
	rest   *columnar.Batch // rows of a partition that has not ended
	restOf memory.Reservation
	ended  bool
	run    *run
	at     int // rows of the run that were put out
	peak   int64
}

// New returns the operator of a node.
func New(n *physical.Window, child op.Operator) op.Operator {
	w := &window{node: n, child: child}
	for _, f := range n.Child.Schema().Fields {
		w.types = append(w.types, f.Type)
	}
	return w
}

func (w *window) Open(ctx context.Context, t *op.TaskContext) error {
	w.memory = t.Memory.Child("window")
	w.scrap = memory.NewScratch(w.memory)
	w.size = t.BatchRows
	return w.child.Open(ctx, t)
}

func (w *window) Next(ctx context.Context) (*columnar.Batch, error) {
	if w.run == nil || w.at == w.run.n {
		if w.run != nil {
			w.run.close()
			w.run = nil
		}
		if err := w.fill(ctx); err != nil {
			return nil, err
		}
	}
	n := min(w.size, w.run.n-w.at)
	w.scrap.Reset()
	out := &columnar.Batch{Schema: w.node.Out, Rows: n, Cols: make([]columnar.Vector, 0, w.node.Out.Len())}
	for _, cols := range [][]columnar.Vector{w.run.cols, w.run.results} {
		for i := range cols {
			v := kernel.Slice(&cols[i], w.at, n, w.scrap)
			v.Stable = false // it lives as long as the run
			out.Cols = append(out.Cols, v)
		}
	}
	w.at += n
	return out, nil
}

// fill gathers whole partitions, at least a batch of rows, and computes the
// functions. The rows of the last partition wait unless the input has ended.
func (w *window) fill(ctx context.Context) error {
	held := w.memory.Child("run")
	fail := func(err error) error {
		held.Close()
		return err
	}
	rows := kernel.NewAppender(w.types, held)
	add := func(b *columnar.Batch) error {
		plain := *b
		plain.Hash = nil
		err := rows.Append(&plain)
		if errors.Is(err, memory.ErrSpill) {
			return op.Reserve(ctx, held, rows.Bytes()-rows.Held(), "the partition of a window function")
		}
		return err
	}
	if w.rest != nil {
		err := add(w.rest)
		w.restOf.Close()
		w.rest = nil
		if err != nil {
			return fail(err)
		}
	}
	for wanted := columnar.MaxRows; ; wanted *= 2 {
		for !w.ended && rows.Len() < wanted {
			b, err := w.child.Next(ctx)
			if errors.Is(err, io.EOF) {
				w.ended = true
				break
			}
			if err == nil {
				err = add(b)
			}
			if err != nil {
				return fail(err)
			}
		}
		if rows.Len() == 0 {
			return fail(io.EOF)
		}
		r := newRun(w.node, rows.Batch(w.node.Child.Schema(), 0, rows.Len()), held)
		last := r.starts[len(r.starts)-2]
		if !w.ended && last == 0 {
			continue // one partition that has not ended
		}
		if !w.ended {
			w.restOf = w.memory.Child("rest")
			var err error
			if w.rest, err = w.keep(ctx, r, int(last)); err != nil {
				return fail(err)
			}
			r.cut(int(last))
		}
		if err := r.compute(ctx); err != nil {
			return fail(err)
		}
		w.run, w.at = r, 0
		return nil
	}
}

// keep copies the rows of a run from a row on.
func (w *window) keep(ctx context.Context, r *run, from int) (*columnar.Batch, error) {
	n := r.n - from
	out := &columnar.Batch{Schema: w.node.Child.Schema(), Rows: n}
	for i := range r.cols {
		out.Cols = append(out.Cols, kernel.Slice(&r.cols[i], from, n, nil))
	}
	a := kernel.NewAppender(w.types, w.restOf)
	err := a.Append(out)
	if errors.Is(err, memory.ErrSpill) {
		err = op.Reserve(ctx, w.restOf, a.Bytes()-a.Held(), "the partition of a window function")
	}
	if err != nil {
		w.restOf.Close()
		return nil, err
	}
	return a.Take(out.Schema), nil
}

// Usage implements op.Accountant.
func (w *window) Usage() (peak, spilled int64) {
	if w.memory != nil {
		peak = w.memory.Peak()
	}
	return peak, 0
}

func (w *window) Close() error {
	if w.memory != nil {
		w.scrap.Close()
		if w.run != nil {
			w.run.close()
		}
		if w.rest != nil {
			w.restOf.Close()
		}
		w.memory.Close()
		w.run, w.rest, w.memory = nil, nil, nil
	}
	return w.child.Close()
}
