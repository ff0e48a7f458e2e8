package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/keyset"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/plan/physical"
)

var _ op.Accountant = (*hashJoin)(nil)

type hashJoin struct {
	*shape
	place    int
	build    op.Operator
	input    op.Operator // the probe side
	task     *op.TaskContext
	memory   memory.Reservation
	side     *side
	probe    *prober
	output   coalescer
	stage    stage
	lone     int // next build row that may come out by itself
	leftover *leftover
	peak     int64 // bytes that the build side had reserved at most, if this task made it
	spilled  int64 // bytes, without the leftover's
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

// NewHash returns the operator of a node; place is the node's place in the plan.
func NewHash(n *physical.HashJoin, place int, left, right op.Operator) op.Operator {
	j := &hashJoin{shape: newShape(n), place: place, build: right, input: left}
	if n.BuildLeft {
		j.build, j.input = left, right
	}
	return j
}

func (j *hashJoin) Open(ctx context.Context, t *op.TaskContext) (err error) {
	j.task, j.output = t, newCoalescer(j.node.Out)
	j.memory = t.Memory.Child("join")
	if j.probe, err = newProber(j.shape, t, j.memory); err != nil {
		return err
	}
	if j.node.Shared {
		j.side, err = shared(ctx, t, j.place, newSide, func(x *side) error {
			defer j.count(x)
			return x.build(ctx, t, t.Shared.Memory, t.Shared.Spill, j.shape, j.build)
		})
	} else {
		j.side = newSide()
		err = j.side.build(ctx, t, j.memory, t.Spill, j.shape, j.build)
		j.count(j.side)
	}
	if err != nil {
		return err
	}
	j.probe.table, j.probe.whole = j.side.table, j.side.whole
	if j.side.runs != nil {
		j.probe.aside = &aside{file: j.file(), build: j.side.runs, runs: make([]*spill.Run, fanout)}
	}
	j.publish()
	return j.input.Open(ctx, t)
}

// count takes note of what making a build side took.
func (j *hashJoin) count(x *side) { j.peak, j.spilled = x.memory.Peak(), x.bytes }

// Usage implements op.Accountant.
func (j *hashJoin) Usage() (peak, spilled int64) {
	if j.memory != nil {
		peak = j.memory.Peak()
	}
	return max(peak, j.peak), j.spilled
}

// file returns where the join spills: what the tasks of a stage share outlives
// each of them.
func (j *hashJoin) file() *spill.File {
	if j.node.Shared && j.node.Together {
		return j.task.Shared.Spill
	}
	return j.task.Spill
}

// publish makes the runtime filters of the keys known: of rows on disk only
// their range. The first task of a shared table does it.
func (j *hashJoin) publish() {
	for i, id := range j.node.RuntimeFilters {
		if id == 0 || j.task.Filters == nil {
			continue
		}
		if _, done := j.task.Filters.Get(id); done {
			continue
		}
		var f op.RuntimeFilter
		if x := j.side; x.runs == nil {
			f = keyset.NewFilter(&x.table.keys[i], x.table.rows, x.memory)
		} else {
			f = x.ranges[i].Filter()
		}
		if f != nil {
			j.task.Filters.Publish(id, f, false)
		}
	}
}

func (j *hashJoin) Next(ctx context.Context) (*columnar.Batch, error) {
	return j.output.next(ctx, j.pull)
}

// pull returns the next batch of output as it falls out.
func (j *hashJoin) pull(ctx context.Context) (*columnar.Batch, error) {
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
// probed (J2). Tasks with a shared table that do not run together each do what
// they put aside.
func (j *hashJoin) endProbing() error {
	j.stage = over
	if !j.marks && j.side.runs == nil {
		return nil
	}
	var aside [][]*spill.Run
	if j.probe.aside != nil {
		if err := j.probe.aside.flush(); err != nil {
			return err
		}
		j.spilled += j.probe.aside.bytes
		aside = [][]*spill.Run{j.probe.aside.runs}
	}
	if j.node.Shared && j.node.Together {
		last := false
		if last, aside = j.side.tally.end(j.task.Task, j.task.Tasks, aside); !last {
			return nil
		}
	}
	j.stage = lonely
	if j.side.runs != nil {
		j.leftover = &leftover{shape: j.shape, probe: j.probe, file: j.task.Spill, parent: j.memory, todo: j.side.pieces(aside, j.node.Shared)}
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
		j.spilled += j.leftover.bytes
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
	j.side, j.leftover, j.stage, j.output.held = nil, nil, over, nil
	return err
}
