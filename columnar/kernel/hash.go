package kernel

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
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

func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// HashWord hashes one 64-bit value.
func HashWord(x uint64) uint64 { return mum(x^seed0, seed1) }

// HashBytes hashes a byte string.
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

// HashBatch returns the key hash of the given columns, one per row (arbitrary
// for unselected ones). A hash that the batch carries for these keys is used.
func HashBatch(b *columnar.Batch, keys []int, s *memory.Scratch) []uint64 {
	if b.Hash != nil && b.HashOf.Equal(keys) {
		return b.Hash
	}
	out := memory.Slice[uint64](s, b.Rows)
	for i, k := range keys {
		HashVector(&b.Cols[k], out, i > 0)
	}
	if len(keys) == 0 {
		clear(out)
	}
	return out
}

func put(out []uint64, i int, h uint64, combine bool) {
	if combine {
		h = mum(out[i]^seed2, h|1)
	}
	out[i] = h
}

func hashInts[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](vs []T, out []uint64, combine bool) {
	out = out[:len(vs)]
	if !combine {
		for i, x := range vs {
			out[i] = mum(uint64(x)^seed0, seed1)
		}
		return
	}
	for i, x := range vs {
		out[i] = mum(out[i]^seed2, mum(uint64(x)^seed0, seed1)|1)
	}
}

func hashFloat(x float64) uint64 {
	if x == 0 {
		x = 0
	} else if x != x {
		x = math.NaN()
	}
	b := math.Float64bits(x)
	if x == 0 {
		b = 0
	}
	return HashWord(b)
}

func hashWide(x columnar.Int128) uint64 {
	if x.FitsInt64() {
		return HashWord(x.Lo)
	}
	return mum(HashWord(x.Lo)^seed2, HashWord(uint64(x.Hi)))
}

// hashAt hashes value i of a flat vector.
func hashAt(v *columnar.Vector, i int) uint64 {
	switch {
	case v.Type.IsBytes():
		return HashBytes(v.BytesAt(i))
	case v.Type.IsFloat():
		return hashFloat(v.Float64At(i))
	case v.Type.Kind == columnar.Decimal:
		return hashWide(v.Int128At(i))
	}
	return HashWord(uint64(v.Int64At(i)))
}

// HashVector hashes every row of a vector into out, combining with what is there
// if asked.
func HashVector(v *columnar.Vector, out []uint64, combine bool) {
	n := v.Len
	out = out[:n]
	if v.Valid != nil && v.Enc != columnar.Const && v.Type.Kind != columnar.Null {
		hashNullable(v, out, combine)
		return
	}
	switch {
	case v.Type.Kind == columnar.Null:
		for i := range out {
			put(out, i, nullHash, combine)
		}
		return
	case v.Enc == columnar.Const:
		h := uint64(nullHash)
		if !v.NullAt(0) {
			h = hashAt(v, 0)
		}
		for i := range out {
			put(out, i, h, combine)
		}
		return
	case v.Enc == columnar.Dict:
		hashDict(v, out, combine)
	case v.Type.IsBytes():
		off := v.Offsets()
		for i := range out {
			put(out, i, HashBytes(v.Bytes[off[i]:off[i+1]]), combine)
		}
	case v.Type.IsFloat():
		for i := range out {
			put(out, i, hashFloat(v.Float64At(i)), combine)
		}
	case v.Type.Kind == columnar.Bool || v.Width == 16:
		for i := range out {
			put(out, i, hashAt(v, i), combine)
		}
	default:
		unsigned := v.Type.Kind >= columnar.Uint8 && v.Type.Kind <= columnar.Uint64
		switch {
		case v.Width == 1 && unsigned:
			hashInts(columnar.Values[uint8](v), out, combine)
		case v.Width == 2 && unsigned:
			hashInts(columnar.Values[uint16](v), out, combine)
		case v.Width == 4 && unsigned:
			hashInts(columnar.Values[uint32](v), out, combine)
		case v.Width == 1:
			hashInts(columnar.Values[int8](v), out, combine)
		case v.Width == 2:
			hashInts(columnar.Values[int16](v), out, combine)
		case v.Width == 4:
			hashInts(columnar.Values[int32](v), out, combine)
		default:
			hashInts(columnar.Values[int64](v), out, combine)
		}
	}
}

// hashNullable hashes values, gives null rows the null's hash, and combines.
func hashNullable(v *columnar.Vector, out []uint64, combine bool) {
	all := *v
	all.Valid = nil
	dst := out
	if combine {
		dst = make([]uint64, len(out))
	}
	HashVector(&all, dst, false)
	for i := range dst {
		if v.Valid[i>>3]>>(i&7)&1 == 0 {
			dst[i] = nullHash
		}
	}
	if combine {
		for i, h := range dst {
			put(out, i, h, true)
		}
	}
}

func hashDict(v *columnar.Vector, out []uint64, combine bool) {
	codes, d := v.Codes(), v.Dict
	hashes := d.Hashes
	if hashes == nil && d.Values.Len <= 2*len(codes) {
		hashes = make([]uint64, d.Values.Len)
		HashVector(&d.Values, hashes, false)
	}
	if hashes != nil {
		if !combine {
			for i, c := range codes {
				out[i] = hashes[c]
			}
			return
		}
		for i, c := range codes {
			put(out, i, hashes[c], true)
		}
		return
	}
	for i, c := range codes {
		put(out, i, hashAt(&d.Values, int(c)), combine)
	}
}
