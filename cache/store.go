// Package cache holds blocks: lists of batches by id. Now it has the memory tier
// only, which keeps the output of exchanges; blocks are passed on by reference.
//
// Invariants:
//
//   - B1 A block is written once and immutable; its batches are stable.
//   - B2 What the store holds is charged to its reservation, and given back when
//     a block is dropped.
package cache

import (
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// BlockID names the output of one attempt of a map task for one partition.
type BlockID struct{ Job, Exchange, Map, Attempt, Partition int }

// Store keeps blocks in memory. It is safe for concurrent use.
type Store struct {
	mu     sync.RWMutex
	blocks map[BlockID]block
	memory memory.Reservation
}

type block struct {
	batches []*columnar.Batch
	bytes   int64
}

// NewStore returns a store that charges r, which it owns.
func NewStore(r memory.Reservation) *Store {
	return &Store{blocks: map[BlockID]block{}, memory: r}
}

// Put stores the batches of a block.
func (s *Store) Put(id BlockID, batches []*columnar.Batch) error {
	n := int64(0)
	for _, b := range batches {
		n += b.MemoryBytes()
	}
	if !s.memory.TryGrow(n) {
		return diag.New(diag.MemoryLimit, "the output of an exchange holds %d MiB and needs %d KiB more than the memory budget has left", s.memory.Held()>>20, n>>10).
			WithRemedy("raise --memory (MILLRACE_MEMORY), or let the query touch less data")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.blocks[id]; ok {
		s.memory.Shrink(old.bytes)
	}
	s.blocks[id] = block{batches, n}
	return nil
}

// Get returns a block's batches; they stay valid for their readers whatever
// happens to the block.
func (s *Store) Get(id BlockID) ([]*columnar.Batch, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.blocks[id]
	return b.batches, ok
}

// DropWhere drops the blocks for which f is true.
func (s *Store) DropWhere(f func(BlockID) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, b := range s.blocks {
		if f(id) {
			s.memory.Shrink(b.bytes)
			delete(s.blocks, id)
		}
	}
}

// Len returns the number of blocks.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.blocks)
}
