package eval

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// when is one branch of a CASE.
type when struct{ cond, then *branch }

// blend computes a CASE whose values need no work: conditions become masks under
// which the values are laid over each other, the last one first. ok is false if
// the values are of a shape that masks do not serve.
func blend(r *rows, t columnar.Type, whens []when, other *branch) (out columnar.Vector, ok bool, err error) {
	values := make([]columnar.Vector, len(whens)+1)
	values[len(whens)] = allNull(t, r.n)
	for i := range values {
		b := other
		if i < len(whens) {
			b = whens[i].then
		}
		if b == nil {
			continue
		}
		c, err := b.run(r, r.sel)
		if err != nil {
			return out, false, err
		}
		if c.v.Type.Kind == columnar.Null {
			c.v = allNull(t, r.n)
		}
		if narrowest(&c.v) > 8 {
			return out, false, nil
		}
		values[i] = c.v
	}
	out = columnar.Vector{Type: t, Len: r.n, Width: min(uint8(t.FixedWidth()), 8), Data: r.s.Bytes(r.n * min(t.FixedWidth(), 8))}
	nulls := false
	for i := range values {
		nulls = nulls || values[i].Valid != nil
	}
	if nulls {
		out.Valid = r.bitmap()
	}
	for i := len(whens); i >= 0; i-- {
		var mask columnar.Bitmap // nil: all rows
		if i < len(whens) {
			c, err := whens[i].cond.full(r, r.sel)
			if err != nil {
				return out, false, err
			}
			if mask = plain(&c); mask == nil {
				mask, _ = truth(r, &c)
			}
		}
		lay(r, &out, &values[i], mask)
	}
	return out, true, nil
}

// lay overwrites the rows of a mask by those of a value.
func lay(r *rows, out, v *columnar.Vector, mask columnar.Bitmap) {
	if out.Valid != nil {
		layValid(r, out.Valid, v, mask)
	}
	switch out.Width {
	case 1:
		layValues[uint8](r, out, v, mask)
	case 2:
		layValues[uint16](r, out, v, mask)
	case 4:
		layValues[uint32](r, out, v, mask)
	default:
		layValues[uint64](r, out, v, mask)
	}
}

func layValid(r *rows, valid columnar.Bitmap, v *columnar.Vector, mask columnar.Bitmap) {
	have := v.Valid
	if v.Enc == columnar.Const {
		all := r.bitmap()
		all.Fill(8*len(all), have == nil || have.Get(0))
		have = all
	}
	if mask == nil {
		kernel.And(valid, have, nil, r.n)
		return
	}
	kernel.AndNot(valid, valid, mask, r.n)
	if have != nil {
		both := r.bitmap()
		kernel.And(both, mask, have, r.n)
		mask = both
	}
	kernel.Or(valid, valid, mask, r.n)
}

func layValues[T interface {
	uint8 | uint16 | uint32 | uint64
}](r *rows, out, v *columnar.Vector, mask columnar.Bitmap) {
	dst := columnar.View[T](out.Data, r.n)
	if v.Enc == columnar.Const {
		c := columnar.View[T](v.Data, 1)[0]
		if mask == nil {
			for i := range dst {
				dst[i] = c
			}
			return
		}
		for base := 0; base < len(dst); base += 64 {
			w := binary.LittleEndian.Uint64(mask[base>>3:])
			if w == 0 {
				continue
			}
			part := dst[base:min(base+64, len(dst))]
			for j, x := range part {
				part[j] = x ^ (x^c)&-T(w&1)
				w >>= 1
			}
		}
		return
	}
	var src []T
	if v.Enc == columnar.Dict {
		values := columnar.Values[T](&v.Dict.Values)
		src = memory.Slice[T](r.s, r.n)
		for i, code := range v.Codes() {
			src[i] = values[code]
		}
	} else {
		src = columnar.View[T](v.Data, r.n)
	}
	if mask == nil {
		copy(dst, src)
		return
	}
	for base := 0; base < len(dst); base += 64 {
		w := binary.LittleEndian.Uint64(mask[base>>3:])
		if w == 0 {
			continue
		}
		part := dst[base:min(base+64, len(dst))]
		from := src[base:][:len(part)]
		for j, x := range part {
			part[j] = x ^ (x^from[j])&-T(w&1)
			w >>= 1
		}
	}
}
