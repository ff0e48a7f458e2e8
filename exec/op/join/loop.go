package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// loopJoin meets each left row with each right row. For one right row at a time
// its values stand as constants beside the whole left batch, so that the
// condition is computed on vectors.
type loopJoin struct {
	node        *physical.LoopJoin
	place       int
	left, right op.Operator
	task        *op.TaskContext
	inner       *inner
	program     *eval.Program // nil: every pair matches
	memory      memory.Reservation
	scratch     *memory.Scratch

	batch   *columnar.Batch
	cursor  cursor
	at      int             // next row of the cursor's batch
	met     bool            // the batch met all right rows
	matched columnar.Bitmap // left rows that matched
	doubt   columnar.Bitmap // left rows for which a condition was null
	output  coalescer
	stage   stage
	out     columnar.Batch
	values  []columnar.Vector // of one right row
	both    columnar.Batch
	sel     []uint16
	peak    int64 // bytes that the inner side had reserved at most, if this task read it
	spilled int64
}

var _ op.Accountant = (*loopJoin)(nil)

// NewLoop returns the operator of a node; place is the node's place in the plan.
func NewLoop(n *physical.LoopJoin, place int, left, right op.Operator) op.Operator {
	return &loopJoin{node: n, place: place, left: left, right: right}
}

func (j *loopJoin) marks() bool { return j.node.Kind == logical.Right || j.node.Kind == logical.Full }

func (j *loopJoin) Open(ctx context.Context, t *op.TaskContext) (err error) {
	j.task, j.output = t, newCoalescer(j.node.Out)
	j.memory = t.Memory.Child("loop join")
	j.scratch = memory.NewScratch(j.memory)
	if j.node.Cond != nil {
		if j.program, err = eval.Compile([]expr.Expr{j.node.Cond}, t.EvalOptions()); err != nil {
			return err
		}
	}
	if j.node.Shared {
		j.inner, err = shared(ctx, t, j.place, newInner, func(x *inner) error {
			defer j.count(x)
			return x.build(ctx, t, t.Shared.Memory, t.Shared.Spill, j.right, j.marks())
		})
	} else {
		j.inner = newInner()
		err = j.inner.build(ctx, t, j.memory, t.Spill, j.right, j.marks())
		j.count(j.inner)
	}
	if err != nil {
		return err
	}
	j.cursor = cursor{of: j.inner, memory: j.memory}
	j.out = columnar.Batch{Schema: j.node.Out, Cols: make([]columnar.Vector, len(j.node.Output))}
	j.values = make([]columnar.Vector, j.node.Right.Schema().Len())
	j.sel = make([]uint16, 0, columnar.MaxRows)
	return j.left.Open(ctx, t)
}

func (j *loopJoin) Next(ctx context.Context) (*columnar.Batch, error) {
	return j.output.next(ctx, j.pull)
}

// pull returns the next batch of output as it falls out.
func (j *loopJoin) pull(ctx context.Context) (*columnar.Batch, error) {
	for {
		switch j.stage {
		case lonely:
			b, err := j.unmatched(ctx)
			if errors.Is(err, io.EOF) {
				j.stage = over
			}
			return b, err
		case over:
			return nil, io.EOF
		}
		if j.batch == nil {
			if err := j.start(ctx); err != nil {
				return nil, err
			}
			continue
		}
		b, err := j.step(ctx)
		if b != nil || err != nil {
			return b, err
		}
	}
}

// start takes the next left batch in, or finds out that there is none.
func (j *loopJoin) start(ctx context.Context) error {
	b, err := j.left.Next(ctx)
	if errors.Is(err, io.EOF) {
		j.stage = over
		if j.marks() {
			last := true
			if j.node.Shared {
				last, _ = j.inner.tally.end(j.task.Task, j.task.Tasks, nil)
			}
			if last {
				j.stage = lonely
			}
		}
		j.cursor.rewind()
		return nil
	}
	if err != nil {
		return err
	}
	j.batch, j.at, j.met = b, 0, false
	j.cursor.rewind()
	n := columnar.BitmapBytes(b.Rows)
	j.matched, j.doubt = make(columnar.Bitmap, n), make(columnar.Bitmap, n)
	return nil
}

