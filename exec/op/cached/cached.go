// Package cached is the operator that scans a partition of a cached dataset.
//
//	blocks of the columns, here or elsewhere ──► aligned batches ──► filters (package filter) ──► Project
//	          │ nowhere
//	          ▼
//	       origin ──► rows as they come
//	          └─────► gathered, a block per column ──► store
//
// Invariants:
//
//   - K1 What the task yields never depends on what is kept: rows that are not here
//     are computed.
//   - K2 Keeping rows never fails a task: where there is no room, they are not kept.
//   - K3 A partition becomes known when all of its rows have been written.
//
// It imports cache, columnar, op, plan/eval and plan/physical, and is tested through
// SQL.
package cached

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/scan"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Operator yields the columns that a node reads, before its filters.
type Operator struct {
	node    *physical.Scan
	metrics *op.Metrics
	origin  op.Operator
	task    *op.TaskContext
	thin    op.Operator // reads less than the origin in its place; nil: it is not used
	started bool
	rows    rows // nil: no more
	out     columnar.Batch
	kept    []exec.Kept
}

// rows are the batches of a partition, each valid until the next call.
type rows interface {
	next(ctx context.Context) (*columnar.Batch, error)
	close()
}

var _ op.Operator = (*Operator)(nil)

// New returns the operator of a node, which counts what it reads into m.
func New(n *physical.Scan, m *op.Metrics, origin op.Operator) *Operator {
	return &Operator{node: n, metrics: m, origin: origin}
}

// Kept returns the partitions that the operator has computed and kept.
func (o *Operator) Kept() []exec.Kept { return o.kept }

// Open implements op.Operator.
func (o *Operator) Open(_ context.Context, t *op.TaskContext) error {
	o.task = t
	o.out.Schema = o.node.Read
	return nil
}

// start finds the rows of the task's partition (K1).
func (o *Operator) start(ctx context.Context) error {
	a, ok := o.task.Leaves[o.node.Leaf]
	if !ok {
		return nil
	}
	d := o.node.Dataset
	part, known := o.task.Datasets.Part(d.ID, a.Partition)
	if known {
		if b, ok := o.blocks(ctx, part, a.Partition); ok {
			o.rows = b
			return nil
		}
		if !ordered(d.Origin) { // columns that are computed again do not fit those that are left
			o.task.Datasets.Drop(d.ID, a.Partition, part)
			part, known = nil, false
		}
	}
	if o.task.Block != nil {
		for i, h := range a.Holders {
			r, err := o.fetch(ctx, h, a.Partition, a.Attempts[i])
			if err != nil {
				return err
			}
			if r != nil {
				o.rows = r
				return nil
			}
		}
	}
	o.metrics.Scan.CacheMisses.Add(int64(max(1, len(o.node.Columns))))
	l, stays := level(d.Storage)
	room := stays && (l != cache.MemoryOnly || o.task.Datasets.Room(d.ID, a.Partition))
	c := &computed{o: o, from: o.origin, columns: o.node.Columns}
	if n := o.narrow(!room); n != nil && (known || !room) {
		c.from, c.columns, c.thin = scan.New(n, o.metrics), all(len(n.Project)), true
		o.thin = c.from
	}
	if err := c.from.Open(ctx, o.task); err != nil {
		return err
	}
	if room {
		c.keeper = o.keep(part, a.Partition, l, c.thin)
	}
	o.rows = c
	return nil
}

// ordered reports whether the rows of a partition come in the same order whenever they
// are computed.
func ordered(origin physical.Plan) bool {
	switch x := origin.(type) {
	case *physical.Scan:
		return x.Dataset == nil
	case *physical.Filter, *physical.Project:
		return ordered(origin.Children()[0])
	}
	return false
}

// narrow returns the scan that yields the node's columns alone, where the origin is
// one of a table, nil elsewhere. Filtered, it drops rows that the node does not want.
func (o *Operator) narrow(filtered bool) *physical.Scan {
	origin, ok := o.node.Dataset.Origin.(*physical.Scan)
	if !ok || origin.Dataset != nil || len(origin.Filters) > 0 || len(origin.RuntimeFilters) > 0 {
		return nil
	}
	n := *origin
	n.Columns, n.Read, n.Project = nil, o.node.Read, all(len(o.node.Columns))
	for _, c := range o.node.Columns {
		n.Columns = append(n.Columns, origin.Columns[origin.Project[c]])
	}
	if filtered {
		n.Filters, n.RuntimeFilters = o.node.Filters, o.node.RuntimeFilters
	}
	return &n
}

// all returns 0 … n−1.
func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// Next implements op.Operator.
func (o *Operator) Next(ctx context.Context) (*columnar.Batch, error) {
	if !o.started {
		o.started = true
		if err := o.start(ctx); err != nil {
			return nil, err
		}
	}
	if o.rows == nil {
		return nil, io.EOF
	}
	b, err := o.rows.next(ctx)
	if err != nil {
		if errors.Is(err, io.EOF) {
			o.rows.close()
			o.rows = nil
		}
		return nil, err
	}
	o.metrics.Scan.RowsRead.Add(int64(b.Selected()))
	return b, nil
}

// Close implements op.Operator.
func (o *Operator) Close() error {
	if o.rows != nil {
		o.rows.close()
		o.rows = nil
	}
	err := o.origin.Close()
	if o.thin != nil {
		err = errors.Join(err, o.thin.Close())
	}
	return err
}

// Project returns an operator that leaves out the columns of o's rows that only the
// node's filters needed.
func Project(n *physical.Scan, o op.Operator) op.Operator { return &projected{Operator: o, node: n} }

type projected struct {
	op.Operator
	node *physical.Scan
	out  columnar.Batch
}

// Next implements op.Operator.
func (p *projected) Next(ctx context.Context) (*columnar.Batch, error) {
	b, err := p.Operator.Next(ctx)
	if err != nil {
		return nil, err
	}
	if p.out.Cols == nil {
		p.out.Schema, p.out.Cols = p.node.Schema(), make([]columnar.Vector, len(p.node.Project))
	}
	p.out.Rows, p.out.Sel = b.Rows, b.Sel
	for i, c := range p.node.Project {
		p.out.Cols[i] = b.Cols[c]
	}
	return &p.out, nil
}

// level is where blocks of the dataset may lie, false for nowhere.
func level(s physical.Storage) (cache.Level, bool) {
	switch {
	case s.Memory && s.Disk:
		return cache.MemoryAndDisk, true
	case s.Memory:
		return cache.MemoryOnly, true
	}
	return cache.DiskOnly, s.Disk
}
