package cache

import "sync"

// Datasets are the partitions of cached datasets that an executor holds. The blocks
// of a partition are its columns: each leaves memory, and comes back, by itself. It is
// safe for concurrent use.
type Datasets struct {
	Store *Store

	mu    sync.Mutex
	parts map[[2]int]*Part // by dataset and partition
	ended map[int]bool     // datasets whose last tasks may still run
}

// Part is what is known of a partition beside its rows. It is not changed.
type Part struct {
	Sizes  []int      // rows of each batch
	Bounds [][]Bounds // by batch and column
	Rows   int64
	Bytes  int64 // of all columns in memory
}

// Bounds are the least and the greatest value of a column in a batch, as the values
// of literals; nil where that is not known.
type Bounds struct{ Min, Max any }

// NewDatasets returns the datasets that a store has blocks of: none.
func NewDatasets(s *Store) *Datasets {
	return &Datasets{Store: s, parts: map[[2]int]*Part{}, ended: map[int]bool{}}
}

// ColumnID names the block of a column of a partition. Job 0 is nobody's.
func ColumnID(dataset, partition, column int) BlockID {
	return BlockID{Exchange: dataset, Map: partition, Partition: column}
}

// Part returns what is known of a partition, whose columns may be here or not.
func (d *Datasets) Part(dataset, partition int) (*Part, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.parts[[2]int{dataset, partition}]
	return p, ok
}

// Put makes a partition known once its blocks are committed. It reports false when
// the dataset has been ended: then its blocks are dropped.
func (d *Datasets) Put(dataset, partition int, p *Part) bool {
	d.mu.Lock()
	ended := d.ended[dataset]
	if !ended {
		d.parts[[2]int{dataset, partition}] = p
	}
	d.mu.Unlock()
	if ended {
		d.drop(dataset)
	}
	return !ended
}

// End drops a dataset.
func (d *Datasets) End(dataset int) {
	d.mu.Lock()
	d.ended[dataset] = true
	for k := range d.parts {
		if k[0] == dataset {
			delete(d.parts, k)
		}
	}
	d.mu.Unlock()
	d.drop(dataset)
}

func (d *Datasets) drop(dataset int) {
	d.Store.DropWhere(func(id BlockID) bool { return id.Job == 0 && id.Exchange == dataset })
}
