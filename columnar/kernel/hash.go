package kernel

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// HashVersion numbers the key hash: whatever is stored or exchanged between
// processes by hash names it.
const HashVersion = 1

const (
	seed0    = 0x9e3779b97f4a7c15
	seed1    = 0xa0761d6478bd642f
	seed2    = 0xe7037ed1a0b428db
	nullHash = 0x8ebc6af09c88c6e3
)

// hashBlock is how many hashes are worked on at a time: they stay in L1, on the
// stack.
const hashBlock = 512

// steps are the rows of a block that has no selection.
var steps = func() (s [hashBlock]uint16) {
	for i := range s {
		s[i] = uint16(i)
	}
	return s
}()

// mum folds the 128-bit product of two words, as wyhash does.
func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// HashWord hashes one 64-bit value.
func HashWord(x uint64) uint64 { return mum(x^seed0, seed1) }

// HashBytes hashes a byte string: words of 16 bytes while there are more, then
// the rest in one go.
func HashBytes(b []byte) uint64 {
	h := uint64(len(b))*seed2 ^ seed0
	for len(b) > 16 {
		h = mum(binary.LittleEndian.Uint64(b)^seed1, binary.LittleEndian.Uint64(b[8:])^h)
		b = b[16:]
	}
	var lo, hi uint64
	switch {
	case len(b) >= 8:
		lo = binary.LittleEndian.Uint64(b)
		hi = binary.LittleEndian.Uint64(b[len(b)-8:])
	case len(b) >= 4:
		lo = uint64(binary.LittleEndian.Uint32(b))
		hi = uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	case len(b) > 0:
		lo = uint64(b[0])<<16 | uint64(b[len(b)>>1])<<8 | uint64(b[len(b)-1])
	}
	return mum(lo^seed1^h, hi^seed2^bits.RotateLeft64(h, 32))
}

// Remix derives the hash for a level of recursion or another use from a key
// hash.
func Remix(h uint64, level int) uint64 {
	return mum(h^seed2, seed0+uint64(level)<<1)
}

// Combine returns the hash of a key whose first columns hash to h and whose next
// one hashes to next.
func Combine(h, next uint64) uint64 { return mum(h^seed2, next|1) }

// HashBatch returns the key hash of the given columns, one per row (arbitrary
// for unselected ones). A hash that the batch carries for these keys is used.
// The hash of no columns is zero.
func HashBatch(b *columnar.Batch, keys []int, s *memory.Scratch) []uint64 {
	if b.Hash != nil && b.HashOf.Equal(keys) {
		return b.Hash
	}
	out := memory.Slice[uint64](s, b.Rows)
	var sel []uint16
	if len(b.Sel) < b.Rows/2 {
		sel = b.Sel // else it is cheaper to hash all rows
	}
	for i, k := range keys {
		hashVector(&b.Cols[k], out, sel, i > 0)
	}
	if len(keys) == 0 {
		clear(out)
	}
	return out
}

// HashVector hashes every row of a vector into out, combining with what is there
// if asked.
func HashVector(v *columnar.Vector, out []uint64, combine bool) {
	hashVector(v, out[:v.Len], nil, combine)
}

