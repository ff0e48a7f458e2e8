package eval

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// inList is IN: over literals a set made once, else one comparison after the
// other. strict is whether a null value is the only way to a null result.
func inList(c *expr.Call) (fn function, strict bool) {
	t := c.Args[0].Type()
	nulls := false
	var values []any
	for _, a := range c.Args[1:] {
		l, ok := a.(*expr.Literal)
		if !ok || t.IsNested() {
			return inAny, false
		}
		if l.Value == nil {
			nulls = true
			continue
		}
		values = append(values, l.Value)
	}
	switch {
	case t.IsBytes():
		return inSet(newTextSet(values), nulls), !nulls
	case t.FixedWidth() > 0 && !t.IsFloat():
		if s, ok := newIntSet(values); ok {
			return inSet(s, nulls), !nulls
		}
	}
	return inAny, false
}

// set is a list of literals to look values up in.
type set interface {
	// test writes which rows of a flat vector are in the set.
	test(v *columnar.Vector, out columnar.Bitmap)
}

// inSet tests values against a set. With a null in the list nothing is certainly
// not in it.
func inSet(s set, nulls bool) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		v := args[0]
		if v.Type.Kind == columnar.Null || v.Enc == columnar.Const && v.NullAt(0) {
			return allNull(columnar.BoolType, r.n), nil
		}
		v = flat(v, r.s)
		bits := r.bitmap()
		s.test(v, bits)
		out := columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: bits, Valid: v.Valid}
		if nulls {
			out.Valid = both(bits, v.Valid, r)
		}
		return out, nil
	}
}

type textSet struct {
	m       map[string]struct{}
	lengths [64]bool // which lengths below 64 occur
	long    bool
}

func newTextSet(values []any) *textSet {
	s := &textSet{m: map[string]struct{}{}}
	for _, v := range values {
		x := v.(string)
		s.m[x] = struct{}{}
		if len(x) < len(s.lengths) {
			s.lengths[len(x)] = true
		} else {
			s.long = true
		}
	}
	return s
}

func (s *textSet) test(v *columnar.Vector, out columnar.Bitmap) {
	off := v.Offsets()
	for base := 0; base < v.Len; base += 64 {
		var w uint64
		for j := range min(64, v.Len-base) {
			x := v.Bytes[off[base+j]:off[base+j+1]]
			if len(x) < len(s.lengths) && !s.lengths[len(x)] || len(x) >= len(s.lengths) && !s.long {
				continue
			}
			_, ok := s.m[string(x)]
			w |= bit(ok) << (j & 63)
		}
		binary.LittleEndian.PutUint64(out[base>>3:], w)
	}
}

// intSet holds integers: a few to compare with, a bitmap where they lie close
// together, or a map.
type intSet struct {
	few   []int64
	least int64
	near  columnar.Bitmap
	span  uint64
	m     map[int64]struct{}
}

// widestSpan is the largest distance of values that a bitmap is made for.
const widestSpan = 1 << 16

func newIntSet(values []any) (*intSet, bool) {
	s := &intSet{}
	for _, v := range values {
		switch x := v.(type) {
		case int64:
			s.few = append(s.few, x)
		case columnar.Int128:
			if x.FitsInt64() { // others need 16 bytes: test leaves those alone
				s.few = append(s.few, int64(x.Lo))
			} else {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	if len(s.few) <= 4 {
		return s, true
	}
	least, most := s.few[0], s.few[0]
	for _, x := range s.few {
		least, most = min(least, x), max(most, x)
	}
	if span := uint64(most) - uint64(least); span < widestSpan {
		s.least, s.span, s.near = least, span, columnar.NewBitmap(int(span)+1)
		for _, x := range s.few {
			s.near.Set(int(x - least))
		}
		return s, true
	}
	s.m = make(map[int64]struct{}, len(s.few))
	for _, x := range s.few {
		s.m[x] = struct{}{}
	}
	return s, true
}

func (s *intSet) test(v *columnar.Vector, out columnar.Bitmap) {
	switch v.Width {
	case 1:
		if v.Type.Kind == columnar.Uint8 {
			testInts(s, columnar.Values[uint8](v), out)
		} else {
			testInts(s, columnar.Values[int8](v), out)
		}
	case 2:
		if v.Type.Kind == columnar.Uint16 {
			testInts(s, columnar.Values[uint16](v), out)
		} else {
			testInts(s, columnar.Values[int16](v), out)
		}
	case 4:
		if v.Type.Kind == columnar.Uint32 {
			testInts(s, columnar.Values[uint32](v), out)
		} else {
			testInts(s, columnar.Values[int32](v), out)
		}
	case 16:
		for i, x := range columnar.Values[columnar.Int128](v) {
			hit := false
			for _, y := range s.few {
				hit = hit || x == columnar.Int128Of(y)
			}
			out.SetTo(i, hit)
		}
	default:
		testInts(s, columnar.Values[int64](v), out)
	}
}

func testInts[T ordered](s *intSet, xs []T, out columnar.Bitmap) {
	for base := 0; base < len(xs); base += 64 {
		part := xs[base:min(base+64, len(xs))]
		var w uint64
		switch {
		case s.near != nil:
			for j, x := range part {
				if d := uint64(int64(x)) - uint64(s.least); d <= s.span {
					w |= uint64(s.near[d>>3]>>(d&7)&1) << (j & 63)
				}
			}
		case s.m != nil:
			for j, x := range part {
				_, ok := s.m[int64(x)]
				w |= bit(ok) << (j & 63)
			}
		default:
			for _, y := range s.few {
				for j, x := range part {
					w |= bit(int64(x) == y) << (j & 63)
				}
			}
		}
		binary.LittleEndian.PutUint64(out[base>>3:], w)
	}
}

// inAny compares with every element of the list.
func inAny(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
	v := args[0]
	t, f := r.bitmap(), r.bitmap()
	clear(t)
	clear(f)
	err := r.each(func(i int) error {
		if v.NullAt(i) {
			return nil
		}
		found, doubt := false, false
		for _, a := range args[1:] {
			if a.NullAt(i) {
				doubt = true
			} else if orderAt(v, i, a, i) == 0 {
				found = true
				break
			}
		}
		switch {
		case found:
			t.Set(i)
		case !doubt:
			f.Set(i)
		}
		return nil
	})
	return booleans(r, t, f), err
}
