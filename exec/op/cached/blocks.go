package cached

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
)

// blocks reads the columns of a partition that is here. What lies on disk may come
// in other batches than what is in memory: rows are cut to the shortest.
type blocks struct {
	o       *Operator
	part    *cache.Part
	columns []column
	scratch *memory.Scratch
	batch   int                        // of the partition, the next one
	left    int                        // rows of the batch before that are still to come
	stats   []catalog.ColumnStatistics // of a batch, by the node's columns; nil: nothing is pruned
}

// column reads a block.
type column struct {
	pin  *cache.Pinned
	b    *columnar.Batch
	at   int   // the next row of b
	drop int64 // rows to be passed over
}

// blocks pins the node's columns, false if one is not here.
func (o *Operator) blocks(ctx context.Context, part *cache.Part, partition int) (*blocks, bool) {
	b := &blocks{o: o, part: part, columns: make([]column, len(o.node.Columns))}
	for i, c := range o.node.Columns {
		if part.Rows == 0 {
			break
		}
		id := cache.ColumnID(o.node.Dataset.ID, partition, part.Attempt, c)
		if _, err := o.task.Datasets.Store.Load(ctx, id); err != nil {
			b.close()
			return nil, false
		}
		pin, ok := o.task.Datasets.Store.Get(id)
		if !ok {
			b.close()
			return nil, false
		}
		b.columns[i].pin = pin
	}
	for _, c := range b.columns {
		if c.pin == nil || c.pin.Held() {
			o.metrics.Scan.CacheHits.Add(1)
		} else {
			o.metrics.Scan.CacheDisk.Add(1)
		}
	}
	if len(b.columns) == 0 { // the rows are only counted
		o.metrics.Scan.CacheHits.Add(1)
	}
	b.scratch = memory.NewScratch(o.task.Memory)
	if len(o.node.Filters) > 0 && part.Bounds != nil {
		b.stats = make([]catalog.ColumnStatistics, len(o.node.Columns))
	}
	return b, true
}

func (b *blocks) next(ctx context.Context) (*columnar.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for b.left == 0 {
		if b.batch == len(b.part.Sizes) {
			return nil, io.EOF
		}
		at, n := b.batch, b.part.Sizes[b.batch]
		b.batch++
		if !b.pruned(at) {
			b.left = n
			break
		}
		b.o.metrics.Scan.PagesPruned.Add(1)
		for i := range b.columns {
			if err := b.columns[i].skip(ctx, int64(n)); err != nil {
				return nil, err
			}
		}
	}
	n := b.left
	for i := range b.columns {
		c := &b.columns[i]
		if err := c.fill(ctx, b.o.task.Memory); errors.Is(err, chunk.ErrCorrupt) { // who runs next computes it
			c.pin.Drop()
			return nil, &exec.Failure{Kind: exec.Transient, Cause: err}
		} else if err != nil {
			return nil, err
		}
		n = min(n, c.b.Rows-c.at)
	}
	b.scratch.Reset()
	out := &b.o.out
	out.Rows, out.Sel = n, nil
	if out.Cols == nil {
		out.Cols = make([]columnar.Vector, len(b.columns))
	}
	for i := range b.columns {
		c := &b.columns[i]
		out.Cols[i] = kernel.Slice(&c.b.Cols[0], c.at, n, b.scratch)
		c.at += n
	}
	b.left -= n
	return out, nil
}

// pruned reports whether the node's filters select no row of a batch.
func (b *blocks) pruned(batch int) bool {
	if b.stats == nil {
		return false
	}
	for i, c := range b.o.node.Columns {
		x := b.part.Bounds[batch][c]
		b.stats[i] = catalog.ColumnStatistics{Distinct: -1, NullCount: -1, Min: x.Min, Max: x.Max}
	}
	for _, f := range b.o.node.Filters {
		if eval.Prune(f, b.stats) {
			return true
		}
	}
	return false
}

// fill makes sure that there is a row.
func (c *column) fill(ctx context.Context, r memory.Reservation) (err error) {
	for c.b == nil || c.at == c.b.Rows {
		if c.b, err = c.pin.Next(ctx, r); err != nil {
			return err
		}
		c.at = int(min(c.drop, int64(c.b.Rows)))
		c.drop -= int64(c.at)
	}
	return nil
}

// skip passes over rows.
func (c *column) skip(ctx context.Context, n int64) error {
	if c.b != nil {
		here := min(n, int64(c.b.Rows-c.at))
		c.at += int(here)
		n -= here
	}
	if n += c.drop; n == 0 {
		return nil
	}
	skipped, err := c.pin.Skip(ctx, n)
	c.drop = n - skipped
	return err
}

func (b *blocks) close() {
	for _, c := range b.columns {
		if c.pin != nil {
			c.pin.Close()
		}
	}
	if b.scratch != nil {
		b.scratch.Close()
	}
}
