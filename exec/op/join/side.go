package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/keyset"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/eval"
)

// side is the build side of a hash join: a table over the rows that memory has
// room for, and runs with the partitions of the others.
type side struct {
	sharing
	table  *table
	whole  totals
	runs   []*spill.Run // by partition, nil where its rows are in the table; nil: nothing was spilled
	memory memory.Reservation
	bytes  int64          // spilled
	ranges []keyset.Range // of each key, where something was spilled
	tally  tally
}

func newSide() *side {
	return &side{sharing: sharing{ready: make(chan struct{})}, tally: newTally()}
}

// Close gives the memory back. Runs end with their file.
func (x *side) Close() {
	if x.memory != nil {
		x.memory.Close()
	}
	x.table = nil
}

// build reads the child and makes the table.
func (x *side) build(ctx context.Context, t *op.TaskContext, r memory.Reservation, file *spill.File, s *shape, child op.Operator) error {
	x.memory = r.Child("join build side")
	g := &gathering{side: x, shape: s, file: file, scratch: memory.NewScratch(t.Memory), work: memory.NewScratch(t.Memory)}
	defer g.scratch.Close()
	defer g.work.Close()
	if err := child.Open(ctx, t); err != nil {
		return err
	}
	program, err := eval.Compile(s.computed, t.EvalOptions())
	if err != nil {
		return err
	}
	for {
		b, err := child.Next(ctx)
		if errors.Is(err, io.EOF) {
			return g.finish(ctx, t.Slots)
		}
		if err != nil {
			return err
		}
		g.scratch.Reset()
		if len(s.computed) > 0 {
			vs, err := program.Eval(b, g.scratch)
			if err != nil {
				return err
			}
			b = &columnar.Batch{Rows: b.Rows, Sel: b.Sel, Cols: append(append([]columnar.Vector{}, b.Cols...), vs...)}
		}
		if err := g.add(ctx, b); err != nil {
			return err
		}
	}
}

// pieces returns the partitions on disk, with the runs that tasks put aside for
// each. kept tells that others may need the runs, too.
func (x *side) pieces(aside [][]*spill.Run, kept bool) (out []*piece) {
	for p, build := range x.runs {
		if build == nil {
			continue
		}
		y := &piece{build: build, kept: kept}
		for _, runs := range aside {
			y.probes = append(y.probes, runs[p])
		}
		out = append(out, y)
	}
	return out
}

// gathering is a build side that is being read.
type gathering struct {
	*side
	*shape
	file    *spill.File
	scratch *memory.Scratch // of computed keys
	work    *memory.Scratch // of scatter
	keys    []columnar.Vector
	live    []uint16
	all     pages   // while not partitioned
	parts   []pages // by partition, empty where runs has one
	buffers int64   // charged for what runs have not written
}

// headroom is what a table leaves free for those who probe it, in bytes, given
// what it takes: half as much again, so that a table has two thirds of what there
// is at most.
func headroom(table int64) int64 { return max(2<<20, table/2) }

// keysOf returns the key columns of build rows as they are held.
func (s *shape) keysOf(b *columnar.Batch, out []columnar.Vector) []columnar.Vector {
	for _, at := range s.keyAt {
		out = append(out, b.Cols[at])
	}
	return out
}

// add takes a batch of build rows. Rows that cannot match and do not come out by
// themselves are dropped.
func (g *gathering) add(ctx context.Context, b *columnar.Batch) error {
	n := b.Selected()
	g.whole.rows += int64(n)
	g.keys = g.keysOf(b, g.keys[:0])
	if g.live = g.matchable(b, g.keys, g.live[:0]); len(g.live) < n {
		g.whole.hasNull = true
		if !g.lonely {
			c := *b
			c.Sel, b = g.live, &c
		}
	}
	if g.parts == nil {
		err := g.all.add(ctx, g.shape, b, g.memory)
		if !errors.Is(err, memory.ErrSpill) {
			return err
		}
		if err := g.split(ctx); err != nil {
			return err
		}
	}
	return g.scatter(ctx, b)
}

