package csv

import (
	"bytes"
	"math/bits"

	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/connector/records"
)

// scanner cuts text into records and cells.
//
// It looks at 64 bytes at a time: separators and line breaks are marked in two
// words of 64 bits, whose ones are visited. A quote matters at the begin of a
// field only, so it needs no mark of its own; behind a quoted field the visit goes
// on. Behind the last field that is wanted, line breaks alone are visited.
type scanner struct {
	o     *options
	width int // cells kept of a record
	want  int // fields that a good record has; −1: any number
	sheet cells.Sheet
	spans []cells.Cell // of the records, one a row
	buf   []byte

	group  int // where the text of marks begins
	marks  [2 * groupBytes / 64]uint64
	stopA  byte // what ends lines
	stopB  byte
	trims  bool
	skips  bool // what follows the wanted fields does not matter
	tooOdd bool // fields whose quotes are odd are errors
}

func newScanner(o *options, width, want int) *scanner {
	s := &scanner{o: o, width: width, want: want, trims: o.TrimLeft || o.TrimRight, tooOdd: o.Mode == records.FailFast, stopA: '\n', stopB: '\r'}
	if o.Stop != 0 {
		s.stopA, s.stopB = o.Stop, o.Stop
	}
	s.skips = want < 0 && !o.MultiLine && !s.tooOdd
	s.sheet.Width = width
	return s
}

// words returns the marks of the 64 bytes of p at base, of which those from n on
// are no text.
func (s *scanner) words(p []byte, base, n int) (seps, stops uint64) {
	k := base - s.group
	if uint(k) >= groupBytes {
		s.group, k = base, 0
		mark(&s.marks, p[base:min(base+groupBytes, (n-base+63)&^63+base)], s.o.Sep[0], s.stopA, s.stopB)
	}
	seps, stops = s.marks[k>>5], s.marks[k>>5+1]
	if base+64 > n {
		text := uint64(1)<<uint(n-base) - 1
		seps, stops = seps&text, stops&text
	}
	return seps, stops
}

// fault is a record that the scanner cannot read, as failFast has it.
type fault struct {
	row  int
	what closing
}

// scan cuts the records that begin in t[at:stop], at most limit rows in the
// sheet altogether, and returns where the next one begins. A record that does not
// end in t is left to the next call, unless t is the end of the file. Pad bytes
// behind t are readable.
func (s *scanner) scan(t []byte, at, stop int, final bool, limit int) (next int, bad *fault) {
	n := len(t)
	if at >= n {
		return at, nil
	}
	p := t[: n+lines.Pad : n+lines.Pad]
	width, quote, long, origin := s.width, s.o.Quote, len(s.o.Sep), at
	s.group = at - groupBytes
	// todo are the marks at base and behind that were not visited; only is 0 while
	// separators do not matter.
	base, only := at, ^uint64(0)
	seps, stops := s.words(p, base, n)
	todo := seps | stops
	for s.sheet.Rows < limit && at < stop && at < n {
		if c := p[at]; c <= ' ' || c == s.stopA || c == s.o.Comment {
			after, skip := s.blank(t, at, final)
			if after < 0 {
				return at, nil
			}
			if skip {
				if at = after; at < n {
					base = origin + (at-origin)&^63
					seps, stops = s.words(p, base, n)
					todo = (seps | stops) & (^uint64(0) << uint(at-base))
				}
				continue
			}
		}
		k := len(s.sheet.Cells)
		s.sheet.Cells = grow(s.sheet.Cells, width)
		row := s.sheet.Cells[k : k+width]
		from, f, quoted := at, 0, cells.Cell(0) // where the field begins, its number
		if only = ^uint64(0); width == 0 && s.skips {
			only, todo = 0, todo&stops
		}
		for {
			if (p[from] == quote && quote != 0 || s.trims) && from < n && only != 0 {
				var end int
				if quoted, end, bad = s.quoted(t, from, final); bad != nil || end < 0 {
					s.sheet.Cells = s.sheet.Cells[:k]
					return at, bad
				}
				if end >= base+64 && end < n {
					base = origin + (end-origin)&^63
					seps, stops = s.words(p, base, n)
				} else if end >= n {
					base, seps, stops = n, 0, 0
				}
				todo = (seps | stops) & (^uint64(0) << uint(end-base))
			}
			pos, isStop := n, true
			for {
				for todo == 0 && base+64 < n {
					base += 64
					seps, stops = s.words(p, base, n)
					todo = seps&only | stops
				}
				if todo == 0 {
					pos, isStop = n, true
					break
				}
				bit := todo & -todo
				pos, isStop = base+bits.TrailingZeros64(bit), stops&bit != 0
				todo &^= bit
				if isStop || long == 1 || pos >= from && s.o.sepAt(t, pos) {
					break
				}
			}
			if isStop && !final && (pos == n || pos == n-1 && p[pos] == '\r' && s.o.Stop == 0) {
				s.sheet.Cells = s.sheet.Cells[:k]
				return at, nil
			}
			if f < len(row) {
				x := cells.Make(cells.Plain, from, pos)
				if quoted != 0 {
					x, quoted = quoted, 0
				} else if s.trims {
					x = s.trim(t, x)
				}
				row[f] = x
			}
			f++
			if !isStop {
				from = pos + long
				if f == width && s.skips {
					only, todo = 0, todo&stops
				}
				continue
			}
			s.finish(row, at, from, pos, f)
			if at = n; pos < n {
				at = lines.Behind(t, pos)
				if at < n && at >= base+64 {
					base = origin + (at-origin)&^63
					seps, stops = s.words(p, base, n)
				}
				todo = (seps | stops) & (^uint64(0) << uint(at-base))
			}
			break
		}
	}
	return at, nil
}

