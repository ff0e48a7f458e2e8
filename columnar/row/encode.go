package row

import (
	"encoding/binary"
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// long is the length code of strings that their words do not hold whole.
const long = 15

// wordsOf returns how many words a key of a type takes.
func wordsOf(t columnar.Type) int {
	switch {
	case t.IsBytes():
		return 2
	case t.IsNested() || t.Kind == columnar.Null || t.Kind == columnar.Bool:
		return 1
	case t.Kind == columnar.Decimal && t.Precision > 18:
		return 3
	case t.FixedWidth() <= 4:
		return 1
	}
	return 2
}

// Encode encodes the keys of all n rows of the given vectors, one per key.
func Encode(keys []Key, cols []columnar.Vector, n int) *Keys {
	return EncodeIn(nil, keys, cols, n)
}

// EncodeIn is Encode with the words in s: they are valid until its Reset.
func EncodeIn(s *memory.Scratch, keys []Key, cols []columnar.Vector, n int) *Keys {
	k := &Keys{n: n}
	at := make([]int, len(keys))
	for i := range keys {
		at[i] = k.stride
		k.stride += wordsOf(cols[i].Type)
	}
	k.words = memory.Slice[uint64](s, n*k.stride)
	for i, key := range keys {
		k.column(key, &cols[i], at[i])
	}
	return k
}

// column writes a key's words: values first, then the nulls over them.
func (k *Keys) column(key Key, v *columnar.Vector, at int) {
	if k.n == 0 {
		if t := v.Type; t.IsBytes() || t.IsNested() { // keys of other rows have the tail too
			k.tails = append(k.tails, tail{at + wordsOf(t) - 1, *v, key.Desc})
		}
		return
	}
	e := encoder{words: k.words[at:], stride: k.stride, n: k.n, size: wordsOf(v.Type)}
	if key.Desc {
		e.flip = ^uint64(0)
	}
	if key.NullsLast { // the flag is not inverted: null 1, value 0
		e.null, e.value = 1, 0
	} else {
		e.null, e.value = 0, 1
	}
	t := v.Type
	if t.IsBytes() || t.IsNested() {
		k.tails = append(k.tails, tail{at + e.size - 1, *v, key.Desc})
	}
	switch {
	case t.Kind == columnar.Null:
		e.fill(0, e.null<<63)
		return
	case v.Enc == columnar.Const && v.NullAt(0):
		e.nullRows(v, t)
		return
	case t.IsNested():
		e.fill(0, e.value<<63)
	case t.IsBytes():
		e.strings(v)
	case e.size == 1:
		e.narrow(v)
	default:
		e.fill(0, e.value<<63)
		e.wide(v)
	}
	e.nullRows(v, t)
}

type encoder struct {
	words       []uint64
	stride, n   int
	size        int
	flip        uint64
	null, value uint64 // the flag
}

// fill writes a word of every row.
func (e *encoder) fill(word int, x uint64) {
	for i, at := 0, word; i < e.n; i, at = i+1, at+e.stride {
		e.words[at] = x
	}
}

// nullRows overwrites the words of rows that are null.
func (e *encoder) nullRows(v *columnar.Vector, t columnar.Type) {
	if v.Valid == nil {
		return
	}
	flag := e.null << 63
	switch {
	case t.IsBytes():
		flag = e.null << 56
	case e.size == 1 && !t.IsNested():
		flag = e.null << 32
	}
	for i := range e.n {
		if !v.NullAt(i) {
			continue
		}
		w := e.words[i*e.stride:][:e.size]
		clear(w)
		w[0] = flag
		if t.IsBytes() { // no length, in either direction: see tail.compare
			w[1] = e.flip
		}
	}
}

// narrow writes kinds of at most 4 bytes beneath the flag.
func (e *encoder) narrow(v *columnar.Vector) {
	e.place(v, 0, e.value<<32, e.flip>>32, low32)
}

// wide writes the words after the flag of kinds of 8 and 16 bytes.
func (e *encoder) wide(v *columnar.Vector) {
	if e.size == 3 {
		e.place(v, 1, 0, e.flip, high)
		e.place(v, 2, 0, e.flip, low)
		return
	}
	e.place(v, 1, 0, e.flip, signed)
}

// part says which word of a value is asked for.
type part uint8

const (
	low32  part = iota // of a kind up to 4 bytes, 32 bits
	signed             // of a kind of 8 bytes, or a decimal that the type says fits them
	high               // of a decimal
	low
)

const block = 512

// place writes one word of every row: flag | word of the value ^ flip.
func (e *encoder) place(v *columnar.Vector, word int, flag, flip uint64, p part) {
	switch v.Enc {
	case columnar.Const:
		var one [1]uint64
		valueWords(one[:], v, 0, p)
		e.fill(word, flag|(one[0]^flip))
	case columnar.Dict:
		d := make([]uint64, v.Dict.Values.Len)
		valueWords(d, &v.Dict.Values, 0, p)
		for i, c := range v.Codes()[:e.n] {
			e.words[i*e.stride+word] = flag | (d[c] ^ flip)
		}
	default:
		var buf [block]uint64
		at := word
		for from := 0; from < e.n; from += block {
			d := buf[:min(block, e.n-from)]
			valueWords(d, v, from, p)
			for _, x := range d {
				e.words[at] = flag | (x ^ flip)
				at += e.stride
			}
		}
	}
}

// valueWords writes the words of values from … of a vector's buffer, ascending
// as the values do.
func valueWords(dst []uint64, v *columnar.Vector, from int, p part) {
	n := from + len(dst)
	const sign32, sign64, all32, all64 = 1 << 31, 1 << 63, 1<<32 - 1, 1<<64 - 1
	switch v.Type.Kind {
	case columnar.Bool:
		b := v.Bits()
		for i := range dst {
			dst[i] = uint64(b[(from+i)>>3]>>((from+i)&7)) & 1
		}
		return
	case columnar.Float32:
		for i, x := range columnar.View[float32](v.Data, n)[from:] {
			dst[i] = floatWord(x)
		}
		return
	case columnar.Float64:
		for i, x := range columnar.View[float64](v.Data, n)[from:] {
			dst[i] = doubleWord(x)
		}
		return
	case columnar.Uint8:
		ints(dst, columnar.View[uint8](v.Data, n)[from:], 0, all64)
		return
	case columnar.Uint16:
		ints(dst, columnar.View[uint16](v.Data, n)[from:], 0, all64)
		return
	case columnar.Uint32:
		ints(dst, columnar.View[uint32](v.Data, n)[from:], 0, all64)
		return
	case columnar.Uint64:
		ints(dst, columnar.View[uint64](v.Data, n)[from:], 0, all64)
		return
	}
	switch {
	case v.Width == 1:
		ints(dst, columnar.View[int8](v.Data, n)[from:], sign32, all32)
	case v.Width == 2:
		ints(dst, columnar.View[int16](v.Data, n)[from:], sign32, all32)
	case v.Width == 4:
		ints(dst, columnar.View[int32](v.Data, n)[from:], sign32, all32)
	case v.Width == 16:
		decimals(dst, columnar.View[columnar.Int128](v.Data, n)[from:], p)
	case p == low:
		ints(dst, columnar.View[int64](v.Data, n)[from:], 0, all64)
	case p == high:
		for i, x := range columnar.View[int64](v.Data, n)[from:] {
			dst[i] = uint64(x>>63) ^ sign64
		}
	default:
		ints(dst, columnar.View[int64](v.Data, n)[from:], sign64, all64)
	}
}

// ints writes (x ^ flip) & keep.
func ints[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](dst []uint64, vs []T, flip, keep uint64) {
	vs = vs[:len(dst)]
	for i, x := range vs {
		dst[i] = (uint64(x) ^ flip) & keep
	}
}

func decimals(dst []uint64, vs []columnar.Int128, p part) {
	vs = vs[:len(dst)]
	switch p {
	case high:
		for i, x := range vs {
			dst[i] = uint64(x.Hi) ^ 1<<63
		}
	case low:
		for i, x := range vs {
			dst[i] = x.Lo
		}
	default:
		for i, x := range vs {
			dst[i] = x.Lo ^ 1<<63
		}
	}
}

// strings writes the two words of strings.
func (e *encoder) strings(v *columnar.Vector) {
	flag := e.value << 56
	put := func(at int, b []byte) {
		e.words[at] = flag | (head(b) ^ e.flip>>8)
		e.words[at+1] = rest(b) ^ e.flip
	}
	switch v.Enc {
	case columnar.Const:
		put(0, v.BytesAt(0))
		x, y := e.words[0], e.words[1]
		e.fill(0, x)
		e.fill(1, y)
	case columnar.Dict:
		codes := v.Codes()
		if d := &v.Dict.Values; d.Len <= e.n {
			spelt := &encoder{words: make([]uint64, 2*d.Len), stride: 2, n: d.Len, size: 2, flip: e.flip, value: e.value}
			spelt.strings(d)
			for i, c := range codes[:e.n] {
				e.words[i*e.stride], e.words[i*e.stride+1] = spelt.words[2*c], spelt.words[2*c+1]
			}
			return
		}
		for i, c := range codes[:e.n] {
			put(i*e.stride, v.Dict.Values.BytesAt(int(c)))
		}
	default:
		off := v.Offsets()
		for i := range e.n {
			put(i*e.stride, v.Bytes[off[i]:off[i+1]])
		}
	}
}

// head returns the first 7 bytes of a string, zeros behind its end.
func head(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b) >> 8
	}
	return tail7(b)
}

// rest returns the 7 bytes behind the head and the string's length, which tells
// strings apart that end in zeros.
func rest(b []byte) uint64 {
	n := uint64(min(len(b), long))
	if len(b) >= 15 {
		return binary.BigEndian.Uint64(b[7:])&^0xff | n
	}
	if len(b) <= 7 {
		return n
	}
	return tail7(b[7:])<<8 | n
}

// tail7 returns up to 7 bytes, the first one in front.
func tail7(b []byte) (w uint64) {
	for i := range min(len(b), 7) {
		w |= uint64(b[i]) << (48 - 8*i)
	}
	return w
}

// doubleWord maps doubles to words in their order.
func doubleWord(x float64) uint64 {
	switch {
	case x == 0:
		return 1 << 63
	case x != x:
		return ^uint64(0)
	}
	b := math.Float64bits(x)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

// floatWord maps floats to 32-bit words in their order.
func floatWord(x float32) uint64 {
	switch {
	case x == 0:
		return 1 << 31
	case x != x:
		return 1<<32 - 1
	}
	b := math.Float32bits(x)
	return uint64(b ^ (uint32(int32(b)>>31) | 1<<31))
}
