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
	group   int
	req     connector.ScanRequest
	columns []*column // per ScanRequest.Columns
	first   []bool    // columns that filters need
	filter  *eval.Filter
	rows    int64 // of the row group
	at      int64
	todo    []rows // ranges that may match, in order; the first may have begun
	size    int
	scratch *memory.Scratch
	batch   columnar.Batch
	out     columnar.Batch
	sel     [2][]uint16
	stats   connector.ScanStats
	dynamic []dynamicState
	ranged  []limit // of the dynamic filters, as todo takes them into account
	spare   []limit
}

// dynamicState watches whether a runtime filter is worth its time.
type dynamicState struct {
	in, out int
	off     bool
}

func newReader(f *file, g int, req connector.ScanRequest) (_ *reader, err error) {
	defer guard(f.path, &err)
	r := &reader{file: f, group: g, req: req, rows: f.meta.RowGroups[g].NumRows, size: req.BatchRows, scratch: memory.NewScratch(req.Memory)}
	if r.size <= 0 || r.size > columnar.MaxRows {
		r.size = columnar.MaxRows
	}
	r.stats.RowGroups = 1
	r.first = make([]bool, len(req.Columns))
	if len(req.Filters) > 0 {
		if r.filter, err = eval.CompileFilter(req.Filters, req.Eval); err != nil {
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
	for _, c := range req.Columns {
		col := &column{file: f, group: g, leaf: f.leaves[c], field: f.cols[c], bytes: &r.stats.BytesRead, mem: req.Memory}
		if n := col.leaf.nest; n != nil {
			col.nest = newNested(f, g, col.field.Name, n, col.bytes, col.mem)
		}
		r.columns = append(r.columns, col)
	}
	for i := range r.sel {
		r.sel[i] = make([]uint16, 0, columnar.MaxRows)
	}
	r.batch.Cols = make([]columnar.Vector, len(r.columns))
	r.out.Cols = make([]columnar.Vector, len(req.Project))
	r.todo = []rows{{0, r.rows}}
	absent, err := r.absent()
	if err != nil {
		return nil, err
	}
	if absent {
		r.prune()
		return r, nil
	}
	if req.Dynamic != nil {
		r.limits(req.Dynamic())
		bounds := f.bounds[g]
		for _, l := range r.ranged {
			if l.excludes(&bounds[req.Columns[l.column]]) {
				r.prune()
				return r, nil
			}
		}
	}
	if len(req.Filters) > 0 || len(r.ranged) > 0 {
		r.todo, err = r.segments()
	}
	return r, err
}

// prune leaves the whole row group out.
func (r *reader) prune() {
	r.todo, r.at = nil, r.rows
	r.stats.RowGroupsPruned = 1
}

func (r *reader) Stats() connector.ScanStats {
	s := r.stats
	s.FrontHits, s.FrontMisses = r.file.looks.hits, r.file.looks.misses
	return s
}

func (r *reader) Close() error {
	for _, c := range r.columns {
		c.close()
	}
	r.scratch.Close()
	r.file.os.Close() // nothing was written; a second time is an error of no interest
	return nil
}

func (r *reader) Next(ctx context.Context) (b *columnar.Batch, err error) {
	defer guard(r.file.path, &err)
	for r.at < r.rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.scratch.Reset()
		for _, c := range r.columns {
			c.release()
		}
		var dynamic []connector.DynamicFilter
		if r.req.Dynamic != nil {
			dynamic = r.req.Dynamic()
			if r.limits(dynamic) {
				if r.todo, err = r.segments(); err != nil {
					return nil, err
				}
			}
		}
		next := r.rows
		if len(r.todo) > 0 {
			next = r.todo[0].from
		}
		if next > r.at {
			if err := r.jump(next); err != nil {
				return nil, err
			}
			continue
		}
		n := int(min(int64(r.size), r.todo[0].to-r.at))
		r.at += int64(n)
		if r.todo[0].from = r.at; r.at == r.todo[0].to {
			r.todo = r.todo[1:]
		}
		out, err := r.read(n, dynamic)
		if err != nil {
			return nil, err
		}
		for _, c := range r.columns { // those that were not read
			if c.at < r.at {
				if err := c.skip(r.at - c.at); err != nil {
					return nil, err
				}
			}
		}
		if out {
			return &r.out, nil
		}
	}
	return nil, io.EOF
}

// read fills out with the next n rows; false: none of them matches.
func (r *reader) read(n int, dynamic []connector.DynamicFilter) (bool, error) {
	sel, err := r.survivors(n, dynamic)
	if err != nil {
		return false, err
	}
	if sel != nil {
		r.stats.RowsPruned += int64(n - len(sel))
		if len(sel) == 0 {
			return false, nil
		}
	}
	r.stats.RowsRead += int64(n)
	for i, p := range r.req.Project {
		if err := r.decode(p, n); err != nil {
			return false, err
		}
		r.out.Cols[i] = r.batch.Cols[p]
	}
	r.out.Rows, r.out.Sel = n, sel
	return true, nil
}

// decode reads the n rows up to r.at of column i, unless that is done.
func (r *reader) decode(i, n int) (err error) {
	if c := r.columns[i]; c.at < r.at {
		r.batch.Cols[i], err = c.next(n, r.scratch)
	}
	return err
}

// survivors decodes what filters need and returns the rows that pass, nil for
// all.
func (r *reader) survivors(n int, dynamic []connector.DynamicFilter) ([]uint16, error) {
	var sel []uint16
	r.batch.Rows, r.batch.Sel = n, nil
	for len(r.dynamic) < len(dynamic) {
		r.dynamic = append(r.dynamic, dynamicState{})
	}
	for k, f := range dynamic {
		d := &r.dynamic[k]
		if d.off {
			continue
		}
		if err := r.decode(f.Column(), n); err != nil {
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
	if r.filter != nil {
		for i, f := range r.first {
			if f {
				if err := r.decode(i, n); err != nil {
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
