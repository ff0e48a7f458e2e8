// Package apply is the operator that gives the rows of a task to a function of the
// program and puts out the rows that it makes: what datasets are computed by.
//
// It imports columnar, plan and exec/op, and is tested by the datasets of the root
// package.
package apply

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

type apply struct {
	node    *physical.Apply
	child   op.Operator
	program *eval.Program
	scratch *memory.Scratch
	memory  memory.Reservation
	task    *op.TaskContext
	rows    expr.ForeignRows
	ctx     context.Context // of the Next at hand: the function asks for input within it
	held    int64           // of the batch that was returned
}

// New returns the operator of a node.
func New(n *physical.Apply, child op.Operator) op.Operator { return &apply{node: n, child: child} }

// Open implements op.Operator.
func (a *apply) Open(ctx context.Context, t *op.TaskContext) (err error) {
	a.memory = t.Memory.Child("apply")
	a.scratch = memory.NewScratch(a.memory)
	a.task = t
	if a.program, err = eval.Compile(a.node.List, t.EvalOptions()); err != nil {
		return err
	}
	return a.child.Open(ctx, t)
}

// input returns the next batch of what the function gets.
func (a *apply) input() (*columnar.Batch, error) {
	if err := a.ctx.Err(); err != nil {
		return nil, err
	}
	b, err := a.child.Next(a.ctx)
	if err != nil {
		return nil, err
	}
	a.scratch.Reset()
	vs, err := a.program.Eval(b, a.scratch)
	if err != nil {
		return nil, err
	}
	return &columnar.Batch{Cols: vs, Rows: b.Rows, Sel: b.Sel}, nil
}

// Next implements op.Operator.
func (a *apply) Next(ctx context.Context) (*columnar.Batch, error) {
	a.ctx = ctx
	if a.rows == nil {
		a.rows = a.node.Foreign.Open(a.task.Task, a.task.Tasks, a.node.Args, a.node.Out, a.input)
	}
	a.memory.Return(a.held)
	a.held = 0
	b, err := a.rows.Next(a.task.BatchRows)
	if err != nil {
		return nil, err
	}
	b.Schema = a.node.Out
	a.held = b.MemoryBytes()
	a.memory.Take(a.held)
	return b, nil
}

// Close implements op.Operator.
func (a *apply) Close() error {
	if a.rows != nil {
		a.rows.Close()
		a.rows = nil
	}
	if a.scratch != nil {
		a.scratch.Close()
		a.scratch = nil
		a.memory.Return(a.held)
		a.held = 0
	}
	return a.child.Close()
}
