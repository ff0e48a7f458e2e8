package records

import (
	"context"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Source cuts the records of a range into cells, some records at a time.
type Source interface {
	// Next fills the sheet with up to limit records; io.EOF ends. What was there
	// before is gone.
	Next(limit int) error
	// Sheet returns the records' cells.
	Sheet() *cells.Sheet
	// Span returns where the text of a record begins and ends.
	Span(row int) (begin, end int)
	// Vector makes a vector of cell k of the records, for the rows given (nil: all).
	Vector(k int, t columnar.Type, rows []uint16, mem *memory.Scratch) columnar.Vector
	// Malformed describes the first record that the sheet flags.
	Malformed() error
	BytesRead() int64
	Close() error
}

// Table says what records are read into.
type Table struct {
	Names   []string        `json:"c"`
	Types   []columnar.Type `json:"t"`
	Corrupt string          `json:"k"` // name of the column for malformed records
	Mode    Mode            `json:"m,omitempty"`
}

// CorruptAt returns the column for malformed records, −1 if there is none.
func (t *Table) CorruptAt() int {
	for i, n := range t.Names {
		if n == t.Corrupt && t.Types[i].Kind == columnar.String {
			return i
		}
	}
	return -1
}

// Fields returns how many columns come from the files.
func (t *Table) Fields() int {
	if t.CorruptAt() >= 0 {
		return len(t.Names) - 1
	}
	return len(t.Names)
}

// Field returns the column of cell k.
func (t *Table) Field(k int) int {
	if at := t.CorruptAt(); at >= 0 && k >= at {
		return k + 1
	}
	return k
}

// Reader implements connector.Reader.
type Reader struct {
	src     Source
	table   *Table
	req     connector.ScanRequest
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
	stats   connector.ScanStats
	dynamic []watched
	held    int64 // bytes of cells that are charged
}

var _ connector.Reader = (*Reader)(nil)

// watched is a runtime filter and whether it is worth its time.
type watched struct {
	in, out int
	off     bool
}

// NewReader returns a reader over the source that open makes. open is told how
// many cells of a record are wanted, and whether malformed records must be found.
func NewReader(t *Table, req connector.ScanRequest, open func(width int, judged bool) (Source, error)) (*Reader, error) {
	x := &Reader{table: t, req: req, size: req.BatchRows, made: make([]bool, len(req.Columns)), first: make([]bool, len(req.Columns))}
	if x.size <= 0 || x.size > columnar.MaxRows {
		x.size = columnar.MaxRows
	}
	corrupt, width := t.CorruptAt(), 0
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
	if x.whole {
		width = t.Fields()
	}
	if len(req.Filters) > 0 {
		f, err := eval.CompileFilter(req.Filters, req.Eval)
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
	src, err := open(width, x.whole || t.Mode != Permissive)
	if err != nil {
		return nil, err
	}
	x.src = src
	x.scratch = memory.NewScratch(req.Memory)
	x.cols.Cols = make([]columnar.Vector, len(req.Columns))
	x.out.Cols = make([]columnar.Vector, len(req.Project))
	for i := range x.sel {
		x.sel[i] = make([]uint16, 0, columnar.MaxRows)
	}
	return x, nil
}

// Stats implements connector.Reader.
func (x *Reader) Stats() connector.ScanStats {
	x.stats.BytesRead = x.src.BytesRead()
	return x.stats
}

// Close implements connector.Reader.
func (x *Reader) Close() error {
	x.scratch.Close()
	if x.held > 0 {
		x.req.Memory.Return(x.held)
		x.held = 0
	}
	return x.src.Close()
}

// Next implements connector.Reader.
func (x *Reader) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x.scratch.Reset()
		if err := x.src.Next(x.size); err != nil {
			return nil, err
		}
		x.charge()
		n := x.src.Sheet().Rows
		x.stats.RowsRead += int64(n)
		x.cols.Rows = n
		clear(x.made)
		rows, err := x.survivors()
		if err != nil {
			return nil, err
		}
		if rows == nil || len(rows) > 0 {
			for _, p := range x.req.Project {
				x.make(p, rows)
			}
			if rows, err = x.judge(rows); err != nil {
				return nil, err
			}
		}
		if rows != nil {
			x.stats.RowsPruned += int64(n - len(rows))
			if len(rows) == 0 {
				continue
			}
		}
		for i, p := range x.req.Project {
			x.out.Cols[i] = x.cols.Cols[p]
		}
		x.out.Rows, x.out.Sel = n, rows
		return &x.out, nil
	}
}

