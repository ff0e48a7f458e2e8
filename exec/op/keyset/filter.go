package keyset

import (
	"math"
	"math/bits"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// maxExactBits bounds the size of an exact filter; cheapExactBits is a size that
// costs nothing worth counting, however few keys there are.
const (
	maxExactBits   = 1 << 27
	cheapExactBits = 1 << 26
)

// MaxKeys is the number of keys up to which more than their range is told: more
// are not likely to drop much for what they cost.
const MaxKeys = 1 << 21

// ordered reports types of keys whose range is known.
func ordered(t columnar.Type) bool {
	return Wordable(t) && t.Kind != columnar.Bool && t.Kind != columnar.Uint64
}

// usable reports types of keys that filters are made of.
func usable(t columnar.Type) bool {
	return t.Kind != columnar.Bool && t.Kind != columnar.Null && !t.IsNested()
}

// Range is the least and the greatest value of a key column.
type Range struct {
	ordered bool // values are words, and lo … hi is their range, empty where hi < lo
	lo, hi  int64
}

// NewRange returns the range of no values of a type.
func NewRange(t columnar.Type) Range {
	return Range{ordered: ordered(t), lo: math.MaxInt64, hi: math.MinInt64}
}

// Extend widens the range by the values of the given rows, all if rows is nil.
// Nulls do not count.
func (g *Range) Extend(v *columnar.Vector, rows []uint16, s *memory.Scratch) {
	if g.ordered {
		g.extend(v, Words(v, s), rows)
	}
}

func (g *Range) extend(v *columnar.Vector, words []uint64, rows []uint16) {
	lo, hi := g.lo, g.hi
	if rows != nil {
		for _, r := range rows {
			if v.Valid == nil || !v.NullAt(int(r)) {
				lo, hi = min(lo, int64(words[r])), max(hi, int64(words[r]))
			}
		}
	} else {
		for i, w := range words {
			if v.Valid == nil || !v.NullAt(i) {
				lo, hi = min(lo, int64(w)), max(hi, int64(w))
			}
		}
	}
	g.lo, g.hi = lo, hi
}

// Filter returns a filter of the range alone, nil if there is none.
func (g *Range) Filter() op.RuntimeFilter {
	if !g.ordered || g.hi < g.lo {
		return nil
	}
	return &filter{Range: *g}
}

// filter tells for a key column which values some build row may have.
//
//	range    least and greatest value, of integers and what is stored as such
//	exact    one bit per value between them, where they lie close together
//	bloom    else four bits per key in one word that its hash chooses
//
// It is immutable.
type filter struct {
	Range
	exact []uint64
	bloom []uint64 // a power of two of words
}

// NewFilter makes a filter of a key column of n rows, nil if that would tell
// nothing. What it takes is charged to r; where that refuses, only the range is
// told.
func NewFilter(v *columnar.Vector, n int, r memory.Reservation) op.RuntimeFilter {
	if !usable(v.Type) {
		return nil
	}
	f := &filter{Range: NewRange(v.Type)}
	var words []uint64
	if f.ordered && n > 0 {
		words = Words(v, nil)
		f.extend(v, words, nil)
	}
	if f.ordered && f.hi < f.lo { // nothing passes
		f.lo, f.hi = 1, 0
		return f
	}
	if f.dense(n) {
		if f.grow(r) {
			for i, w := range words {
				if v.Valid == nil || v.Valid.Get(i) {
					f.set(w)
				}
			}
		}
		return f
	}
	if size := bloomWords(n); n > 0 && n <= MaxKeys && r.TryGrow(int64(8*size+8*n)) {
		f.bloom = make([]uint64, size)
		hashes := make([]uint64, n)
		kernel.HashVector(v, hashes, false)
		for i, h := range hashes {
			if v.Valid == nil || !v.NullAt(i) {
				f.add(h)
			}
		}
		r.Shrink(int64(8 * n))
	}
	if !f.ordered && f.bloom == nil {
		return nil
	}
	return f
}

// dense reports whether n keys lie close enough together for a bit per value.
func (f *filter) dense(n int) bool {
	span := uint64(f.hi) - uint64(f.lo)
	return f.ordered && span < maxExactBits && (span < cheapExactBits || span < uint64(n)*256)
}

// grow makes room for a bit per value of the range, if r grants it.
func (f *filter) grow(r memory.Reservation) bool {
	size := (uint64(f.hi)-uint64(f.lo))/64 + 1
	if !r.TryGrow(int64(8 * size)) {
		return false
	}
	f.exact = make([]uint64, size)
	return true
}

func (f *filter) set(w uint64) {
	d := w - uint64(f.lo)
	f.exact[d>>6] |= 1 << (d & 63)
}

// bloomWords returns the size of a Bloom filter of n keys.
func bloomWords(n int) int { return 1 << bits.Len(uint(n/4)) }

func (f *filter) add(h uint64) { f.bloom[h&uint64(len(f.bloom)-1)] |= bloomBits(h) }

// bloomBits returns the bits of a hash in its word.
func bloomBits(h uint64) uint64 {
	return 1<<(h>>40&63) | 1<<(h>>46&63) | 1<<(h>>52&63) | 1<<(h>>58)
}

// Bind implements op.RuntimeFilter.
func (f *filter) Bind(column int) connector.DynamicFilter { return boundFilter{f, column} }

type boundFilter struct {
	*filter
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
			rows = choose(f.filter, columnar.Values[int64](flat), rows)
		case flat.Width == 4 && flat.Type.Kind != columnar.Uint32:
			rows = choose(f.filter, columnar.Values[int32](flat), rows)
		}
	} else if f.bloom != nil {
		rows = f.hashed(v, rows)
	}
	return out[:base+len(rows)]
}

// choose keeps the rows whose values are in range, and in the exact set or the
// Bloom filter if there is one.
func choose[T int32 | int64](f *filter, vs []T, rows []uint16) []uint16 {
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
func (f *filter) hashed(v *columnar.Vector, rows []uint16) []uint16 {
	if v.Len > columnar.MaxRows {
		return rows
	}
	p := hashPool.Get().(*[]uint64)
	h := (*p)[:v.Len]
	defer func() {
		invariants.Poison(columnar.BytesOf(h))
		hashPool.Put(p)
	}()
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
