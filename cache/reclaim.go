package cache

import "context"

// Wake implements memory.Reclaimer.
func (s *Store) Wake() { s.relief.Wake() }

// Reclaim implements memory.Reclaimer: it writes blocks that nobody reads to disk,
// or drops those of memory alone, until n bytes are free: those of datasets as their
// policy says, then the oldest. It returns fewer when there are none, the device
// fails or ctx ends: blocks that could not be written stay.
// Blocks that are being written cannot be taken.
func (s *Store) Reclaim(ctx context.Context, n int64) (freed int64) {
	return s.reclaim(ctx, n, false)
}

// background is a store that is asked when nobody waits for the answer: rather than to
// let blocks leave that are worth more, it asks those who write the others for theirs.
type background struct{ *Store }

// Reclaim implements memory.Reclaimer.
func (s background) Reclaim(ctx context.Context, n int64) int64 { return s.reclaim(ctx, n, true) }

func (s *Store) reclaim(ctx context.Context, n int64, patient bool) (freed int64) {
	n = max(n, min(leastReclaim, s.memory.Held()/4))
	tried, coming := map[*block]bool{}, int64(0)
	for freed+coming < n {
		room := freed + coming
		victims := s.ranks.victims(func(b *block) (taken, more bool) {
			if tried[b] { // it is read, or was gone
				return false, true
			}
			room += b.bytes.Load()
			return true, room < n
		})
		if len(victims) == 0 {
			break
		}
		for _, b := range victims {
			tried[b] = true
			if patient {
				if m := s.ask(b); m > 0 {
					coming += m
					continue
				}
			}
			got, err := s.evict(ctx, b)
			if freed += got; err != nil || ctx.Err() != nil {
				return freed
			}
		}
	}
	for _, b := range s.victims() {
		if freed+coming >= n || ctx.Err() != nil {
			break
		}
		got, err := s.evict(ctx, b)
		if err != nil {
			break
		}
		freed += got
	}
	return freed
}

// ask asks the writer of a block, if it is being written, for the memory that it has,
// and returns how much that is of this block. It gives it with the next batch; what it
// commits before can be taken.
func (s *Store) ask(b *block) (bytes int64) {
	h := s.shard(b.id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if b.state != writing {
		return 0
	}
	b.out.wanted.Store(true)
	return b.bytes.Load()
}

// victims lists the blocks that have memory, oldest first, and forgets others.
func (s *Store) victims() []*block {
	s.mu.Lock()
	all := append([]*block{}, s.order...)
	s.mu.Unlock()
	gone := map[*block]bool{}
	for _, b := range all {
		h := s.shard(b.id)
		h.mu.Lock()
		if b.batches == nil || b.state == deleting {
			gone[b] = true
		}
		h.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := s.order[:0]
	for _, b := range s.order {
		if !gone[b] {
			keep = append(keep, b)
		}
	}
	clear(s.order[len(keep):])
	s.order = keep
	return append([]*block{}, keep...)
}

// evict takes a block's memory away and returns how much that was.
func (s *Store) evict(ctx context.Context, b *block) (freed int64, err error) {
	h := s.shard(b.id)
	h.mu.Lock()
	if b.state == writing {
		h.mu.Unlock()
		return 0, nil
	}
	if b.state != ready || b.pins > 0 || b.batches == nil || b.level == MemoryAndDisk && s.disk == nil {
		gone := b.state == deleting || b.batches == nil
		h.mu.Unlock()
		if gone {
			s.ranks.remove(b)
		}
		return 0, nil
	}
	if b.spare != nil { // it came back from disk
		c := s.shed(b)
		h.mu.Unlock()
		s.ranks.remove(b)
		return s.release(c), nil
	}
	if b.level == MemoryOnly {
		h.remove(b)
		s.usages.count(b, 0, 0, 1)
		h.mu.Unlock()
		return s.destroy(b), nil
	}
	b.state, b.busy = spilling, true
	batches := b.batches // readers that come now have them
	h.mu.Unlock()

	run := s.newRun(b)
	for _, x := range batches {
		if err = x.put(ctx, run); err != nil {
			break
		}
	}
	s.spilled.Add(run.Stored())

	h.mu.Lock()
	b.busy = false
	switch {
	case b.state == deleting:
		last := b.pins == 0
		h.mu.Unlock()
		if last {
			return s.destroy(b), err
		}
		return 0, err
	case err != nil: // it stays in memory, and the run is never read (B3)
		b.state = ready
		h.mu.Unlock()
		run.Drop()
		return 0, err
	}
	b.state, b.spare = ready, run
	s.usages.count(b, 0, run.Stored(), 0)
	if b.leaves = b.pins > 0; b.leaves {
		h.mu.Unlock()
		return 0, nil
	}
	c := s.shed(b)
	h.mu.Unlock()
	s.ranks.remove(b)
	return s.release(c), nil
}

// shed takes the memory away from a block that is all on disk. Its shard is
// locked.
func (s *Store) shed(b *block) cost {
	s.usages.count(b, -b.bytes.Load(), 0, 1)
	c := b.cost
	b.runs = append(b.runs[:len(b.runs):len(b.runs)], b.spare) // readers have the old list
	b.batches, b.cost, b.spare, b.leaves = nil, cost{}, nil, false
	return c
}

// newRun opens a run in the file of a block's map output.
func (s *Store) newRun(b *block) Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := b.out
	if o.file == nil {
		o.file = s.disk.NewFile(o.id, o.partitions)
	}
	return o.file.NewRun(b.id.Partition)
}
