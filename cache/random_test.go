package cache_test

import (
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
)

var (
	operations = flag.Int("operations", 60_000, "how many operations TestRandom does on blocks")
	seed       = flag.Uint64("seed", 0, "what TestRandom is random from; 0 is the time")
)

const (
	workers = 64
	phases  = 20
	keeps   = 40 // blocks that a worker has at most
	most    = 7  // partitions of a map output
)

// crowd is many workers on one store.
type crowd struct {
	t       *testing.T
	store   *cache.Store
	shared  *columnar.Dictionary
	workers [workers]*worker

	evicted, dropped, found, late atomic.Int64
}

// worker puts blocks, and knows what is in those that are its own.
type worker struct {
	*crowd
	r      *rand.Rand
	memory memory.Reservation // pays for regions until the store does
	job    int
	next   int
	rows   map[cache.BlockID]int
	ids    []cache.BlockID
	pins   []pin
	newest atomic.Int64
}

// pin is a block that is read later, when it may be gone for others.
type pin struct {
	*cache.Pinned
	id   cache.BlockID
	rows int // -1: not known
}

// first is the first number of a block; those of two blocks never meet.
func first(id cache.BlockID) int64 {
	return int64(id.Job)<<44 | int64(id.Map)<<17 | int64(id.Partition)<<14
}

// TestRandom puts, gets, pins, evicts and deletes blocks at random from 64
// goroutines: no promised block is lost, none is ever seen changed, also after it
// was deleted or evicted while it was pinned, and what the store has counted is
// what its blocks hold. Blocks lie in regions, shared ones too, or on the heap:
// every row of whatever is got is looked at, and the invariants build tag poisons
// regions that were given back.
func TestRandom(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d -operations %d", *seed, *operations)
	live, _ := memory.SlabBytes()
	broker, space := memory.NewBroker(32<<20), spill.NewSpace(t.TempDir())
	c := &crowd{t: t, store: cache.NewStore(broker, "blocks", disk{space}),
		shared: &columnar.Dictionary{Values: columnar.Vector{Type: columnar.StringType, Len: 1, Data: make([]byte, 8), Bytes: make([]byte, 1<<10)}}}
	for i := range c.workers {
		c.workers[i] = &worker{crowd: c, r: rand.New(rand.NewPCG(*seed, uint64(i))), job: i, rows: map[cache.BlockID]int{}, memory: broker.Reserve("worker", 0)}
	}
	for range phases {
		c.all(func(w *worker) {
			n := *operations / workers / phases
			for i := range n {
				if i == n/2 && w.job == 0 { // however few operations there are
					w.evict()
				}
				w.step()
			}
			w.finish(0)
		})
		c.counted()
	}
	if c.evicted.Load() == 0 || c.dropped.Load() == 0 || c.found.Load() == 0 || c.late.Load() == 0 || c.store.Spilled() == 0 {
		t.Errorf("%d bytes evicted, %d blocks dropped, %d of others read, %d read after they were dropped, %d bytes spilled",
			c.evicted.Load(), c.dropped.Load(), c.found.Load(), c.late.Load(), c.store.Spilled())
	}
	t.Logf("%d MiB spilled, %d MiB of them by eviction, %d blocks of others read, %d read after they were dropped", c.store.Spilled()>>20, c.evicted.Load()>>20, c.found.Load(), c.late.Load())
	c.all(func(w *worker) {
		for len(w.ids) > 0 {
			w.drop(0)
		}
	})
	c.store.DropWhere(func(cache.BlockID) bool { return true }) // those of memory alone
	c.counted()
	if c.store.Bytes() != 0 || c.store.Len() != 0 || space.Live() != 0 {
		t.Errorf("%d blocks of %d bytes, %d on disk at the end", c.store.Len(), c.store.Bytes(), space.Live())
	}
	c.store.Close()
	for _, w := range c.workers {
		w.memory.Close()
	}
	if now, _ := memory.SlabBytes(); broker.Reserved() != 0 || now != live {
		t.Errorf("%d reserved, %d of slabs at the end", broker.Reserved(), now-live)
	}
	if err := space.Close(); err != nil {
		t.Error(err)
	}
}

// all lets all workers do something at once.
func (c *crowd) all(f func(w *worker)) {
	var wg sync.WaitGroup
	for _, w := range c.workers {
		wg.Go(func() { f(w) })
	}
	wg.Wait()
}

// counted compares what the store has counted with what its blocks hold, when
// nobody works on it but, for a moment, its own relief.
func (c *crowd) counted() {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); c.store.Bytes() != c.store.Counted(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("the store counts %d bytes, its blocks hold %d", c.store.Bytes(), c.store.Counted())
		}
	}
}

// step is one operation.
func (w *worker) step() {
	switch k := w.r.IntN(100); {
	case k < 10:
		w.put()
	case k < 50 && len(w.ids) > 0: // its own: it must be there
		id := w.ids[w.r.IntN(len(w.ids))]
		p, ok := w.store.Get(id)
		if !ok {
			w.t.Errorf("%s is lost", id)
			return
		}
		w.read(pin{p, id, w.rows[id]})
	case k < 70: // another's: it may be deleted at any time
		o := w.workers[w.r.IntN(workers)]
		id := cache.BlockID{Job: o.job, Map: int(o.newest.Load())}
		if p, ok := w.store.Get(id); ok {
			w.found.Add(1)
			if w.r.IntN(3) > 0 {
				w.read(pin{p, id, -1})
			} else {
				w.pins = append(w.pins, pin{p, id, -1})
				w.finish(4)
			}
		}
	case k < 80 && len(w.ids) > 0: // pin one, read it later, perhaps after it was deleted
		i := w.r.IntN(len(w.ids))
		id := w.ids[i]
		p, ok := w.store.Get(id)
		if !ok {
			w.t.Errorf("%s is lost", id)
			return
		}
		w.pins = append(w.pins, pin{p, id, w.rows[id]})
		if w.r.IntN(2) == 0 {
			w.late.Add(1)
			w.drop(i)
		}
		w.finish(4)
	case k < 90 && len(w.ids) > 0:
		w.drop(w.r.IntN(len(w.ids)))
	case k == 99 && w.r.IntN(400) == 0:
		w.evict()
	default:
		w.finish(max(0, len(w.pins)-1))
	}
}

