package driver

import (
	"slices"

	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/adapt"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// rewrite plans the open stages of a job again, from what the exchanges hold that are
// complete (adapt.Rewrite).
type rewrite func(g *stage.Graph, open []int, outputs map[int]adapt.Output) (*stage.Graph, error)

// adaptive makes a job one that is re-planned, if its plan can be checked: what the
// checks do not understand runs as it was planned.
func (j *job) adaptive(o *adapt.Options) {
	if o == nil || cached(j.graph) || adapt.Verify(j.graph, nil) != nil {
		return
	}
	own, least := *o, int64(0) // of tasks without the buffers of their splits
	for _, st := range j.graph.Stages {
		least = max(least, stage.MemoryOf(st.Root, st.Out).Task)
	}
	own.TaskMemory = least
	j.rewrite = func(g *stage.Graph, open []int, outputs map[int]adapt.Output) (*stage.Graph, error) {
		return adapt.Rewrite(g, open, outputs, own)
	}
}

// cached reports whether a stage scans a cached dataset, whose partitions and origin
// must stay what they are in every query.
func cached(g *stage.Graph) bool {
	return slices.ContainsFunc(g.Stages, func(st *stage.Stage) bool {
		return slices.ContainsFunc(st.Drivers, func(d stage.Driver) bool { return d.Scan != nil && d.Scan.Dataset != nil })
	})
}

// replan plans the rest of a job again. It changes nothing that has run (dag.D9).
func (d *Driver) replan(j *job, open []int) {
	outputs := map[int]adapt.Output{}
	for _, st := range j.graph.Stages {
		if st.Out == nil {
			continue
		}
		if _, maps := d.Tracker.Outputs(j.id, st.Out.Exchange); len(maps) == len(j.tasks[st.ID]) {
			outputs[st.Out.Exchange] = written(maps)
		}
	}
	answer := &dag.Replanned{Job: j.id}
	g, err := j.rewrite(j.graph, open, outputs)
	if err == nil && g != j.graph {
		answer.Stages, err = d.take(j, g)
	}
	if err != nil {
		d.dagStep(j, dag.Event{Cancel: &dag.Cancel{Job: j.id, Err: diag.New(diag.Internal, "%v", err).WithCause(err).
			WithRemedy("run the query with SET sql.adaptive.enabled = false, and please report it")}})
		return
	}
	d.dagStep(j, dag.Event{Replanned: answer})
}

// take makes another graph the job's, and returns the stages that are new or changed.
func (d *Driver) take(j *job, g *stage.Graph) ([]dag.Stage, error) {
	old := j.graph.Stages
	j.graph = g
	var out []dag.Stage
	for i, st := range g.Stages {
		if i < len(old) && st == old[i] {
			continue
		}
		if i == len(old) {
			old = append(old, nil)
			j.encoded, j.hashes = append(j.encoded, nil), append(j.hashes, [32]byte{})
			j.tasks, j.least = append(j.tasks, nil), append(j.least, 0)
			j.stats, j.began = append(j.stats, StageResult{}), append(j.began, j.start)
		}
		if was := old[i]; was == nil || was.Root != st.Root || was.Out != st.Out || was.Class != st.Class { // else it is other tasks alone
			if err := j.encode(st, j.conf); err != nil {
				return nil, err
			}
		}
		buffers := int64(0)
		var tasks [][]wire.LeafAssignment
		for _, g := range st.Drivers {
			more := sourceTasks(g)
			if g.Moved != nil { // a scan
				x := j.groups[*g.Moved]
				more, buffers = relabel(x.tasks, g.Leaves()[0]), max(buffers, x.buffers)
			}
			tasks = append(tasks, more...)
		}
		j.assign(st, tasks, buffers)
		if st.Out == nil {
			j.stream.resize(len(j.tasks[i]), st.Class == stage.Stable)
		}
		out = append(out, d.dagStage(st, len(j.tasks[i])))
	}
	return out, nil
}

// group is the tasks of a group of leaves as it was planned, and the buffers that one
// takes.
type group struct {
	tasks   [][]wire.LeafAssignment
	buffers int64
}

// encode encodes a stage for executors.
func (j *job) encode(st *stage.Stage, conf []catalog.Option) error {
	b, err := wire.EncodeStage(st, conf)
	if err != nil {
		return err
	}
	j.passes.StagesEncoded++
	j.encoded[st.ID], j.hashes[st.ID] = b, wire.Hash(b)
	return nil
}

// assign gives a stage its tasks.
func (j *job) assign(st *stage.Stage, tasks [][]wire.LeafAssignment, buffers int64) {
	if len(tasks) == 0 { // a table without files: one task that reads nothing
		tasks = [][]wire.LeafAssignment{nil}
	}
	j.tasks[st.ID] = tasks
	j.least[st.ID] = stage.MemoryOf(st.Root, st.Out).Task + buffers
	j.stats[st.ID] = StageResult{Stage: st, Tasks: len(tasks)}
}

// sourceTasks lists the tasks of a group that needs no look at tables.
func sourceTasks(g stage.Driver) [][]wire.LeafAssignment {
	if g.Sources == nil {
		return [][]wire.LeafAssignment{{{Leaf: g.Leaves()[0]}}}
	}
	out := make([][]wire.LeafAssignment, g.Tasks())
	for t := range out {
		for i, p := range g.Read(t) {
			out[t] = append(out[t], wire.LeafAssignment{Leaf: g.Sources[i].Leaf, Part: p})
		}
	}
	return out
}

// relabel gives the tasks of a leaf to another one.
func relabel(tasks [][]wire.LeafAssignment, leaf int) [][]wire.LeafAssignment {
	out := make([][]wire.LeafAssignment, len(tasks))
	for t := range tasks {
		for _, a := range tasks[t] {
			a.Leaf = leaf
			out[t] = append(out[t], a)
		}
	}
	return out
}

// dagStage is a stage as the scheduler sees it.
func (d *Driver) dagStage(st *stage.Stage, tasks int) dag.Stage {
	x := dag.Stage{ID: st.ID, Tasks: tasks, Unstable: st.Class == stage.Unstable, Whole: whole(st.Root), Awaits: st.Awaits}
	for _, in := range st.Inputs {
		if d.spare(in) {
			x.Spare = append(x.Spare, in.Stage)
		} else {
			x.Parents = append(x.Parents, in.Stage)
		}
	}
	return x
}

// written is the outputs of an exchange that is complete.
type written []shuffle.MapStatus // by map task

var _ adapt.Output = written(nil)

func (w written) Maps() int { return len(w) }

func (w written) Executor(m int) string { return w[m].Executor }

func (w written) Bytes(m, p int) int64 { return w[m].Bytes(p) }

func (w written) Total() (rows, bytes int64) {
	for i := range w {
		rows += w[i].Total.Rows
		bytes += w[i].Total.Bytes
	}
	return rows, bytes
}

func (w written) Exact() bool {
	for i := range w {
		if w[i].Sketch != nil {
			return false
		}
	}
	return true
}
