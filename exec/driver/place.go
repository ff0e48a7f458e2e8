package driver

import (
	"slices"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/plan/physical"
)

// An executor is preferred by a task that reads partitions when it holds this
// share of the task's input; less than smallInput bytes are fetched sooner than
// waited for.
const (
	preferShare = 0.6
	smallInput  = 1 << 20
)

// maxPlaces bounds the work of finding places: outputs times tasks.
const maxPlaces = 4 << 20

// places returns where tasks of a stage do best: where most of the partitions that
// they read lies. It is nil when no task cares. Those of a broadcast do not: what
// they make goes to every executor, and does so sooner from several.
func (d *Driver) places(j *job, st int, tasks []int) []task.Place {
	if o := j.graph.Stages[st].Out; o != nil && o.Partitioning.Kind == physical.Broadcast {
		return nil
	}
	out := make([]task.Place, len(tasks))
	held := make([]map[string]int64, len(tasks))
	for _, in := range j.graph.Stages[st].Inputs {
		if in.Mode == physical.ReadAll {
			continue
		}
		_, maps := d.Tracker.Outputs(j.id, in.Exchange)
		span := len(tasks)
		if len(maps) > 0 {
			span = max(span, maps[0].Partitions)
		}
		if len(maps)*span > maxPlaces {
			return nil
		}
		for i, t := range tasks {
			for _, l := range j.tasks[st][t] {
				if l.Leaf != in.Leaf || l.Split != nil {
					continue
				}
				if held[i] == nil {
					held[i] = map[string]int64{}
				}
				for _, m := range maps {
					if !l.Part.Has(m.Map) {
						continue
					}
					for p := l.Part.From; p < l.Part.To; p++ {
						held[i][m.Executor] += m.Bytes(p)
					}
				}
			}
		}
	}
	cares := false
	for i := range tasks {
		out[i] = most(held[i])
		for _, l := range j.tasks[st][tasks[i]] {
			if len(l.Hosts) > 0 { // a split says where it lies
				out[i] = d.on(l.Hosts)
				break
			}
			if len(l.Holders) > 0 { // a dataset's partition, and all else is read only if that is gone
				out[i] = nil
				for _, h := range l.Holders {
					out[i] = append(out[i], exec.ExecutorID(h))
				}
				break
			}
		}
		cares = cares || out[i] != nil
	}
	if !cares {
		return nil
	}
	return out
}

// on returns the executors that run on one of some hosts, in order of their ids.
func (d *Driver) on(hosts []string) (out task.Place) {
	for id, h := range d.hosts {
		if h != "" && slices.Contains(hosts, h) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// most returns the executor that holds most of some input, if there is one.
func most(held map[string]int64) task.Place {
	all, best := int64(0), ""
	for id, n := range held {
		all += n
		if b := held[best]; n > b || n == b && id < best {
			best = id
		}
	}
	if all < smallInput || float64(held[best]) < preferShare*float64(all) {
		return nil
	}
	return task.Place{exec.ExecutorID(best)}
}
