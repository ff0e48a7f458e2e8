package agg

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/physical"
)

const (
	// every is the mask of all partitions.
	every = 1<<fan - 1
	// leastKept is how many groups there must be for keeping some to be worth it.
	leastKept = 4096
	// keepPercent is how many of the groups may stay when memory refuses.
	keepPercent = 75
)

// partitionOf returns the partition of a group by its key hash.
func (a *aggregate) partitionOf(h uint64) int {
	return kernel.PartitionOf(kernel.Remix(h, a.spilled.level+1), fan)
}

// evict chooses the partitions that go to disk now. Some stay in memory, but
// not where rows have to go through the table to become states, or memory is
// critical.
func (a *aggregate) evict() {
	o := &a.spilled
	left := a.table.groups()
	if !a.done && a.node.Mode != physical.AggFinal || a.lists || left < leastKept || a.memory.Pressure() == memory.Critical {
		o.gone = every
		return
	}
	var groups [fan]int
	for _, h := range a.table.hashes[1:a.table.n] {
		groups[a.partitionOf(h)]++
	}
	limit := left * keepPercent / 100
	for p := fan - 1; p >= 0 && left > limit; p-- {
		if o.gone>>p&1 == 0 {
			o.gone |= 1 << p
			left -= groups[p]
		}
	}
	if left == 0 {
		o.gone = every
	}
}

// route writes the rows of partitions on disk, which are keys and states, there
// and returns the others; nil: all are.
func (a *aggregate) route(ctx context.Context, cols []columnar.Vector, rows int, sel []uint16) ([]uint16, error) {
	o := &a.spilled
	if o.gone == 0 || o.gone == every {
		return sel, nil
	}
	hash := a.keyHash(rows)
	mixed := memory.Slice[uint64](a.scratch, rows)
	for i, h := range hash {
		mixed[i] = kernel.Remix(h, o.level+1)
	}
	order, ends := kernel.Partition(mixed, rows, sel, fan, a.scratch)
	b := &columnar.Batch{Schema: a.stored, Cols: cols, Rows: rows}
	stay := memory.Slice[uint16](a.scratch, len(order))[:0]
	at := uint32(0)
	for p, end := range ends {
		switch b.Sel = order[at:end]; {
		case o.gone>>p&1 == 0:
			stay = append(stay, b.Sel...)
		case end > at:
			if err := o.runs[p].Append(ctx, b); err != nil {
				return nil, err
			}
		}
		at = end
	}
	return stay, nil
}

// absorb takes the groups back that stay in memory. If it has no room for them
// meanwhile, more partitions go to disk, and what then stays is absorbed after
// what is being read.
func (a *aggregate) absorb(ctx context.Context) error {
	o := &a.spilled
	if o.absorbing {
		return nil
	}
	o.absorbing = true
	defer func() { o.absorbing = false }()
	for len(o.kept) > 0 {
		r := o.kept[0]
		o.kept = o.kept[1:]
		if err := a.reread(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// reread merges the groups of a run into the table and drops it.
func (a *aggregate) reread(ctx context.Context, kept *spill.Run) error {
	o := &a.spilled
	d, err := kept.Open(ctx, a.memory)
	if errors.Is(err, memory.ErrSpill) {
		if a.table.groups() > 0 {
			if err := a.overflow(ctx); err != nil {
				return err
			}
		}
		d, err = a.open(ctx, kept)
	}
	if err != nil {
		return err
	}
	defer func() {
		d.Close()
		o.bytes += kept.Stored()
		kept.Drop()
	}()
	for {
		b, err := d.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = a.merge(ctx, b)
		}
		if err != nil {
			return err
		}
	}
}
