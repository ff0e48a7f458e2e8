package json

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/connector/cells"
)

// maxDepth bounds how deep values are nested.
const maxDepth = 500

// syntax is what can be written beyond JSON.
type syntax struct {
	bare bool // keys without quotes
	one  bool // strings in single quotes
}

// The functions below read what begins at t[i] and return where it ends; −1 says
// that it is malformed, or that t ends before it does.

// space passes white space by.
func space(t []byte, i int) int {
	for i < len(t) && (t[i] == ' ' || t[i] == '\t' || t[i] == '\n' || t[i] == '\r') {
		i++
	}
	return i
}

const each = 0x0101010101010101

// str reads a string; coded tells that it holds escapes.
func str(t []byte, i int) (end int, coded bool) {
	quote := t[i]
	for i++; ; {
		for i+8 <= len(t) { // eight bytes without an end, an escape or a control character
			w := binary.LittleEndian.Uint64(t[i:])
			a, b := w^each*uint64(quote), w^each*'\\'
			m := ((a-each)&^a | (b-each)&^b | (w-each*0x20)&^w) & (each << 7)
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(t) {
			return -1, false
		}
		switch c := t[i]; {
		case c == quote:
			return i + 1, coded
		case c == '\\':
			coded = true
			if i = escape(t, i+1); i < 0 {
				return -1, false
			}
		case c < 0x20:
			return -1, false
		default:
			i++
		}
	}
}

// escape reads what follows a backslash.
func escape(t []byte, i int) int {
	if i >= len(t) {
		return -1
	}
	switch t[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't', '\'':
		return i + 1
	case 'u':
		if i+5 > len(t) {
			return -1
		}
		for _, c := range t[i+1 : i+5] {
			if hex(c) < 0 {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// unescape appends a checked string without its escapes. Half of a pair of
// surrogates is a question mark, as Java has it.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := rune(code(s[i+1:]))
			i += 4
			if r >= 0xd800 && r < 0xdc00 && i+6 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
				if low := rune(code(s[i+3:])); low >= 0xdc00 && low < 0xe000 {
					r = (r-0xd800)<<10 + low - 0xdc00 + 0x10000
					i += 6
				}
			}
			if r >= 0xd800 && r < 0xe000 {
				r = '?'
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// code reads four hexadecimal digits.
func code(s []byte) (v int) {
	for _, c := range s[:4] {
		v = v<<4 | hex(c)
	}
	return v
}

// words are the scalars that are spelt out.
var words = []string{"true", "false", "null", "NaN", "Infinity", "-Infinity", "+Infinity", "-INF", "+INF"}

// word reads one of the words.
func word(t []byte, i int) int {
	for _, w := range words {
		if len(t)-i >= len(w) && string(t[i:i+len(w)]) == w {
			return i + len(w)
		}
	}
	return -1
}

func digits(t []byte, i int) int {
	from := i
	for i < len(t) && t[i]-'0' <= 9 {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// number reads a number, or one of the words that are.
func number(t []byte, i int) int {
	if t[i] == '-' {
		if i++; i < len(t) && t[i] == 'I' {
			return word(t, i-1)
		}
	}
	from := i
	if i = digits(t, i); i < 0 || t[from] == '0' && i > from+1 {
		return -1
	}
	if i < len(t) && t[i] == '.' {
		if i = digits(t, i+1); i < 0 {
			return -1
		}
	}
	if i < len(t) && t[i]|0x20 == 'e' {
		if i++; i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		i = digits(t, i)
	}
	return i
}

// value reads a value of any kind as a cell.
func (x syntax) value(t []byte, i, depth int) (c cells.Cell, end int) {
	if i >= len(t) || depth > maxDepth {
		return 0, -1
	}
	kind := cells.Plain
	switch ch := t[i]; {
	case ch == '"' || ch == '\'' && x.one:
		coded := false
		if end, coded = str(t, i); end < 0 {
			return 0, -1
		}
		if coded {
			return cells.Make(cells.QuotedCoded, i+1, end-1), end
		}
		return cells.Make(cells.Quoted, i+1, end-1), end
	case ch == '{':
		end = x.object(t, i, depth, nil, nil)
	case ch == '[':
		end = x.array(t, i, depth)
	case ch == '-' || ch-'0' <= 9:
		end = number(t, i)
	default:
		if end = word(t, i); ch == 'n' {
			kind = cells.Missing
		}
	}
	if end < 0 {
		return 0, -1
	}
	return cells.Make(kind, i, end), end
}

// array reads an array.
func (x syntax) array(t []byte, i, depth int) int {
	if i = space(t, i+1); i < len(t) && t[i] == ']' {
		return i + 1
	}
	for {
		if _, i = x.value(t, space(t, i), depth+1); i < 0 {
			return -1
		}
		if i = space(t, i); i >= len(t) {
			return -1
		}
		switch t[i] {
		case ']':
			return i + 1
		case ',':
			i++
		default:
			return -1
		}
	}
}

// object reads an object. The values of its keys that k knows go into row.
func (x syntax) object(t []byte, i, depth int, k *keys, row []cells.Cell) int {
	if i = space(t, i+1); i < len(t) && t[i] == '}' {
		return i + 1
	}
	for n := 0; ; n++ {
		key, end := x.key(t, space(t, i))
		if end < 0 {
			return -1
		}
		if i = space(t, end); i >= len(t) || t[i] != ':' {
			return -1
		}
		var c cells.Cell
		if c, i = x.value(t, space(t, i+1), depth+1); i < 0 {
			return -1
		}
		if k != nil {
			if at := k.find(t, key, n); at >= 0 {
				row[at] = c
			}
		}
		if i = space(t, i); i >= len(t) {
			return -1
		}
		switch t[i] {
		case '}':
			return i + 1
		case ',':
			i++
		default:
			return -1
		}
	}
}

// key reads the key of a member.
func (x syntax) key(t []byte, i int) (c cells.Cell, end int) {
	if i >= len(t) {
		return 0, -1
	}
	if t[i] == '"' || t[i] == '\'' && x.one {
		return x.value(t, i, 0)
	}
	end = i
	for x.bare && end < len(t) && (t[end] == '_' || t[end] == '$' || t[end] >= 0x80 || t[end]|0x20 >= 'a' && t[end]|0x20 <= 'z' || end > i && t[end]-'0' <= 9) {
		end++
	}
	if end == i {
		return 0, -1
	}
	return cells.Make(cells.Quoted, i, end), end
}

// keys finds the columns of keys. Objects tend to have the same keys in the same
// order, so that the n-th key is compared with the n-th of the object before.
type keys struct {
	index map[string]int
	last  []seen
	buf   []byte
}

type seen struct {
	key string
	at  int
}

func newKeys(names []string) *keys {
	k := &keys{index: map[string]int{}}
	for i, n := range names {
		if _, ok := k.index[n]; !ok {
			k.index[n] = i
		}
	}
	return k
}

// maxSeen bounds how many keys of an object are remembered.
const maxSeen = 1024

// find returns the column of the n-th key, −1 if there is none.
func (k *keys) find(t []byte, c cells.Cell, n int) int {
	begin, end := c.Span()
	name := t[begin:end]
	if c.Kind() == cells.QuotedCoded {
		k.buf = unescape(k.buf[:0], name)
		name = k.buf
	}
	if n < len(k.last) && k.last[n].key == string(name) {
		return k.last[n].at
	}
	at, ok := k.index[string(name)]
	if !ok {
		at = -1
	}
	if n < maxSeen {
		for len(k.last) <= n {
			k.last = append(k.last, seen{at: -1})
		}
		if len(name) <= 256 {
			k.last[n] = seen{string(name), at}
		}
	}
	return at
}
