package cache

import (
	"context"
	"errors"
	"io"

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
	run, bytes := b.runs[0], b.bytes
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
			x, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if x, err = kernel.Detach(x, nil); err != nil {
				return err
			}
			if !s.charge(&has, x, flatBytes(x), nil) {
				return memory.ErrSpill
			}
			batches = append(batches, resident{batch: x})
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
	b.batches, b.cost, b.spare, b.runs, b.bytes = batches, has, run, nil, has.bytes
	h.mu.Unlock()
	s.ranks.add(b, has.bytes, true)
	return true, nil
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
