package window

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

type window struct {
	node    *physical.Window
	child   op.Operator
	types   []columnar.Type
	size    int
	file    *spill.File
	memory  memory.Reservation
	scrap   *memory.Scratch
	in      *input
	rest    *columnar.Batch // rows of a partition that has not ended, from its first on
	restOf  memory.Reservation
	run     *run   // whole partitions
	spool   *spool // the partition behind them, if memory does not hold it
	page    page   // of the one or the other, being put out
	at      int    // rows of the page that were
	spilled int64
}

// page is rows with their results.
type page struct {
	rows          int
	cols, results []columnar.Vector
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
	w.memory = memory.Part(t.Memory, "window", stage.WindowMemory(w.node))
	w.scrap = memory.NewScratch(w.memory)
	w.in = &input{child: w.child, last: edge{cols: w.node.PartitionBy}, scratch: memory.NewScratch(w.memory)}
	w.size = t.BatchRows
	w.file = t.Spill
	return w.child.Open(ctx, t)
}

func (w *window) Next(ctx context.Context) (*columnar.Batch, error) {
	for w.at == w.page.rows {
		if err := w.turn(ctx); err != nil {
			return nil, err
		}
	}
	n := min(w.size, w.page.rows-w.at)
	w.scrap.Reset()
	out := &columnar.Batch{Schema: w.node.Out, Rows: n, Cols: make([]columnar.Vector, 0, w.node.Out.Len())}
	for _, cols := range [][]columnar.Vector{w.page.cols, w.page.results} {
		for i := range cols {
			v := kernel.Slice(&cols[i], w.at, n, w.scrap)
			v.Stable = false // it lives as long as the page
			out.Cols = append(out.Cols, v)
		}
	}
	w.at += n
	return out, nil
}

// turn brings the next page; it may be empty.
func (w *window) turn(ctx context.Context) (err error) {
	w.page, w.at = page{}, 0
	if w.run != nil {
		w.run.close()
		w.run = nil
	}
	if w.spool == nil {
		if err := w.fill(ctx); err != nil {
			return err
		}
		if w.run != nil {
			w.page, err = w.run.compute(ctx)
			return err
		}
	}
	w.page, err = w.spool.next(ctx, w.in)
	if errors.Is(err, io.EOF) {
		w.endSpool()
		return nil
	}
	return err
}

// fill gathers whole partitions, at least a batch of rows. The rows of the last
// one wait unless the input has ended. Where memory does not hold it they go to
// disk, and the rest of the partition will follow them.
func (w *window) fill(ctx context.Context) error {
	g := newGathered(w.node, w.types, w.memory.Child("run"))
	whole, err := w.gather(ctx, g)
	if err != nil {
		g.memory.Close()
		return err
	}
	n := g.rows.Len()
	if whole {
		w.run = g.run(n)
		return nil
	}
	last := g.last()
	tail := g.batch(last, n)
	if last == 0 || !w.keep(tail) {
		w.spool = newSpool(w.node, w.file, w.memory.Child("spool"))
		if err := w.spool.append(ctx, tail); err != nil {
			g.memory.Close()
			return err
		}
	}
	if last == 0 {
		g.memory.Close()
		return nil
	}
	w.run = g.run(last)
	return nil
}

// gather takes rows until there is a partition that has ended, or memory is
// short. It reports that the input has ended; io.EOF: there are no rows.
func (w *window) gather(ctx context.Context, g *gathered) (whole bool, err error) {
	short := false
	if w.rest != nil {
		short, err = g.add(ctx, w.rest, []int32{0})
		w.rest = nil
		w.restOf.Close()
	}
	for !short && err == nil && (g.rows.Len() < columnar.MaxRows || g.last() == 0) {
		b, begins, next := w.in.all(ctx)
		switch {
		case errors.Is(next, io.EOF) && g.rows.Len() > 0:
			return true, nil
		case next != nil:
			return false, next
		}
		short, err = g.add(ctx, b, begins)
	}
	return false, err
}

// keep copies the rows of the last partition, unless memory refuses.
func (w *window) keep(rows *columnar.Batch) bool {
	w.restOf = w.memory.Child("rest")
	a := kernel.NewAppender(w.types, w.restOf)
	if a.Append(rows) != nil {
		w.restOf.Close()
		return false
	}
	w.rest = a.Take(rows.Schema)
	return true
}

func (w *window) endSpool() {
	w.spilled += w.spool.run.Stored()
	w.spool.close()
	w.spool = nil
}

// Usage implements op.Accountant.
func (w *window) Usage() (peak, spilled int64) {
	spilled = w.spilled
	if w.memory != nil {
		peak = w.memory.Peak()
	}
	if w.spool != nil {
		spilled += w.spool.run.Stored()
	}
	return peak, spilled
}

func (w *window) Close() error {
	if w.in != nil {
		if w.spool != nil {
			w.endSpool()
		}
		w.scrap.Close()
		w.in.scratch.Close()
		w.memory.Close()
		w.run, w.rest, w.in = nil, nil, nil
		w.page, w.at = page{}, 0
	}
	return w.child.Close()
}
