package parquet

import (
	"context"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// reader reads one row group.
type reader struct {
	file    *file
	req     connector.ScanRequest
	columns []*column // per ScanRequest.Columns
	first   []bool    // columns that filters need
	filter  *eval.Filter
	rows    int64 // of the row group
	at      int64
	size    int
	scratch *memory.Scratch
	batch   columnar.Batch
	out     columnar.Batch
	sel     [2][]uint16
	stats   connector.ScanStats
	dynamic []dynamicState
}

// dynamicState watches whether a runtime filter is worth its time.
type dynamicState struct {
	in, out int
	off     bool
}

func newReader(f *file, g int, req connector.ScanRequest) (r *reader, err error) {
	defer guard(f.path, &err)
	rg := f.pq.RowGroups()[g]
	r = &reader{file: f, req: req, rows: rg.NumRows(), size: req.BatchRows, scratch: memory.NewScratch(req.Memory)}
	if r.size <= 0 || r.size > columnar.MaxRows {
		r.size = columnar.MaxRows
	}
	r.stats.RowGroups = 1
	r.first = make([]bool, len(req.Columns))
	if len(req.Filters) > 0 {
		if r.filter, err = eval.CompileFilter(req.Filters, eval.Options{}); err != nil {
			return nil, err
		}
		for _, e := range req.Filters {
			expr.Walk(e, func(e expr.Expr) bool {
				if c, ok := e.(*expr.Column); ok {
					r.first[c.Index] = true
				}
				return true
			})
		}
	}
	chunks := rg.ColumnChunks()
	for _, c := range req.Columns {
		l := f.leaves[c]
		r.columns = append(r.columns, &column{file: f, chunk: chunks[l.chunk], meta: &f.pq.Metadata().RowGroups[g].Columns[l.chunk].MetaData, leaf: l,
			field: f.cols[c], bytes: &r.stats.BytesRead})
	}
	for i := range r.sel {
		r.sel[i] = make([]uint16, 0, columnar.MaxRows)
	}
	r.batch.Cols = make([]columnar.Vector, len(r.columns))
	r.out.Cols = make([]columnar.Vector, len(req.Project))
	return r, r.pruneDynamic(g)
}

// less reports whether a is certainly less than b; nil is not known.
func less(a, b any) bool {
	if _, ok := a.(int64); ok {
		_, ok = b.(int64)
		return ok && eval.Order(a, b) < 0
	}
	if _, ok := a.(columnar.Int128); ok {
		_, ok = b.(columnar.Int128)
		return ok && eval.Order(a, b) < 0
	}
	return false
}

// pruneDynamic skips the row group when a runtime filter excludes its range.
func (r *reader) pruneDynamic(g int) error {
	if r.req.Dynamic == nil {
		return nil
	}
	fs := r.req.Dynamic()
	if len(fs) == 0 {
		return nil
	}
	b := r.file.bounds(g)
	for _, f := range fs {
		lo, hi := f.Range()
		s := b[r.req.Columns[f.Column()]]
		if less(hi, s.Min) || less(s.Max, lo) {
			r.at = r.rows
			r.stats.RowGroupsPruned = 1
		}
	}
	return nil
}

func (r *reader) Stats() connector.ScanStats { return r.stats }

func (r *reader) Close() (err error) {
	defer guard(r.file.path, &err)
	for _, c := range r.columns {
		c.close()
	}
	r.scratch.Close()
	return nil
}

func (r *reader) Next(ctx context.Context) (b *columnar.Batch, err error) {
	defer guard(r.file.path, &err)
	for r.at < r.rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := int(min(int64(r.size), r.rows-r.at))
		r.at += int64(n)
		r.scratch.Reset()
		for _, c := range r.columns {
			c.release()
		}
		sel, err := r.survivors(n)
		if err != nil {
			return nil, err
		}
		if sel != nil && len(sel) == 0 {
			r.stats.RowsPruned += int64(n)
			for _, c := range r.columns { // those that were not read
				if c.at < r.at {
					c.skip(r.at - c.at)
				}
			}
			continue
		}
		if sel != nil {
			r.stats.RowsPruned += int64(n - len(sel))
		}
		r.stats.RowsRead += int64(n)
		for i, p := range r.req.Project {
			if err := r.read(p, n); err != nil {
				return nil, err
			}
			r.out.Cols[i] = r.batch.Cols[p]
		}
		for _, c := range r.columns {
			if c.at < r.at {
				c.skip(r.at - c.at)
			}
		}
		r.out.Rows, r.out.Sel = n, sel
		return &r.out, nil
	}
	return nil, io.EOF
}

// read decodes the next n rows of column i, unless that is done.
func (r *reader) read(i, n int) error {
	c := r.columns[i]
	if c.at >= r.at {
		return nil
	}
	v, err := c.next(n, r.scratch)
	r.batch.Cols[i] = v
	return err
}

// survivors decodes what filters need and returns the rows that pass, nil for
// all.
func (r *reader) survivors(n int) ([]uint16, error) {
	var sel []uint16
	r.batch.Rows, r.batch.Sel = n, nil
	if r.req.Dynamic != nil {
		fs := r.req.Dynamic()
		for len(r.dynamic) < len(fs) {
			r.dynamic = append(r.dynamic, dynamicState{})
		}
		for k, f := range fs {
			d := &r.dynamic[k]
			if d.off {
				continue
			}
			if err := r.read(f.Column(), n); err != nil {
				return nil, err
			}
			before := n
			if sel != nil {
				before = len(sel)
			}
			sel = f.Select(&r.batch.Cols[f.Column()], sel, r.sel[k&1][:0])
			d.in += before
			d.out += len(sel)
			if d.in > 64<<10 && d.out*10 > d.in*9 { // it drops too little
				d.off = true
			}
			if len(sel) == 0 {
				return sel, nil
			}
		}
	}
	if r.filter != nil {
		for i, f := range r.first {
			if f {
				if err := r.read(i, n); err != nil {
					return nil, err
				}
			}
		}
		for i := range r.batch.Cols { // columns that filters do not look at
			if !r.first[i] && r.columns[i].at < r.at {
				r.batch.Cols[i] = columnar.Vector{Type: r.columns[i].field.Type, Len: n}
			}
		}
		r.batch.Sel = sel
		out, err := r.filter.Select(&r.batch, r.scratch, nil)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = []uint16{}
		}
		sel = out
	}
	if sel != nil && len(sel) == n {
		return nil, nil
	}
	return sel, nil
}
