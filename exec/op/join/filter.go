package join

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/op"
)

// maxFilterBits bounds the size of an exact runtime filter.
const maxFilterBits = 1 << 27

// cheapFilterBits is a size that costs nothing worth counting, however few keys
// there are.
const cheapFilterBits = 1 << 26

// keyFilter is the set of build keys of one integer-like column: one bit per
// value between the least and the greatest, or only these two where they lie too
// far apart.
type keyFilter struct {
	lo, hi int64
	bits   []uint64 // nil: the range only
}

// newRuntimeFilter makes a filter of a key column, nil where there is none.
func newRuntimeFilter(v *columnar.Vector, n int) op.RuntimeFilter {
	if !wordable(v.Type) || v.Type.Kind == columnar.Bool || v.Type.Kind == columnar.Uint64 {
		return nil
	}
	words := keyWords(v, nil)
	f := &keyFilter{lo: 1, hi: 0}
	first := true
	for i, w := range words {
		if v.Valid != nil && v.NullAt(i) {
			continue
		}
		x := int64(w)
		if first {
			f.lo, f.hi, first = x, x, false
		}
		f.lo, f.hi = min(f.lo, x), max(f.hi, x)
	}
	span := uint64(f.hi - f.lo)
	if !first && span < maxFilterBits && (span < cheapFilterBits || span < uint64(n)*256) {
		f.bits = make([]uint64, span/64+1)
		for i, w := range words {
			if v.Valid == nil || !v.NullAt(i) {
				d := w - uint64(f.lo)
				f.bits[d>>6] |= 1 << (d & 63)
			}
		}
	}
	return f
}

// Bind implements op.RuntimeFilter.
func (f *keyFilter) Bind(column int) connector.DynamicFilter { return boundFilter{f, column} }

type boundFilter struct {
	*keyFilter
	column int
}

func (f boundFilter) Column() int { return f.column }

// Range implements connector.DynamicFilter. Decimals are not pruned by range.
func (f boundFilter) Range() (least, most any) { return f.lo, f.hi }

// Select implements connector.DynamicFilter.
func (f boundFilter) Select(v *columnar.Vector, sel, out []uint16) []uint16 {
	flat := v
	if v.Enc != columnar.Flat {
		w := kernel.Flatten(v, nil)
		flat = &w
	}
	switch flat.Width {
	case 4:
		if flat.Type.Kind != columnar.Uint32 {
			return choose(f.keyFilter, columnar.Values[int32](flat), flat.Valid, sel, out)
		}
	case 8:
		return choose(f.keyFilter, columnar.Values[int64](flat), flat.Valid, sel, out)
	}
	if sel != nil {
		return append(out, sel...)
	}
	for i := range v.Len {
		out = append(out, uint16(i))
	}
	return out
}

func choose[T int32 | int64](f *keyFilter, vs []T, valid columnar.Bitmap, sel, out []uint16) []uint16 {
	base := len(out)
	n := len(vs)
	if sel != nil {
		n = len(sel)
	}
	for cap(out) < base+n {
		out = append(out[:cap(out)], 0)
	}
	out = out[:base+n]
	k := base
	span := uint64(f.hi - f.lo)
	if f.hi < f.lo {
		return out[:base]
	}
	for i := range n {
		r := uint16(i)
		if sel != nil {
			r = sel[i]
		}
		d := uint64(int64(vs[r])) - uint64(f.lo)
		ok := d <= span
		if ok && f.bits != nil {
			ok = f.bits[d>>6]>>(d&63)&1 != 0
		}
		if ok && (valid == nil || valid.Get(int(r))) {
			out[k] = r
			k++
		}
	}
	return out[:k]
}
