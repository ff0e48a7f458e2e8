package json

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
)

// scanner cuts text into documents and their values.
type scanner struct {
	o     *options
	x     syntax
	keys  *keys
	sheet cells.Sheet
	spans []cells.Cell // of the records, one a row

	array bool // the next thing is in an array of records
	first bool // it is its first element
	done  bool // nothing that counts is left
}

func newScanner(o *options, names []string) *scanner {
	s := &scanner{o: o, x: syntax{bare: o.Bare, one: o.OneQuote}, keys: newKeys(names)}
	s.sheet.Width = len(names)
	return s
}

// scan cuts the records that begin in t[at:stop], at most limit rows in the sheet
// altogether, and returns where the next one begins. What does not end in t is
// left to the next call, unless t is the end of the file.
func (s *scanner) scan(t []byte, at, stop int, final bool, limit int) int {
	for s.sheet.Rows < limit && !s.done && (at < stop || s.array) {
		next := at
		switch {
		case s.array:
			next = s.element(t, at, final)
		case s.o.MultiLine:
			next = s.file(t, at, final)
		case at < len(t):
			next = s.line(t, at, final)
		}
		if next == at && !s.array {
			return at
		}
		if next < 0 {
			return at
		}
		at = next
	}
	return at
}

// line takes the line at t[at]; −1 says that it does not end in t.
func (s *scanner) line(t []byte, at int, final bool) int {
	n := lines.End(t[at:], s.o.Stop)
	if n < 0 || !final && n == len(t)-at-1 && t[at+n] == '\r' {
		if !final {
			return -1
		}
		if n < 0 {
			n = len(t) - at
		}
	}
	line, after := t[:at+n], len(t)
	if at+n < len(t) {
		after = at + lines.Behind(t[at:], n)
	}
	i := at
	for i < len(line) && line[i] <= ' ' {
		i++
	}
	switch {
	case i == len(line):
		return after
	case line[i] == '[' && s.records(line, i):
		s.array, s.first = true, true
		return i + 1
	case line[i] != '{' || s.row(line, i) < 0:
		s.malformed(at, len(line))
	}
	return after
}

// records reports whether an array has objects only.
func (s *scanner) records(t []byte, i int) bool {
	if s.x.array(t, i, 0) < 0 {
		return false
	}
	for i = space(t, i+1); i < len(t) && t[i] != ']'; i = space(t, i) {
		if t[i] != '{' {
			return false
		}
		if i = space(t, s.x.object(t, i, 0, nil, nil)); t[i] == ',' {
			i++
		}
	}
	return true
}

// row adds the object at t[i]; −1 says that it is none.
func (s *scanner) row(t []byte, i int) int {
	n := len(s.sheet.Cells)
	s.blank()
	end := s.x.object(t, i, 0, s.keys, s.sheet.Cells[n:])
	if end < 0 {
		s.sheet.Cells = s.sheet.Cells[:n]
		return -1
	}
	s.spans = append(s.spans, cells.Make(cells.Plain, i, end))
	s.sheet.Rows++
	return end
}

// blank adds a row of missing cells to the sheet's.
func (s *scanner) blank() {
	for range s.sheet.Width {
		s.sheet.Cells = append(s.sheet.Cells, cells.Make(cells.Missing, 0, 0))
	}
}

// malformed adds a row for a text that is no record.
func (s *scanner) malformed(begin, end int) {
	s.blank()
	s.spans = append(s.spans, cells.Make(cells.Plain, begin, end))
	s.sheet.Flag(s.sheet.Rows, -1)
	s.sheet.Rows++
}

// element takes the next element of an array of records: of a line, which was
// checked, or of a file, where the first that is no object ends the reading.
func (s *scanner) element(t []byte, at int, final bool) int {
	i := space(t, at)
	if i < len(t) && t[i] == ',' && !s.first {
		i = space(t, i+1)
	} else if i < len(t) && t[i] != ']' && !s.first {
		return s.broken(t, at, final, true)
	}
	if i < len(t) && t[i] == ']' {
		s.array = false
		if s.o.MultiLine {
			s.done = true
			return len(t)
		}
		n := lines.End(t[i:], s.o.Stop)
		if n < 0 {
			return len(t)
		}
		return i + lines.Behind(t[i:], n)
	}
	end := -1
	if i < len(t) && t[i] == '{' {
		end = s.row(t, i)
	}
	if end < 0 {
		return s.broken(t, at, final, i < len(t) && t[i] != '{')
	}
	s.first = false
	return end
}

// file takes the one document of a file.
func (s *scanner) file(t []byte, at int, final bool) int {
	i := space(t, at)
	if i >= len(t) {
		s.done = final
		return -1
	}
	if t[i] == '[' {
		s.array, s.first = true, true
		return i + 1
	}
	if t[i] != '{' || s.row(t, i) < 0 {
		return s.broken(t, at, final, t[i] != '{')
	}
	s.done = true
	return len(t)
}

// broken ends the reading of a file at what is no record; unless it is certain,
// that waits for the rest of the file.
func (s *scanner) broken(t []byte, at int, final, certain bool) int {
	if !final && !certain {
		return -1
	}
	s.malformed(at, len(t))
	s.array, s.done = false, true
	return len(t)
}

// source implements records.Source.
type source struct {
	*scanner
	records.Feed
	table         *records.Table // for messages
	rules, binary *cells.Rules
	decoded       []byte
	parts         map[*columnar.Nested]*keys
}

var _ records.Source = (*source)(nil)

func newSource(part records.Range, s *scanner, t *records.Table, r memory.Reservation) (*source, error) {
	in, err := lines.Open(part.Path, part.From, part.End, s.o.Stop, r)
	if err != nil {
		return nil, err
	}
	x := &source{scanner: s, Feed: records.Feed{In: in}, table: t, parts: map[*columnar.Nested]*keys{}}
	x.rules, x.binary = s.o.rules()
	return x, nil
}

// Next implements records.Source.
func (x *source) Next(limit int) error {
	x.spans = x.spans[:0]
	return x.Fill(&x.sheet, limit, func(text []byte, at, left int, final bool) (int, bool, error) {
		next := x.scan(text, at, left, final, limit)
		return next, x.scanner.done || next >= left && !x.array, nil
	})
}

// Sheet implements records.Source.
func (x *source) Sheet() *cells.Sheet { return &x.sheet }

// Span implements records.Source.
func (x *source) Span(row int) (begin, end int) { return x.spans[row].Span() }

// Malformed implements records.Source.
func (x *source) Malformed() error {
	row, k := x.sheet.FirstRow, x.sheet.FirstColumn
	begin, end := x.Span(row)
	line := x.Line(begin)
	if k < 0 {
		return diag.New(diag.MalformedRecord, "%q is no JSON object (%s, line %d)", records.Clip(x.sheet.Text[begin:end]), x.In.Path, line).WithPath(x.In.Path).
			WithRemedy("correct it, set multiLine = true if documents span lines, or read with mode = PERMISSIVE to get nulls")
	}
	from, to := x.sheet.Cells[row*x.sheet.Width+k].Span()
	c := x.table.Field(k)
	return diag.New(diag.MalformedRecord, "a record has %q in column %s, which is not %s (%s, line %d, column %d)", records.Clip(x.sheet.Text[from:to]), x.table.Names[c], x.table.Types[c], x.In.Path, line, from-begin+1).
		WithPath(x.In.Path).WithRemedy("correct the record, give a schema with other types, or read with mode = PERMISSIVE to get nulls")
}
