package agg

import (
	"bytes"
	"math"
	"math/big"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

// newExtreme returns min or max over a type: fixed-width values as ordered
// 64-bit words, wide decimals and bytes by comparison.
func newExtreme(max bool, t columnar.Type) state {
	switch {
	case t.IsBytes() || t.Kind == columnar.Decimal && t.Precision > 18 || t.Kind == columnar.Null:
		return &pick{typ: t, compare: true, max: max}
	}
	return &wordExtreme{max: max, typ: t}
}

// wordExtreme keeps the least or greatest value of a type that fits 64 bits.
type wordExtreme struct {
	max  bool
	typ  columnar.Type
	v    []int64 // values in the order of signed integers
	seen []bool
}

func (s *wordExtreme) grow(n int) { s.v, s.seen = extend(s.v, n), extend(s.seen, n) }

func extremes[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](s *wordExtreme, vs []T, groups []uint32) {
	if s.max {
		for i, g := range groups {
			if x := int64(vs[i]); x > s.v[g] || !s.seen[g] {
				s.v[g], s.seen[g] = x, true
			}
		}
		return
	}
	for i, g := range groups {
		if x := int64(vs[i]); x < s.v[g] || !s.seen[g] {
			s.v[g], s.seen[g] = x, true
		}
	}
}

// orderFloat maps a double to an integer in the order of SQL: NaN is greatest.
func orderFloat(x float64) int64 {
	b := int64(canonical(x))
	return b ^ int64(uint64(b>>63)>>1)
}

func unorderFloat(b int64) float64 {
	return math.Float64frombits(uint64(b ^ int64(uint64(b>>63)>>1)))
}

func (s *wordExtreme) update(args []columnar.Vector, groups []uint32) {
	v := &args[0]
	unsigned := v.Type.Kind >= columnar.Uint8 && v.Type.Kind <= columnar.Uint64
	switch {
	case v.Type.IsFloat():
		xs := make([]int64, v.Len)
		for i := range xs {
			xs[i] = orderFloat(v.Float64At(i))
		}
		extremes(s, xs, groups)
	case v.Type.Kind == columnar.Bool:
		xs := make([]int8, v.Len)
		for i := range xs {
			xs[i] = int8(v.Bits()[i>>3] >> (i & 7) & 1)
		}
		extremes(s, xs, groups)
	case v.Width == 1 && unsigned:
		extremes(s, columnar.Values[uint8](v), groups)
	case v.Width == 2 && unsigned:
		extremes(s, columnar.Values[uint16](v), groups)
	case v.Width == 4 && unsigned:
		extremes(s, columnar.Values[uint32](v), groups)
	case unsigned:
		xs := make([]int64, v.Len)
		for i, x := range columnar.Values[uint64](v) {
			xs[i] = int64(x ^ 1<<63)
		}
		extremes(s, xs, groups)
	case v.Width == 1:
		extremes(s, columnar.Values[int8](v), groups)
	case v.Width == 2:
		extremes(s, columnar.Values[int16](v), groups)
	case v.Width == 4:
		extremes(s, columnar.Values[int32](v), groups)
	default:
		extremes(s, columnar.Values[int64](v), groups)
	}
}
func (s *wordExtreme) merge(st []columnar.Vector, groups []uint32) { s.update(st, groups) }
func (s *wordExtreme) result(from, n int) (columnar.Vector, error) {
	k := &keyColumn{typ: s.typ, words: 1}
	words := make([]uint64, n)
	for i, x := range s.v[from : from+n] {
		switch {
		case s.typ.IsFloat():
			words[i] = math.Float64bits(unorderFloat(x))
		case s.typ.Kind == columnar.Uint64:
			words[i] = uint64(x) ^ 1<<63
		default:
			words[i] = uint64(x)
		}
	}
	v := k.column(words, 1, 0, n, false)
	v.Valid = valid(n, func(i int) bool { return s.seen[from+i] })
	v.Stable = true
	return v, nil
}
func (s *wordExtreme) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	return []columnar.Vector{v}, err
}
func (s *wordExtreme) reset() {
	clear(s.v)
	clear(s.seen)
	s.v, s.seen = s.v[:0], s.seen[:0]
}
func (s *wordExtreme) bytes() int64 { return int64(9 * cap(s.v)) }

// pick keeps one value per group as bytes: first, last, any, or the extreme of a
// type that has no 64-bit order.
type pick struct {
	typ        columnar.Type
	last       bool
	seenColumn bool // the state has a second column that tells whether there was a row
	compare    bool
	max        bool
	v          [][]byte
	seen       []bool
	held       int64
}

func (s *pick) grow(n int) { s.v, s.seen = extend(s.v, n), extend(s.seen, n) }

// value returns a row as bytes: decimals as 16 big-endian ordered bytes.
func (s *pick) value(v *columnar.Vector, i int, buf *[16]byte) []byte {
	switch {
	case v.Type.IsBytes():
		return v.BytesAt(i)
	case v.Type.Kind == columnar.Decimal:
		x := v.Int128At(i)
		putWord(buf[:8], uint64(x.Hi)^1<<63)
		putWord(buf[8:], x.Lo)
		return buf[:]
	case v.Type.IsFloat():
		putWord(buf[:8], math.Float64bits(v.Float64At(i)))
	default:
		putWord(buf[:8], uint64(v.Int64At(i)))
	}
	return buf[:8]
}

