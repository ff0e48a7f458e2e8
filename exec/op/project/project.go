// Package project is the operator that computes one column per expression.
package project

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// sparse is the share of selected rows, as a divisor, below which a batch is
// compacted before expressions run over all of its rows.
const sparse = 2

type project struct {
	node     *physical.Project
	child    op.Operator
	eval     *eval.Program
	scratch  *memory.Scratch
	columns  []int // position of the child's column per output, −1 = computed
	computes bool
	out      columnar.Batch
}

// New returns the operator of a node.
func New(n *physical.Project, child op.Operator) op.Operator {
	return &project{node: n, child: child}
}

func (p *project) Open(ctx context.Context, t *op.TaskContext) (err error) {
	p.scratch = memory.NewScratch(t.Memory)
	var computed []expr.Expr
	p.columns = make([]int, len(p.node.Exprs))
	for i, e := range p.node.Exprs {
		if c, ok := e.(*expr.Column); ok {
			p.columns[i] = c.Index
			continue
		}
		p.columns[i] = -1
		computed = append(computed, e)
	}
	p.computes = len(computed) > 0
	if p.eval, err = eval.Compile(computed, t.EvalOptions()); err != nil {
		return err
	}
	p.out = columnar.Batch{Schema: p.node.Out, Cols: make([]columnar.Vector, len(p.node.Exprs))}
	return p.child.Open(ctx, t)
}

func (p *project) Next(ctx context.Context) (*columnar.Batch, error) {
	b, err := p.child.Next(ctx)
	if err != nil {
		return nil, err
	}
	p.scratch.Reset()
	var vs []columnar.Vector
	if p.computes {
		if b.Sel != nil && len(b.Sel)*sparse < b.Rows {
			b = kernel.Compact(b, p.scratch)
		}
		if vs, err = p.eval.Eval(b, p.scratch); err != nil {
			return nil, err
		}
	}
	p.out.Rows, p.out.Sel, p.out.Hash, p.out.HashOf = b.Rows, b.Sel, nil, nil
	for i, c := range p.columns {
		if c >= 0 {
			p.out.Cols[i] = b.Cols[c]
		} else {
			p.out.Cols[i], vs = vs[0], vs[1:]
		}
	}
	return &p.out, nil
}

func (p *project) Close() error {
	if p.scratch != nil {
		p.scratch.Close()
	}
	return p.child.Close()
}
