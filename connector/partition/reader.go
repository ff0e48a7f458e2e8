package partition

import (
	"context"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// scan maps a request for columns of the table to one for columns of the files.
type scan struct {
	req   connector.ScanRequest
	inner []int // columns of the files that are asked for
	place []int // per column of the request: its position in inner, or −1−k
	out   []int // per output column: the format's output column, or −1−k
	keep  []int // what the format projects, positions in inner
}

func (h *header) bind(req connector.ScanRequest) (*scan, error) {
	s := &scan{req: req}
	for _, c := range req.Columns {
		if c < 0 || c >= len(h.Columns) {
			return nil, damaged()
		}
		at := h.Columns[c]
		if at >= 0 {
			s.inner = append(s.inner, at)
			at = len(s.inner) - 1
		}
		s.place = append(s.place, at)
	}
	for _, p := range req.Project {
		at := s.place[p]
		if at >= 0 {
			s.keep = append(s.keep, at)
			at = len(s.keep) - 1
		}
		s.out = append(s.out, at)
	}
	return s, nil
}

// request is what the format is asked for, without filters.
func (s *scan) request() connector.ScanRequest {
	return connector.ScanRequest{Columns: s.inner, Project: s.keep, BatchRows: s.req.BatchRows, Memory: s.req.Memory, Eval: s.req.Eval}
}

// touches reports whether an expression reads a partition column.
func (s *scan) touches(e expr.Expr) bool {
	return expr.Any(e, func(e expr.Expr) bool {
		c, ok := e.(*expr.Column)
		return ok && s.place[c.Index] < 0
	})
}

// rebind binds an expression to the format's columns, partition columns replaced
// by their values.
func (s *scan) rebind(e expr.Expr, values []*expr.Literal) expr.Expr {
	return expr.Rewrite(e, func(e expr.Expr) expr.Expr {
		c, ok := e.(*expr.Column)
		switch {
		case !ok:
			return e
		case s.place[c.Index] < 0:
			return values[-1-s.place[c.Index]]
		}
		d := *c
		d.Index = s.place[c.Index]
		return &d
	})
}

// fold is rebind with the value instead of an expression where that is constant.
func (s *scan) fold(e expr.Expr, values []*expr.Literal) expr.Expr {
	return eval.Fold(s.rebind(e, values), s.req.Eval)
}

// moved is a dynamic filter bound to the format's columns.
type moved struct {
	connector.DynamicFilter
	column int
}

func (m moved) Column() int { return m.column }

// dynamic lists the dynamic filters on columns of the files.
func (s *scan) dynamic() []connector.DynamicFilter {
	var out []connector.DynamicFilter
	for _, f := range s.req.Dynamic() {
		if at := s.place[f.Column()]; at >= 0 {
			out = append(out, moved{f, at})
		}
	}
	return out
}

// reader adds the partition columns to the format's batches.
type reader struct {
	connector.Reader // nil: no row matches
	scan             *scan
	values           []*expr.Literal
	vectors          []columnar.Vector // constants per output column; others empty
	batch            columnar.Batch
	began            bool
	dropped          bool // a dynamic filter excludes the directory before a row was read
}

func (r *reader) constants() {
	r.vectors = make([]columnar.Vector, len(r.scan.out))
	for i, at := range r.scan.out {
		if at < 0 {
			v := r.values[-1-at]
			r.vectors[i] = eval.Constant(v.Value, v.Typ, columnar.MaxRows)
		}
	}
	r.batch.Cols = make([]columnar.Vector, len(r.scan.out))
}

// excluded reports whether a dynamic filter lets no row of the directory pass.
func (r *reader) excluded() bool {
	if r.scan.req.Dynamic == nil {
		return false
	}
	for _, f := range r.scan.req.Dynamic() {
		if at := r.scan.place[f.Column()]; at < 0 {
			v := r.values[-1-at]
			c := eval.Constant(v.Value, v.Typ, 1)
			if len(f.Select(&c, nil, nil)) == 0 {
				return true
			}
		}
	}
	return false
}

// Next implements connector.Reader.
func (r *reader) Next(ctx context.Context) (*columnar.Batch, error) {
	if r.Reader == nil {
		return nil, io.EOF
	}
	if r.excluded() {
		r.dropped = !r.began
		return nil, io.EOF
	}
	r.began = true
	b, err := r.Reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	for i, at := range r.scan.out {
		if at >= 0 {
			r.batch.Cols[i] = b.Cols[at]
			continue
		}
		r.batch.Cols[i] = r.vectors[i]
		r.batch.Cols[i].Len = b.Rows
	}
	r.batch.Rows, r.batch.Sel = b.Rows, b.Sel
	return &r.batch, nil
}

// Stats implements connector.Reader.
func (r *reader) Stats() connector.ScanStats {
	if r.Reader == nil {
		return connector.ScanStats{RowGroups: 1, RowGroupsPruned: 1}
	}
	st := r.Reader.Stats()
	if r.dropped {
		st.RowGroupsPruned = st.RowGroups
	}
	return st
}

// Close implements connector.Reader.
func (r *reader) Close() error {
	if r.Reader == nil {
		return nil
	}
	return r.Reader.Close()
}
