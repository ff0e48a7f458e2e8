package driver

import (
	"maps"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/plan/physical"
)

// copies are partitions of cached datasets on their way to more executors:
//
//	computed, or one that had it is lost ──► due ──► on the way (maxCopies) ──► held there, too
type copies struct {
	due   bool // some partition may have fewer holders than it should
	moves map[copyID]exec.ExecutorID
	tries map[copyID]int
}

type copyID struct {
	block cache.BlockID
	to    exec.ExecutorID
}

// maxCopies bounds the partitions on the way at a time.
const maxCopies = 4

// watchCopies begins to copy partitions that have fewer holders than their level says,
// to executors that hold least of the dataset.
func (d *Driver) watchCopies() {
	c := &d.copies
	backend, ok := d.Backend.(cluster.Migrating)
	if !c.due || !ok || len(d.sizes) < 2 {
		return
	}
	c.due = false
	for _, s := range d.Datasets.replicated() {
		for p := range d.Datasets.Registry.Size(s.ID).Partitions {
			holders, attempts := d.Datasets.Registry.Holders(s.ID, p)
			if len(holders) == 0 {
				continue
			}
			has, from := map[exec.ExecutorID]bool{}, -1
			for i, h := range holders {
				if d.sizes[exec.ExecutorID(h)] > 0 {
					has[exec.ExecutorID(h)], from = true, i
				}
			}
			if from < 0 { // who has it leaves, and sees to it
				continue
			}
			for id, to := range c.moves {
				if id.block.Exchange == s.ID && id.block.Map == p {
					has[to] = true
				}
			}
			for len(has) < s.Storage.Replicas {
				x := copyOf(s, p, holders[from], attempts[from])
				to := d.target(s.ID, has, func(e exec.ExecutorID) bool { return c.tries[copyID{x.Block(), e}] < maxTries })
				if to == "" {
					break
				}
				if len(c.moves) >= maxCopies {
					c.due = true
					return
				}
				x.To = to
				has[to] = true
				c.moves[copyID{x.Block(), to}] = to
				backend.Move(x)
			}
		}
	}
}

// copyOf is the move of a partition of a dataset.
func copyOf(s *physical.Dataset, partition int, from string, attempt int) cluster.Move {
	x := cluster.Move{Exchange: s.ID, Schema: s.Origin.Schema(), Storage: &s.Storage}
	x.Output.Map, x.Output.Attempt, x.Output.Executor = partition, attempt, from
	return x
}

// target returns the executor that is to have a copy, "" if there is none.
func (d *Driver) target(dataset int, has map[exec.ExecutorID]bool, ok func(exec.ExecutorID) bool) (to exec.ExecutorID) {
	held := d.Datasets.Registry.Held(dataset)
	for id, e := range d.copies.moves {
		if id.block.Exchange == dataset {
			held[string(e)]++
		}
	}
	for _, e := range slices.Sorted(maps.Keys(d.sizes)) {
		if !has[e] && ok(e) && (to == "" || held[string(e)] < held[string(to)]) {
			to = e
		}
	}
	return to
}

// copied takes in the end of a copy.
func (d *Driver) copied(r *cluster.Report) {
	c, m := &d.copies, r.Moved
	id := copyID{m.Block(), m.To}
	delete(c.moves, id)
	c.due = true
	if r.Failure != nil {
		c.tries[id]++
		return
	}
	delete(c.tries, id)
	d.held(r)
}

// held takes in that an executor has a copy of a partition.
func (d *Driver) held(r *cluster.Report) {
	d.kept(r)
	d.Bus.Publish(event.Event{Kind: event.PartitionCopied, Time: time.Now(), Dataset: r.Moved.Exchange, Task: r.Moved.Output.Map, Executor: string(r.Executor)})
}

// lostCopies forgets what was on the way to an executor that is lost. What it held may
// have too few holders now, and there may be room where there was none.
func (d *Driver) lostCopies(id exec.ExecutorID) {
	maps.DeleteFunc(d.copies.moves, func(_ copyID, to exec.ExecutorID) bool { return to == id })
	clear(d.copies.tries)
	d.copies.due = true
}

// leaveDatasets starts moves of partitions of datasets that nobody else holds who
// stays. It reports whether there are more than can be on the way at a time.
func (d *Driver) leaveDatasets(backend cluster.Migrating, id exec.ExecutorID, l *leaving) (more bool) {
	for _, s := range d.Datasets.all() {
		for p := range d.Datasets.Registry.Size(s.ID).Partitions {
			holders, attempts := d.Datasets.Registry.Holders(s.ID, p)
			at := slices.Index(holders, string(id))
			if at < 0 || slices.ContainsFunc(holders, func(h string) bool { return d.sizes[exec.ExecutorID(h)] > 0 }) {
				continue
			}
			x := copyOf(s, p, holders[at], attempts[at])
			if _, underway := l.moves[x.Block()]; underway || l.tries[x.Block()] >= maxTries {
				continue
			}
			if x.To = d.target(s.ID, nil, func(exec.ExecutorID) bool { return true }); x.To == "" {
				return false // nobody stays: it can be computed again
			}
			if len(l.moves) >= maxMoves {
				return true
			}
			l.moves[x.Block()] = x.To
			backend.Move(x)
		}
	}
	return false
}
