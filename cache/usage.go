package cache

import (
	"slices"
	"sync"
)

// Usage is what a store holds of a dataset: bytes in memory, without what blocks share,
// and on disk, where a block may lie in both; and how many blocks have left memory so far,
// for the disk or for nothing.
type Usage struct {
	Dataset      int
	Memory, Disk int64
	Evicted      int64
}

// usages are those of a store. Its lock is taken under that of a shard, and none under it.
type usages struct {
	mu  sync.Mutex
	all map[int]*Usage
}

// count adds to what is held of a block's dataset, if it is of one.
func (u *usages) count(b *block, memory, disk, evicted int64) {
	if !b.id.cached() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	x := u.all[b.id.Exchange]
	if x == nil {
		x = &Usage{Dataset: b.id.Exchange}
		u.all[b.id.Exchange] = x
	}
	x.Memory, x.Disk, x.Evicted = x.Memory+memory, x.Disk+disk, x.Evicted+evicted
}

// stored returns the bytes that a block has on disk.
func (b *block) stored() (n int64) {
	for _, r := range b.runs {
		n += r.Stored()
	}
	if b.spare != nil {
		n += b.spare.Stored()
	}
	return n
}

// Usages returns what the store holds of datasets, those of which it has held anything,
// by id.
func (s *Store) Usages() []Usage {
	s.usages.mu.Lock()
	defer s.usages.mu.Unlock()
	out := make([]Usage, 0, len(s.usages.all))
	for _, u := range s.usages.all {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b Usage) int { return a.Dataset - b.Dataset })
	return out
}

// forget drops the numbers of a dataset that has ended, once nothing of it is held.
func (u *usages) forget(dataset int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if x := u.all[dataset]; x != nil && x.Memory == 0 && x.Disk == 0 {
		delete(u.all, dataset)
	}
}
