// Package generate is the operator that calls a table function for each row: the
// row's columns, repeated for each row that the function makes, and the function's.
//
//	batch ─► arguments ─► ForeignTable.Open ─► Next, Next …   a batch of rows each
//	   └──────────── columns taken by "made for row" ──┘
//
// It holds one batch of its child until the function has made all rows of it. Rows
// that none is made for come last, with nulls, if the node asks for them.
//
// It imports columnar, plan and exec/op; SQL tests of the root package reach it.
package generate

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
	"github.com/millrace-engine/millrace/plan/physical"
)

type generate struct {
	node    *physical.Generate
	child   op.Operator
	program *eval.Program
	memory  memory.Reservation
	given   *memory.Scratch // of the arguments: until the child's next batch
	scratch *memory.Scratch // of the batch that was returned
	batch   int             // rows

	in   *columnar.Batch
	rows expr.ForeignTableRows // nil: the child is asked
	some columnar.Bitmap       // rows of in that the function made rows for
	out  columnar.Batch
}

// New returns the operator of a node.
func New(n *physical.Generate, child op.Operator) op.Operator {
	return &generate{node: n, child: child}
}

// Open implements op.Operator.
func (g *generate) Open(ctx context.Context, t *op.TaskContext) (err error) {
	g.memory = t.Memory.Child("generate")
	g.given, g.scratch = memory.NewScratch(g.memory), memory.NewScratch(g.memory)
	g.batch = t.BatchRows
	if g.program, err = eval.Compile(g.node.Args, t.EvalOptions()); err != nil {
		return err
	}
	return g.child.Open(ctx, t)
}

// Next implements op.Operator.
func (g *generate) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if g.rows == nil {
			if err := g.begin(ctx); err != nil {
				return nil, err
			}
		}
		g.scratch.Reset()
		made, from, err := g.rows.Next(g.scratch)
		if err == nil && len(from) > 0 {
			if g.node.Outer {
				for _, r := range from {
					g.some.Set(int(r))
				}
			}
			return g.put(from, made), nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		g.end()
		if none := g.none(); len(none) > 0 {
			return g.put(none, nil), nil
		}
	}
}

// begin calls the function with the next batch.
func (g *generate) begin(ctx context.Context) error {
	b, err := g.child.Next(ctx)
	if err != nil {
		return err
	}
	g.given.Reset()
	vs, err := g.program.Eval(b, g.given)
	if err != nil {
		return err
	}
	args := make([]*columnar.Vector, len(vs))
	for i := range vs {
		args[i] = &vs[i]
		if vs[i].Enc == columnar.Dict {
			flat := kernel.Flatten(&vs[i], g.given)
			args[i] = &flat
		}
	}
	if g.node.Outer {
		g.some = columnar.Bitmap(g.given.Bytes(columnar.BitmapBytes(b.Rows)))
		clear(g.some)
	}
	g.in = b
	g.rows = g.node.Fn.Table.Open(b.Rows, b.Sel, args, g.batch, g.given)
	return nil
}

func (g *generate) end() {
	if g.rows != nil {
		g.rows.Close()
		g.rows = nil
	}
}

// none returns the rows of the batch that nothing was made for, where they stay.
func (g *generate) none() []uint16 {
	if !g.node.Outer {
		return nil
	}
	var rows []uint16
	for i := range g.in.Selected() {
		if at := g.in.RowAt(i); !g.some.Get(at) {
			rows = append(rows, uint16(at))
		}
	}
	return rows
}

// put makes a batch of rows of the child's with what was made for them, nil: nulls.
func (g *generate) put(from []uint16, made []columnar.Vector) *columnar.Batch {
	g.out = columnar.Batch{Schema: g.node.Out, Rows: len(from), Cols: g.out.Cols[:0]}
	for _, k := range g.node.Keep {
		g.out.Cols = append(g.out.Cols, kernel.TakeSel(&g.in.Cols[k], from, g.scratch))
	}
	if made == nil {
		for _, f := range g.node.Out.Fields[len(g.node.Keep):] {
			made = append(made, kernel.Nulls(f.Type, len(from)))
		}
	}
	g.out.Cols = append(g.out.Cols, made...)
	return &g.out
}

// Close implements op.Operator.
func (g *generate) Close() error {
	g.end()
	if g.scratch != nil {
		g.scratch.Close()
		g.given.Close()
		g.scratch, g.given = nil, nil
	}
	return g.child.Close()
}
