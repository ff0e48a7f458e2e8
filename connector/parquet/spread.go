package parquet

import (
	"errors"
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// spread moves the m values of a vector with nulls to the rows that have one.
// Rows without get some other row's value, which nobody may look at.
func spread(v *columnar.Vector, m int, s *memory.Scratch) {
	if v.Valid == nil {
		return
	}
	switch {
	case v.Enc == columnar.Dict:
		scatter[uint32](v, 4, m, s)
	case v.Type.Kind == columnar.Bool:
		src := v.Bits()
		v.Data = s.Bytes(columnar.BitmapBytes(v.Len))
		k := 0
		for i := range v.Len {
			v.Bits().SetTo(i, k < m && src.Get(k))
			k += int(v.Valid[i>>3] >> (i & 7) & 1)
		}
	case v.Type.IsBytes():
		src := columnar.View[int32](v.Data, m+1)
		off := memory.Slice[int32](s, v.Len+1)
		off[0] = src[0]
		k := 0
		for i := range v.Len {
			k += int(v.Valid[i>>3] >> (i & 7) & 1)
			off[i+1] = src[k]
		}
		v.Data = columnar.BytesOf(off)
	default:
		switch v.Width {
		case 1:
			scatter[uint8](v, 1, m, s)
		case 2:
			scatter[uint16](v, 2, m, s)
		case 4:
			scatter[uint32](v, 4, m, s)
		case 8:
			scatter[uint64](v, 8, m, s)
		case 16:
			scatter[columnar.Int128](v, 16, m, s)
		}
	}
}

// scatter writes every row, without a branch: the next value, which a row that
// has one takes.
func scatter[T columnar.Fixed](v *columnar.Vector, width, m int, s *memory.Scratch) {
	src := memory.Slice[T](s, m+1)
	copy(src, columnar.View[T](v.Data, m))
	var none T
	src[m] = none
	v.Data = s.Bytes(v.Len * width)
	k := 0
	for i, out := 0, columnar.View[T](v.Data, v.Len); i < len(out); i++ {
		out[i] = src[k]
		k += int(v.Valid[i>>3] >> (i & 7) & 1)
	}
}

// errLong is the error of a batch whose strings no int32 offset reaches.
var errLong = errors.New("the strings of a batch are longer than 2 GiB")

// join puts the parts of a batch that spans pages together.
func join(parts []columnar.Vector, n int, s *memory.Scratch) (columnar.Vector, error) {
	first := &parts[0]
	out := columnar.Vector{Type: first.Type, Width: first.Width, Len: n}
	same, nulls := true, false
	for i := range parts {
		p := &parts[i]
		out.Width = max(out.Width, p.Width)
		same = same && p.Enc == columnar.Dict && p.Dict == first.Dict
		nulls = nulls || p.Valid != nil
	}
	if nulls {
		out.Valid = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
		at := 0
		for i := range parts {
			if p := &parts[i]; p.Valid == nil {
				kernel.FillBits(out.Valid, at, p.Len, true)
			} else {
				kernel.CopyBits(out.Valid, at, p.Valid, 0, p.Len)
			}
			at += parts[i].Len
		}
	}
	switch {
	case same:
		out.Enc, out.Dict = columnar.Dict, first.Dict
		out.Data = s.Bytes(4 * n)
		at := 0
		for i := range parts {
			at += copy(out.Data[at:], parts[i].Data[:4*parts[i].Len])
		}
	case out.Type.IsBytes():
		return out, joinBytes(&out, parts, s)
	case out.Type.Kind == columnar.Bool:
		out.Data = s.Bytes(columnar.BitmapBytes(n))
		at := 0
		for i := range parts {
			kernel.CopyBits(out.Bits(), at, parts[i].Bits(), 0, parts[i].Len)
			at += parts[i].Len
		}
	default:
		w := int(out.Width)
		out.Data = s.Bytes(n * w)
		at := 0
		for i := range parts {
			p := &parts[i]
			if p.Width == out.Width {
				at += copy(out.Data[at:], p.Data[:w*p.Len])
				continue
			}
			for k := range p.Len { // decimals of both widths
				columnar.View[columnar.Int128](out.Data, n)[at/16] = p.Int128At(k)
				at += 16
			}
		}
	}
	return out, nil
}

func joinBytes(out *columnar.Vector, parts []columnar.Vector, s *memory.Scratch) error {
	total := 0
	for i := range parts {
		p := &parts[i]
		for k := range p.Len {
			if p.Valid == nil || p.Valid.Get(k) {
				total += len(p.BytesAt(k))
			}
		}
	}
	if total > math.MaxInt32 {
		return errLong
	}
	off := memory.Slice[int32](s, out.Len+1)
	out.Bytes = s.Bytes(total)
	off[0] = 0
	at, b := 0, 0
	for i := range parts {
		p := &parts[i]
		for k := range p.Len {
			if p.Valid == nil || p.Valid.Get(k) {
				b += copy(out.Bytes[b:], p.BytesAt(k))
			}
			at++
			off[at] = int32(b)
		}
	}
	out.Data = columnar.BytesOf(off)
	return nil
}
