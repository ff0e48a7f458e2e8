// Package filter is the operator that keeps the rows for which a condition is
// true. It copies nothing: survivors are listed in the batch's selection.
package filter

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/physical"
)

type filter struct {
	node    *physical.Filter
	child   op.Operator
	eval    *eval.Filter
	runtime *runtime // nil: there are none
	scratch *memory.Scratch
	sel     []uint16
	out     columnar.Batch
}

// New returns the operator of a node.
func New(n *physical.Filter, child op.Operator) op.Operator {
	return &filter{node: n, child: child}
}

func (f *filter) Open(ctx context.Context, t *op.TaskContext) (err error) {
	f.scratch = memory.NewScratch(t.Memory)
	f.sel = make([]uint16, 0, columnar.MaxRows)
	if len(f.node.RuntimeFilters) > 0 && t.Filters != nil {
		f.runtime = newRuntime(f.node.RuntimeFilters, t.Filters)
	}
	if f.eval, err = eval.CompileFilter(f.node.Conjuncts, t.EvalOptions()); err != nil {
		return err
	}
	return f.child.Open(ctx, t)
}

func (f *filter) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		b, err := f.child.Next(ctx)
		if err != nil {
			return nil, err
		}
		if f.runtime != nil {
			if b = f.runtime.apply(b); b.Selected() == 0 {
				continue
			}
		}
		if len(f.node.Conjuncts) == 0 {
			return b, nil
		}
		f.scratch.Reset()
		sel, err := f.eval.Select(b, f.scratch, f.sel[:0])
		if err != nil {
			return nil, err
		}
		switch len(sel) {
		case 0:
			continue
		case b.Selected():
			return b, nil
		}
		f.out = *b
		f.out.Sel = sel
		return &f.out, nil
	}
}

func (f *filter) Close() error {
	if f.scratch != nil {
		f.scratch.Close()
	}
	return f.child.Close()
}
