package csv

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/lines"
)

// scanner cuts text into records and cells.
//
// It looks at 64 bytes at a time: eight words are compared with the separator and
// with the line breaks, the results gathered into one word of 64 bits, whose ones
// are visited. A quote matters at the begin of a field only, so it needs no
// compare of its own; behind a quoted field the search goes on.
type scanner struct {
	o     *options
	width int // cells kept of a record
	want  int // fields that a good record has; −1: any number
	sheet cells.Sheet
	spans []cells.Cell // of the records, one a row
	buf   []byte

	sep, stopMask, stop uint64 // of a byte, eight times
	wide                bool   // the separator has several bytes
	trims               bool
	tooOdd              bool // fields whose quotes are odd are errors
}

const eachByte = 0x0101010101010101

func newScanner(o *options, width, want int) *scanner {
	s := &scanner{o: o, width: width, want: want, wide: len(o.Sep) > 1, trims: o.TrimLeft || o.TrimRight, tooOdd: o.Mode == failFast}
	s.sep = eachByte * uint64(o.Sep[0])
	// \n and \r are found together with the other bytes from 8 to 15, which are
	// looked at and passed by.
	s.stopMask, s.stop = eachByte*0xf8, eachByte*0x08
	if o.Stop != 0 {
		s.stopMask, s.stop = eachByte*0xff, eachByte*uint64(o.Stop)
	}
	s.sheet.Width = width
	return s
}

// mask returns a bit for each of the 64 bytes of t that may be a separator or a
// line break. It has a few more: a borrow from a byte that is found lets its
// neighbour with the next code seem found too.
func (s *scanner) mask(t []byte) (m uint64) {
	t = t[:64]
	sep, stop, stopMask := s.sep, s.stop, s.stopMask
	for i := 0; i < 64; i += 8 {
		w := binary.LittleEndian.Uint64(t[i:])
		a, b := w^sep, w&stopMask^stop
		x := ((a-eachByte)&^a | (b-eachByte)&^b) & (eachByte << 7)
		m |= (x >> 7 * 0x0102040810204080) >> 56 << uint(i)
	}
	return m
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
	p := t[: n+lines.Pad : n+lines.Pad]
	width, quote, sep := s.width, s.o.Quote, s.o.Sep[0]
	base := at
	m := uint64(0)
	if at < n {
		m = s.block(p, base, n)
	}
record:
	for s.sheet.Rows < limit && at < stop && at < n {
		if c := p[at]; c <= ' ' || c == s.o.Comment && c != 0 {
			after, skip := s.blank(t, at, final)
			if after < 0 {
				return at, nil
			}
			if skip {
				at = after
				continue
			}
		}
		k := len(s.sheet.Cells)
		s.sheet.Cells = grow(s.sheet.Cells, width)
		row := s.sheet.Cells[k : k+width]
		from, f := at, 0 // where the field begins, its number
		quoted := cells.Cell(0)
		for {
			if p[from] == quote && quote != 0 && from < n || s.trims && from < n {
				var end int
				if quoted, end, bad = s.quoted(t, from, final); bad != nil {
					s.sheet.Cells = s.sheet.Cells[:k]
					return at, bad
				}
				if end < 0 {
					s.sheet.Cells = s.sheet.Cells[:k]
					return at, nil
				}
				if end-base < 64 {
					m &= ^uint64(0) << uint(end-base)
				} else if base = end; end < n {
					m = s.block(p, base, n)
				} else {
					m = 0
				}
			}
			pos, c := n, byte(0)
			for {
				for m == 0 && base+64 < n {
					base += 64
					m = s.block(p, base, n)
				}
				if m == 0 {
					pos, c = n, 0
					break
				}
				pos = base + bits.TrailingZeros64(m)
				m &= m - 1
				c = p[pos]
				if pos >= from && (c == sep && (!s.wide || s.o.sepAt(t, pos)) || c != sep && s.o.stops(c)) {
					break
				}
			}
			isSep := pos < n && c == sep
			if !final && (pos == n || c == '\r' && pos == n-1 && !isSep) {
				s.sheet.Cells = s.sheet.Cells[:k]
				return at, nil
			}
			if f < len(row) {
				x := quoted
				if x == 0 {
					x = cells.Make(cells.Plain, from, pos)
					if s.trims {
						x = s.trim(t, x)
					}
				}
				row[f] = x
			}
			quoted = 0
			f++
			if isSep {
				from = pos + len(s.o.Sep)
				continue
			}
			s.finish(row, at, from, pos, f)
			if at = n; pos < n {
				at = lines.Behind(t, pos)
			}
			continue record
		}
	}
	return at, nil
}

// block is the mask of the 64 bytes at base, those before n.
func (s *scanner) block(p []byte, base, n int) uint64 {
	m := s.mask(p[base:])
	if base+64 > n {
		m &= 1<<uint(n-base) - 1
	}
	return m
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