// split partitions what there is.
func (g *gathering) split(ctx context.Context) error {
	held := g.all
	g.all, g.parts, g.runs = pages{}, make([]pages, fanout), make([]*spill.Run, fanout)
	for _, at := range g.keyAt {
		g.ranges = append(g.ranges, keyset.NewRange(g.types[at]))
	}
	// Rows move one batch at a time, so what is not moved stays charged.
	share := held.held
	for i, b := range held.batches {
		part := share / int64(len(held.batches)-i)
		g.memory.Shrink(part)
		share -= part
		if err := g.scatter(ctx, b); err != nil {
			return err
		}
		held.batches[i] = nil
	}
	return nil
}

// scatter distributes a batch over the partitions.
func (g *gathering) scatter(ctx context.Context, b *columnar.Batch) error {
	g.work.Reset()
	g.keys = g.keysOf(b, g.keys[:0])
	_, hashes := g.hash(g.keys, b.Rows, g.work)
	for i := range g.ranges {
		g.ranges[i].Extend(&g.keys[i], b.Sel, g.work)
	}
	rows, ends := partition(hashes, b, 0, g.work)
	from, c := uint32(0), *b
	for p, to := range ends {
		c.Sel = rows[from:to]
		from = to
		if len(c.Sel) == 0 {
			continue
		}
		for g.runs[p] == nil {
			err := g.parts[p].add(ctx, g.shape, &c, g.memory)
			if err == nil {
				break
			}
			if !errors.Is(err, memory.ErrSpill) {
				return err
			}
			if err := g.spillLargest(ctx, p); err != nil {
				return err
			}
		}
		if run := g.runs[p]; run != nil {
			if err := run.Append(ctx, &c); err != nil {
				return err
			}
		}
	}
	return nil
}

// spillLargest moves the largest partition in memory to disk, or at least the
// given one where there is nothing in memory.
func (g *gathering) spillLargest(ctx context.Context, otherwise int) error {
	most := otherwise
	for p := range g.parts {
		if g.runs[p] == nil && g.parts[p].held > g.parts[most].held {
			most = p
		}
	}
	g.runs[most] = g.file.NewRun("join build side")
	if err := g.parts[most].write(ctx, g.runs[most], g.memory); err != nil {
		return err
	}
	if g.memory.TryGrow(spill.RunBytes) {
		g.buffers += spill.RunBytes
	}
	return nil
}

// finish makes the table of what is in memory, after spilling what it has no
// room for.
func (g *gathering) finish(ctx context.Context, workers int) error {
	if g.parts == nil {
		extra, fits := int64(0), g.all.rows < maxTableRows
		for _, n := range g.all.columnBytes(g.shape) {
			extra += n
			fits = fits && n < maxColumn
		}
		if fits {
			err := g.memory.Grow(ctx, extra+headroom(extra+g.all.held))
			if err == nil {
				g.table, err = g.all.table(g.shape, g.memory, workers)
				return err
			}
			if !errors.Is(err, memory.ErrSpill) {
				return err
			}
		}
		if err := g.split(ctx); err != nil {
			return err
		}
	}
	var rest pages
	for {
		rest = pages{}
		for p := range g.parts {
			if x := &g.parts[p]; x.rows > 0 {
				rest.batches, rest.rows, rest.held = append(rest.batches, x.batches...), rest.rows+x.rows, rest.held+x.held
			}
		}
		if rest.rows == 0 {
			break
		}
		extra, fits := int64(0), rest.rows < maxTableRows // columns are copied one by one
		for _, n := range rest.columnBytes(g.shape) {
			extra = max(extra, n)
			fits = fits && n < maxColumn
		}
		if fits {
			err := g.memory.Grow(ctx, extra*int64(workers)+headroom(rest.held))
			if err == nil {
				break
			}
			if !errors.Is(err, memory.ErrSpill) {
				return err
			}
		}
		if err := g.spillLargest(ctx, g.largest()); err != nil {
			return err
		}
	}
	for _, run := range g.runs {
		if run != nil {
			if err := run.Flush(); err != nil {
				return err
			}
			g.bytes += run.Bytes()
		}
	}
	g.memory.Shrink(g.buffers)
	g.parts = nil
	var err error
	g.table, err = rest.table(g.shape, g.memory, workers)
	return err
}

// largest returns a partition in memory that has rows.
func (g *gathering) largest() int {
	for p := range g.parts {
		if g.runs[p] == nil && g.parts[p].rows > 0 {
			return p
		}
	}
	return 0
}

// Limits of one table.
const (
	maxTableRows = 1<<32 - 2
	maxColumn    = 1<<31 - 1<<16
)
