package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// NullRow among the rows of TakeNull asks for a null.
const NullRow = ^uint32(0)

type index interface{ ~uint16 | ~uint32 }

func gather[T any, I index](dst, src []T, rows []I) {
	_ = dst[:len(rows)]
	for i, r := range rows {
		dst[i] = src[r]
	}
}

// Take returns the rows of v in the given order. Dictionaries stay
// dictionaries, constants constants.
func Take(v *columnar.Vector, rows []uint32, s *memory.Scratch) columnar.Vector {
	return take(v, rows, s)
}

// TakeSel is Take for a selection.
func TakeSel(v *columnar.Vector, sel []uint16, s *memory.Scratch) columnar.Vector {
	return take(v, sel, s)
}

func take[I index](v *columnar.Vector, rows []I, s *memory.Scratch) columnar.Vector {
	n := len(rows)
	out := columnar.Vector{Type: v.Type, Enc: v.Enc, Width: v.Width, Len: n, Dict: v.Dict}
	if v.Enc == columnar.Const {
		out = *v
		out.Len = n
		return out
	}
	if v.Valid != nil {
		out.Valid = takeBits(v.Valid, rows, s)
	}
	switch {
	case v.Type.Kind == columnar.Null:
	case v.Enc == columnar.Dict:
		out.Data = takeFixed[uint32](v, 4, rows, s)
	case v.Type.Kind == columnar.Bool:
		out.Data = takeBits(v.Bits(), rows, s)
	case v.Type.IsBytes():
		takeBytes(v, rows, &out, s)
	case v.Type.IsNested():
		takeNested(v, rows, &out, s)
	default:
		switch v.Width {
		case 1:
			out.Data = takeFixed[uint8](v, 1, rows, s)
		case 2:
			out.Data = takeFixed[uint16](v, 2, rows, s)
		case 4:
			out.Data = takeFixed[uint32](v, 4, rows, s)
		case 8:
			out.Data = takeFixed[uint64](v, 8, rows, s)
		case 16:
			out.Data = takeFixed[columnar.Int128](v, 16, rows, s)
		}
	}
	return out
}

func takeFixed[T columnar.Fixed, I index](v *columnar.Vector, width int, rows []I, s *memory.Scratch) []byte {
	b := s.Bytes(len(rows) * width)
	gather(columnar.View[T](b, len(rows)), columnar.View[T](v.Data, v.Len), rows)
	return b
}

func takeBits[I index](src columnar.Bitmap, rows []I, s *memory.Scratch) columnar.Bitmap {
	out := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(len(rows))))
	var w byte
	for i, r := range rows {
		w |= src[r>>3] >> (r & 7) & 1 << (i & 7)
		if i&7 == 7 {
			out[i>>3] = w
			w = 0
		}
	}
	if len(rows)&7 != 0 {
		out[len(rows)>>3] = w
	}
	return out
}

func takeBytes[I index](v *columnar.Vector, rows []I, out *columnar.Vector, s *memory.Scratch) {
	off := v.Offsets()
	dst := memory.Slice[int32](s, len(rows)+1)
	total := int32(0)
	dst[0] = 0
	for i, r := range rows {
		total += off[r+1] - off[r]
		dst[i+1] = total
	}
	b := s.Bytes(int(total))
	for i, r := range rows {
		copy(b[dst[i]:dst[i+1]], v.Bytes[off[r]:off[r+1]])
	}
	out.Data, out.Bytes = columnar.BytesOf(dst), b
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
	var inner []uint32
	for i, r := range rows {
		for j := off[r]; j < off[r+1]; j++ {
			inner = append(inner, uint32(j))
		}
		dst[i+1] = int32(len(inner))
	}
	out.Data = columnar.BytesOf(dst)
	for i := range v.Kids {
		out.Kids[i] = take(&v.Kids[i], inner, s)
	}
}

// TakeNull is Take where NullRow stands for a null. The vector must have at
// least one row.
func TakeNull(v *columnar.Vector, rows []uint32, s *memory.Scratch) columnar.Vector {
	src := v
	if v.Enc == columnar.Const && v.Type.Kind != columnar.Null {
		f := Flatten(v, s)
		src = &f
	}
	safe := memory.Slice[uint32](s, len(rows))
	missing := false
	for i, r := range rows {
		if r == NullRow {
			r, missing = 0, true
		}
		safe[i] = r
	}
	out := take(src, safe, s)
	if !missing || v.Type.Kind == columnar.Null {
		return out
	}
	if out.Valid == nil {
		out.Valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(len(rows))))
		out.Valid.Fill(len(rows), true)
	}
	for i, r := range rows {
		if r == NullRow {
			out.Valid.Clear(i)
		}
	}
	return out
}

