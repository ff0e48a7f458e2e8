package kernel

import (
	"math"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
)

// vectors of one value in every encoding: flat (with and without validity),
// constant and dictionary.
func encodings(v columnar.Vector) map[string]columnar.Vector {
	v.Len = 1
	nullable, constant := v, v
	nullable.Valid = columnar.NewBitmap(1)
	nullable.Valid.Fill(1, true)
	constant.Enc = columnar.Const
	out := map[string]columnar.Vector{"flat": v, "nullable": nullable, "const": constant}
	if v.Type.Kind != columnar.Bool {
		d := &columnar.Dictionary{Values: v, Unique: true}
		dict := columnar.Vector{Type: v.Type, Enc: columnar.Dict, Len: 1, Data: columnar.BytesOf([]uint32{0}), Dict: d}
		known := dict
		known.Dict = &columnar.Dictionary{Values: v, Hashes: []uint64{hashOf(&v)}}
		out["dict"], out["dict with hashes"] = dict, known
	}
	return out
}

func hashOf(v *columnar.Vector) uint64 {
	var out [1]uint64
	HashVector(v, out[:], false)
	return out[0]
}

func fixed[T columnar.Fixed](t columnar.Type, x T) columnar.Vector {
	b := columnar.BytesOf([]T{x})
	return columnar.Vector{Type: t, Width: uint8(len(b)), Data: b}
}

func str(s string) columnar.Vector {
	return columnar.Vector{Type: columnar.StringType, Data: columnar.BytesOf([]int32{0, int32(len(s))}), Bytes: []byte(s)}
}

// TestHashGolden pins the hash: whatever crosses a process or a version by hash
// relies on these numbers. Changing one means raising HashVersion.
func TestHashGolden(t *testing.T) {
	unsigned := func(k columnar.Kind) columnar.Type { return columnar.Type{Kind: k} }
	signalling := math.Float64frombits(0xfff8_0000_0000_0001)
	dec := columnar.DecimalType(38, 2)
	yes := columnar.Vector{Type: columnar.BoolType, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0}}
	for _, g := range []struct {
		name string
		want uint64
		same []columnar.Vector
	}{
		{"42", 0x34a4f54ed59bbc5d, []columnar.Vector{fixed(columnar.Int8Type, int8(42)), fixed(columnar.Int16Type, int16(42)), fixed(columnar.Int32Type, int32(42)),
			fixed(columnar.Int64Type, int64(42)), fixed(unsigned(columnar.Uint8), uint8(42)), fixed(unsigned(columnar.Uint16), uint16(42)),
			fixed(unsigned(columnar.Uint32), uint32(42)), fixed(unsigned(columnar.Uint64), uint64(42)), fixed(columnar.DateType, int32(42)),
			fixed(columnar.TimestampType, int64(42)), fixed(dec, int64(42)), fixed(dec, columnar.Int128Of(42))}},
		{"-1", 0x661127ec9005138a, []columnar.Vector{fixed(columnar.Int8Type, int8(-1)), fixed(columnar.Int16Type, int16(-1)), fixed(columnar.Int32Type, int32(-1)),
			fixed(columnar.Int64Type, int64(-1)), fixed(dec, int64(-1)), fixed(dec, columnar.Int128Of(-1))}},
		{"255", 0xe55eab6b0c198ec1, []columnar.Vector{fixed(unsigned(columnar.Uint8), uint8(255)), fixed(columnar.Int16Type, int16(255)), fixed(columnar.Int64Type, int64(255))}},
		{"2^64", 0x5acd3354949aad43, []columnar.Vector{fixed(dec, columnar.Int128{Hi: 1})}},
		{"true", 0x93c56e1dcb401d, []columnar.Vector{yes, fixed(columnar.Int8Type, int8(1))}},
		{"0.0", 0x670527f286862c69, []columnar.Vector{fixed(columnar.Float64Type, 0.0), fixed(columnar.Float64Type, math.Copysign(0, -1)),
			fixed(columnar.Float32Type, float32(math.Copysign(0, -1)))}},
		{"1.5", 0x687ad868e7903b89, []columnar.Vector{fixed(columnar.Float64Type, 1.5), fixed(columnar.Float32Type, float32(1.5))}},
		{"NaN", 0xa129b51d5a8d8ef1, []columnar.Vector{fixed(columnar.Float64Type, math.NaN()), fixed(columnar.Float64Type, signalling), fixed(columnar.Float64Type, -math.NaN()),
			fixed(columnar.Float32Type, float32(math.NaN()))}},
		{"empty string", 0x2fece2ec973f14e5, []columnar.Vector{str("")}},
		{"a", 0x65a5f800b18c7cf, []columnar.Vector{str("a")}},
		{"abc", 0x557f8888183f0060, []columnar.Vector{str("abc")}},
		{"12345678", 0x1bf329745465442b, []columnar.Vector{str("12345678")}},
		{"16 bytes", 0x8ec42e4c02ed740e, []columnar.Vector{str("0123456789abcdef")}},
		{"37 bytes", 0x6b0caffa3611c1b3, []columnar.Vector{str("carefully final deposits detect slyly")}},
	} {
		for _, v := range g.same {
			for enc, e := range encodings(v) {
				if got := hashOf(&e); got != g.want {
					t.Errorf("%s as %s, %d bytes wide, %s: %#x, want %#x", g.name, e.Type, v.Width, enc, got, g.want)
				}
			}
		}
	}
}

