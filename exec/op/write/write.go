// Package write is the operator that stores a task's rows through a connector's
// writer, and yields one row per file that it committed.
package write

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/physical"
)

type write struct {
	node   *physical.Write
	child  op.Operator
	task   *op.TaskContext
	writer connector.Writer
	done   bool
}

// New returns the operator of a node.
func New(n *physical.Write, child op.Operator) op.Operator { return &write{node: n, child: child} }

func (w *write) Open(ctx context.Context, t *op.TaskContext) error {
	w.task = t
	return w.child.Open(ctx, t)
}

func (w *write) Next(ctx context.Context) (*columnar.Batch, error) {
	if w.done {
		return nil, io.EOF
	}
	w.done = true
	c, err := w.task.Tables.Lookup(w.node.Format)
	if err != nil {
		return nil, err
	}
	wc, ok := c.(connector.WriterConnector)
	if !ok {
		return nil, diag.New(diag.Unsupported, "the format %s cannot be written", w.node.Format)
	}
	spec := connector.WriteSpec{Dir: w.node.Staging, Schema: w.node.Child.Schema(), PartitionBy: w.node.PartitionBy, Options: map[string]string{}, Memory: w.task.Memory}
	for _, o := range w.node.Options {
		spec.Options[o.Key] = o.Value
	}
	if w.writer, err = wc.NewWriter(ctx, spec, w.task.Task, w.task.Attempt); err != nil {
		return nil, err
	}
	for {
		b, err := w.child.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := w.writer.Write(ctx, b); err != nil {
			return nil, err
		}
	}
	files, err := w.writer.Commit(ctx)
	if err != nil {
		return nil, err
	}
	w.writer = nil
	if len(files) == 0 {
		return nil, io.EOF
	}
	a := kernel.NewAppender([]columnar.Type{columnar.StringType, columnar.Int64Type, columnar.Int64Type}, nil)
	for _, f := range files {
		row := &columnar.Batch{Schema: physical.WriteSchema, Rows: 1, Cols: []columnar.Vector{
			eval.Constant(f.Path, columnar.StringType, 1), eval.Constant(f.Rows, columnar.Int64Type, 1), eval.Constant(f.Bytes, columnar.Int64Type, 1)}}
		if err := a.Append(row); err != nil {
			return nil, err
		}
	}
	return a.Take(physical.WriteSchema), nil
}

func (w *write) Close() error {
	if w.writer != nil {
		w.writer.Abort() // the task failed or was killed: its error is told already
		w.writer = nil
	}
	return w.child.Close()
}