// Indirect returns the rows of a vector as codes into it, so that wide values
// are not copied. values is flat, or a dictionary vector whose codes are
// gathered. NullRow stands for a null. The result is valid as long as values is.
func Indirect(values *columnar.Vector, rows []uint32, s *memory.Scratch) columnar.Vector {
	if values.Enc != columnar.Flat || !values.Type.IsBytes() || values.Len == 0 {
		return TakeNull(values, rows, s)
	}
	plain := *values
	plain.Valid = nil
	return IndirectTo(&columnar.Dictionary{Values: plain}, values.Valid, rows, s)
}

// IndirectTo is Indirect with a dictionary made before, so that batches share it.
func IndirectTo(d *columnar.Dictionary, valid columnar.Bitmap, rows []uint32, s *memory.Scratch) columnar.Vector {
	codes := memory.Slice[uint32](s, len(rows))
	missing := false
	for i, r := range rows {
		if r == NullRow {
			r, missing = 0, true
		}
		codes[i] = r
	}
	out := columnar.Vector{Type: d.Values.Type, Enc: columnar.Dict, Len: len(rows), Data: columnar.BytesOf(codes), Dict: d}
	if valid != nil {
		out.Valid = takeBits(valid, codes, s)
	}
	if missing {
		if out.Valid == nil {
			out.Valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(len(rows))))
			out.Valid.Fill(len(rows), true)
		}
		for i, r := range rows {
			if r == NullRow {
				out.Valid.Clear(i)
			}
		}
	}
	return out
}

// Flatten returns v with one value a row. A flat vector is returned as it is.
func Flatten(v *columnar.Vector, s *memory.Scratch) columnar.Vector {
	switch {
	case v.Enc == columnar.Flat || v.Type.Kind == columnar.Null:
		out := *v
		out.Enc = columnar.Flat
		return out
	case v.Enc == columnar.Dict:
		if v.Len == 0 {
			return columnar.Vector{Type: v.Type, Width: v.Dict.Values.Width, Data: columnar.BytesOf([]int32{0})}
		}
		out := take(&v.Dict.Values, v.Codes(), s)
		out.Valid = v.Valid
		return out
	}
	flat := *v
	flat.Enc, flat.Len = columnar.Flat, 1
	valid := flat.Valid
	flat.Valid = nil
	rows := memory.Slice[uint32](s, v.Len)
	clear(rows)
	out := take(&flat, rows, s)
	if valid != nil && !valid.Get(0) {
		out.Valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(v.Len)))
		out.Valid.Fill(v.Len, false)
	}
	return out
}

// Compact returns the selected rows of a batch as a dense one.
func Compact(b *columnar.Batch, s *memory.Scratch) *columnar.Batch {
	if b.Sel == nil {
		return b
	}
	out := &columnar.Batch{Schema: b.Schema, Cols: make([]columnar.Vector, len(b.Cols)), Rows: len(b.Sel)}
	for i := range b.Cols {
		out.Cols[i] = TakeSel(&b.Cols[i], b.Sel, s)
	}
	if b.Hash != nil {
		out.Hash, out.HashOf = memory.Slice[uint64](s, len(b.Sel)), b.HashOf
		gather(out.Hash, b.Hash, b.Sel)
	}
	return out
}

// Detach returns a dense copy that stays valid, charged to r. Stable vectors are
// shared, not copied.
func Detach(b *columnar.Batch, r memory.Reservation) (*columnar.Batch, error) {
	out := Compact(b, nil)
	d := &columnar.Batch{Schema: b.Schema, Cols: make([]columnar.Vector, len(out.Cols)), Rows: out.Rows}
	n := int64(0)
	for i := range out.Cols {
		v := out.Cols[i]
		if !v.Stable {
			v = clone(&v, b.Sel == nil)
		}
		n += int64(len(v.Data) + len(v.Bytes) + len(v.Valid))
		d.Cols[i] = v
	}
	if out.Hash != nil {
		d.Hash, d.HashOf = append([]uint64{}, out.Hash...), out.HashOf
	}
	if r != nil && !r.TryGrow(n) {
		return nil, memory.ErrSpill
	}
	return d, nil
}

// clone copies what a vector does not own. Buffers that Compact made afresh are
// kept; dictionaries of vectors that are not stable are spelt out.
func clone(v *columnar.Vector, buffers bool) columnar.Vector {
	out := *v
	if v.Enc == columnar.Dict && !v.Dict.Values.Stable {
		out = Flatten(v, nil)
		if out.Valid != nil && buffers {
			out.Valid = append(columnar.Bitmap{}, out.Valid...)
		}
		out.Stable = true
		return out
	}
	if buffers || v.Enc == columnar.Const {
		out.Data = cloneBytes(v.Data)
		out.Bytes = cloneBytes(v.Bytes)
		if v.Valid != nil {
			out.Valid = cloneBytes(v.Valid)
		}
	}
	out.Kids = make([]columnar.Vector, len(v.Kids))
	for i := range v.Kids {
		out.Kids[i] = clone(&v.Kids[i], buffers)
	}
	out.Stable = true
	return out
}

func cloneBytes(b []byte) []byte {
	if b == nil {
		return nil
	}
	var s *memory.Scratch
	out := s.Bytes(len(b))
	copy(out, b)
	return out
}