// put makes the blocks of a map output, now and then large ones, of memory alone
// or on disk at once.
func (w *worker) put() {
	w.next++
	id, level := cache.BlockID{Job: w.job, Map: w.next}, cache.MemoryAndDisk
	switch w.r.IntN(100) {
	case 0:
		level = cache.DiskOnly
	case 1, 2:
		level = cache.MemoryOnly
	}
	partitions := 1 + w.r.IntN(most)
	out := w.store.NewWriter(id, partitions, level)
	out.Encoded = w.r.IntN(4) == 0
	into := &lodging{}
	if w.r.IntN(8) == 0 {
		into = w.lodge(partitions)
	}
	defer into.close()
	rows := make([]int, partitions)
	for p := range rows {
		id.Partition = p
		if err := w.fill(out, into, id, &rows[p]); err != nil {
			out.Abort()
			if level != cache.MemoryOnly || diag.ClassOf(err) != diag.MemoryLimit {
				w.t.Error(err)
			}
			return
		}
	}
	if w.r.IntN(50) == 0 {
		out.Abort()
		return
	}
	if err := out.Commit(); err != nil {
		w.t.Error(err)
	}
	if level == cache.MemoryOnly {
		return // anybody may drop it
	}
	for id.Partition = range rows {
		w.rows[id] = rows[id.Partition]
		w.ids = append(w.ids, id)
	}
	w.newest.Store(int64(id.Map))
	for len(w.ids) > keeps {
		w.drop(w.r.IntN(len(w.ids)))
	}
}

// lodging is a region that the batches of a map output are put into one behind the
// other, as the sink of an exchange does; without one they are on the heap.
type lodging struct {
	region *memory.Region
	left   []byte
}

// lodge makes a region that the batches of most map outputs fit in, now and then one
// that other processes may map. Where memory has no room it is small.
func (w *worker) lodge(partitions int) *lodging {
	x, _ := memory.NewRegion(partitions*8<<10, 8<<10, w.memory, w.r.IntN(50) == 0)
	return &lodging{x, x.Bytes()}
}

func (l *lodging) close() {
	if l.region != nil {
		l.region.Release()
	}
}

// move puts a batch's numbers into the region, if they fit, and returns that.
func (l *lodging) move(b *columnar.Batch) *memory.Region {
	if need := len(b.Cols) * 8 * b.Rows; l.region == nil || need > len(l.left) {
		return nil
	}
	for i := range b.Cols {
		v := &b.Cols[i]
		n := copy(l.left, v.Data)
		v.Data, v.Stable, l.left = l.left[:n:n], false, l.left[(n+7)&^7:]
	}
	return l.region
}

// fill appends a batch or two to a block and counts their rows.
func (w *worker) fill(out *cache.Writer, into *lodging, id cache.BlockID, rows *int) error {
	sizes := []int{1 + w.r.IntN(60), 1 + w.r.IntN(900)}[:1+w.r.IntN(2)]
	if w.r.IntN(200) == 0 {
		sizes[0] = 8000
	}
	named := w.r.IntN(8) == 0
	for _, n := range sizes {
		b := ints(first(id)+int64(*rows), n)
		second, width := b.Cols[0], 8
		if named {
			second, width = coded(n, w.shared).Cols[0], 4
		}
		b = &columnar.Batch{Rows: n, Cols: append(b.Cols, second)}
		b.Schema = columnar.NewSchema(columnar.Field{Name: "a", Type: b.Cols[0].Type}, columnar.Field{Name: "b", Type: second.Type})
		var err error
		if region := into.move(b); region != nil {
			err = out.AppendIn(w.t.Context(), region, id.Partition, b, nil)
		} else {
			err = out.Append(w.t.Context(), id.Partition, b, int64(n*(8+width)))
		}
		if err != nil {
			return err
		}
		*rows += n
	}
	return nil
}

func (w *worker) evict() {
	w.evicted.Add(w.store.Reclaim(w.t.Context(), 1+w.r.Int64N(1<<20)))
}

func (w *worker) drop(i int) {
	id := w.ids[i]
	w.ids[i] = w.ids[len(w.ids)-1]
	w.ids = w.ids[:len(w.ids)-1]
	delete(w.rows, id)
	w.store.Drop(id)
	w.dropped.Add(1)
}

// finish reads what is pinned, the oldest first, until n pins are left.
func (w *worker) finish(n int) {
	for ; len(w.pins) > n; w.pins = w.pins[1:] {
		w.read(w.pins[0])
	}
}

// read reads a block and unpins it.
func (w *worker) read(p pin) {
	defer p.Close()
	if n := read(w.t, p.Pinned, first(p.id)); p.rows >= 0 && n != p.rows {
		w.t.Errorf("%s has %d rows, want %d", p.id, n, p.rows)
	}
}
