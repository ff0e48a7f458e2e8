package front

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/millrace-engine/millrace/columnar/memory"
)

// Kind is what a value is, for statistics.
type Kind string

// The kinds.
const (
	Footer    Kind = "footer"
	PageIndex Kind = "page index"
)

// Mode says how a cache works.
type Mode string

// On keeps values, Off none. Lossy, for tests, takes them in and drops them at once.
const (
	On    Mode = "on"
	Off   Mode = "off"
	Lossy Mode = "lossy"
)

// share is the part of the budget that values take at most.
const share = 8

// Cache keeps values. The zero value and a nil one keep nothing until Attach. It is safe
// for concurrent use.
type Cache struct {
	mu     sync.Mutex
	mode   Mode
	broker *memory.Broker
	memory memory.Reservation
	items  map[string]*item
	counts map[Kind]*Stats
	policy *ristretto.Cache[string, *item] // made by the first Put
	relief memory.Relief
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

// item is a value with its key.
type item struct {
	key   string
	kind  Kind
	value any
	bytes int64
}

// Stats are what happened to values of a kind so far, and what there is of them now.
type Stats struct {
	Kind                           Kind
	Hits, Misses, Evicted, Dropped int64 // dropped: not taken in
	Items, Bytes                   int64
}

var _ memory.Reclaimer = (*Cache)(nil)

// Attach lets a cache that keeps nothing use a broker's memory. Close ends it.
func (c *Cache) Attach(b *memory.Broker, mode Mode) {
	if mode == Off {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode, c.broker, c.items, c.counts, c.relief = mode, b, map[string]*item{}, map[Kind]*Stats{}, memory.NewRelief()
}

// count returns the statistics of a kind. c.mu is held.
func (c *Cache) count(k Kind) *Stats {
	s := c.counts[k]
	if s == nil {
		s = &Stats{Kind: k}
		c.counts[k] = s
	}
	return s
}

// Get returns the value of a key. It is shared: nobody changes it.
func Get[T any](c *Cache, k Kind, key string) (value T, ok bool) {
	if c == nil {
		return value, false
	}
	c.mu.Lock()
	if c.items == nil {
		c.mu.Unlock()
		return value, false
	}
	i, s := c.items[key], c.count(k)
	if i != nil {
		value, ok = i.value.(T)
	}
	if ok {
		s.Hits++
	} else {
		s.Misses++
	}
	policy := c.policy
	c.mu.Unlock()
	policy.Get(key) // it counts what is asked for
	return value, ok
}

// Put takes in a value of so many bytes, if there is room that nobody needs. What is
// known already stays.
func (c *Cache) Put(k Kind, key string, value any, bytes int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	if c.items == nil || c.items[key] != nil {
		c.mu.Unlock()
		return
	}
	if c.policy == nil && !c.begin() {
		c.mu.Unlock()
		return
	}
	i := &item{key, k, value, bytes}
	if !c.memory.TryGrow(bytes) {
		c.count(k).Dropped++
		c.mu.Unlock()
		return
	}
	c.items[key] = i
	s, policy, lossy := c.count(k), c.policy, c.mode == Lossy
	s.Items, s.Bytes = s.Items+1, s.Bytes+bytes
	c.mu.Unlock()
	if lossy || !policy.Set(key, i, bytes) {
		c.drop(i)
	}
}

// begin makes the policy. c.mu is held.
func (c *Cache) begin() bool {
	most := max(1, c.broker.Budget()/share)
	policy, err := ristretto.NewCache(&ristretto.Config[string, *item]{
		NumCounters: min(max(most>>10, 1<<12), 1<<18), MaxCost: most, BufferItems: 64, IgnoreInternalCost: true, OnExit: c.drop})
	if err != nil {
		return false
	}
	ctx, stop := context.WithCancel(context.Background())
	c.policy, c.stop, c.memory = policy, stop, c.broker.Store("front", c)
	c.ended.Go(func() { c.relief.Run(ctx, c.broker, c) })
	return true
}

// drop takes an item out that the policy wants no more, unless it is out.
func (c *Cache) drop(i *item) {
	if i == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[i.key] == i {
		c.remove(i)
	}
}

// remove takes an item out. c.mu is held.
func (c *Cache) remove(i *item) {
	delete(c.items, i.key)
	s := c.count(i.kind)
	s.Items, s.Bytes, s.Evicted = s.Items-1, s.Bytes-i.bytes, s.Evicted+1
	c.memory.Shrink(i.bytes)
}

// Wake implements memory.Reclaimer.
func (c *Cache) Wake() { c.relief.Wake() }

// Reclaim implements memory.Reclaimer: it drops items, whichever they are, since all of
// them together are small.
func (c *Cache) Reclaim(_ context.Context, n int64) (freed int64) {
	var gone []*item
	c.mu.Lock()
	for _, i := range c.items {
		if freed >= n {
			break
		}
		c.remove(i)
		freed += i.bytes
		gone = append(gone, i)
	}
	policy := c.policy
	c.mu.Unlock()
	for _, i := range gone { // it counts what we hold
		policy.Del(i.key)
	}
	return freed
}

// Stats tells what happened so far, by kind.
func (c *Cache) Stats() (out []Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.counts {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Stats) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return out
}

// Close drops everything; later the cache keeps nothing. It is idempotent.
func (c *Cache) Close() {
	c.mu.Lock()
	policy, reservation := c.policy, c.memory
	for _, i := range c.items {
		c.remove(i)
	}
	c.items, c.policy, c.memory = nil, nil, nil
	c.mu.Unlock()
	if policy == nil {
		return
	}
	c.stop()
	c.ended.Wait()
	policy.Close()
	reservation.Close()
}
