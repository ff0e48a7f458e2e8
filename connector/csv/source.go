package csv

import (
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/internal/diag"
)

// batchBytes bounds the text of the records that are cut at once.
const batchBytes = 4 << 20

// source cuts the records of a range of a file, a sheet at a time.
type source struct {
	*scanner
	in   *lines.Reader
	used int // bytes of the text that the sheet before took
	done bool
}

// newSource opens a range; the header of the file is passed by.
func newSource(path string, part span, s *scanner, r memory.Reservation) (*source, error) {
	in, err := lines.Open(path, part.from, part.end, s.o.Stop, r)
	if err != nil {
		return nil, err
	}
	x := &source{scanner: s, in: in}
	if part.from == 0 && s.o.Header {
		if err := x.next(1); err != nil && !errors.Is(err, io.EOF) {
			in.Close()
			return nil, err
		}
	}
	return x, nil
}

// next fills the sheet with up to limit records; io.EOF says that there are none
// left. The sheet is valid until the next call.
func (x *source) next(limit int) error {
	x.sheet.Clear()
	x.spans = x.spans[:0]
	x.in.Skip(x.used)
	x.used = 0
	for !x.done {
		final := x.in.Done()
		at, bad := x.scan(x.in.Text(), x.used, x.in.Left(), final, limit)
		x.used = at
		if bad != nil {
			x.sheet.Text = x.in.Text()
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

// place names where a byte of the text lies.
func (x *source) place(at int) (line int, e func(format string, args ...any) *diag.Error) {
	line = lines.LineAt(x.in.Path, x.in.Offset()+int64(at))
	return line, func(format string, args ...any) *diag.Error {
		return diag.New(diag.MalformedRecord, format, args...).WithPath(x.in.Path)
	}
}

func (x *source) oddQuote(bad *fault) error {
	line, e := x.place(x.used)
	if bad.what == open {
		return e("a quoted field of %s at line %d is not closed", x.in.Path, line).
			WithRemedy("set multiLine = true if fields hold line breaks, or another quote; mode = PERMISSIVE takes the rest of the line")
	}
	return e("text follows a quoted field of %s at line %d", x.in.Path, line).
		WithRemedy("set escape = '\"' if quotes in fields are doubled; mode = PERMISSIVE takes the quotes as part of the value")
}
