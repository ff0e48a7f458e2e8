package cache

import (
	"maps"
	"sync"

	"github.com/millrace-engine/millrace/columnar/memory"
)

// Datasets are the partitions of cached datasets that an executor holds. The blocks
// of a partition are its columns: each leaves memory, and comes back, by itself. It is
// safe for concurrent use.
type Datasets struct {
	Store *Store

	mu    sync.Mutex
	parts map[[2]int]*Part // by dataset and partition
	ended map[int]bool     // datasets whose last tasks may still run
	needs map[[2]int]*need // of partitions that found no room
	last  int              // attempt
}

// Part is what is known of a partition beside its rows. It is not changed.
type Part struct {
	Attempt int        // tells its blocks from those of other runs, whose rows may lie in another order
	Sizes   []int      // rows of each batch
	Bounds  [][]Bounds // by batch and column
	Rows    int64
	Bytes   int64 // of all columns in memory
}

// Bounds are the least and the greatest value of a column in a batch, as the values
// of literals; nil where that is not known.
type Bounds struct{ Min, Max any }

// NewDatasets returns the datasets that a store has blocks of: none.
func NewDatasets(s *Store) *Datasets {
	return &Datasets{Store: s, parts: map[[2]int]*Part{}, ended: map[int]bool{}, needs: map[[2]int]*need{}}
}

// ColumnID names the block of a column of a partition, as an attempt of the executor
// made it. Job 0 is nobody's.
func ColumnID(dataset, partition, attempt, column int) BlockID {
	return BlockID{Exchange: dataset, Map: partition, Attempt: attempt, Partition: column}
}

// Attempt returns a number that no other partition on this executor has.
func (d *Datasets) Attempt() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	return d.last
}

// Drop drops a partition, unless it is another one by now.
func (d *Datasets) Drop(dataset, partition int, p *Part) {
	k := [2]int{dataset, partition}
	d.mu.Lock()
	if d.parts[k] == p {
		delete(d.parts, k)
	}
	d.mu.Unlock()
	d.dropAttempt(dataset, partition, p.Attempt)
}

func (d *Datasets) dropAttempt(dataset, partition, attempt int) {
	d.Store.DropWhere(func(id BlockID) bool {
		return id.Job == 0 && id.Exchange == dataset && id.Map == partition && id.Attempt == attempt
	})
}

// Part returns what is known of a partition, whose columns may be here or not.
func (d *Datasets) Part(dataset, partition int) (*Part, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.parts[[2]int{dataset, partition}]
	return p, ok
}

// Put makes a partition known once its blocks are committed. It reports false when
// it is another one already, or the dataset has been ended: then its blocks are dropped.
func (d *Datasets) Put(dataset, partition int, p *Part) bool {
	k := [2]int{dataset, partition}
	d.mu.Lock()
	known := d.parts[k]
	fits := !d.ended[dataset] && (known == nil || known == p)
	if fits {
		d.parts[k] = p
	}
	d.mu.Unlock()
	if !fits && known != p {
		d.dropAttempt(dataset, partition, p.Attempt)
	}
	return fits
}

// leastRoom is the room that a partition needs to begin with.
const leastRoom = 1 << 20

// need is what a partition needs that found no room. What is free may be too little
// again, since others want it at the same time: so it is tried more and more rarely.
type need struct {
	bytes         int64
	refused, wait int // how often it found none, and how often it is not to be tried
}

// longestWait bounds how often a partition is passed over between two tries.
const longestWait = 32

// Refused notes that n bytes of a partition found no room.
func (d *Datasets) Refused(dataset, partition int, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := [2]int{dataset, partition}
	x := d.needs[k]
	if x == nil {
		x = &need{}
		d.needs[k] = x
	}
	x.bytes, x.refused = n, x.refused+1
	x.wait = min(1<<x.refused, longestWait)
}

// Room reports whether a partition should be kept in memory now: whether there is room,
// as far as is known, and it was not refused lately.
func (d *Datasets) Room(dataset, partition int) bool {
	d.mu.Lock()
	n := int64(0)
	if x := d.needs[[2]int{dataset, partition}]; x != nil {
		if x.wait > 0 {
			x.wait--
			d.mu.Unlock()
			return false
		}
		n = x.bytes
	}
	d.mu.Unlock()
	return memory.Room(d.Store.memory, int(max(leastRoom, 2*n)))
}

// End drops a dataset.
func (d *Datasets) End(dataset int) {
	d.mu.Lock()
	d.ended[dataset] = true
	maps.DeleteFunc(d.parts, func(k [2]int, _ *Part) bool { return k[0] == dataset })
	maps.DeleteFunc(d.needs, func(k [2]int, _ *need) bool { return k[0] == dataset })
	for _, x := range d.needs { // there may be room now
		x.refused, x.wait = 0, 0
	}
	d.mu.Unlock()
	d.drop(dataset)
	d.Store.usages.forget(dataset)
}

func (d *Datasets) drop(dataset int) {
	d.Store.DropWhere(func(id BlockID) bool { return id.Job == 0 && id.Exchange == dataset })
}
