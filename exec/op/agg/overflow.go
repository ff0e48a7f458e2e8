package agg

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
)

const (
	// fan is the number of partitions that groups are spilled to at a time.
	fan = 16
	// mostLevels bounds how often a partition is partitioned again: 16^8 parts.
	mostLevels = 8
	// leastTable is what an aggregation holds on to although memory is critical.
	leastTable = 2 << 20
	// freeTable is what it takes whether or not memory has it, as any operator
	// takes a batch: without it nothing would come to an end.
	freeTable = 512 << 10
)

// overflow is what an aggregation has spilled: groups with their states, by
// partitions of the remixed key hash. A partition that memory refuses to hold is
// partitioned again by another remix.
type overflow struct {
	runs  []*spill.Run // fan of them, being written; nil if none
	level int          // of the partition being read, 0 for the input
	queue []part       // to be read
	bytes int64        // spilled so far
}

// part is a run whose groups share the partitions of level levels.
type part struct {
	run   *spill.Run
	level int
}

// any reports whether groups of the current input are on disk.
func (o *overflow) any() bool { return o.runs != nil }

// size returns the bytes that table and states hold.
func (a *aggregate) size() int64 {
	n := a.table.bytes()
	for i := range a.calls {
		n += a.calls[i].state.bytes()
	}
	return n
}

// need returns what is to be paid for: what table and states hold now, what
// doubling the largest of it takes, and what writing it takes.
func (a *aggregate) need() int64 {
	n := a.size()
	return n + n/2 + min(n, fan*spill.RunBytes)
}

// short pays for what the aggregation needs now. It reports that memory refuses.
func (a *aggregate) short(ctx context.Context) (bool, error) {
	n := a.need()
	if n > a.held {
		err := a.memory.Grow(ctx, n-a.held)
		if errors.Is(err, memory.ErrSpill) {
			return n > freeTable, nil
		}
		if err != nil {
			return false, err
		}
		a.held = n
	}
	return a.held > leastTable && a.memory.Pressure() == memory.Critical, nil
}

// overflow spills all groups with their states.
func (a *aggregate) overflow(ctx context.Context) error {
	o := &a.spilled
	if len(a.keys) == 0 {
		return op.Reserve(ctx, a.memory, 1<<20, "an aggregation without groups")
	}
	if o.level > 0 && a.table.groups() <= 1 && !o.any() || o.level >= mostLevels {
		return diag.New(diag.MemoryLimit, "one group of an aggregation needs more than the %d MiB that memory has for it", a.memory.Held()>>20).
			WithRemedy("raise --memory (MILLRACE_MEMORY), or aggregate less into one group")
	}
	if o.runs == nil {
		for range fan {
			o.runs = append(o.runs, a.file.NewRun("aggregation"))
		}
	}
	for from := 1; from < a.table.n; from += columnar.MaxRows {
		n := min(columnar.MaxRows, a.table.n-from)
		b, err := a.columnsOf(from, n, true)
		if err != nil {
			return err
		}
		a.scratch.Reset()
		mixed := memory.Slice[uint64](a.scratch, n)
		for i, h := range b.Hash {
			mixed[i] = kernel.Remix(h, o.level+1)
		}
		rows, ends := kernel.Partition(mixed, n, nil, fan, a.scratch)
		at := uint32(0)
		for p, end := range ends {
			if b.Sel = rows[at:end]; end > at {
				if err := o.runs[p].Append(ctx, b); err != nil {
					return err
				}
			}
			at = end
		}
	}
	for _, r := range o.runs {
		if err := r.Flush(); err != nil {
			return err
		}
	}
	if a.memory.Pressure() == memory.Critical || a.need() > a.held {
		a.release() // even empty it is larger than what memory granted
	} else {
		a.restart()
	}
	return nil
}

// settle ends the current input: what it spilled is queued, level by level.
func (a *aggregate) settle() {
	o := &a.spilled
	for _, r := range o.runs {
		if r.Rows() > 0 {
			o.bytes += r.Stored()
			o.queue = append(o.queue, part{r, o.level + 1})
		}
	}
	o.runs = nil
}

// refill reads the next spilled partition. It reports that there was one; its
// groups are then being emitted, unless it had to be partitioned again.
func (a *aggregate) refill(ctx context.Context) (bool, error) {
	o := &a.spilled
	a.settle()
	if len(o.queue) == 0 {
		return false, nil
	}
	p := o.queue[len(o.queue)-1]
	o.queue = o.queue[:len(o.queue)-1]
	o.level = p.level
	d, err := a.open(ctx, p.run)
	if err != nil {
		return false, err
	}
	defer d.Close()
	for {
		b, err := d.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		if err := a.merge(ctx, b); err != nil {
			return false, err
		}
	}
	p.run.Drop()
	if o.any() {
		return true, a.overflow(ctx)
	}
	a.start()
	return true, nil
}

// open opens a run, if need be with the memory of the empty table.
func (a *aggregate) open(ctx context.Context, r *spill.Run) (*spill.Reader, error) {
	d, err := r.Open(ctx, a.memory)
	if !errors.Is(err, memory.ErrSpill) {
		return d, err
	}
	a.release()
	if d, err = r.Open(ctx, a.memory); errors.Is(err, memory.ErrSpill) {
		err = diag.New(diag.MemoryLimit, "an aggregation has spilled %d MiB, and memory has no room for reading them", a.spilled.bytes>>20).
			WithRemedy("raise --memory (MILLRACE_MEMORY)").WithCause(err)
	}
	return d, err
}

// merge takes a batch of spilled groups.
func (a *aggregate) merge(ctx context.Context, b *columnar.Batch) error {
	a.scratch.Reset()
	a.keys, a.hash = a.keys[:0], nil
	for i := range a.node.Keys {
		a.keys = append(a.keys, &b.Cols[i])
	}
	fresh := a.table.n
	groups := a.table.assign(a.keys, b.Rows, nil, func() []uint64 { return a.keyHash(b.Rows) }, a.scratch)
	a.growStates()
	for i := range a.calls {
		c := &a.calls[i]
		a.update(c, b.Cols, c.states, true, groups, fresh)
	}
	short, err := a.short(ctx)
	if err == nil && short {
		err = a.overflow(ctx)
	}
	return err
}