// TestHashNull: null hashes alike whatever the type and encoding.
func TestHashNull(t *testing.T) {
	valid := columnar.NewBitmap(1)
	d := str("x")
	d.Len = 1
	for _, v := range []columnar.Vector{
		{Type: columnar.NullType, Len: 1},
		{Type: columnar.Int32Type, Width: 4, Len: 1, Valid: valid, Data: columnar.BytesOf([]int32{7})},
		{Type: columnar.StringType, Enc: columnar.Const, Len: 1, Valid: valid, Data: columnar.BytesOf([]int32{0, 0})},
		{Type: columnar.StringType, Enc: columnar.Dict, Len: 1, Valid: valid, Data: columnar.BytesOf([]uint32{0}), Dict: &columnar.Dictionary{Values: d}},
		{Type: columnar.BoolType, Len: 1, Valid: valid, Data: make([]byte, 8)},
	} {
		if got := hashOf(&v); got != nullHash || nullHash != 0x8ebc6af09c88c6e3 {
			t.Errorf("null of %s: %#x", v.Type, got)
		}
	}
}

// TestHashCombine: a hash of several keys depends on their order, not on their
// encodings, and is pinned too.
func TestHashCombine(t *testing.T) {
	const want uint64 = 0x70ee5966393fdb43
	combined := func(a, b columnar.Vector) uint64 {
		batch := &columnar.Batch{Rows: 1, Cols: []columnar.Vector{a, b}}
		return HashBatch(batch, []int{0, 1}, nil)[0]
	}
	as, bs := encodings(fixed(columnar.Int32Type, int32(42))), encodings(str("abc"))
	for x, a := range as {
		for y, b := range bs {
			if got := combined(a, b); got != want {
				t.Errorf("(42, abc) as %s and %s: %#x, want %#x", x, y, got, want)
			}
			if combined(b, a) == want {
				t.Errorf("the order of keys does not matter")
			}
		}
	}
	if a, b := Remix(want, 0), Remix(want, 1); a == b || a == want {
		t.Errorf("Remix gives %#x and %#x", a, b)
	}
	batch := &columnar.Batch{Rows: 1, Cols: []columnar.Vector{as["flat"]}, Hash: []uint64{5}, HashOf: columnar.KeySet{0}}
	if got := HashBatch(batch, []int{0}, nil)[0]; got != 5 {
		t.Errorf("the hash that a batch carries is not used: %#x", got)
	}
}
