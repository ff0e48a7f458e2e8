// Package scan is the operator that reads the splits that a task was assigned
// through their connector.
package scan

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

type scan struct {
	node    *physical.Scan
	metrics *op.Metrics
	task    *op.TaskContext
	conn    connector.Connector
	splits  [][]byte
	reader  connector.Reader
	out     columnar.Batch
}

// New returns the operator of a node, which counts what it reads into m.
func New(n *physical.Scan, m *op.Metrics) op.Operator { return &scan{node: n, metrics: m} }

func (s *scan) Open(_ context.Context, t *op.TaskContext) (err error) {
	s.task = t
	s.splits = t.Leaves[s.node.Leaf].Splits
	s.conn, err = t.Tables.Lookup(s.node.Table.Connector)
	s.out.Schema = s.node.Schema()
	return err
}

func (s *scan) request() connector.ScanRequest {
	n := s.node
	r := connector.ScanRequest{Columns: n.Columns, Filters: n.Filters, Project: n.Project, BatchRows: s.task.BatchRows, Memory: s.task.Memory, Eval: s.task.EvalOptions()}
	if len(n.RuntimeFilters) > 0 && s.task.Filters != nil {
		r.Dynamic = func() []connector.DynamicFilter {
			var out []connector.DynamicFilter
			for _, f := range n.RuntimeFilters {
				if x, ok := s.task.Filters.Get(f.ID); ok {
					out = append(out, x.Bind(f.Column))
				}
			}
			return out
		}
	}
	return r
}

func (s *scan) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.reader == nil {
			if len(s.splits) == 0 {
				return nil, io.EOF
			}
			r, err := s.conn.Scan(ctx, s.node.Table, s.splits[0], s.request())
			if err != nil {
				return nil, err
			}
			s.reader, s.splits = r, s.splits[1:]
		}
		b, err := s.reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			if err := s.finish(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if b.Selected() == 0 {
			continue
		}
		schema := s.out.Schema
		s.out = *b
		s.out.Schema = schema
		return &s.out, nil
	}
}

func (s *scan) finish() error {
	if s.reader == nil {
		return nil
	}
	st := s.reader.Stats()
	err := s.reader.Close()
	s.reader = nil
	c := &s.metrics.Scan
	c.BytesRead.Add(st.BytesRead)
	c.RowsRead.Add(st.RowsRead)
	c.RowGroups.Add(st.RowGroups)
	c.RowGroupsPruned.Add(st.RowGroupsPruned)
	c.PagesPruned.Add(st.PagesPruned)
	c.RowsPruned.Add(st.RowsPruned)
	c.FrontHits.Add(st.FrontHits)
	c.FrontMisses.Add(st.FrontMisses)
	return err
}

func (s *scan) Close() error { return s.finish() }
