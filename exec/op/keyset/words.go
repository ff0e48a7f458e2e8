package keyset

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Wordable reports types whose values are one 64-bit word.
func Wordable(t columnar.Type) bool {
	return !t.IsBytes() && !t.IsNested() && t.Kind != columnar.Null && !t.IsFloat() &&
		(t.Kind != columnar.Decimal || t.Precision <= 18)
}

func widen[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](vs []T, out []uint64) []uint64 {
	for i, x := range vs {
		out[i] = uint64(x)
	}
	return out
}

// Words returns the values of a wordable vector as words: its own buffer
// where it has that form. Rows that are null have any word.
func Words(v *columnar.Vector, s *memory.Scratch) []uint64 {
	if v.Enc != columnar.Flat {
		f := kernel.Flatten(v, s)
		v = &f
	}
	if v.Len == 0 {
		return nil
	}
	if v.Width == 8 {
		return columnar.Values[uint64](v)
	}
	out := memory.Slice[uint64](s, v.Len)
	if v.Type.Kind == columnar.Bool {
		for i := range out {
			out[i] = uint64(v.Data[i>>3]>>(i&7)) & 1
		}
		return out
	}
	unsigned := v.Type.Kind >= columnar.Uint8 && v.Type.Kind <= columnar.Uint64
	switch {
	case v.Width == 1 && unsigned:
		return widen(columnar.Values[uint8](v), out)
	case v.Width == 2 && unsigned:
		return widen(columnar.Values[uint16](v), out)
	case v.Width == 4 && unsigned:
		return widen(columnar.Values[uint32](v), out)
	case v.Width == 1:
		return widen(columnar.Values[int8](v), out)
	case v.Width == 2:
		return widen(columnar.Values[int16](v), out)
	case v.Width == 4:
		return widen(columnar.Values[int32](v), out)
	}
	for i, x := range columnar.Values[columnar.Int128](v) {
		out[i] = x.Lo
	}
	return out
}
