package cache

import (
	"context"
	"slices"
	"sync"
)

// ranks order the blocks of datasets that are in memory: by priority, then by a
// policy for each. Its lock is taken under no other, and none under it.
type ranks struct {
	make_  func() Policy
	mu     sync.Mutex
	levels []*rank // by priority, ascending
	where  map[BlockID]*rank
}

type rank struct {
	priority int
	policy   Policy
	blocks   map[BlockID]*block
}

func newRanks(policy func() Policy) *ranks {
	return &ranks{make_: policy, where: map[BlockID]*rank{}}
}

// begin takes in a block that is being written, unless there is one of its id, which the
// writer's will not replace (B1).
func (r *ranks) begin(b *block, bytes int64, kept bool) {
	r.mu.Lock()
	other := r.where[b.id]
	r.mu.Unlock()
	if other == nil {
		r.add(b, bytes, kept)
	}
}

// add takes in a block that is in memory now.
func (r *ranks) add(b *block, bytes int64, kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := slices.BinarySearchFunc(r.levels, b.priority, func(x *rank, p int) int { return x.priority - p })
	if !ok {
		r.levels = slices.Insert(r.levels, at, &rank{b.priority, r.make_(), map[BlockID]*block{}})
	}
	x := r.levels[at]
	x.policy.Added(Candidate{b.id, bytes, b.made, kept})
	x.blocks[b.id], r.where[b.id] = b, x
}

// read tells that somebody reads a block.
func (r *ranks) read(id BlockID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.where[id]; x != nil {
		x.policy.Read(id)
	}
}

// remove takes a block out that has left memory.
func (r *ranks) remove(b *block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.where[b.id]; x != nil && x.blocks[b.id] == b {
		x.policy.Removed(b.id)
		delete(x.blocks, b.id)
		delete(r.where, b.id)
	}
}

// victims lists blocks that should leave memory, the first one first: those that take
// takes, until it wants no more.
func (r *ranks) victims(take func(*block) (taken, more bool)) (out []*block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	on := true
	for _, x := range r.levels {
		x.policy.Victims(func(id BlockID) bool {
			b := x.blocks[id]
			if b == nil { // the policy names what it was not given
				return true
			}
			var taken bool
			if taken, on = take(b); taken {
				out = append(out, b)
			}
			return on
		})
		if !on {
			break
		}
	}
	return out
}

// makeRoom lets blocks of other datasets leave memory that should do so before those
// of a dataset. It reports whether n bytes became free: else what wants room is worth
// less than what has it. A dataset never takes room from itself.
func (s *Store) makeRoom(ctx context.Context, of *block, n int64) bool {
	room := int64(0)
	victims := s.ranks.victims(func(b *block) (taken, more bool) {
		if room >= n || b.priority > of.priority || b.id.Exchange == of.id.Exchange {
			return false, false
		}
		room += b.bytes.Load()
		return true, true
	})
	freed := int64(0)
	for _, b := range victims {
		got, err := s.evict(ctx, b)
		if freed += got; err != nil || freed >= n {
			break
		}
	}
	return freed >= n
}

// cached reports whether a block is of a dataset.
func (b BlockID) cached() bool { return b.Job == 0 && b.Exchange > 0 }