// finish completes a record of f fields that spans [at, end), of which the last
// began at last.
func (s *scanner) finish(row []cells.Cell, at, last, end, f int) {
	if s.o.Tail && f > 1 && last == end { // the separator ended the record
		f--
		if f < len(row) {
			row[f] = cells.Make(cells.Missing, end, end)
		}
	}
	for i := f; i < len(row); i++ {
		row[i] = cells.Make(cells.Missing, end, end)
	}
	s.spans = append(s.spans, cells.Make(cells.Plain, at, end))
	if f != s.want && s.want >= 0 {
		s.sheet.Flag(s.sheet.Rows, -1)
	}
	s.sheet.Rows++
}

// grow lengthens a slice by n elements of arbitrary content.
func grow(c []cells.Cell, n int) []cells.Cell {
	if cap(c)-len(c) < n {
		c = append(make([]cells.Cell, 0, max(2*cap(c), len(c)+n, 1024)), c...)
	}
	return c[:len(c)+n]
}

// blank looks at a line that begins with white space or a comment character;
// skip tells that it is no record, after where the next one begins, −1 that it
// does not end in t.
func (s *scanner) blank(t []byte, at int, final bool) (after int, skip bool) {
	if s.o.MultiLine && t[at] != s.o.Comment && !s.o.stops(t[at]) && !s.trims {
		return at, false // a record of white space
	}
	rest := t[at:]
	n := lines.End(rest, s.o.Stop)
	if n < 0 || n == len(rest)-1 && rest[n] == '\r' {
		if !final {
			return -1, false
		}
		if n < 0 {
			n = len(rest)
		}
	}
	comment := s.o.Comment != 0 && rest[0] == s.o.Comment
	if !comment && len(bytes.TrimLeft(rest[:n], blanks)) > 0 {
		return at, false
	}
	if n == len(rest) {
		return len(t), true
	}
	return at + lines.Behind(rest, n), true
}

// blanks are the bytes up to the space, which lines may consist of.
const blanks = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "

// quoted looks at a field that begins with a quote (or, where white space is
// ignored, may do so behind it); end is where the separator or line break behind
// it stands, −1 if the field does not end in t. A field without a quote is no
// cell: end is where it begins.
func (s *scanner) quoted(t []byte, from int, final bool) (c cells.Cell, end int, bad *fault) {
	o := s.o
	at := from
	for o.TrimLeft && at < len(t) && t[at] <= ' ' && !o.sepAt(t, at) && !o.stops(t[at]) {
		at++
	}
	if at == len(t) || t[at] != o.Quote || o.Quote == 0 {
		return 0, from, nil
	}
	// Nearly all of them end with the next quote.
	for i := at + 1; i < len(t); i++ {
		ch := t[i]
		if ch == o.Quote {
			if i+1 < len(t) && (o.sepAt(t, i+1) || o.stops(t[i+1])) {
				if i == at+1 {
					return cells.Make(cells.Empty, i, i), i + 1, nil
				}
				return cells.Make(cells.Plain, at+1, i), i + 1, nil
			}
			break
		}
		if ch == o.Escape || !o.MultiLine && o.stops(ch) {
			break
		}
	}
	rest := t[at:]
	if !o.MultiLine {
		n := lines.End(rest, o.Stop)
		if n >= 0 {
			rest, final = rest[:n], true
		}
	}
	value, n, how := o.unquote(s.buf[:0], rest, o.MultiLine)
	s.buf = value
	if n == len(rest) && !final {
		return 0, -1, nil
	}
	if how != closed && s.tooOdd {
		return 0, 0, &fault{row: s.sheet.Rows, what: how}
	}
	kind := cells.Coded
	if len(value) == 0 && how == closed {
		kind = cells.Empty
	}
	return cells.Make(kind, at, at+n), at + n, nil
}

// trim drops white space around a cell without quotes.
func (s *scanner) trim(t []byte, c cells.Cell) cells.Cell {
	begin, end := c.Span()
	for s.o.TrimLeft && begin < end && t[begin] <= ' ' {
		begin++
	}
	for s.o.TrimRight && begin < end && t[end-1] <= ' ' {
		end--
	}
	return cells.Make(cells.Plain, begin, end)
}
