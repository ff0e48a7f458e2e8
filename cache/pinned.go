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
	batches []*columnar.Batch
	reader  Reader
	closed  bool
}

// Next returns the next batch or io.EOF. It is valid until the next Next or
// Close. What lies on disk is read a chunk at a time, which is charged to r, or
// to nobody when that is refused: a reader has nothing to give back instead.
func (p *Pinned) Next(ctx context.Context, r memory.Reservation) (*columnar.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		if p.reader != nil {
			b, err := p.reader.Next(ctx)
			if !errors.Is(err, io.EOF) {
				return b, err
			}
			p.reader.Close()
			p.reader = nil
		}
		if len(p.runs) == 0 {
			break
		}
		var err error
		if p.reader, err = p.runs[0].Open(ctx, r); errors.Is(err, memory.ErrSpill) {
			p.reader, err = p.runs[0].Open(ctx, nil)
		}
		if err != nil {
			p.reader = nil
			return nil, err
		}
		p.runs = p.runs[1:]
	}
	if len(p.batches) == 0 {
		return nil, io.EOF
	}
	b := p.batches[0]
	p.batches = p.batches[1:]
	return b, nil
}

// Close unpins the block. It is idempotent.
func (p *Pinned) Close() {
	if p.closed {
		return
	}
	p.closed = true
	if p.reader != nil {
		p.reader.Close()
		p.reader = nil
	}
	p.runs, p.batches = nil, nil
	s, b := p.store, p.block
	h := s.shard(b.id)
	h.mu.Lock()
	b.pins--
	last := b.pins == 0
	switch {
	case last && b.state == deleting && !b.busy:
		h.mu.Unlock()
		s.destroy(b)
	case last && b.state == ready && b.spare != nil:
		c := b.shed()
		h.mu.Unlock()
		s.release(c)
	default:
		h.mu.Unlock()
	}
	if last && s.broker.Wanted() > 0 { // somebody may have waited for this
		s.Wake()
	}
}
