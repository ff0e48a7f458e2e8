package encode

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
)

// maxBound is the length at which bounds of strings are shortened.
const maxBound = 64

// bounds are the least and greatest of some values in plain encoding; ok is
// false where that is not known.
type bounds struct {
	min, max []byte
	ok       bool
}

// bounds returns those of the values [from, to) of a fixed-width column.
func (c *column) bounds(from, to int) bounds {
	if from == to {
		return bounds{}
	}
	switch c.field.Type.Kind {
	case columnar.Bool:
		none, all := true, true
		for i := from; i < to; i++ {
			if c.bits.Get(i) {
				none = false
			} else {
				all = false
			}
		}
		b := bounds{[]byte{0}, []byte{1}, true}
		if none {
			b.max = []byte{0}
		}
		if all {
			b.min = []byte{1}
		}
		return b
	case columnar.Float32:
		return floatBounds(values[float32](c, from, to), func(x float32) []byte {
			return binary.LittleEndian.AppendUint32(nil, math.Float32bits(x))
		})
	case columnar.Float64:
		return floatBounds(values[float64](c, from, to), func(x float64) []byte {
			return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))
		})
	case columnar.Uint8, columnar.Uint16, columnar.Uint32:
		return intBounds(values[uint32](c, from, to))
	case columnar.Uint64:
		return intBounds(values[uint64](c, from, to))
	}
	switch c.width {
	case 4:
		return intBounds(values[int32](c, from, to))
	case 8:
		return intBounds(values[int64](c, from, to))
	}
	xs := values[columnar.Int128](c, from, to)
	lo, hi := xs[0], xs[0]
	for _, x := range xs {
		if x.Hi < lo.Hi || x.Hi == lo.Hi && x.Lo < lo.Lo {
			lo = x
		}
		if x.Hi > hi.Hi || x.Hi == hi.Hi && x.Lo > hi.Lo {
			hi = x
		}
	}
	return bounds{appendBig(nil, lo), appendBig(nil, hi), true}
}

func values[T columnar.Fixed](c *column, from, to int) []T {
	return columnar.View[T](c.fixed, c.n)[from:to]
}

func intBounds[T int32 | int64 | uint32 | uint64](xs []T) bounds {
	lo, hi := xs[0], xs[0]
	for _, x := range xs {
		lo, hi = min(lo, x), max(hi, x)
	}
	return bounds{bytes.Clone(columnar.BytesOf([]T{lo})), bytes.Clone(columnar.BytesOf([]T{hi})), true}
}

// floatBounds gives up at a NaN. Zeros are told apart by nobody: −0 is the
// lesser bound, +0 the greater.
func floatBounds[T float32 | float64](xs []T, plain func(T) []byte) bounds {
	lo, hi := xs[0], xs[0]
	for _, x := range xs {
		if x != x {
			return bounds{}
		}
		if x < lo {
			lo = x
		}
		if x > hi {
			hi = x
		}
	}
	if lo == 0 {
		lo = T(math.Copysign(0, -1))
	}
	if hi == 0 {
		hi = 0
	}
	return bounds{plain(lo), plain(hi), true}
}

// appendBig writes a decimal as the format stores it in 16 bytes.
func appendBig(b []byte, x columnar.Int128) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(x.Hi)), x.Lo)
}

// byteBounds returns those of the byte strings [from, to). seen is scratch.
func (c *column) byteBounds(from, to int, seen []bool) bounds {
	if from == to {
		return bounds{}
	}
	var lo, hi []byte
	first := true
	see := func(b []byte) {
		if first || bytes.Compare(b, lo) < 0 {
			lo = b
		}
		if first || bytes.Compare(b, hi) > 0 {
			hi = b
		}
		first = false
	}
	if c.dict != nil {
		clear(seen)
		for _, x := range c.codes[from:to] {
			seen[x] = true
		}
		for x, ok := range seen {
			if ok {
				see(c.dict.value(uint32(x)))
			}
		}
	} else {
		for i := from; i < to; i++ {
			see(c.text[c.off[i]:c.off[i+1]])
		}
	}
	text := c.field.Type.Kind == columnar.String
	out := bounds{min: shorten(lo, text), ok: true}
	out.max, out.ok = lengthen(hi, text)
	return out
}

// shorten returns a prefix of b, at a character's border.
func shorten(b []byte, text bool) []byte {
	if len(b) <= maxBound {
		return bytes.Clone(b)
	}
	n := maxBound
	for text && n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return bytes.Clone(b[:n])
}

// lengthen returns something not less than b and not much longer than maxBound.
func lengthen(b []byte, text bool) ([]byte, bool) {
	if len(b) <= maxBound {
		return bytes.Clone(b), true
	}
	out := shorten(b, text)
	for i := len(out) - 1; i >= 0; i-- {
		if top := byte(0x7e); text && out[i] > top || out[i] == 0xff {
			continue // the next character would not be one byte
		}
		out[i]++
		return out[:i+1], true
	}
	return nil, false
}
