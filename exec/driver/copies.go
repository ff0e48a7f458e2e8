package driver

import (
	"maps"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/plan/physical"
)

// watchCopies begins to copy partitions of cached datasets that have fewer holders than
// their level says, to executors that hold least of the dataset:
//
//	computed, or one that had it is lost, or leaves ──► due ──► on the way ──► held there, too
//
// Who leaves holds it for the others, until one of them does.
func (d *Driver) watchCopies() {
	backend, ok := d.Backend.(cluster.Migrating)
	if !d.due || !ok {
		d.due = false
		return
	}
	d.due = false
	for _, s := range d.Datasets.all() {
		if s.Storage.Replicas < 2 && len(d.leaving) == 0 {
			continue
		}
		for p := range d.Datasets.Registry.Size(s.ID).Partitions {
			holders, attempts := d.Datasets.Registry.Holders(s.ID, p)
			if len(holders) == 0 {
				continue
			}
			has, from := map[exec.ExecutorID]bool{}, 0
			for i, h := range holders {
				if d.sizes[exec.ExecutorID(h)] > 0 {
					has[exec.ExecutorID(h)], from = true, i
				}
			}
			x := copyOf(s, p, holders[from], attempts[from])
			for id := range d.moves.underway {
				if id.block.Job == 0 && id.block.Exchange == s.ID && id.block.Map == p {
					has[id.to] = true
				}
			}
			for len(has) < max(1, s.Storage.Replicas) && d.moves.tries[tryID{x.Block(), exec.ExecutorID(holders[from])}] < maxTries {
				if x.To = d.target(s.ID, has); x.To == "" {
					break
				}
				if d.moves.from(exec.ExecutorID(holders[from])) >= maxMoves {
					d.due = true
					break
				}
				has[x.To] = true
				d.moves.begin(backend, x)
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
func (d *Driver) target(dataset int, has map[exec.ExecutorID]bool) (to exec.ExecutorID) {
	held := d.Datasets.Registry.Held(dataset)
	for id := range d.moves.underway {
		if id.block.Job == 0 && id.block.Exchange == dataset {
			held[string(id.to)]++
		}
	}
	for _, e := range slices.Sorted(maps.Keys(d.sizes)) {
		if !has[e] && (to == "" || held[string(e)] < held[string(to)]) {
			to = e
		}
	}
	return to
}

// copied takes in the end of a copy.
func (d *Driver) copied(r *cluster.Report) {
	d.due = true
	if r.Failure != nil {
		return
	}
	d.kept(r)
	d.Bus.Publish(event.Event{Kind: event.PartitionCopied, Time: time.Now(), Dataset: r.Moved.Exchange, Task: r.Moved.Output.Map, Executor: string(r.Executor)})
}
