package agg

import (
	"math"

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

// wordExtreme keeps the least or greatest value of a type that fits 64 bits. A
// group without one has the value that any other beats.
type wordExtreme struct {
	max    bool
	typ    columnar.Type
	v      []int64 // values in the order of signed integers
	seen   seen
	groups int
	words  []int64 // values of a batch whose own order is another
}

func (s *wordExtreme) grow(n int) {
	old := len(s.v)
	s.groups = n
	s.v = extend(s.v, n)
	beaten := int64(math.MaxInt64)
	if s.max {
		beaten = math.MinInt64
	}
	for i := old; i < n; i++ {
		s.v[i] = beaten
	}
	s.seen.grow(n)
}

func (s *wordExtreme) track(fresh int) { s.seen.track(fresh, s.groups) }

func extremes[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](s *wordExtreme, vs []T, groups []uint32) {
	s.seen.mark(groups)
	vs = vs[:len(groups)]
	if s.max {
		for i, g := range groups {
			if x := int64(vs[i]); x > s.v[g] {
				s.v[g] = x
			}
		}
		return
	}
	for i, g := range groups {
		if x := int64(vs[i]); x < s.v[g] {
			s.v[g] = x
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
	if v.Type.IsFloat() || v.Type.Kind == columnar.Bool || unsigned && v.Width == 8 {
		extremes(s, s.ordered(v), groups)
		return
	}
	switch {
	case v.Width == 1 && unsigned:
		extremes(s, columnar.Values[uint8](v), groups)
	case v.Width == 2 && unsigned:
		extremes(s, columnar.Values[uint16](v), groups)
	case v.Width == 4 && unsigned:
		extremes(s, columnar.Values[uint32](v), groups)
	case v.Width == 1:
		extremes(s, columnar.Values[int8](v), groups)
	case v.Width == 2:
		extremes(s, columnar.Values[int16](v), groups)
	case v.Width == 4:
		extremes(s, columnar.Values[int32](v), groups)
	case v.Width == 16: // a decimal that its type says fits 64 bits
		s.words = s.words[:0]
		for _, x := range columnar.Values[columnar.Int128](v) {
			s.words = append(s.words, int64(x.Lo))
		}
		extremes(s, s.words, groups)
	default:
		extremes(s, columnar.Values[int64](v), groups)
	}
}

// ordered returns the values of a batch as integers of their order.
func (s *wordExtreme) ordered(v *columnar.Vector) []int64 {
	s.words = s.words[:0]
	switch v.Type.Kind {
	case columnar.Float64:
		for _, x := range columnar.Values[float64](v) {
			s.words = append(s.words, orderFloat(x))
		}
	case columnar.Float32:
		for _, x := range columnar.Values[float32](v) {
			s.words = append(s.words, orderFloat(float64(x)))
		}
	case columnar.Uint64:
		for _, x := range columnar.Values[uint64](v) {
			s.words = append(s.words, int64(x^1<<63))
		}
	default:
		for i := range v.Len {
			s.words = append(s.words, v.Int64At(i))
		}
	}
	return s.words
}

func (s *wordExtreme) merge(st []columnar.Vector, groups []uint32) { s.update(st, groups) }

func (s *wordExtreme) result(from, n int) (columnar.Vector, error) {
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
	v := fromWords(s.typ, words)
	v.Valid = s.seen.valid(from, n)
	return v, nil
}

func (s *wordExtreme) states(from, n int) ([]columnar.Vector, error) {
	v, err := s.result(from, n)
	return []columnar.Vector{v}, err
}

func (s *wordExtreme) reset() {
	s.v = wiped(s.v)
	s.seen.reset()
}

func (s *wordExtreme) bytes() int64 { return int64(8*cap(s.v)) + s.seen.bytes() }

// fromWords makes a vector of values given as 64 bits: floats as the bits of
// doubles, booleans as 0 or 1.
func fromWords(t columnar.Type, words []uint64) columnar.Vector {
	n := len(words)
	v := columnar.Vector{Type: t, Len: n, Width: uint8(t.FixedWidth()), Stable: true}
	switch {
	case t.Kind == columnar.Bool:
		b := columnar.NewBitmap(n)
		for i, w := range words {
			b.SetTo(i, w != 0)
		}
		v.Data = b
	case t.Kind == columnar.Float32:
		xs := make([]float32, n)
		for i, w := range words {
			xs[i] = float32(math.Float64frombits(w))
		}
		v.Data = columnar.BytesOf(xs)
	case v.Width == 1:
		v.Data = unpack[uint8](words, n, 1, 0)
	case v.Width == 2:
		v.Data = unpack[uint16](words, n, 1, 0)
	case v.Width == 4:
		v.Data = unpack[uint32](words, n, 1, 0)
	default:
		v.Width, v.Data = 8, columnar.BytesOf(words)
	}
	return v
}
