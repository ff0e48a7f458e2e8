package cache

import "github.com/millrace-engine/millrace/columnar"

// Counted returns the bytes that blocks hold in memory by looking at each of
// them, dictionaries once: what Bytes has kept count of.
func (s *Store) Counted() int64 {
	n, seen := int64(0), map[*columnar.Dictionary]bool{}
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		for _, b := range h.blocks {
			n += b.cost.bytes
			for _, d := range b.cost.dicts {
				if !seen[d] {
					seen[d] = true
					n += dictBytes(d)
				}
			}
		}
		h.mu.Unlock()
	}
	return n
}
