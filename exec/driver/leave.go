package driver

import (
	"maps"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/plan/wire"
)

// defaultDrain bounds the time that an executor takes to leave.
const defaultDrain = 5 * time.Minute

// leaving is an executor that is to leave:
//
//	its tasks end ──► its outputs lie elsewhere ──► who may read them here ends ──► it is retired
//
// Outputs move as soon as they are there. Tasks that were launched before the last of
// them had moved know of the old places, so that these stay until those tasks end.
type leaving struct {
	held    map[[2]int]bool      // jobs and exchanges of which outputs were here
	readers map[exec.TaskID]bool // who may still read here; nil: outputs are to be moved
	jobs    map[int]bool         // and whose tasks were told that partitions of datasets are here
	retired bool
	over    *time.Timer // ends it all
}

// Leave has an executor end once its tasks have, and others hold its outputs. It does
// nothing where executors cannot leave, or if there is none of that name. The only
// executor that jobs have stays until there is another, or they have ended.
func (d *Driver) Leave(id exec.ExecutorID) {
	select {
	case d.inbox <- func() { d.asked[id] = true }:
	case <-d.done:
	}
}

// leave begins what Leave promises.
func (d *Driver) leave(backend cluster.Migrating, id exec.ExecutorID) {
	d.Bus.Publish(event.Event{Kind: event.ExecutorDraining, Time: time.Now(), Executor: string(id)})
	d.strike(id)
	d.stepTasks(nil, task.Event{Drain: &id})
	wait := d.Drain
	if wait == 0 {
		wait = defaultDrain
	}
	l := &leaving{held: map[[2]int]bool{}}
	l.over = time.AfterFunc(wait, func() {
		select {
		case d.inbox <- func() {
			if d.leaving[id] == l {
				backend.Retire(id)
			}
		}:
		case <-d.done:
		}
	})
	d.leaving[id] = l
	d.moves.turnAway(id)
	d.due = true
}

// left forgets an executor that is lost, and what was on the way to it.
func (d *Driver) left(id exec.ExecutorID) {
	if l := d.leaving[id]; l != nil {
		l.over.Stop()
		delete(d.leaving, id)
	}
	d.moves.lose(id)
	d.due = true
}

// watchLeaving does the next step for executors that leave, and for what they, and
// those that are lost, held of datasets.
func (d *Driver) watchLeaving() {
	backend, ok := d.Backend.(cluster.Migrating)
	for _, id := range slices.Sorted(maps.Keys(d.asked)) {
		_, there := d.sizes[id]
		if !ok || !there {
			delete(d.asked, id)
		} else if len(d.sizes) > 1 || len(d.jobs) == 0 {
			delete(d.asked, id)
			d.leave(backend, id)
		}
	}
	d.watchCopies() // whether what leaves is on its way is known then
	for _, id := range slices.Sorted(maps.Keys(d.leaving)) {
		l := d.leaving[id]
		switch {
		case l.retired:
		case l.readers == nil:
			if more := d.move(backend, id, l); !more && !d.due && d.moves.from(id) == 0 && !d.busy(id) {
				l.readers, l.jobs = d.readers(l.held), d.told(id)
				d.Datasets.Registry.Lose(string(id)) // new jobs are not told
			}
		}
		if l.readers == nil || l.retired {
			continue
		}
		maps.DeleteFunc(l.readers, func(t exec.TaskID, _ bool) bool {
			j := d.jobs[t.Job]
			return j == nil || j.running[t] == ""
		})
		maps.DeleteFunc(l.jobs, func(n int, _ bool) bool { return d.jobs[n] == nil || d.jobs[n].ended })
		if len(l.readers)+len(l.jobs) == 0 {
			l.retired = true
			backend.Retire(id)
		}
	}
}

// busy reports whether a task runs on an executor.
func (d *Driver) busy(id exec.ExecutorID) bool {
	for _, j := range d.jobs {
		for _, on := range j.running {
			if on == id {
				return true
			}
		}
	}
	return false
}

// readers returns the tasks that run and read one of these exchanges.
func (d *Driver) readers(held map[[2]int]bool) map[exec.TaskID]bool {
	out := map[exec.TaskID]bool{}
	for _, j := range d.jobs {
		for t := range j.running {
			for _, in := range j.graph.Stages[t.Stage].Inputs {
				if held[[2]int{j.id, in.Exchange}] {
					out[t] = true
				}
			}
		}
	}
	return out
}

// told returns the jobs whose tasks were told that an executor holds partitions of
// datasets.
func (d *Driver) told(id exec.ExecutorID) map[int]bool {
	out := map[int]bool{}
	for n, j := range d.jobs {
		for _, st := range j.tasks {
			for _, leaves := range st {
				if slices.ContainsFunc(leaves, func(l wire.LeafAssignment) bool { return slices.Contains(l.Holders, string(id)) }) {
					out[n] = true
				}
			}
		}
	}
	return out
}

// move starts moves of what an executor holds, spread over those that stay. It reports
// whether there are outputs that are neither on the way nor given up.
func (d *Driver) move(backend cluster.Migrating, id exec.ExecutorID, l *leaving) (more bool) {
	to := slices.Sorted(maps.Keys(d.sizes))
	for _, n := range slices.Sorted(maps.Keys(d.jobs)) {
		j := d.jobs[n]
		if j.ended {
			continue
		}
		for _, st := range j.graph.Stages {
			if st.Out == nil {
				continue
			}
			_, outputs := d.Tracker.Outputs(j.id, st.Out.Exchange)
			for _, m := range outputs {
				if m.Executor != string(id) {
					continue
				}
				x := cluster.Move{Job: j.id, Exchange: st.Out.Exchange, Output: m, Schema: st.Root.Schema()}
				if d.moves.settled(x.Block(), id) {
					continue
				}
				if d.moves.from(id) >= maxMoves || len(to) == 0 {
					return true
				}
				d.turn++
				x.To = to[d.turn%len(to)]
				l.held[[2]int{j.id, st.Out.Exchange}] = true
				d.moves.begin(backend, x)
			}
		}
	}
	return false
}

// moved takes in the end of a move. The output may have been lost, or the job have
// ended, meanwhile; what was copied is dropped then.
func (d *Driver) moved(r cluster.Report) {
	m := r.Moved
	if !d.moves.end(&r) {
		return
	}
	if m.Storage != nil {
		d.copied(&r)
		return
	}
	j := d.jobs[m.Job]
	switch {
	case j == nil || j.ended || r.Failure != nil:
	case !d.Tracker.Move(m.Job, m.Exchange, m.Output, string(m.To)):
		if b, ok := d.Backend.(cluster.Discarding); ok {
			b.Discard(m.To, m.Block())
		}
	default:
		e := event.Event{Kind: event.OutputMoved, Time: time.Now(), Job: m.Job, Task: m.Output.Map, Executor: string(m.To)}
		for _, st := range j.graph.Stages {
			if st.Out != nil && st.Out.Exchange == m.Exchange {
				e.Stage = st.ID
			}
		}
		d.Bus.Publish(e)
	}
}
