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
	"fmt"
	"slices"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// BlockID names the output of one attempt of a map task for one partition. It is
// comparable.
type BlockID struct{ Job, Exchange, Map, Attempt, Partition int }

// String prints "job 3 exchange 1 map 4.0 partition 2".
func (b BlockID) String() string {
	return fmt.Sprintf("job %d exchange %d map %d.%d partition %d", b.Job, b.Exchange, b.Map, b.Attempt, b.Partition)
}

// Store keeps blocks in memory. It is safe for concurrent use.
type Store struct {
	mu     sync.RWMutex
	blocks map[BlockID]block
	dicts  map[*columnar.Dictionary]int // blocks that refer to a dictionary
	memory memory.Reservation
}

type block struct {
	batches []*columnar.Batch
	bytes   int64 // without dictionaries
	dicts   []*columnar.Dictionary
}

// NewStore returns a store that charges r, which it owns.
func NewStore(r memory.Reservation) *Store {
	return &Store{blocks: map[BlockID]block{}, dicts: map[*columnar.Dictionary]int{}, memory: r}
}

// Put stores the batches of a block. A dictionary that several blocks share is
// charged once.
func (s *Store) Put(id BlockID, batches []*columnar.Batch) error {
	x := block{batches: batches}
	for _, b := range batches {
		x.bytes += b.MemoryBytes()
		for i := range b.Cols {
			if d := b.Cols[i].Dict; d != nil {
				x.bytes -= dictBytes(d)
				if !slices.Contains(x.dicts, d) {
					x.dicts = append(x.dicts, d)
				}
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.blocks[id]; ok { // B1
		return nil
	}
	n := x.bytes
	for _, d := range x.dicts {
		if s.dicts[d] == 0 {
			n += dictBytes(d)
		}
	}
	if !s.memory.TryGrow(n) {
		return diag.New(diag.MemoryLimit, "the output of an exchange holds %d MiB and needs %d KiB more than the memory budget has left", s.memory.Held()>>20, n>>10).
			WithRemedy("raise --memory (MILLRACE_MEMORY), or let the query touch less data")
	}
	for _, d := range x.dicts {
		s.dicts[d]++
	}
	s.blocks[id] = x
	return nil
}

func dictBytes(d *columnar.Dictionary) int64 {
	v := columnar.Vector{Dict: d}
	return v.MemoryBytes()
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
		if !f(id) {
			continue
		}
		n := b.bytes
		for _, d := range b.dicts {
			if s.dicts[d]--; s.dicts[d] == 0 {
				n += dictBytes(d)
				delete(s.dicts, d)
			}
		}
		s.memory.Shrink(n)
		delete(s.blocks, id)
	}
}

// Bytes returns the bytes that the blocks hold.
func (s *Store) Bytes() int64 { return s.memory.Held() }

// Close drops every block and gives the store's reservation back.
func (s *Store) Close() {
	s.DropWhere(func(BlockID) bool { return true })
	s.memory.Close()
}

// Len returns the number of blocks.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.blocks)
}
