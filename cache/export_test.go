package cache

import "context"

// Counted returns the bytes that blocks hold in memory by looking at each of
// them, what they share once: what Bytes has kept count of.
func (s *Store) Counted() int64 {
	n, seen := int64(0), map[share]bool{}
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		for _, b := range h.blocks {
			n += b.cost.bytes
			for _, d := range b.cost.shares {
				if !seen[d] {
					seen[d] = true
					n += d.bytes()
				}
			}
		}
		h.mu.Unlock()
	}
	return n
}

// Relieve is Reclaim when nobody waits for the answer.
func (s *Store) Relieve(ctx context.Context, n int64) int64 { return background{s}.Reclaim(ctx, n) }

// InMemory reports whether a block has its rows in memory.
func (s *Store) InMemory(id BlockID) bool {
	h := s.shard(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.blocks[id]
	return b != nil && b.batches != nil
}
