package agg

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/millrace-engine/millrace/columnar"
)

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

func (s *pick) track(int)  {}
func (s *pick) grow(n int) { s.v, s.seen = extend(s.v, n), extend(s.seen, n) }

// value returns a row as bytes: decimals as 16 big-endian ordered bytes.
func (s *pick) value(v *columnar.Vector, i int, buf *[16]byte) []byte {
	switch {
	case v.Type.IsBytes():
		return v.BytesAt(i)
	case v.Type.Kind == columnar.Decimal:
		x := v.Int128At(i)
		binary.BigEndian.PutUint64(buf[:8], uint64(x.Hi)^1<<63)
		binary.BigEndian.PutUint64(buf[8:], x.Lo)
		return buf[:]
	case v.Type.IsFloat():
		binary.BigEndian.PutUint64(buf[:8], math.Float64bits(v.Float64At(i)))
	default:
		binary.BigEndian.PutUint64(buf[:8], uint64(v.Int64At(i)))
	}
	return buf[:8]
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
		if old := s.v[g]; cap(old) < len(b) || old == nil {
			s.held += int64(len(b) + 8 - cap(old))
			s.v[g] = append(make([]byte, 0, len(b)+8), b...) // never nil: nil is null
		} else {
			s.v[g] = append(old[:0], b...)
		}
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
				xs[i] = columnar.Int128{Hi: int64(binary.BigEndian.Uint64(b) ^ 1<<63), Lo: binary.BigEndian.Uint64(b[8:])}
			}
		}
		v.Width, v.Data = decimals(xs)
		return v, nil
	}
	words := make([]uint64, n)
	for i, b := range s.v[from : from+n] {
		if b != nil {
			words[i] = binary.BigEndian.Uint64(b)
		}
	}
	w := fromWords(s.typ, words)
	w.Valid = v.Valid
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

func (s *pick) reset()       { s.v, s.seen, s.held = wiped(s.v), wiped(s.seen), 0 }
func (s *pick) bytes() int64 { return int64(25*cap(s.v)) + s.held }
