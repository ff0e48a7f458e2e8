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

// source cuts the records of a range of a file, a sheet at a time. It implements
// records.Source.
type source struct {
	*scanner
	records.Feed
	table   *records.Table // for messages
	rules   *cells.Rules
	decoded []byte
}

var _ records.Source = (*source)(nil)

// newSource opens a range; the header of the file is passed by.
func newSource(part records.Range, s *scanner, t *records.Table, r memory.Reservation) (*source, error) {
	in, err := lines.Open(part.Path, part.From, part.End, s.o.Stop, r)
	if err != nil {
		return nil, err
	}
	x := &source{scanner: s, Feed: records.Feed{In: in}, table: t, rules: s.o.rules()}
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
	x.spans = x.spans[:0]
	return x.Fill(&x.sheet, limit, func(text []byte, at, left int, final bool) (int, bool, error) {
		next, bad := x.scan(text, at, left, final, limit)
		if bad != nil {
			return next, true, x.oddQuote(bad, next)
		}
		return next, next >= left, nil
	})
}

// Sheet implements records.Source.
func (x *source) Sheet() *cells.Sheet { return &x.sheet }

// Span implements records.Source.
func (x *source) Span(row int) (begin, end int) { return x.spans[row].Span() }

// Vector implements records.Source.
func (x *source) Vector(k int, t columnar.Type, rows []uint16, mem *memory.Scratch) columnar.Vector {
	return x.rules.Vector(&x.sheet, k, t, rows, mem, &x.decoded)
}

func (x *source) wrong(format string, args ...any) *diag.Error {
	return diag.New(diag.MalformedRecord, format, args...).WithPath(x.In.Path)
}

func (x *source) oddQuote(bad *fault, at int) error {
	if bad.what == open {
		return x.wrong("a quoted field of %s at line %d is not closed", x.In.Path, x.Line(at)).
			WithRemedy("set multiLine = true if fields hold line breaks, or another quote; mode = PERMISSIVE takes the rest of the line")
	}
	return x.wrong("text follows a quoted field of %s at line %d", x.In.Path, x.Line(at)).
		WithRemedy("set escape = '\"' if quotes in fields are doubled; mode = PERMISSIVE takes the quotes as part of the value")
}

// Malformed implements records.Source.
func (x *source) Malformed() error {
	row, k := x.sheet.FirstRow, x.sheet.FirstColumn
	begin, end := x.Span(row)
	if k < 0 {
		return x.wrong("a record has %d fields, the table %d columns (%s, line %d)", len(fields(x.o, x.sheet.Text[begin:end]).Cells), x.want, x.In.Path, x.Line(begin)).
			WithRemedy("correct the record, give a schema with as many columns, or read with mode = PERMISSIVE to get nulls")
	}
	from, to := x.sheet.Cells[row*x.width+k].Span()
	c := x.table.Field(k)
	return x.wrong("a record has %q in column %s, which is not %s (%s, line %d, column %d)", records.Clip(x.sheet.Text[from:to]), x.table.Names[c], x.table.Types[c], x.In.Path, x.Line(begin), from-begin+1).
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