// hashVector works on the selected rows, on all if sel is nil, a block at a time:
// hash the values, give nulls their hash, then combine or scatter.
func hashVector(v *columnar.Vector, out []uint64, sel []uint16, combine bool) {
	c, constant := hashConstant(v)
	if !constant && v.Enc == columnar.Flat && v.Valid == nil && sel == nil && !combine {
		if hashFlat(v, out) {
			return
		}
	}
	var dict []uint64
	if v.Enc == columnar.Dict && !constant {
		var pooled *[]uint64
		if dict, pooled = dictHashes(v); pooled != nil {
			defer putHashes(pooled)
		}
	}
	n := len(out)
	if sel != nil {
		n = len(sel)
	}
	var block [hashBlock]uint64
	for from := 0; from < n; from += hashBlock {
		k := min(hashBlock, n-from)
		h, rows, base := block[:k], steps[:k], from
		if sel != nil {
			rows, base = sel[from:from+k], 0
		}
		switch {
		case constant:
			for i := range h {
				h[i] = c
			}
		case dict != nil:
			codes := v.Codes()[base:]
			for i, r := range rows {
				h[i] = dict[codes[r]]
			}
		case v.Enc == columnar.Dict:
			codes := v.Codes()[base:]
			for i, r := range rows {
				h[i] = hashAt(&v.Dict.Values, int(codes[r]))
			}
		default:
			hashRows(v, base, rows, h)
		}
		if v.Valid != nil && !constant {
			for i, r := range rows {
				at := base + int(r)
				if v.Valid[at>>3]>>(at&7)&1 == 0 {
					h[i] = nullHash
				}
			}
		}
		dst := out[base:]
		switch {
		case combine && sel == nil:
			dst := dst[:len(h)]
			for i, x := range h {
				dst[i] = mum(dst[i]^seed2, x|1)
			}
		case combine:
			for i, r := range rows {
				dst[r] = mum(dst[r]^seed2, h[i]|1)
			}
		case sel == nil:
			copy(dst, h)
		default:
			for i, r := range rows {
				dst[r] = h[i]
			}
		}
	}
}

// hashConstant returns the hash that all rows of a constant or null vector have.
func hashConstant(v *columnar.Vector) (uint64, bool) {
	switch {
	case v.Type.Kind == columnar.Null:
		return nullHash, true
	case v.Enc != columnar.Const:
		return 0, false
	case v.NullAt(0):
		return nullHash, true
	}
	return hashAt(v, 0), true
}

// hashFlat hashes the integer kinds without nulls straight into out, the others
// it leaves.
func hashFlat(v *columnar.Vector, out []uint64) bool {
	if v.Type.IsFloat() || v.Type.IsBytes() || v.Type.IsNested() || v.Width == 0 || v.Width == 16 {
		return false
	}
	unsigned := v.Type.Kind >= columnar.Uint8 && v.Type.Kind <= columnar.Uint64
	switch {
	case v.Width == 8:
		hashInts(columnar.Values[int64](v), out)
	case v.Width == 4 && unsigned:
		hashInts(columnar.Values[uint32](v), out)
	case v.Width == 4:
		hashInts(columnar.Values[int32](v), out)
	default:
		return false
	}
	return true
}

func hashInts[T int32 | int64 | uint32](vs []T, out []uint64) {
	out = out[:len(vs)]
	for i, x := range vs {
		out[i] = mum(uint64(x)^seed0, seed1)
	}
}

// hashRows hashes values base+rows[i] of a flat vector.
func hashRows(v *columnar.Vector, base int, rows []uint16, h []uint64) {
	h = h[:len(rows)]
	switch {
	case v.Type.IsBytes():
		off := v.Offsets()[base:]
		for i, r := range rows {
			h[i] = HashBytes(v.Bytes[off[r]:off[int(r)+1]])
		}
		return
	case v.Type.Kind == columnar.Float64:
		vs := columnar.Values[float64](v)[base:]
		for i, r := range rows {
			h[i] = hashFloat(vs[r])
		}
		return
	case v.Type.Kind == columnar.Float32:
		vs := columnar.Values[float32](v)[base:]
		for i, r := range rows {
			h[i] = hashFloat(float64(vs[r]))
		}
		return
	case v.Type.Kind == columnar.Bool:
		vs := v.Bits()
		for i, r := range rows {
			at := base + int(r)
			h[i] = HashWord(uint64(vs[at>>3]>>(at&7)) & 1)
		}
		return
	case v.Type.IsNested():
		for i, r := range rows {
			h[i] = hashNested(v, base+int(r))
		}
		return
	}
	unsigned := v.Type.Kind >= columnar.Uint8 && v.Type.Kind <= columnar.Uint64
	switch {
	case v.Width == 16:
		vs := columnar.Values[columnar.Int128](v)[base:]
		for i, r := range rows {
			h[i] = hashWide(vs[r])
		}
	case v.Width == 8:
		hashIntsAt(columnar.Values[int64](v)[base:], rows, h)
	case v.Width == 4 && unsigned:
		hashIntsAt(columnar.Values[uint32](v)[base:], rows, h)
	case v.Width == 4:
		hashIntsAt(columnar.Values[int32](v)[base:], rows, h)
	case v.Width == 2 && unsigned:
		hashIntsAt(columnar.Values[uint16](v)[base:], rows, h)
	case v.Width == 2:
		hashIntsAt(columnar.Values[int16](v)[base:], rows, h)
	case unsigned:
		hashIntsAt(columnar.Values[uint8](v)[base:], rows, h)
	default:
		hashIntsAt(columnar.Values[int8](v)[base:], rows, h)
	}
}