// charge counts the cells of a batch.
func (x *Reader) charge() {
	if x.req.Memory == nil {
		return
	}
	const bytesPerCell = 8
	if n := bytesPerCell * int64(cap(x.src.Sheet().Cells)); n > x.held {
		x.req.Memory.Take(n - x.held)
		x.held = n
	}
}

// make makes column i for the rows (nil: all), unless that is done.
func (x *Reader) make(i int, rows []uint16) {
	if x.made[i] {
		return
	}
	x.made[i] = true
	if x.at[i] < 0 {
		x.cols.Cols[i] = x.corruptRecords()
		return
	}
	x.cols.Cols[i] = x.src.Vector(x.at[i], x.table.Types[x.req.Columns[i]], rows, x.scratch)
}

// survivors returns the rows that pass the filters, nil for all, and makes the
// columns that this needs.
func (x *Reader) survivors() (rows []uint16, err error) {
	if x.whole {
		x.lookAtAll()
	}
	if rows, err = x.runtimeFilters(); err != nil || x.filter == nil || rows != nil && len(rows) == 0 {
		return rows, err
	}
	for i, f := range x.first {
		if f {
			x.make(i, rows)
		} else if !x.made[i] {
			x.cols.Cols[i] = columnar.Vector{Type: x.table.Types[x.req.Columns[i]], Len: x.cols.Rows}
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

// runtimeFilters returns the rows that pass the filters of joins that are there
// yet.
func (x *Reader) runtimeFilters() (rows []uint16, err error) {
	if x.req.Dynamic == nil {
		return nil, nil
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
func (x *Reader) judge(rows []uint16) ([]uint16, error) {
	bad := x.src.Sheet().Bad
	if bad == nil || x.table.Mode == Permissive {
		return rows, nil
	}
	if x.table.Mode == FailFast {
		return nil, x.src.Malformed()
	}
	var out []uint16
	if rows == nil {
		out = make([]uint16, x.cols.Rows)
		for i := range out {
			out[i] = uint16(i)
		}
	} else {
		out = slices.Clone(rows)
	}
	out = slices.DeleteFunc(out, func(r uint16) bool { return bad.Get(int(r)) })
	if out == nil {
		out = []uint16{}
	}
	return out, nil
}

// lookAtAll makes every column of the table, so that the corrupt records do not
// depend on which of them a query needs.
func (x *Reader) lookAtAll() {
	for i, k := range x.at {
		if k >= 0 {
			x.make(i, nil)
		}
	}
	for k := range x.table.Fields() {
		if c := x.table.Field(k); !slices.Contains(x.req.Columns, c) {
			x.src.Vector(k, x.table.Types[c], nil, x.scratch)
		}
	}
}

// corruptRecords is the column of the texts of malformed records.
func (x *Reader) corruptRecords() columnar.Vector {
	s := x.src.Sheet()
	v := columnar.Vector{Type: columnar.StringType, Len: s.Rows, Valid: columnar.NewBitmap(s.Rows)}
	off := make([]int32, s.Rows+1)
	for i := range s.Rows {
		if s.Bad != nil && s.Bad.Get(i) {
			begin, end := x.src.Span(i)
			v.Bytes = append(v.Bytes, s.Text[begin:end]...)
			v.Valid.Set(i)
		}
		off[i+1] = int32(len(v.Bytes))
	}
	v.Data = columnar.BytesOf(off)
	return v
}

// Clip shortens a text for messages.
func Clip(s []byte) string {
	if len(s) > 40 {
		return string(s[:40]) + "…"
	}
	return string(s)
}
