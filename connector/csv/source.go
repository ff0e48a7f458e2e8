package csv

import (
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// batchBytes bounds the text of the records that are cut at once.
const batchBytes = 4 << 20

// source cuts the records of a range of a file, a sheet at a time. It implements
// records.Source.
type source struct {
	*scanner
	in      *lines.Reader
	table   *records.Table // for messages
	rules   *cells.Rules
	decoded []byte
	used    int // bytes of the text that the sheet before took
	done    bool
}

var _ records.Source = (*source)(nil)

// newSource opens a range; the header of the file is passed by.
func newSource(part records.Range, s *scanner, t *records.Table, r memory.Reservation) (*source, error) {
	in, err := lines.Open(part.Path, part.From, part.End, s.o.Stop, r)
	if err != nil {
		return nil, err
	}
	x := &source{scanner: s, in: in, table: t, rules: s.o.rules()}
	if part.From == 0 && s.o.Header {
		if err := x.Next(1); err != nil && !errors.Is(err, io.EOF) {
			in.Close()
			return nil, err
		}
	}
	return x, nil
}

// Next implements records.Source.
func (x *source) Next(limit int) error {
	x.sheet.Clear()
	x.spans = x.spans[:0]
	x.in.Skip(x.used)
	x.used = 0
	for !x.done {
		final := x.in.Done()
		at, bad := x.scan(x.in.Text(), x.used, x.in.Left(), final, limit)
		x.used = at
		if bad != nil {
			return x.oddQuote(bad)
		}
		if x.sheet.Rows >= limit || x.sheet.Rows > 0 && at > batchBytes {
			break
		}
		if final || at >= x.in.Left() {
			x.done = true
			break
		}
		if x.sheet.Rows == 0 { // nothing refers to the text yet
			x.in.Skip(x.used)
			x.used = 0
		}
		if err := x.in.More(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if x.sheet.Rows == 0 {
		return io.EOF
	}
	x.sheet.Text = x.in.Text()
	return nil
}

// Sheet implements records.Source.
func (x *source) Sheet() *cells.Sheet { return &x.sheet }

// Span implements records.Source.
func (x *source) Span(row int) (begin, end int) { return x.spans[row].Span() }

// Vector implements records.Source.
func (x *source) Vector(k int, t columnar.Type, rows []uint16, mem *memory.Scratch) columnar.Vector {
	return x.rules.Vector(&x.sheet, k, t, rows, mem, &x.decoded)
}

// BytesRead implements records.Source.
func (x *source) BytesRead() int64 { return x.in.BytesRead() }

// Close implements records.Source.
func (x *source) Close() error { return x.in.Close() }

// line returns the line that a byte of the text lies in.
func (x *source) line(at int) int { return lines.LineAt(x.in.Path, x.in.Offset()+int64(at)) }

func (x *source) wrong(format string, args ...any) *diag.Error {
	return diag.New(diag.MalformedRecord, format, args...).WithPath(x.in.Path)
}

func (x *source) oddQuote(bad *fault) error {
	if bad.what == open {
		return x.wrong("a quoted field of %s at line %d is not closed", x.in.Path, x.line(x.used)).
			WithRemedy("set multiLine = true if fields hold line breaks, or another quote; mode = PERMISSIVE takes the rest of the line")
	}
	return x.wrong("text follows a quoted field of %s at line %d", x.in.Path, x.line(x.used)).
		WithRemedy("set escape = '\"' if quotes in fields are doubled; mode = PERMISSIVE takes the quotes as part of the value")
}

// Malformed implements records.Source.
func (x *source) Malformed() error {
	row, k := x.sheet.FirstRow, x.sheet.FirstColumn
	begin, end := x.Span(row)
	if k < 0 {
		return x.wrong("a record has %d fields, the table %d columns (%s, line %d)", len(fields(x.o, x.sheet.Text[begin:end]).Cells), x.want, x.in.Path, x.line(begin)).
			WithRemedy("correct the record, give a schema with as many columns, or read with mode = PERMISSIVE to get nulls")
	}
	from, to := x.sheet.Cells[row*x.width+k].Span()
	c := x.table.Field(k)
	return x.wrong("a record has %q in column %s, which is not %s (%s, line %d, column %d)", records.Clip(x.sheet.Text[from:to]), x.table.Names[c], x.table.Types[c], x.in.Path, x.line(begin), from-begin+1).
		WithRemedy("correct the record, give a schema with other types, or read with mode = PERMISSIVE to get nulls")
}

// fields cuts one record into all its cells.
func fields(o *options, record []byte) *cells.Sheet {
	text := make([]byte, len(record), len(record)+2*lines.Pad)
	copy(text, record)
	lenient := *o
	lenient.Mode = records.Permissive
	s := newScanner(&lenient, len(record)+1, -1)
	s.scan(text, 0, len(text), true, 1)
	s.sheet.Text = text
	for k, c := range s.sheet.Cells {
		if c.Kind() == cells.Missing {
			s.sheet.Cells, s.sheet.Width = s.sheet.Cells[:k], k
			break
		}
	}
	return &s.sheet
}
