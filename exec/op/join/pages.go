package join

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
)

// pages are build rows in memory, as they came. They are charged with what an
// index over them takes too, so that a table can always be made of them.
type pages struct {
	batches []*columnar.Batch
	rows    int
	held    int64 // charged
}

// indexShare is at least what the index takes per row, in bytes.
const indexShare = 30

// add keeps the selected rows of a batch, by reference where that is stable. r
// is charged by nobody else meanwhile; memory.ErrSpill if it refuses.
func (p *pages) add(ctx context.Context, s *shape, b *columnar.Batch, r memory.Reservation) error {
	n := b.Selected()
	if n == 0 {
		return nil
	}
	before := r.Held()
	if err := r.Grow(ctx, int64(n)*indexShare); err != nil {
		return err
	}
	d, err := kernel.Detach(b, r)
	if errors.Is(err, memory.ErrSpill) { // others may give way
		size := int64(0)
		for c, t := range s.types {
			size += kernel.ConcatBytes(t, []*columnar.Batch{b}, c)
		}
		if err = r.Grow(ctx, size); err == nil {
			r.Shrink(size)
			d, err = kernel.Detach(b, r)
		}
	}
	if err != nil {
		r.Shrink(int64(n) * indexShare)
		return err
	}
	d.Hash, d.HashOf = nil, nil
	p.batches, p.rows, p.held = append(p.batches, d), p.rows+n, p.held+r.Held()-before
	return nil
}

// write moves the rows to a run and gives their memory back.
func (p *pages) write(ctx context.Context, run *spill.Run, r memory.Reservation) error {
	for _, b := range p.batches {
		if err := run.Append(ctx, b); err != nil {
			return err
		}
	}
	r.Shrink(p.held)
	*p = pages{}
	return nil
}

// columnBytes returns what each column of a table over the pages takes.
func (p *pages) columnBytes(s *shape) []int64 {
	out := make([]int64, len(s.types))
	for c, t := range s.types {
		out[c] = kernel.ConcatBytes(t, p.batches, c)
	}
	return out
}

// table makes a table of the pages, which are used up, with at most the given
// number of goroutines, and brings r to what the table takes.
func (p *pages) table(s *shape, r memory.Reservation, workers int) (*table, error) {
	columns := make([]columnar.Vector, len(s.types))
	errs := make([]error, len(s.types))
	var next atomic.Int64
	work := func() {
		for c := int(next.Add(1) - 1); c < len(columns); c = int(next.Add(1) - 1) {
			columns[c], errs[c] = kernel.Concat(s.types[c], p.batches, c)
			for _, b := range p.batches {
				b.Cols[c] = columnar.Vector{}
			}
		}
	}
	var wg sync.WaitGroup
	if p.rows >= 64<<10 {
		for range min(workers, len(columns)) - 1 {
			wg.Go(work)
		}
	}
	work()
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t := newTable(s, p.rows, columns)
	*p = pages{}
	t.index(s, workers)
	bytes := int64(4*(len(t.first)+len(t.next)+len(t.marks)) + 8*len(t.dir))
	if t.words != nil {
		bytes += int64(8 * t.rows)
	}
	for c := range columns {
		bytes += int64(len(columns[c].Data) + len(columns[c].Bytes) + len(columns[c].Valid))
		for k := range columns[c].Kids {
			bytes += columns[c].Kids[k].MemoryBytes()
		}
	}
	if more := bytes - r.Held(); more > 0 {
		r.TryGrow(more)
	} else {
		r.Shrink(-more)
	}
	return t, nil
}
