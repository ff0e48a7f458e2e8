package driver

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
)

// Datasets are the cached datasets of a session. A dataset's tasks are listed once
// and stay what they are, so that each of its partitions always has the same rows. It
// is safe for concurrent use.
type Datasets struct {
	Registry *cache.Registry

	mu    sync.Mutex
	tasks map[int]*tasks // by dataset
}

// tasks are what the tasks of an origin read, and the least memory that one takes
// for buffers. Leaves are numbered from the scan's.
type tasks struct {
	of      *physical.Dataset
	list    [][]wire.LeafAssignment
	buffers int64
}

// NewDatasets returns the datasets of a session, of which there are none.
func NewDatasets() *Datasets {
	return &Datasets{Registry: cache.NewRegistry(), tasks: map[int]*tasks{}}
}

// Forget ends a dataset. What executors hold of it is dropped by Driver.Forget.
func (d *Datasets) forget(dataset int) {
	d.Registry.End(dataset)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tasks, dataset)
}

// Forget ends a dataset: executors drop what they hold of it.
func (d *Driver) Forget(dataset int) {
	d.Datasets.forget(dataset)
	d.Backend.EndDataset(dataset)
}

// all lists the datasets that have been listed, by id.
func (d *Datasets) all() (out []*physical.Dataset) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(d.tasks)) {
		out = append(out, d.tasks[id].of)
	}
	return out
}

// cached tells of every dataset what is held of it, by id.
func (d *Datasets) cached() (out []event.Cached) {
	for _, s := range d.all() {
		n := d.Registry.Size(s.ID)
		out = append(out, event.Cached{Dataset: s.ID, Name: s.Name, Level: s.Storage.String(), Partitions: n.Partitions, Held: n.Held, Rows: n.Rows,
			MemoryBytes: n.Memory, DiskBytes: n.Disk, Evicted: n.Evicted, Reads: n.Reads, Hits: n.Hits})
	}
	return out
}

// partitions lists the tasks that scan a cached dataset: one per partition, which it
// reads at the scan's leaf, with what its origin reads below.
func (d *Driver) partitions(ctx context.Context, g stage.Driver, o eval.Options) ([][]wire.LeafAssignment, int64, error) {
	id, leaf := g.Scan.Dataset.ID, g.Scan.Leaf
	d.Datasets.mu.Lock()
	t := d.Datasets.tasks[id]
	d.Datasets.mu.Unlock()
	if t == nil {
		t = &tasks{of: g.Scan.Dataset}
		for _, k := range g.Origin {
			list, n, err := d.assignments(ctx, k, o)
			if err != nil {
				return nil, 0, err
			}
			t.list, t.buffers = append(t.list, list...), max(t.buffers, n)
		}
		if len(t.list) == 0 {
			t.list = [][]wire.LeafAssignment{nil}
		}
		for _, leaves := range t.list {
			for i := range leaves {
				leaves[i].Leaf -= leaf
			}
		}
		d.Datasets.mu.Lock()
		if first := d.Datasets.tasks[id]; first != nil { // another query was faster
			t = first
		} else {
			d.Datasets.tasks[id] = t
			d.Datasets.Registry.Begin(id, len(t.list))
		}
		d.Datasets.mu.Unlock()
	}
	out := make([][]wire.LeafAssignment, len(t.list))
	for i, leaves := range t.list {
		holders, attempts := d.Datasets.Registry.Holders(id, i)
		out[i] = append(out[i], wire.LeafAssignment{Leaf: leaf, Part: stage.One(i), Holders: holders, Attempts: attempts})
		for _, l := range leaves {
			l.Leaf += leaf
			out[i] = append(out[i], l)
		}
	}
	return out, t.buffers, nil
}

// kept takes in which partitions of datasets a task has computed and kept, and how many
// blocks it found.
func (d *Driver) kept(r *cluster.Report) {
	for _, u := range r.Usages {
		d.Datasets.Registry.Use(string(r.Executor), u)
	}
	for _, o := range r.Metrics {
		if o.Dataset > 0 {
			d.Datasets.Registry.Read(o.Dataset, o.CacheHits, o.CacheHits+o.CacheDisk+o.CacheFetched+o.CacheMisses)
		}
	}
	d.due = d.due || len(r.Kept) > 0
	for _, k := range r.Kept {
		if !d.Datasets.Registry.Add(k.Dataset, k.Partition, string(r.Executor), k.Attempt, k.Rows, k.Bytes) {
			d.Backend.EndDataset(k.Dataset) // it was forgotten meanwhile
		}
	}
}

// spare reports whether a stage reads an input only if cached rows are gone.
func (d *Driver) spare(in stage.Input) bool {
	for _, id := range in.Datasets {
		if d.Datasets.Registry.Complete(id) {
			return true
		}
	}
	return false
}
