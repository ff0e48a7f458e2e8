package eval

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// pattern is a LIKE pattern taken apart: literal pieces between %, each of bytes
// with _ as a wildcard for one character.
type pattern struct {
	pieces       [][]byte
	wild         bool // some piece holds _
	open, closed bool // begins, ends with %
	first        needle
}

// anyByte stands for _ inside a piece: it never occurs in UTF-8.
const anyByte = 0xff

func compileLike(text, escape string) (p pattern, err error) {
	esc := byte('\\')
	if escape != "" {
		esc = escape[0]
	}
	var piece []byte
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == esc:
			i++
			if i == len(text) || text[i] != '%' && text[i] != '_' && text[i] != esc {
				return p, diag.New(diag.InvalidArgument, "the LIKE pattern '%s' ends in or misuses its escape character", text).
					WithRemedy("write the escape character before %%, _ or itself only")
			}
			piece = append(piece, text[i])
		case ch == '%':
			if len(piece) > 0 {
				p.pieces = append(p.pieces, piece)
				piece = nil
			}
			p.open = p.open || len(p.pieces) == 0
			p.closed = true
			continue
		case ch == '_':
			piece, p.wild = append(piece, anyByte), true
		default:
			piece = append(piece, ch)
		}
		p.closed = false
	}
	if len(piece) > 0 {
		p.pieces = append(p.pieces, piece)
	}
	if len(p.pieces) > 0 {
		p.first = newNeedle(p.pieces[0])
	}
	return p, nil
}

// prefix returns how many bytes of s a piece covers at its start, −1 if it does
// not match.
func prefix(s, piece []byte) int {
	at := 0
	for _, c := range piece {
		if at >= len(s) {
			return -1
		}
		if c == anyByte {
			_, n := utf8.DecodeRune(s[at:])
			at += n
			continue
		}
		if s[at] != c {
			return -1
		}
		at++
	}
	return at
}

func (p *pattern) find(s, piece []byte) (at, n int) {
	if !p.wild {
		return bytes.Index(s, piece), len(piece)
	}
	for i := 0; i <= len(s); i++ {
		if n := prefix(s[i:], piece); n >= 0 {
			return i, n
		}
	}
	return -1, 0
}

func (p *pattern) match(s []byte) bool {
	pieces := p.pieces
	if len(pieces) == 0 {
		return p.open || len(s) == 0
	}
	if !p.open {
		n := prefix(s, pieces[0])
		if n < 0 {
			return false
		}
		s, pieces = s[n:], pieces[1:]
		if len(pieces) == 0 {
			return p.closed || len(s) == 0
		}
	}
	return p.rest(s, pieces)
}

// rest reports whether pieces follow each other anywhere in s, the last one at
// its end unless the pattern is closed by %.
func (p *pattern) rest(s []byte, pieces [][]byte) bool {
	for k, piece := range pieces {
		if k == len(pieces)-1 && !p.closed { // the last piece ends the string
			if !p.wild {
				return bytes.HasSuffix(s, piece)
			}
			for i := range len(s) + 1 {
				if n := prefix(s[i:], piece); n >= 0 && i+n == len(s) {
					return true
				}
			}
			return false
		}
		at, n := p.find(s, piece)
		if at < 0 {
			return false
		}
		s = s[at+n:]
	}
	return true
}

// test writes which rows of a flat vector match.
func (p *pattern) test(v *columnar.Vector, out columnar.Bitmap) {
	off := v.Offsets()
	if p.open && !p.wild && len(p.pieces) > 0 && (len(p.pieces) > 1 || p.closed) {
		p.testColumn(off, v.Bytes, out)
		return
	}
	plain := !p.open && !p.wild && len(p.pieces) == 1 && p.closed // abc%
	for base := 0; base < v.Len; base += 64 {
		var w uint64
		for j := range min(64, v.Len-base) {
			s := v.Bytes[off[base+j]:off[base+j+1]]
			var hit bool
			if plain {
				hit = bytes.HasPrefix(s, p.pieces[0])
			} else {
				hit = p.match(s)
			}
			w |= bit(hit) << (j & 63)
		}
		binary.LittleEndian.PutUint64(out[base>>3:], w)
	}
}

