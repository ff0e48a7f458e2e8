package cache

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/columnar/memory"
)

const (
	shards = 64
	// leastReclaim is what is given back at least when somebody asks: looking for
	// blocks to spill goes through all.
	leastReclaim = 4 << 20
)

// Store keeps blocks. It is safe for concurrent use.
type Store struct {
	broker  *memory.Broker
	memory  memory.Reservation
	disk    Disk // nil: blocks stay in memory
	shards  [shards]shard
	spilled atomic.Int64

	mu     sync.Mutex
	shares map[share]int // blocks that refer to it
	order  []*block      // those with memory, but of datasets, oldest first; some have none any more

	ranks  *ranks // of the blocks of datasets
	usages usages // of datasets

	relief memory.Relief
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

type shard struct {
	mu     sync.Mutex
	blocks map[BlockID]*block
}

var _ memory.Reclaimer = (*Store)(nil)

// NewStore returns a store of a broker's memory, named for messages. Close ends
// it. Without a disk what memory has no room for is refused.
func NewStore(b *memory.Broker, name string, d Disk) *Store {
	return NewStoreWith(b, name, d, NewS3FIFO)
}

// NewStoreWith is NewStore with a policy for what leaves memory of cached datasets.
func NewStoreWith(b *memory.Broker, name string, d Disk, policy func() Policy) *Store {
	s := &Store{broker: b, disk: d, ranks: newRanks(policy), shares: map[share]int{}, usages: usages{all: map[int]*Usage{}}, relief: memory.NewRelief()}
	for i := range s.shards {
		s.shards[i].blocks = map[BlockID]*block{}
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.memory = b.Store(name, s)
	s.ended.Go(func() { s.relief.Run(ctx, b, background{s}) })
	return s
}

// shard returns the shard of an id.
func (s *Store) shard(id BlockID) *shard {
	h := uint64(id.Job)*0x9e3779b97f4a7c15 ^ uint64(id.Exchange)*0xc2b2ae3d27d4eb4f ^ uint64(id.Map)*0x165667b19e3779f9 ^ uint64(id.Partition)*0x27d4eb2f165667c5
	return &s.shards[h>>58%shards]
}

// Has reports whether there is a block.
func (s *Store) Has(id BlockID) bool {
	h := s.shard(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.blocks[id]
	return ok
}

// Get pins a block for reading; its Close unpins it.
func (s *Store) Get(id BlockID) (*Pinned, bool) {
	if id.cached() {
		s.ranks.read(id)
	}
	h := s.shard(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.blocks[id]
	if !ok {
		return nil, false
	}
	b.pins++
	return &Pinned{store: s, block: b, runs: b.runs, batches: b.batches}, true
}

// Drop drops a block. It may be unknown.
func (s *Store) Drop(id BlockID) {
	h := s.shard(id)
	h.mu.Lock()
	b, ok := h.blocks[id]
	if !ok {
		h.mu.Unlock()
		return
	}
	last := h.remove(b)
	h.mu.Unlock()
	s.dropped(b, last)
}

// DropWhere drops the blocks for which f is true.
func (s *Store) DropWhere(f func(BlockID) bool) {
	type gone struct {
		b    *block
		last bool
	}
	for i := range s.shards {
		h := &s.shards[i]
		var all []gone
		h.mu.Lock()
		for id, b := range h.blocks {
			if f(id) {
				all = append(all, gone{b, h.remove(b)})
			}
		}
		h.mu.Unlock()
		for _, g := range all {
			s.dropped(g.b, g.last)
		}
	}
	s.victims()
}

// remove makes a block absent to others and reports whether the caller is the last to
// know it, and is to destroy it: else the last reader is, or who spills or loads it
// (B4).
func (h *shard) remove(b *block) (last bool) {
	delete(h.blocks, b.id)
	b.state = deleting
	return !b.busy && b.pins == 0
}

func (s *Store) dropped(b *block, last bool) {
	s.ranks.remove(b)
	if last {
		s.destroy(b)
	}
}

// destroy gives back all that a block has. Nobody else knows it any more.
func (s *Store) destroy(b *block) (freed int64) {
	s.ranks.remove(b)
	h := s.shard(b.id)
	h.mu.Lock() // order may know it still
	c := b.cost
	if b.known {
		n := int64(0)
		if b.batches != nil {
			n = b.bytes.Load()
		}
		s.usages.count(b, -n, -b.stored(), 0)
	}
	b.batches, b.cost = nil, cost{}
	h.mu.Unlock()
	freed = s.release(c)
	var file File
	s.mu.Lock()
	if b.out.blocks--; b.out.blocks == 0 {
		file, b.out.file = b.out.file, nil
	}
	s.mu.Unlock()
	if file != nil {
		_ = file.Close() // it is scratch: there is nothing to save
	}
	return freed
}

// charge pays for a batch that a block is about to hold besides those in has. It
// reports false when there is no room.
func (s *Store) charge(has *cost, x resident, bytes int64) bool {
	more := *has
	more.shares = more.shares[:len(more.shares):len(more.shares)]
	more.add(x, bytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := bytes
	fresh := more.shares[len(has.shares):]
	for _, x := range fresh {
		if s.shares[x] == 0 {
			n += x.bytes()
		}
	}
	if !s.memory.TryGrow(n) {
		return false
	}
	for _, x := range fresh {
		if s.shares[x]++; s.shares[x] == 1 && x.region != nil {
			x.region.Hold()
			x.region.Settle()
		}
	}
	*has = more
	return true
}

// release gives back what charge paid and returns how much that was.
func (s *Store) release(c cost) int64 {
	n := c.bytes
	var over []*memory.Region
	s.mu.Lock()
	for _, x := range c.shares {
		if s.shares[x]--; s.shares[x] > 0 {
			continue
		}
		n += x.bytes()
		delete(s.shares, x)
		if x.region != nil {
			over = append(over, x.region)
		}
	}
	s.mu.Unlock()
	for _, r := range over { // before others may use as much
		r.Release()
	}
	s.memory.Shrink(n)
	return n
}

// Bytes returns the bytes that blocks hold in memory, Spilled those that were
// written to disk so far.
func (s *Store) Bytes() int64   { return s.memory.Held() }
func (s *Store) Spilled() int64 { return s.spilled.Load() }

// Len returns the number of blocks.
func (s *Store) Len() int {
	n := 0
	for i := range s.shards {
		s.shards[i].mu.Lock()
		n += len(s.shards[i].blocks)
		s.shards[i].mu.Unlock()
	}
	return n
}

// Close drops every block and gives the store's reservation back. Nobody may
// write or read any more.
func (s *Store) Close() {
	s.stop()
	s.ended.Wait()
	s.DropWhere(func(BlockID) bool { return true })
	s.memory.Close()
}
