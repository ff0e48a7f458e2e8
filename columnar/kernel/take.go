package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// NullRow among the rows of TakeNull asks for a null.
const NullRow = ^uint32(0)

type index interface{ ~uint16 | ~uint32 }

func gather[T any, I index](dst, src []T, rows []I) {
	dst = dst[:len(rows)]
	for i, r := range rows {
		dst[i] = src[r]
	}
}

// Take returns the rows of v in the given order. Dictionaries stay
// dictionaries, constants constants; what is gathered lives in s.
func Take(v *columnar.Vector, rows []uint32, s *memory.Scratch) columnar.Vector {
	return take(v, rows, s)
}

// TakeSel is Take for a selection.
func TakeSel(v *columnar.Vector, sel []uint16, s *memory.Scratch) columnar.Vector {
	return take(v, sel, s)
}

func take[I index](v *columnar.Vector, rows []I, s *memory.Scratch) columnar.Vector {
	n := len(rows)
	if v.Enc == columnar.Const {
		out := *v
		out.Len = n
		return out
	}
	out := columnar.Vector{Type: v.Type, Enc: v.Enc, Width: v.Width, Len: n, Dict: v.Dict}
	if v.Valid != nil {
		out.Valid = takeBits(v.Valid, rows, s)
	}
	switch {
	case v.Type.Kind == columnar.Null:
	case v.Enc == columnar.Dict:
		out.Data = takeFixed[uint32](v.Data, v.Len, 4, rows, s)
	case v.Type.Kind == columnar.Bool:
		out.Data = takeBits(v.Bits(), rows, s)
	case v.Type.IsBytes():
		takeBytes(v, rows, &out, s)
	case v.Type.IsNested():
		takeNested(v, rows, &out, s)
	default:
		out.Data = takeWidth(v.Data, v.Len, int(v.Width), rows, s)
	}
	return out
}

// takeWidth gathers n values of a width by their rows.
func takeWidth[I index](data []byte, n, width int, rows []I, s *memory.Scratch) []byte {
	switch width {
	case 1:
		return takeFixed[uint8](data, n, 1, rows, s)
	case 2:
		return takeFixed[uint16](data, n, 2, rows, s)
	case 4:
		return takeFixed[uint32](data, n, 4, rows, s)
	case 8:
		return takeFixed[uint64](data, n, 8, rows, s)
	}
	return takeFixed[columnar.Int128](data, n, 16, rows, s)
}

func takeFixed[T columnar.Fixed, I index](data []byte, n, width int, rows []I, s *memory.Scratch) []byte {
	b := s.Bytes(len(rows) * width)
	gather(columnar.View[T](b, len(rows)), columnar.View[T](data, n), rows)
	return b
}

func takeBits[I index](src columnar.Bitmap, rows []I, s *memory.Scratch) columnar.Bitmap {
	out := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(len(rows))))
	gatherBits(out, 0, src, rows)
	return out
}

// slack is how much a buffer of strings is longer than its strings, so that
// short ones are copied without looking how short.
const slack = 16

func takeBytes[I index](v *columnar.Vector, rows []I, out *columnar.Vector, s *memory.Scratch) {
	off := v.Offsets()
	dst := memory.Slice[int32](s, len(rows)+1)
	total := 0
	dst[0] = 0
	ends := dst[1:]
	ends = ends[:len(rows)]
	for i, r := range rows {
		total += int(off[int(r)+1] - off[r])
		ends[i] = int32(total)
	}
	if total > maxColumnBytes {
		panic(tooLong())
	}
	b := s.Bytes(total + slack)
	copyStrings(b, 0, v.Bytes, off, rows)
	out.Data, out.Bytes = columnar.BytesOf(dst), b[:total:total]
}

// copyStrings copies strings rows[i] of src, one behind the other, to dst from
// byte at on. dst has slack bytes more than they need.
func copyStrings[I index](dst []byte, at int, src []byte, off []int32, rows []I) {
	for _, r := range rows {
		o, e := int(off[r]), int(off[int(r)+1])
		n := e - o
		if n <= slack && o+slack <= len(src) {
			*(*[slack]byte)(dst[at:]) = *(*[slack]byte)(src[o:])
		} else {
			copy(dst[at:at+n], src[o:e])
		}
		at += n
	}
}

