package cache

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Load brings a block of a dataset that lies on disk alone back to memory, if there is
// room that nobody wants. What is on disk stays there, so that the block can leave
// again without being written. It reports whether the block came back; an error is the
// device's.
func (s *Store) Load(ctx context.Context, id BlockID) (bool, error) {
	h := s.shard(id)
	h.mu.Lock()
	b, ok := h.blocks[id]
	if !ok || b.state != ready || b.busy || b.batches != nil || len(b.runs) != 1 || b.level != MemoryAndDisk {
		h.mu.Unlock()
		return false, nil
	}
	b.busy = true // nobody else loads it, and who drops it leaves it to us
	run, bytes := b.runs[0], b.bytes.Load()
	h.mu.Unlock()

	var batches []resident
	var has cost
	err := func() error {
		if !memory.Room(s.memory, int(2*max(bytes, run.Stored()))) {
			return memory.ErrSpill
		}
		r, err := run.Open(ctx, nil)
		if err != nil {
			return err
		}
		defer r.Close()
		for {
			x, n, err := b.next(ctx, r)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if !s.charge(&has, x, n) {
				return memory.ErrSpill
			}
			batches = append(batches, x)
		}
	}()

	h.mu.Lock()
	b.busy = false
	switch {
	case b.state == deleting:
		last := b.pins == 0
		h.mu.Unlock()
		s.release(has)
		if last {
			s.destroy(b)
		}
		return false, nil
	case err != nil:
		h.mu.Unlock()
		s.release(has)
		if errors.Is(err, memory.ErrSpill) {
			err = nil
		}
		return false, err
	}
	b.batches, b.cost, b.spare, b.runs = batches, has, run, nil
	b.bytes.Store(has.bytes)
	s.usages.count(b, has.bytes, 0, 0)
	h.mu.Unlock()
	s.ranks.add(b, has.bytes, true)
	return true, nil
}

// next reads what is to be in memory again of a batch, and how many bytes it takes.
func (b *block) next(ctx context.Context, r Reader) (x resident, bytes int64, err error) {
	if b.encoded {
		data, rows, err := r.NextStored(ctx)
		if err != nil {
			return x, 0, err
		}
		x.packed = &packed{data: slices.Clone(data), schema: b.schema, rows: rows}
		return x, x.size(), nil
	}
	y, err := r.Next(ctx)
	if err != nil {
		return x, 0, err
	}
	if x.batch, err = kernel.Detach(y, nil); err != nil {
		return x, 0, err
	}
	return x, flatBytes(x.batch), nil
}

// flatBytes returns what a batch takes in memory without dictionaries.
func flatBytes(b *columnar.Batch) (n int64) {
	for i := range b.Cols {
		v := b.Cols[i]
		v.Dict = nil
		n += v.MemoryBytes()
	}
	return n
}
