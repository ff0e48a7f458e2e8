package csv

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// reader makes batches of the records that begin in a range of a file.
type reader struct {
	*source
	desc    *descriptor
	req     connector.ScanRequest
	rules   *cells.Rules
	at      []int  // per ScanRequest.Columns: the cell, −1 for the corrupt record
	first   []bool // columns that filters need
	whole   bool   // the corrupt record is asked for: every column is looked at
	filter  *eval.Filter
	scratch *memory.Scratch
	size    int
	cols    columnar.Batch // one vector per ScanRequest.Columns
	made    []bool         // which of them
	out     columnar.Batch
	sel     [3][]uint16
	decoded []byte
	stats   connector.ScanStats
	dynamic []watched
}

// watched is a runtime filter and whether it is worth its time.
type watched struct {
	in, out int
	off     bool
}

func newReader(d *descriptor, path string, part span, req connector.ScanRequest) (*reader, error) {
	x := &reader{desc: d, req: req, size: req.BatchRows, rules: d.Opts.rules(), made: make([]bool, len(req.Columns))}
	if x.size <= 0 || x.size > columnar.MaxRows {
		x.size = columnar.MaxRows
	}
	corrupt := d.corrupt()
	columns, width := len(d.Names), 0
	if corrupt >= 0 {
		columns--
	}
	for _, c := range req.Columns {
		k := c
		switch {
		case c == corrupt:
			k, x.whole = -1, true
		case corrupt >= 0 && c > corrupt:
			k--
		}
		x.at = append(x.at, k)
		width = max(width, k+1)
	}
	want := -1
	if x.whole {
		width = columns
	}
	if x.whole || d.Opts.Mode != permissive {
		want = columns
	}
	x.first = make([]bool, len(req.Columns))
	if len(req.Filters) > 0 {
		f, err := eval.CompileFilter(req.Filters, eval.Options{})
		if err != nil {
			return nil, err
		}
		x.filter = f
		for _, e := range req.Filters {
			expr.Walk(e, func(e expr.Expr) bool {
				if c, ok := e.(*expr.Column); ok {
					x.first[c.Index] = true
				}
				return true
			})
		}
	}
	s, err := newSource(path, part, newScanner(&d.Opts, width, want), req.Memory)
	if err != nil {
		return nil, err
	}
	x.source = s
	x.scratch = memory.NewScratch(req.Memory)
	x.cols.Cols = make([]columnar.Vector, len(req.Columns))
	x.out.Cols = make([]columnar.Vector, len(req.Project))
	for i := range x.sel {
		x.sel[i] = make([]uint16, 0, columnar.MaxRows)
	}
	return x, nil
}

func (x *reader) Stats() connector.ScanStats {
	x.stats.BytesRead = x.in.BytesRead()
	return x.stats
}

func (x *reader) Close() error {
	x.scratch.Close()
	return x.in.Close()
}

func (x *reader) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x.scratch.Reset()
		if err := x.next(x.size); err != nil {
			return nil, err
		}
		n := x.sheet.Rows
		x.stats.RowsRead += int64(n)
		x.cols.Rows = n
		clear(x.made)
		rows, err := x.survivors()
		if err != nil {
			return nil, err
		}
		if rows != nil {
			x.stats.RowsPruned += int64(n - len(rows))
			if len(rows) == 0 {
				continue
			}
		}
		for i, p := range x.req.Project {
			x.make(p, rows)
			x.out.Cols[i] = x.cols.Cols[p]
		}
		if rows, err = x.judge(rows); err != nil {
			return nil, err
		}
		x.out.Rows, x.out.Sel = n, rows
		if rows != nil && len(rows) == 0 {
			continue
		}
		return &x.out, nil
	}
}

// make makes column i for the rows (nil: all), unless that is done.
func (x *reader) make(i int, rows []uint16) {
	if x.made[i] {
		return
	}
	x.made[i] = true
	if x.at[i] < 0 {
		x.cols.Cols[i] = x.corruptRecords()
		return
	}
	x.cols.Cols[i] = x.rules.Vector(&x.sheet, x.at[i], x.desc.Types[x.req.Columns[i]], rows, x.scratch, &x.decoded)
}

// survivors returns the rows that pass the filters, nil for all, and makes the
// columns that this needs.
func (x *reader) survivors() (rows []uint16, err error) {
	if x.whole {
		x.lookAtAll()
	}
	if rows, err = x.runtimeFilters(nil); err != nil || x.filter == nil {
		return rows, err
	}
	for i, f := range x.first {
		if f {
			x.make(i, rows)
		} else if !x.made[i] {
			x.cols.Cols[i] = columnar.Vector{Type: x.desc.Types[x.req.Columns[i]], Len: x.cols.Rows}
		}
	}
	if rows, err = x.judge(rows); err != nil {
		return nil, err
	}
	x.cols.Sel = rows
	out, err := x.filter.Select(&x.cols, x.scratch, x.sel[0][:0])
	if err != nil {
		return nil, err
	}
	if len(out) == x.cols.Rows {
		return nil, nil
	}
	x.sel[0] = out
	return out, nil
}

