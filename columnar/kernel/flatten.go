package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Flatten returns v with one value a row. A flat vector is returned as it is;
// what has to be made lives in s. Strings of a constant or dictionary take a
// copy a row.
func Flatten(v *columnar.Vector, s *memory.Scratch) columnar.Vector {
	switch {
	case v.Enc == columnar.Flat:
		return *v
	case v.Type.Kind == columnar.Null:
		return columnar.Vector{Type: v.Type, Len: v.Len}
	case v.Enc == columnar.Dict:
		return flattenDict(v, s)
	}
	return flattenConst(v, s)
}

func flattenDict(v *columnar.Vector, s *memory.Scratch) columnar.Vector {
	if v.Len == 0 {
		return empty(v.Type)
	}
	out := take(&v.Dict.Values, v.Codes(), s)
	out.Valid = v.Valid
	return out
}

func flattenConst(v *columnar.Vector, s *memory.Scratch) columnar.Vector {
	n := v.Len
	if n == 0 {
		return empty(v.Type)
	}
	out := columnar.Vector{Type: v.Type, Width: v.Width, Len: n}
	if v.NullAt(0) {
		out.Valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
		clear(out.Valid)
	}
	switch {
	case v.Type.Kind == columnar.Bool:
		out.Data = s.Bytes(columnar.BitmapBytes(n))
		columnar.Bitmap(out.Data).Fill(n, v.Bits().Get(0))
	case v.Type.IsBytes():
		var one []byte
		if out.Valid == nil {
			one = v.BytesAt(0)
		}
		if len(one)*n > maxColumnBytes {
			panic(tooLong())
		}
		off := memory.Slice[int32](s, n+1)
		for i := range off {
			off[i] = int32(i * len(one))
		}
		out.Data, out.Bytes = columnar.BytesOf(off), s.Bytes(n*len(one))
		repeat(out.Bytes, one)
	case v.Type.IsNested():
		one := *v
		one.Enc, one.Len, one.Valid = columnar.Flat, 1, nil
		rows := memory.Slice[uint32](s, n)
		clear(rows)
		valid := out.Valid
		out = take(&one, rows, s)
		out.Valid = valid
	default:
		out.Data = s.Bytes(n * int(v.Width))
		repeat(out.Data, v.Data[:v.Width])
	}
	return out
}

// repeat fills dst with copies of one.
func repeat(dst, one []byte) {
	if len(one) == 0 {
		return
	}
	for k := copy(dst, one); k < len(dst); k *= 2 {
		copy(dst[k:], dst[:k])
	}
}