// takeNested gathers lists, maps and structs by gathering their children.
func takeNested[I index](v *columnar.Vector, rows []I, out *columnar.Vector, s *memory.Scratch) {
	out.Kids = make([]columnar.Vector, len(v.Kids))
	if v.Type.Kind == columnar.Struct {
		for i := range v.Kids {
			out.Kids[i] = take(&v.Kids[i], rows, s)
		}
		return
	}
	off := v.Offsets()
	dst := memory.Slice[int32](s, len(rows)+1)
	dst[0] = 0
	total := int32(0)
	for i, r := range rows {
		total += off[int(r)+1] - off[r]
		dst[i+1] = total
	}
	inner := memory.Slice[uint32](s, int(total))[:0]
	for _, r := range rows {
		for j := off[r]; j < off[int(r)+1]; j++ {
			inner = append(inner, uint32(j))
		}
	}
	out.Data = columnar.BytesOf(dst)
	for i := range v.Kids {
		out.Kids[i] = take(&v.Kids[i], inner, s)
	}
}

// TakeNull is Take where NullRow stands for a null, as outer joins need it. A
// vector without rows gives nulls only.
func TakeNull(v *columnar.Vector, rows []uint32, s *memory.Scratch) columnar.Vector {
	missing := countMissing(rows)
	switch {
	case missing == 0 || v.Type.Kind == columnar.Null:
		return take(v, rows, s)
	case missing == len(rows):
		return Nulls(v.Type, len(rows))
	case v.Enc == columnar.Const && v.NullAt(0):
		return take(v, rows, s)
	}
	src := v
	if v.Enc == columnar.Const {
		f := Flatten(v, s)
		src = &f
	}
	out := take(src, firstFor(rows, s), s)
	out.Valid = withoutMissing(out.Valid, rows, s)
	return out
}

func countMissing(rows []uint32) int {
	n := 0
	for _, r := range rows {
		if r == NullRow {
			n++
		}
	}
	return n
}

// firstFor returns the rows with 0 in the place of NullRow.
func firstFor(rows []uint32, s *memory.Scratch) []uint32 {
	safe := memory.Slice[uint32](s, len(rows))
	for i, r := range rows {
		if r == NullRow {
			r = 0
		}
		safe[i] = r
	}
	return safe
}

// withoutMissing clears the bits of rows that are NullRow. A bitmap that is
// there already is changed.
func withoutMissing(valid columnar.Bitmap, rows []uint32, s *memory.Scratch) columnar.Bitmap {
	if valid == nil {
		valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(len(rows))))
		valid.Fill(len(rows), true)
	}
	for i, r := range rows {
		if r == NullRow {
			valid.Clear(i)
		}
	}
	return valid
}

// nothing is what the buffers of null constants show.
var nothing [64]byte

// Nulls returns n nulls of a type, as a constant.
func Nulls(t columnar.Type, n int) columnar.Vector {
	v := columnar.Vector{Type: t, Len: n, Enc: columnar.Const, Width: uint8(t.FixedWidth()), Stable: true}
	if t.Kind == columnar.Null {
		v.Enc = columnar.Flat
		return v
	}
	v.Data, v.Valid = nothing[:], columnar.Bitmap(nothing[:8])
	switch t.Kind {
	case columnar.List:
		k := empty(t.Nested.Fields[0].Type)
		v.Kids = []columnar.Vector{k}
	case columnar.Map:
		k := empty(columnar.StructType(t.Nested.Fields...))
		v.Kids = []columnar.Vector{k}
	case columnar.Struct:
		v.Data = nil
		for _, f := range t.Nested.Fields {
			k := Nulls(f.Type, 1)
			v.Kids = append(v.Kids, k)
		}
	}
	return v
}

// empty returns a flat vector without rows.
func empty(t columnar.Type) columnar.Vector {
	v := columnar.Vector{Type: t, Width: uint8(t.FixedWidth()), Data: nothing[:], Stable: true}
	switch t.Kind {
	case columnar.List:
		v.Kids = []columnar.Vector{empty(t.Nested.Fields[0].Type)}
	case columnar.Map:
		v.Kids = []columnar.Vector{empty(columnar.StructType(t.Nested.Fields...))}
	case columnar.Struct:
		for _, f := range t.Nested.Fields {
			v.Kids = append(v.Kids, empty(f.Type))
		}
	}
	return v
}