// runtimeFilters narrows rows down by the filters of joins that are there yet.
func (x *reader) runtimeFilters(rows []uint16) ([]uint16, error) {
	if x.req.Dynamic == nil {
		return rows, nil
	}
	for k, f := range x.req.Dynamic() {
		if k == len(x.dynamic) {
			x.dynamic = append(x.dynamic, watched{})
		}
		w := &x.dynamic[k]
		if w.off || rows != nil && len(rows) == 0 {
			continue
		}
		x.make(f.Column(), rows)
		before := x.cols.Rows
		if rows != nil {
			before = len(rows)
		}
		rows = f.Select(&x.cols.Cols[f.Column()], rows, x.sel[1+k&1][:0])
		w.in += before
		w.out += len(rows)
		if w.in > 64<<10 && w.out*10 > w.in*9 { // it drops too little
			w.off = true
		}
	}
	return x.judge(rows)
}

// judge does what the mode says about the records that were found malformed so
// far: rows without them, or an error.
func (x *reader) judge(rows []uint16) ([]uint16, error) {
	if x.sheet.Bad == nil || x.desc.Opts.Mode == permissive {
		return rows, nil
	}
	if x.desc.Opts.Mode == failFast {
		return nil, x.malformed()
	}
	if rows == nil {
		rows = make([]uint16, x.sheet.Rows)
		for i := range rows {
			rows[i] = uint16(i)
		}
	}
	out := make([]uint16, 0, len(rows))
	for _, r := range rows {
		if !x.sheet.Bad.Get(int(r)) {
			out = append(out, r)
		}
	}
	return out, nil
}

// malformed describes the first record that is.
func (x *reader) malformed() error {
	row, k := x.sheet.FirstRow, x.sheet.FirstColumn
	begin, end := x.spans[row].Span()
	line, e := x.place(begin)
	if k < 0 {
		n := x.fields(x.sheet.Text[begin:end])
		return e("a record has %d fields, the table %d columns (%s, line %d)", n, x.want, x.in.Path, line).
			WithRemedy("correct the record, give a schema with as many columns, or read with mode = PERMISSIVE to get nulls")
	}
	from, to := x.sheet.Cells[row*x.width+k].Span()
	c := k
	if at := x.desc.corrupt(); at >= 0 && c >= at {
		c++
	}
	return e("a record has %q in column %s, which is not %s (%s, line %d, column %d)", clip(x.sheet.Text[from:to]), x.desc.Names[c], x.desc.Types[c], x.in.Path, line, from-begin+1).
		WithRemedy("correct the record, give a schema with other types, or read with mode = PERMISSIVE to get nulls")
}

// fields counts the fields of one record.
func (x *reader) fields(record []byte) int {
	padded := make([]byte, len(record), len(record)+256)
	copy(padded, record)
	all := newScanner(&x.desc.Opts, len(record)+1, -1)
	all.scan(padded, 0, len(padded), true, 1)
	n := 0
	for _, c := range all.sheet.Cells {
		if c.Kind() != cells.Missing {
			n++
		}
	}
	return n
}

func clip(s []byte) string {
	if len(s) > 40 {
		return string(s[:40]) + "…"
	}
	return string(s)
}

// lookAtAll makes every column of the table, so that the corrupt records do not
// depend on which of them a query needs.
func (x *reader) lookAtAll() {
	for i := range x.req.Columns {
		if x.at[i] >= 0 {
			x.make(i, nil)
		}
	}
	corrupt := x.desc.corrupt()
	for c, t := range x.desc.Types {
		needed := c == corrupt
		for _, r := range x.req.Columns {
			needed = needed || r == c
		}
		if !needed && t.Kind != columnar.String {
			k := c
			if c > corrupt {
				k--
			}
			x.rules.Vector(&x.sheet, k, t, nil, x.scratch, &x.decoded)
		}
	}
}

// corruptRecords is the column of the texts of malformed records.
func (x *reader) corruptRecords() columnar.Vector {
	n := x.sheet.Rows
	v := columnar.Vector{Type: columnar.StringType, Len: n, Valid: columnar.NewBitmap(n)}
	off := make([]int32, n+1)
	for i := range n {
		if x.sheet.Bad != nil && x.sheet.Bad.Get(i) {
			begin, end := x.spans[i].Span()
			v.Bytes = append(v.Bytes, x.sheet.Text[begin:end]...)
			v.Valid.Set(i)
		}
		off[i+1] = int32(len(v.Bytes))
	}
	v.Data = columnar.BytesOf(off)
	return v
}
