package driver

import (
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/plan/physical"
)

// accumulate adds what a task that succeeded told to the session's accumulators,
// unless another run of that task did so before (R6).
func (d *Driver) accumulate(j *job, r *cluster.Report) error {
	at := [2]int{r.Task.Stage, r.Task.Task}
	if len(r.Updates) == 0 || d.Accumulate == nil || j.told[at] {
		return nil
	}
	if j.told == nil {
		j.told = map[[2]int]bool{}
	}
	j.told[at] = true
	nodes := accumulates(j.graph.Stages[r.Task.Stage].Root, map[int]*physical.Accumulate{})
	for _, u := range r.Updates {
		n := nodes[u.Accumulator]
		if n == nil { // nobody asked for it
			continue
		}
		if err := d.Accumulate(n, u.Values); err != nil {
			return err
		}
	}
	return nil
}

// accumulates finds the nodes below p that tell of values, by accumulator: those of
// one accumulator tell of the same types.
func accumulates(p physical.Plan, out map[int]*physical.Accumulate) map[int]*physical.Accumulate {
	if a, ok := p.(*physical.Accumulate); ok {
		out[a.ID] = a
	}
	for _, k := range p.Children() {
		accumulates(k, out)
	}
	return out
}