// testColumn looks for the first piece through all strings at once, and for the
// others where it was found.
func (p *pattern) testColumn(off []int32, data []byte, out columnar.Bitmap) {
	clear(out)
	n := len(off) - 1
	end := int(off[n])
	length := len(p.pieces[0])
	row := 0
	for at := int(off[0]); row < n; {
		at = p.first.find(data[:end], at)
		if at < 0 {
			return
		}
		for int(off[row+1]) <= at {
			row++
		}
		stop := int(off[row+1])
		if at+length > stop { // across two strings
			at++
			continue
		}
		if p.rest(data[at+length:stop], p.pieces[1:]) {
			out.Set(row)
		}
		at = stop
		row++
	}
}

// needle is a string to look for, by two neighbouring bytes of it that are rare
// in text.
type needle struct {
	text []byte
	at   int // the two bytes are text[at], text[at+1]
}

// common lists letters of text by frequency, the most frequent first.
const common = " etaoinshrdlucmfwygpbvkxjqz"

func newNeedle(text []byte) needle {
	n := needle{text: text}
	rank := func(c byte) int {
		if k := strings.IndexByte(common, c|0x20); k >= 0 && (c|0x20 == c || c == ' ') {
			return k
		}
		return len(common)
	}
	best := -1
	for i := 0; i+1 < len(text); i++ {
		if r := rank(text[i]) + rank(text[i+1]); r > best {
			best, n.at = r, i
		}
	}
	return n
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// find returns the first place at or after from where the text is, −1 if there
// is none. It looks at eight places at a time.
func (n *needle) find(s []byte, from int) int {
	if len(n.text) < 2 {
		k := bytes.Index(s[from:], n.text)
		if k < 0 {
			return -1
		}
		return from + k
	}
	a, b := uint64(n.text[n.at])*lowBits, uint64(n.text[n.at+1])*lowBits
	last := len(s) - len(n.text) // the last place possible
	i := from
	for ; i+n.at+9 <= len(s); i += 8 {
		p := s[i+n.at : i+n.at+9 : i+n.at+9]
		x := (binary.LittleEndian.Uint64(p) ^ a) | (binary.LittleEndian.Uint64(p[1:]) ^ b)
		// Bytes of x that are zero; above the first one some may be mistaken.
		for z := (x - lowBits) &^ x & highBits; z != 0; z &= z - 1 {
			at := i + bits.TrailingZeros64(z)>>3
			if at <= last && string(s[at:at+len(n.text)]) == string(n.text) {
				return at
			}
		}
	}
	for ; i <= last; i++ {
		if string(s[i:i+len(n.text)]) == string(n.text) {
			return i
		}
	}
	return -1
}

func like(c *expr.Call) (function, error) {
	if p, ok, err := knownPattern(c); ok || err != nil {
		return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
			valid, none := validity(r, args)
			if none {
				return allNull(columnar.BoolType, r.n), nil
			}
			v := flat(args[0], r.s)
			out := columnar.Vector{Type: columnar.BoolType, Len: r.n, Valid: valid, Data: r.bitmap()}
			p.test(v, out.Bits())
			return out, nil
		}, err
	}
	fold := c.Fn.Name == "ilike"
	var known, escape string
	var p pattern
	compiled := false
	return perRow(columnar.BoolType, func(b *builder, args []*columnar.Vector, i int) error {
		text, esc := args[1].BytesAt(i), []byte(nil)
		if len(args) > 2 {
			esc = args[2].BytesAt(i)
		}
		if !compiled || string(text) != known || string(esc) != escape {
			q, err := likePattern(c, string(text), string(esc))
			if err != nil {
				return err
			}
			p, known, escape, compiled = q, string(text), string(esc), true
		}
		s := args[0].BytesAt(i)
		if fold {
			s = bytes.ToLower(s)
		}
		b.bool(i, p.match(s))
		return nil
	}), nil
}

// knownPattern returns the pattern of a LIKE whose pattern and escape are
// literals. A wrong one is an error of the statement.
func knownPattern(c *expr.Call) (p pattern, ok bool, err error) {
	if c.Fn.Name != "like" {
		return p, false, nil
	}
	var texts [2]string
	for i, a := range c.Args[1:] {
		l, isLiteral := a.(*expr.Literal)
		if !isLiteral {
			return p, false, nil
		}
		if texts[i], ok = l.Value.(string); !ok {
			return p, false, nil
		}
	}
	p, err = likePattern(c, texts[0], texts[1])
	return p, err == nil, err
}

func likePattern(c *expr.Call, text, escape string) (pattern, error) {
	if c.Fn.Name == "ilike" {
		text = strings.ToLower(text)
	}
	p, err := compileLike(text, escape)
	var e *diag.Error
	if errors.As(err, &e) {
		e.Pos = c.Place
	}
	return p, err
}