// step meets the left batch with the next right row that gives output; after the
// last one come the left rows that come out once.
func (j *loopJoin) step(ctx context.Context) (*columnar.Batch, error) {
	for !j.met {
		if j.cursor.batch == nil || j.at == j.cursor.batch.Rows {
			err := j.cursor.step(ctx)
			if errors.Is(err, io.EOF) {
				j.met = true
				break
			}
			if err != nil {
				return nil, err
			}
			j.at = 0
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := j.at
		j.at++
		if b, err := j.one(row); b != nil || err != nil {
			return b, err
		}
	}
	out := j.once()
	j.batch = nil
	if out != nil {
		return out, nil
	}
	return nil, nil
}

// one meets the left batch with a row of the cursor's batch.
func (j *loopJoin) one(row int) (*columnar.Batch, error) {
	b, c := j.batch, j.cursor.batch
	j.scratch.Reset()
	right := j.values
	for i := range right {
		right[i] = eval.Constant(eval.Value(&c.Cols[i], row), c.Cols[i].Type, b.Rows)
	}
	sel := b.Sel
	if j.program != nil {
		j.both.Rows, j.both.Sel, j.both.Cols = b.Rows, b.Sel, append(append(j.both.Cols[:0], b.Cols...), right...)
		vs, err := j.program.Eval(&j.both, j.scratch)
		if err != nil {
			return nil, err
		}
		v := vs[0]
		if v.Type.Kind == columnar.Null {
			v = eval.Constant(nil, columnar.BoolType, b.Rows)
		}
		v = kernel.Flatten(&v, j.scratch)
		if v.Valid != nil {
			for i := range b.Selected() {
				if r := b.RowAt(i); !v.Valid.Get(r) {
					j.doubt.Set(r)
				}
			}
		}
		j.sel = kernel.SelectBits(v.Bits(), v.Valid, b.Rows, b.Sel, j.sel[:0:cap(j.sel)])
		sel = j.sel
		if len(sel) == 0 {
			return nil, nil
		}
	}
	if sel == nil {
		j.sel = j.sel[:0]
		for i := range b.Rows {
			j.sel = append(j.sel, uint16(i))
		}
		sel = j.sel
	}
	if j.marks() && len(sel) > 0 {
		j.inner.marks.set(uint32(j.cursor.base + row))
	}
	for _, r := range sel {
		if j.node.Kind == logical.LeftSingle && j.matched.Get(int(r)) {
			return nil, tooManyRows(j.node.Place)
		}
		j.matched.Set(int(r))
	}
	switch j.node.Kind {
	case logical.LeftSemi, logical.LeftAnti, logical.NullAwareAnti, logical.LeftMark:
		return nil, nil
	}
	j.out.Rows, j.out.Sel = b.Rows, sel
	j.assemble(func(c int) columnar.Vector { return right[c] })
	return &j.out, nil
}

func (j *loopJoin) assemble(right func(c int) columnar.Vector) {
	n := j.node.Left.Schema().Len()
	for i, at := range j.node.Output {
		if at < n {
			j.out.Cols[i] = j.batch.Cols[at]
		} else {
			j.out.Cols[i] = right(at - n)
		}
	}
}

// once yields the left rows that come out once per row, by the kind of join.
func (j *loopJoin) once() *columnar.Batch {
	b := j.batch
	keep := func(want func(r int) bool) *columnar.Batch {
		j.sel = j.sel[:0]
		for i := range b.Selected() {
			if r := b.RowAt(i); want(r) {
				j.sel = append(j.sel, uint16(r))
			}
		}
		if len(j.sel) == 0 {
			return nil
		}
		j.out.Rows, j.out.Sel = b.Rows, j.sel
		j.assemble(func(c int) columnar.Vector { return nulls(j.node.Right.Schema().Fields[c].Type, b.Rows) })
		return &j.out
	}
	switch j.node.Kind {
	case logical.Left, logical.LeftSingle, logical.Full, logical.LeftAnti:
		return keep(func(r int) bool { return !j.matched.Get(r) })
	case logical.LeftSemi:
		return keep(func(r int) bool { return j.matched.Get(r) })
	case logical.NullAwareAnti:
		return keep(func(r int) bool { return !j.matched.Get(r) && !j.doubt.Get(r) })
	case logical.LeftMark:
		mark := columnar.Vector{Type: columnar.BoolType, Len: b.Rows, Data: j.matched}
		for i, at := range j.node.Output {
			if at == j.node.Left.Schema().Len() && j.node.Out.Fields[i].Nullable {
				mark.Valid = columnar.NewBitmap(b.Rows)
				kernel.Not(mark.Valid, j.doubt, b.Rows)
				kernel.Or(mark.Valid, mark.Valid, j.matched, b.Rows)
			}
		}
		j.out.Rows, j.out.Sel = b.Rows, b.Sel
		j.assemble(func(int) columnar.Vector { return mark })
		return &j.out
	}
	return nil
}

// unmatched yields the right rows that matched nothing; io.EOF ends.
func (j *loopJoin) unmatched(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := j.cursor.step(ctx); err != nil {
			return nil, err
		}
		c := j.cursor.batch
		j.sel = j.sel[:0]
		for i := range c.Rows {
			if !j.inner.marks.get(uint32(j.cursor.base + i)) {
				j.sel = append(j.sel, uint16(i))
			}
		}
		if len(j.sel) == 0 {
			continue
		}
		n := j.node.Left.Schema().Len()
		j.out.Rows, j.out.Sel = c.Rows, j.sel
		for i, at := range j.node.Output {
			if at < n {
				j.out.Cols[i] = nulls(j.node.Out.Fields[i].Type, c.Rows)
			} else {
				j.out.Cols[i] = c.Cols[at-n]
			}
		}
		return &j.out, nil
	}
}

// count takes note of what reading an inner side took.
func (j *loopJoin) count(x *inner) {
	j.peak = x.memory.Peak()
	if x.run != nil {
		j.spilled = x.run.Bytes()
	}
}

// Usage implements op.Accountant.
func (j *loopJoin) Usage() (peak, spilled int64) {
	if j.memory != nil {
		peak = j.memory.Peak()
	}
	return max(peak, j.peak), j.spilled
}

func (j *loopJoin) Close() error {
	err := j.left.Close()
	if e := j.right.Close(); err == nil {
		err = e
	}
	j.cursor.rewind()
	if j.inner != nil && !j.node.Shared {
		j.inner.Close()
	}
	if j.scratch != nil {
		j.scratch.Close()
		j.memory.Close()
	}
	j.inner, j.batch, j.stage, j.output.held = nil, nil, over, nil
	return err
}
