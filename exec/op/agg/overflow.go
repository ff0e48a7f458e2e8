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
	runs      []*spill.Run // fan of them, being written; nil if none
	content   [fan]content // of the runs, where there are lists
	gone      uint32       // the partitions that are there; the others are in memory alone
	level     int          // of the partition being read, 0 for the input
	queue     []part       // to be read
	bytes     int64        // spilled so far
	kept      []*spill.Run // groups on their way back into memory
	absorbing bool         // they are being read
}

// part is a run whose groups share the partitions of level levels.
type part struct {
	run   *spill.Run
	level int
	lone  *content // of the one group that it has; nil: several, or not known
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

// need returns what is to be paid for: what table and states hold now, as much again
// if another batch like the last one may double them, and what writing it takes. A
// lone group has its room already.
func (a *aggregate) need() int64 {
	n := a.size()
	if a.alone {
		return n
	}
	more := int64(0)
	switch {
	case a.table.n+a.batch > roomFor(a.table.n):
		more = n
	case a.leaps:
		more = n / 2
	}
	return n + more + min(n, fan*spill.RunBytes)
}

// short pays for what the aggregation needs now. It reports that memory refuses.
func (a *aggregate) short(ctx context.Context) (bool, error) {
	n := a.need()
	if err := a.pay(ctx, n); errors.Is(err, memory.ErrSpill) {
		return n > freeTable, nil
	} else if err != nil {
		return false, err
	}
	return a.held > leastTable && a.memory.Pressure() == memory.Critical, nil
}

// bear pays for what groups that no partition can part hold, as they are: without what
// growing and writing them would take on top, which short asks for first.
func (a *aggregate) bear(ctx context.Context) error {
	n := a.size()
	err := a.pay(ctx, n)
	if errors.Is(err, memory.ErrSpill) {
		return tooLarge(n, a.memory.Held(), 0, err)
	}
	return err
}

// overflow spills groups with their states: those of partitions that are on disk
// already, and of some more. The others go through a run of their own, since the
// table cannot forget groups one by one.
func (a *aggregate) overflow(ctx context.Context) error {
	o := &a.spilled
	if len(a.keys) == 0 && !a.lists {
		return op.Reserve(ctx, a.memory, 1<<20, "an aggregation without groups")
	}
	if a.alone || o.level > 0 && a.table.groups() <= 1 && !a.lists && !o.any() || o.level >= mostLevels {
		return a.bear(ctx)
	}
	if o.runs == nil {
		for range fan {
			o.runs = append(o.runs, a.file.NewRun("aggregation"))
		}
	}
	a.evict()
	var kept *spill.Run
	if o.gone != every {
		kept = a.file.NewRun("aggregation")
	}
	for from, n := 1, 0; from < a.table.n; from += n {
		n = a.fit(from, columnar.MaxRows)
		b, err := a.columnsOf(from, n, true)
		if err != nil {
			return err
		}
		if err := pieces(b, len(a.node.Keys), func(b *columnar.Batch) error { return a.scatter(ctx, b, kept) }); err != nil {
			return err
		}
	}
	if err := o.flush(); err != nil {
		return err
	}
	if a.memory.Pressure() == memory.Critical || a.need() > a.held {
		a.release() // even empty it is larger than what memory granted
	} else {
		a.restart()
	}
	if kept == nil {
		return nil
	}
	if err := kept.Flush(); err != nil {
		return err
	}
	o.kept = append(o.kept, kept)
	return a.absorb(ctx)
}

// flush writes what the runs hold in memory.
func (o *overflow) flush() error {
	for _, r := range o.runs {
		if err := r.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// close ends an input of which groups were spilled: those that stayed in memory
// are whole, and are emitted next.
func (a *aggregate) close(ctx context.Context) error {
	if a.spilled.gone == every {
		return a.overflow(ctx)
	}
	a.start()
	return a.spilled.flush()
}

// scatter appends groups to the runs of their partitions, or to kept.
func (a *aggregate) scatter(ctx context.Context, b *columnar.Batch, kept *spill.Run) error {
	a.scratch.Reset()
	mixed := memory.Slice[uint64](a.scratch, b.Rows)
	clear(mixed) // for a group without keys
	for i, h := range b.Hash {
		mixed[i] = kernel.Remix(h, a.spilled.level+1)
	}
	rows, ends := kernel.Partition(mixed, b.Rows, nil, fan, a.scratch)
	at := uint32(0)
	for p, end := range ends {
		if b.Sel = rows[at:end]; end > at {
			r := a.spilled.runs[p]
			if a.spilled.gone>>p&1 == 0 {
				r = kept
			}
			if a.lists {
				a.spilled.content[p].add(b, len(a.node.Keys))
			}
			if err := r.Append(ctx, b); err != nil {
				return err
			}
		}
		at = end
	}
	return nil
}

// mostElements bounds the lists that are spilled in one row.
const mostElements = 2048

// pieces yields groups such that no list among their states is long: of longer
// ones the rest comes in more rows of the same group, whose other states are
// null, which counts for nothing when they merge.
func pieces(b *columnar.Batch, keys int, yield func(*columnar.Batch) error) error {
	longest := 0
	for c := keys; c < len(b.Cols); c++ {
		if v := &b.Cols[c]; v.Type.Kind == columnar.List {
			off := v.Offsets()
			for i := range b.Rows {
				longest = max(longest, int(off[i+1]-off[i]))
			}
		}
	}
	if longest <= mostElements {
		return yield(b)
	}
	for skip := 0; skip < longest; skip += mostElements {
		var rows []uint32
		for i := range b.Rows {
			long := skip == 0
			for c := keys; c < len(b.Cols) && !long; c++ {
				if v := &b.Cols[c]; v.Type.Kind == columnar.List {
					long = int(v.Offsets()[i+1]-v.Offsets()[i]) > skip
				}
			}
			if long {
				rows = append(rows, uint32(i))
			}
		}
		p := &columnar.Batch{Schema: b.Schema, Rows: len(rows), Cols: make([]columnar.Vector, len(b.Cols))}
		if b.Hash != nil {
			p.Hash, p.HashOf = make([]uint64, len(rows)), b.HashOf
			for i, r := range rows {
				p.Hash[i] = b.Hash[r]
			}
		}
		for c := range b.Cols {
			switch v := &b.Cols[c]; {
			case c >= keys && v.Type.Kind == columnar.List:
				p.Cols[c] = piece(v, rows, skip)
			case c < keys || skip == 0:
				p.Cols[c] = kernel.Take(v, rows, nil)
			default:
				p.Cols[c] = kernel.Nulls(v.Type, len(rows))
			}
		}
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}

// piece returns of the lists of some rows the elements from skip on, up to
// mostElements of each.
func piece(v *columnar.Vector, rows []uint32, skip int) columnar.Vector {
	off := v.Offsets()
	ends := make([]int32, 1, len(rows)+1)
	var elements []uint32
	for _, r := range rows {
		from := min(off[r]+int32(skip), off[r+1])
		for k := from; k < min(off[r+1], from+mostElements); k++ {
			elements = append(elements, uint32(k))
		}
		ends = append(ends, int32(len(elements)))
	}
	return columnar.Vector{Type: v.Type, Len: len(rows), Data: columnar.BytesOf(ends), Kids: []columnar.Vector{kernel.Take(&v.Kids[0], elements, nil)}, Stable: true}
}

// settle ends the current input: what it spilled is queued, level by level.
func (a *aggregate) settle() {
	o := &a.spilled
	for i, r := range o.runs {
		if r.Rows() > 0 {
			o.bytes += r.Stored()
			p := part{run: r, level: o.level + 1}
			if c := o.content[i]; c.rows > 0 && !c.mixed {
				p.lone = &c
			}
			o.queue = append(o.queue, p)
		}
	}
	o.runs, o.gone, o.content = nil, 0, [fan]content{}
}

// refill reads the next spilled partition. It reports that there was one; its
// groups are then being emitted, unless it had to be partitioned again.
func (a *aggregate) refill(ctx context.Context) (bool, error) {
	o := &a.spilled
	a.settle()
	a.alone = false
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
	if p.lone != nil {
		if err := a.hold(ctx, p.lone); err != nil {
			return false, err
		}
	}
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
		return true, a.close(ctx)
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
	sel, err := a.route(ctx, b.Cols, b.Rows, nil)
	if err != nil || sel != nil && len(sel) == 0 {
		return err
	}
	fresh := a.table.n
	a.batch = b.Rows
	groups := a.table.assign(a.keys, b.Rows, sel, func() []uint64 { return a.keyHash(b.Rows) }, a.scratch)
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