func putWord(b []byte, x uint64) {
	for i := range 8 {
		b[i] = byte(x >> (56 - 8*i))
	}
}

func getWord(b []byte) (x uint64) {
	for _, c := range b[:8] {
		x = x<<8 | uint64(c)
	}
	return x
}

func (s *pick) update(args []columnar.Vector, groups []uint32) {
	var buf [16]byte
	v := &args[0]
	for i, g := range groups {
		if g == 0 {
			continue
		}
		if s.seen[g] && !s.last && !s.compare {
			continue
		}
		if v.NullAt(i) {
			if !s.compare && s.seenColumn { // first and last respect nulls
				s.seen[g], s.v[g] = true, nil
			}
			continue
		}
		b := s.value(v, i, &buf)
		if s.compare && s.seen[g] {
			if c := bytes.Compare(b, s.v[g]); c == 0 || (c > 0) != s.max {
				continue
			}
		}
		s.seen[g] = true
		s.held += int64(len(b))
		s.v[g] = append(make([]byte, 0, len(b)+1), b...) // never nil: nil is null
	}
}

func (s *pick) merge(st []columnar.Vector, groups []uint32) {
	if !s.seenColumn {
		s.update(st[:1], groups)
		return
	}
	live := append([]uint32{}, groups...)
	for i := range live {
		if st[1].NullAt(i) || !st[1].Bits().Get(i) {
			live[i] = 0
		}
	}
	s.update(st[:1], live)
}

func (s *pick) result(from, n int) (columnar.Vector, error) {
	v := columnar.Vector{Type: s.typ, Len: n, Stable: true}
	if s.typ.Kind == columnar.Null {
		return v, nil
	}
	v.Valid = valid(n, func(i int) bool { return s.v[from+i] != nil })
	switch {
	case s.typ.IsBytes():
		off := make([]int32, n+1)
		for i, b := range s.v[from : from+n] {
			v.Bytes = append(v.Bytes, b...)
			off[i+1] = int32(len(v.Bytes))
		}
		v.Data = columnar.BytesOf(off)
		return v, nil
	case s.typ.Kind == columnar.Decimal:
		xs := make([]columnar.Int128, n)
		for i, b := range s.v[from : from+n] {
			if b != nil {
				xs[i] = columnar.Int128{Hi: int64(getWord(b) ^ 1<<63), Lo: getWord(b[8:])}
			}
		}
		v.Width, v.Data = decimals(xs)
		return v, nil
	}
	k := &keyColumn{typ: s.typ, words: 1}
	words := make([]uint64, n)
	for i, b := range s.v[from : from+n] {
		if b != nil {
			words[i] = getWord(b)
		}
	}
	w := k.column(words, 1, 0, n, false)
	w.Valid, w.Stable = v.Valid, true
	return w, nil
}

func (s *pick) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	if !s.seenColumn {
		return []columnar.Vector{v}, err
	}
	b := columnar.NewBitmap(n)
	for i := range n {
		b.SetTo(i, s.seen[from+i])
	}
	return []columnar.Vector{v, {Type: columnar.BoolType, Len: n, Data: b, Stable: true}}, err
}

func (s *pick) reset() {
	clear(s.v)
	clear(s.seen)
	s.v, s.seen, s.held = s.v[:0], s.seen[:0], 0
}
func (s *pick) bytes() int64 { return int64(25*cap(s.v)) + s.held }

// ---- 128-bit arithmetic ----

// pow10 returns 10^n for 0 ≤ n ≤ 38.
func pow10(n int) columnar.Int128 {
	lo, hi := uint64(1), uint64(0)
	for range n {
		h, l := bits.Mul64(lo, 10)
		lo, hi = l, hi*10+h
	}
	return columnar.Int128{Lo: lo, Hi: int64(hi)}
}

// within reports |x| < limit.
func within(x, limit columnar.Int128) bool {
	if x.Hi < 0 {
		lo, b := bits.Sub64(0, x.Lo, 0)
		hi, _ := bits.Sub64(0, uint64(x.Hi), b)
		x = columnar.Int128{Lo: lo, Hi: int64(hi)}
		if x.Hi < 0 {
			return false
		}
	}
	return x.Hi < limit.Hi || x.Hi == limit.Hi && x.Lo < limit.Lo
}

// mulDivHalfUp returns x·m ÷ d, rounded half away from zero.
func mulDivHalfUp(x, m columnar.Int128, d uint64) (columnar.Int128, bool) {
	if x.Hi == int64(x.Lo)>>63 && m.Hi == 0 && m.Lo>>63 == 0 {
		neg := x.Hi < 0
		a := x.Lo
		if neg {
			a = -a
		}
		hi, lo := bits.Mul64(a, m.Lo)
		if hi < d {
			q, r := bits.Div64(hi, lo, d)
			if r >= d-r {
				q++
			}
			if q>>63 == 0 {
				v := int64(q)
				if neg {
					v = -v
				}
				return columnar.Int128{Lo: uint64(v), Hi: v >> 63}, true
			}
		}
	}
	n := new(big.Int).Mul(x.Big(), m.Big())
	neg := n.Sign() < 0
	n.Abs(n)
	den := new(big.Int).SetUint64(d)
	q, r := new(big.Int).QuoRem(n, den, new(big.Int))
	if r.Lsh(r, 1).Cmp(den) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if neg {
		q.Neg(q)
	}
	return columnar.Int128FromBig(q)
}
