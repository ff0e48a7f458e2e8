package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/physical"
)

type hashJoin struct {
	*shape
	place    int
	metrics  *op.Metrics
	build    op.Operator
	input    op.Operator // the probe side
	task     *op.TaskContext
	memory   memory.Reservation
	side     *side
	probe    *prober
	stage    stage
	lone     int // next build row that may come out by itself
	leftover *leftover
}

// stage is how far the join is; what is in the table comes before what is on
// disk.
type stage uint8

const (
	probing stage = iota
	lonely        // build rows of the table come out by themselves
	onDisk
	over
)

// NewHash returns the operator of a node, which counts into m; place is the
// node's place in the plan.
func NewHash(n *physical.HashJoin, place int, m *op.Metrics, left, right op.Operator) op.Operator {
	j := &hashJoin{shape: newShape(n), place: place, metrics: m, build: right, input: left}
	if n.BuildLeft {
		j.build, j.input = left, right
	}
	return j
}

func (j *hashJoin) Open(ctx context.Context, t *op.TaskContext) (err error) {
	j.task = t
	j.memory = t.Memory.Child("join")
	if j.probe, err = newProber(j.shape, t, j.memory); err != nil {
		return err
	}
	if j.node.Shared {
		j.side, err = shared(ctx, t, j.place, newSide, func(x *side) error {
			return x.build(ctx, t, t.Shared.Memory, t.Shared.Spill, j.shape, j.build)
		})
	} else {
		j.side = newSide()
		err = j.side.build(ctx, t, j.memory, t.Spill, j.shape, j.build)
	}
	if err != nil {
		return err
	}
	j.probe.table, j.probe.whole = j.side.table, j.side.whole
	if j.side.runs != nil {
		j.probe.aside = &aside{file: j.file(), build: j.side.runs, runs: make([]*spill.Run, fanout)}
	} else {
		j.publish()
	}
	return j.input.Open(ctx, t)
}

// file returns where the join spills: what the tasks of a stage share outlives
// each of them.
func (j *hashJoin) file() *spill.File {
	if j.node.Shared {
		return j.task.Shared.Spill
	}
	return j.task.Spill
}

// publish makes the runtime filters of the keys known. The first task of a
// shared table does it.
func (j *hashJoin) publish() {
	for i, id := range j.node.RuntimeFilters {
		if id == 0 || j.task.Filters == nil {
			continue
		}
		if _, done := j.task.Filters.Get(id); !done {
			if f := newRuntimeFilter(&j.side.table.keys[i], j.side.table.rows); f != nil {
				j.task.Filters.Publish(id, f, false)
			}
		}
	}
}

func (j *hashJoin) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		switch j.stage {
		case probing:
			b, err := j.probe.next(ctx, j.input.Next)
			if !errors.Is(err, io.EOF) {
				return b, err
			}
			if err := j.endProbing(); err != nil {
				return nil, err
			}
		case lonely:
			if b := j.probe.lone(&j.lone); b != nil {
				return b, nil
			}
			j.stage = onDisk
		case onDisk:
			if j.leftover != nil {
				b, err := j.leftover.next(ctx)
				if !errors.Is(err, io.EOF) {
					return b, err
				}
			}
			j.stage = over
		default:
			return nil, io.EOF
		}
	}
}

// endProbing finds out whether this task does what is left when all tasks have
// probed (J2).
func (j *hashJoin) endProbing() error {
	j.stage = over
	if !j.marks && j.side.runs == nil {
		return nil
	}
	task, tasks := j.task.Task, j.task.Tasks
	if !j.node.Shared {
		task, tasks = 0, 1
	}
	if j.probe.aside != nil {
		if err := j.probe.aside.flush(); err != nil {
			return err
		}
		j.side.put(task, j.probe.aside.runs)
	}
	if !j.side.tally.end(task, tasks) {
		return nil
	}
	j.stage = lonely
	if j.side.runs != nil {
		j.leftover = &leftover{shape: j.shape, probe: j.probe, file: j.task.Spill, parent: j.memory, todo: j.side.pieces(tasks, j.node.Shared)}
	}
	return nil
}

func (j *hashJoin) Close() error {
	err := j.input.Close()
	if e := j.build.Close(); err == nil {
		err = e
	}
	if j.leftover != nil {
		j.leftover.close()
	}
	if j.side != nil && !j.node.Shared {
		j.side.Close()
	}
	if j.probe != nil {
		j.probe.close()
	}
	if j.memory != nil {
		j.memory.Close()
	}
	j.side, j.leftover, j.stage = nil, nil, over
	return err
}
