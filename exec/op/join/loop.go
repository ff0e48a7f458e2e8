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
	key         int
	left, right op.Operator
	task        *op.TaskContext
	table       *table
	program     *eval.Program // nil: every pair matches
	memory      memory.Reservation
	scratch     *memory.Scratch

	batch   *columnar.Batch
	at      int             // next right row
	matched columnar.Bitmap // left rows that matched
	doubt   columnar.Bitmap // left rows for which a condition was null
	last    bool            // the batch's rows that come out once are due
	ended   bool
	emit    int
	out     columnar.Batch
	sel     []uint16
}

// NewLoop returns the operator of a node; key is the node's place in the plan.
func NewLoop(n *physical.LoopJoin, key int, left, right op.Operator) op.Operator {
	return &loopJoin{node: n, key: key, left: left, right: right, emit: -1}
}

func (j *loopJoin) marks() bool { return j.node.Kind == logical.Right || j.node.Kind == logical.Full }

func (j *loopJoin) Open(ctx context.Context, t *op.TaskContext) (err error) {
	j.task = t
	j.memory = t.Memory.Child("loop join")
	j.scratch = memory.NewScratch(j.memory)
	if j.node.Cond != nil {
		if j.program, err = eval.Compile([]expr.Expr{j.node.Cond}, t.EvalOptions()); err != nil {
			return err
		}
	}
	spec := buildSpec{child: j.right, types: schemaTypes(j.node.Right.Schema()), marks: j.marks(), who: "a nested loop join"}
	if j.node.Shared {
		j.table, err = sharedTable(ctx, t, j.key, spec)
	} else {
		j.table = newTable()
		err = j.table.build(ctx, t, j.memory, spec)
	}
	if err != nil {
		return err
	}
	j.out = columnar.Batch{Schema: j.node.Out, Cols: make([]columnar.Vector, len(j.node.Output))}
	return j.left.Open(ctx, t)
}

func (j *loopJoin) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		switch {
		case j.emit >= 0:
			return j.unmatched()
		case j.ended:
			return nil, io.EOF
		}
		if j.batch == nil {
			b, err := j.left.Next(ctx)
			if errors.Is(err, io.EOF) {
				j.ended = true
				if j.marks() && (!j.node.Shared || j.table.end(j.task.Task, j.task.Tasks)) {
					j.emit = 0
				}
				continue
			}
			if err != nil {
				return nil, err
			}
			j.batch, j.at, j.last = b, 0, true
			n := columnar.BitmapBytes(b.Rows)
			j.matched, j.doubt = make(columnar.Bitmap, n), make(columnar.Bitmap, n)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if j.at < j.table.rows {
			b, err := j.one(j.at)
			j.at++
			if b != nil || err != nil {
				return b, err
			}
			continue
		}
		if j.last {
			j.last = false
			if b := j.once(); b != nil {
				return b, nil
			}
		}
		j.batch = nil
	}
}

// constant returns row i of a right column as a constant.
func (j *loopJoin) constant(c, i, n int) columnar.Vector {
	return eval.Constant(eval.Value(&j.table.columns[c], i), j.table.columns[c].Type, n)
}

// one meets the left batch with one right row.
func (j *loopJoin) one(row int) (*columnar.Batch, error) {
	b := j.batch
	j.scratch.Reset()
	right := make([]columnar.Vector, len(j.table.columns))
	for c := range right {
		right[c] = j.constant(c, row, b.Rows)
	}
	sel := b.Sel
	if j.program != nil {
		both := &columnar.Batch{Rows: b.Rows, Sel: b.Sel, Cols: append(append([]columnar.Vector{}, b.Cols...), right...)}
		vs, err := j.program.Eval(both, j.scratch)
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
		j.table.mark(uint32(row))
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
		j.assemble(func(c int) columnar.Vector { return nulls(j.table.columns[c].Type, b.Rows) })
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

// unmatched yields the right rows that matched nothing.
func (j *loopJoin) unmatched() (*columnar.Batch, error) {
	var rows []uint32
	for ; j.emit < j.table.rows && len(rows) < columnar.MaxRows; j.emit++ {
		if !j.table.marked(uint32(j.emit)) {
			rows = append(rows, uint32(j.emit))
		}
	}
	if len(rows) == 0 {
		return nil, io.EOF
	}
	j.scratch.Reset()
	n := j.node.Left.Schema().Len()
	j.out.Rows, j.out.Sel = len(rows), nil
	for i, at := range j.node.Output {
		if at < n {
			j.out.Cols[i] = nulls(j.node.Out.Fields[i].Type, len(rows))
		} else {
			j.out.Cols[i] = j.table.take(at-n, rows, j.scratch)
		}
	}
	return &j.out, nil
}

func (j *loopJoin) Close() error {
	err := j.left.Close()
	if e := j.right.Close(); err == nil {
		err = e
	}
	if j.scratch != nil {
		j.scratch.Close()
		j.memory.Close()
	}
	j.table, j.batch = nil, nil
	return err
}