func hashIntsAt[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](vs []T, rows []uint16, h []uint64) {
	h = h[:len(rows)]
	for i, r := range rows {
		h[i] = mum(uint64(vs[r])^seed0, seed1)
	}
}

// hashFloat hashes −0.0 as 0.0 and every NaN alike.
func hashFloat(x float64) uint64 {
	switch {
	case x == 0:
		return HashWord(0)
	case x != x:
		return HashWord(math.Float64bits(math.NaN()))
	}
	return HashWord(math.Float64bits(x))
}

// hashWide hashes a decimal of 16 bytes as one of 8 if it fits.
func hashWide(x columnar.Int128) uint64 {
	if x.FitsInt64() {
		return HashWord(x.Lo)
	}
	return mum(HashWord(x.Lo)^seed2, HashWord(uint64(x.Hi)))
}

// hashAt hashes a row of a flat or constant vector that is not null.
func hashAt(v *columnar.Vector, i int) uint64 {
	switch {
	case v.Type.IsBytes():
		return HashBytes(v.BytesAt(i))
	case v.Type.IsFloat() && v.Width > 2: // halves hash as integers, as in hashRows
		return hashFloat(v.Float64At(i))
	case v.Type.Kind == columnar.Decimal:
		return hashWide(v.Int128At(i))
	case v.Type.IsNested():
		if v.Enc == columnar.Const {
			i = 0
		}
		return hashNested(v, i)
	}
	return HashWord(uint64(v.Int64At(i)))
}

// hashNested hashes a row of a nested vector by combining its children's rows,
// for lists and maps after their number.
func hashNested(v *columnar.Vector, i int) uint64 {
	h, from, to := uint64(seed0), i, i+1
	if v.Type.Kind != columnar.Struct {
		off := columnar.View[int32](v.Data, i+2)
		from, to = int(off[i]), int(off[i+1])
		h = HashWord(uint64(to - from))
	}
	for at := from; at < to; at++ {
		for k := range v.Kids {
			h = Combine(h, hashRow(&v.Kids[k], at))
		}
	}
	return h
}

// hashRow hashes one row of any vector.
func hashRow(v *columnar.Vector, i int) uint64 {
	switch {
	case v.NullAt(i):
		return nullHash
	case v.Enc == columnar.Dict:
		return hashAt(&v.Dict.Values, int(v.Codes()[i]))
	}
	return hashAt(v, i)
}

var hashPool = sync.Pool{New: func() any { s := make([]uint64, 0, columnar.MaxRows); return &s }}

func putHashes(p *[]uint64) {
	invariants.Poison(columnar.BytesOf((*p)[:cap(*p)]))
	hashPool.Put(p)
}

// dictHashes returns the hashes of a dictionary's values if they are known or
// cheaper than hashing each row, and the buffer that they are in if it is to go
// back to the pool.
func dictHashes(v *columnar.Vector) ([]uint64, *[]uint64) {
	d := v.Dict
	if d.Hashes != nil || d.Values.Len > v.Len {
		return d.Hashes, nil
	}
	p := hashPool.Get().(*[]uint64)
	if cap(*p) < d.Values.Len {
		*p = make([]uint64, d.Values.Len)
	}
	h := (*p)[:d.Values.Len]
	hashVector(&d.Values, h, nil, false)
	return h, p
}
