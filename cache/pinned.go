package cache

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Pinned reads a block, once from front to back. Until it is closed the block
// keeps its memory and its runs (B4). It is used by one goroutine at a time.
type Pinned struct {
	store   *Store
	block   *block
	runs    []Run
	batches []resident
	last    resident // that NextStored returned
	reader  Reader
	unpack  unpacker
	closed  bool
}

// Next returns the next batch or io.EOF. It is valid until the next call. What
// lies on disk is read a chunk at a time, which is charged to r, or to nobody when
// that is refused: a reader has nothing to give back instead.
func (p *Pinned) Next(ctx context.Context, r memory.Reservation) (*columnar.Batch, error) {
	for {
		ok, err := p.open(ctx, r)
		if err != nil {
			return nil, err
		}
		if !ok {
			if err := p.step(); err != nil {
				return nil, err
			}
			if p.last.packed != nil {
				return p.unpack.batch(p.last.packed, r)
			}
			return p.last.batch, nil
		}
		b, err := p.reader.Next(ctx)
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		p.shut()
	}
}

// NextStored is Next for who passes the rows on: what lies on disk is returned as
// it is stored there, with its rows, else a batch is.
func (p *Pinned) NextStored(ctx context.Context, r memory.Reservation) (b *columnar.Batch, data []byte, rows int, err error) {
	for {
		ok, err := p.open(ctx, r)
		if err != nil {
			return nil, nil, 0, err
		}
		if !ok {
			if err = p.step(); err != nil {
				return nil, nil, 0, err
			}
			if x := p.last.packed; x != nil {
				return nil, x.data, x.rows, nil
			}
			return p.last.batch, nil, p.last.batch.Selected(), nil
		}
		data, rows, err := p.reader.NextStored(ctx)
		if !errors.Is(err, io.EOF) {
			return nil, data, rows, err
		}
		p.shut()
	}
}

// Shared returns the region of the last batch, and where it lies there as
// columnar/chunk says it, if other processes may see that; else nil. It is valid
// as long as the block is pinned.
func (p *Pinned) Shared() (*memory.Region, []byte) {
	if p.last.sheet == nil {
		return nil, nil
	}
	return p.last.region, p.last.sheet
}

// Skip passes over batches from the front that have at most n rows together, and
// returns how many rows those have. What lies on disk is not read for it.
func (p *Pinned) Skip(ctx context.Context, n int64) (skipped int64, err error) {
	for skipped < n {
		ok, err := p.open(ctx, nil)
		if err != nil {
			return skipped, err
		}
		if ok {
			k, more := p.reader.Skip(n - skipped)
			if skipped += k; more {
				return skipped, nil
			}
			p.shut()
			continue
		}
		if len(p.batches) == 0 || p.batches[0].rows() > n-skipped {
			return skipped, nil
		}
		skipped += p.batches[0].rows()
		p.batches = p.batches[1:]
	}
	return skipped, nil
}

// open makes sure that a run is open, unless all have been read.
func (p *Pinned) open(ctx context.Context, r memory.Reservation) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if p.reader != nil {
		return true, nil
	}
	if len(p.runs) == 0 {
		return false, nil
	}
	reader, err := p.runs[0].Open(ctx, r)
	if errors.Is(err, memory.ErrSpill) {
		reader, err = p.runs[0].Open(ctx, nil)
	}
	if err != nil {
		return false, err
	}
	p.reader, p.runs = reader, p.runs[1:]
	return true, nil
}

func (p *Pinned) shut() {
	p.reader.Close()
	p.reader = nil
}

// step goes to the next of the batches in memory.
func (p *Pinned) step() error {
	if len(p.batches) == 0 {
		return io.EOF
	}
	p.last = p.batches[0]
	p.batches = p.batches[1:]
	return nil
}

// Held reports whether all that is to be read lies in memory.
func (p *Pinned) Held() bool { return p.reader == nil && len(p.runs) == 0 }

// Drop drops the block, which is damaged; it is read no more.
func (p *Pinned) Drop() { p.store.Drop(p.block.id) }

// Close unpins the block. It is idempotent.
func (p *Pinned) Close() {
	if p.closed {
		return
	}
	p.closed = true
	if p.reader != nil {
		p.shut()
	}
	p.unpack.close()
	p.runs, p.batches, p.last = nil, nil, resident{}
	s, b := p.store, p.block
	h := s.shard(b.id)
	h.mu.Lock()
	b.pins--
	last := b.pins == 0
	switch {
	case last && b.state == deleting && !b.busy:
		h.mu.Unlock()
		s.destroy(b)
	case last && b.state == ready && b.leaves:
		c := s.shed(b)
		h.mu.Unlock()
		s.ranks.remove(b)
		s.release(c)
	default:
		h.mu.Unlock()
	}
	if last && s.broker.Wanted() > 0 { // somebody may have waited for this
		s.Wake()
	}
}
