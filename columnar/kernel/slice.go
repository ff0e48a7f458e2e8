package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Slice returns rows from … from+n−1 of a vector. It shares the vector's buffers
// except for bitmaps that do not start at a byte, which are copied to s. The
// offsets of a slice do not start at zero.
func Slice(v *columnar.Vector, from, n int, s *memory.Scratch) columnar.Vector {
	out := *v
	out.Len = n
	if v.Enc == columnar.Const || from == 0 && n == v.Len {
		return out
	}
	if v.Valid != nil {
		out.Valid = sliceBits(v.Valid, from, n, s)
	}
	switch {
	case v.Type.Kind == columnar.Null:
	case v.Enc == columnar.Dict:
		out.Data = v.Data[4*from : 4*(from+n)]
	case v.Type.Kind == columnar.Bool:
		out.Data = sliceBits(v.Bits(), from, n, s)
	case v.Type.IsBytes() || v.Type.Kind == columnar.List || v.Type.Kind == columnar.Map:
		out.Data = v.Data[4*from : 4*(from+n+1)]
	case v.Type.Kind == columnar.Struct:
		out.Kids = make([]columnar.Vector, len(v.Kids))
		for i := range v.Kids {
			out.Kids[i] = Slice(&v.Kids[i], from, n, s)
		}
	default:
		w := int(v.Width)
		out.Data = v.Data[w*from : w*(from+n)]
	}
	return out
}

// sliceBits returns n bits from bit from on, readable in whole words.
func sliceBits(b columnar.Bitmap, from, n int, s *memory.Scratch) columnar.Bitmap {
	size := columnar.BitmapBytes(n)
	if from&7 == 0 && from>>3+size <= len(b) {
		return b[from>>3 : from>>3+size]
	}
	out := columnar.Bitmap(s.Bytes(size))
	CopyBits(out, 0, b, from, n)
	return out
}

// SliceBatch returns rows from … from+n−1 of a dense batch (one
// without Sel), as Slice does of each column.
func SliceBatch(b *columnar.Batch, from, n int, s *memory.Scratch) *columnar.Batch {
	out := &columnar.Batch{Schema: b.Schema, Rows: n, Cols: make([]columnar.Vector, len(b.Cols))}
	for i := range b.Cols {
		out.Cols[i] = Slice(&b.Cols[i], from, n, s)
	}
	if b.Hash != nil {
		out.Hash, out.HashOf = b.Hash[from:from+n], b.HashOf
	}
	return out
}
