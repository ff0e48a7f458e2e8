package join

import (
	"math"
	"math/bits"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/op"
)

// maxFilterBits bounds the size of an exact runtime filter; cheapFilterBits is a
// size that costs nothing worth counting, however few keys there are.
const (
	maxFilterBits   = 1 << 27
	cheapFilterBits = 1 << 26
)

// maxBloomKeys is the number of keys up to which a Bloom filter is made: more
// are not likely to drop much for what they cost.
const maxBloomKeys = 1 << 21

// keyFilter tells for a key column which values some build row may have.
//
//	range    least and greatest value, of integers and what is stored as such
//	exact    one bit per value between them, where they lie close together
//	bloom    else four bits per key in one word that its hash chooses
//
// It is immutable.
type keyFilter struct {
	ordered bool // values are words, and lo … hi is their range
	lo, hi  int64
	exact   []uint64
	bloom   []uint64 // a power of two of words
}

// filterable reports types of keys whose range is known.
func filterable(t columnar.Type) bool {
	return wordable(t) && t.Kind != columnar.Bool && t.Kind != columnar.Uint64
}

// newRuntimeFilter makes a filter of a key column of n rows. What it takes is
// charged to r; where that refuses, only the range is told.
func newRuntimeFilter(v *columnar.Vector, n int, r memory.Reservation) op.RuntimeFilter {
	f := &keyFilter{lo: math.MaxInt64, hi: math.MinInt64}
	if v.Type.Kind == columnar.Bool || v.Type.Kind == columnar.Null || v.Type.IsNested() {
		return nil
	}
	var words []uint64
	if f.ordered = filterable(v.Type); f.ordered && n > 0 {
		words = keyWords(v, nil)
		f.lo, f.hi = extend(f.lo, f.hi, v, words, nil)
	}
	if f.ordered && f.hi < f.lo { // nothing passes
		f.lo, f.hi = 1, 0
		return f
	}
	if span := uint64(f.hi) - uint64(f.lo); f.ordered && span < maxFilterBits && (span < cheapFilterBits || span < uint64(n)*256) {
		if size := span/64 + 1; r.TryGrow(int64(8 * size)) {
			f.exact = make([]uint64, size)
			for i, w := range words {
				if v.Valid == nil || v.Valid.Get(i) {
					d := w - uint64(f.lo)
					f.exact[d>>6] |= 1 << (d & 63)
				}
			}
		}
		return f
	}
	if n > 0 && n <= maxBloomKeys {
		if size := 1 << bits.Len(uint(n/4)); r.TryGrow(int64(8*size + 8*n)) {
			f.bloom = newBloom(v, n, size)
			r.Shrink(int64(8 * n))
		}
	}
	if !f.ordered && f.bloom == nil {
		return nil
	}
	return f
}

// extend widens lo … hi by the values of the given rows, all if rows is nil.
func extend(lo, hi int64, v *columnar.Vector, words []uint64, rows []uint16) (int64, int64) {
	if rows != nil {
		for _, r := range rows {
			if v.Valid == nil || !v.NullAt(int(r)) {
				lo, hi = min(lo, int64(words[r])), max(hi, int64(words[r]))
			}
		}
		return lo, hi
	}
	for i, w := range words {
		if v.Valid == nil || !v.NullAt(i) {
			lo, hi = min(lo, int64(w)), max(hi, int64(w))
		}
	}
	return lo, hi
}

// newBloom returns a filter of size words over the values that are not null.
func newBloom(v *columnar.Vector, n, size int) []uint64 {
	bloom, hashes := make([]uint64, size), make([]uint64, n)
	kernel.HashVector(v, hashes, false)
	for i, h := range hashes {
		if v.Valid == nil || !v.NullAt(i) {
			bloom[h&uint64(size-1)] |= bloomBits(h)
		}
	}
	return bloom
}

// bloomBits returns the bits of a hash in its word.
func bloomBits(h uint64) uint64 {
	return 1<<(h>>40&63) | 1<<(h>>46&63) | 1<<(h>>52&63) | 1<<(h>>58)
}

// Bind implements op.RuntimeFilter.
func (f *keyFilter) Bind(column int) connector.DynamicFilter { return boundFilter{f, column} }

type boundFilter struct {
	*keyFilter
	column int
}

func (f boundFilter) Column() int { return f.column }

// Range implements connector.DynamicFilter. Decimals are not pruned by range.
func (f boundFilter) Range() (least, most any) {
	if !f.ordered {
		return nil, nil
	}
	return f.lo, f.hi
}

// Select implements connector.DynamicFilter.
func (f boundFilter) Select(v *columnar.Vector, sel, out []uint16) []uint16 {
	base := len(out)
	if sel != nil {
		out = append(out, sel...)
	} else {
		for i := range v.Len {
			out = append(out, uint16(i))
		}
	}
	rows := out[base:]
	if v.HasNulls() {
		n := 0
		for _, r := range rows {
			rows[n] = r
			if !v.NullAt(int(r)) {
				n++
			}
		}
		rows = rows[:n]
	}
	if f.ordered {
		flat := v
		if v.Enc != columnar.Flat {
			w := kernel.Flatten(v, nil)
			flat = &w
		}
		switch {
		case flat.Width == 8:
			rows = choose(f.keyFilter, columnar.Values[int64](flat), rows)
		case flat.Width == 4 && flat.Type.Kind != columnar.Uint32:
			rows = choose(f.keyFilter, columnar.Values[int32](flat), rows)
		}
	} else if f.bloom != nil {
		rows = f.hashed(v, rows)
	}
	return out[:base+len(rows)]
}

// choose keeps the rows whose values are in range, and in the exact set or the
// Bloom filter if there is one.
func choose[T int32 | int64](f *keyFilter, vs []T, rows []uint16) []uint16 {
	if f.hi < f.lo {
		return rows[:0]
	}
	n, lo, span := 0, uint64(f.lo), uint64(f.hi)-uint64(f.lo)
	if f.bloom != nil {
		mask := uint64(len(f.bloom) - 1)
		for _, r := range rows {
			h := kernel.HashWord(uint64(int64(vs[r])))
			bits := bloomBits(h)
			rows[n] = r
			if f.bloom[h&mask]&bits == bits {
				n++
			}
		}
		return rows[:n]
	}
	if f.exact == nil {
		for _, r := range rows {
			rows[n] = r
			if uint64(int64(vs[r]))-lo <= span {
				n++
			}
		}
		return rows[:n]
	}
	for _, r := range rows {
		rows[n] = r
		if d := uint64(int64(vs[r])) - lo; d <= span {
			n += int(f.exact[d>>6] >> (d & 63) & 1)
		}
	}
	return rows[:n]
}

var hashPool = sync.Pool{New: func() any { s := make([]uint64, columnar.MaxRows); return &s }}

// hashed keeps the rows that the Bloom filter lets pass.
func (f *keyFilter) hashed(v *columnar.Vector, rows []uint16) []uint16 {
	if v.Len > columnar.MaxRows {
		return rows
	}
	p := hashPool.Get().(*[]uint64)
	defer hashPool.Put(p)
	h := (*p)[:v.Len]
	kernel.HashVector(v, h, false)
	n, mask := 0, uint64(len(f.bloom)-1)
	for _, r := range rows {
		x := h[r]
		bits := bloomBits(x)
		rows[n] = r
		if f.bloom[x&mask]&bits == bits {
			n++
		}
	}
	return rows[:n]
}
