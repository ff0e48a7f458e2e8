// Package columnartest makes random vectors of every type and encoding, and shows
// what is in one. It imports columnar and columnar/text, and is imported by tests
// alone.
package columnartest

import (
	"fmt"
	"math/rand/v2"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
)

// Types lists one or a few types of each kind, nested ones included.
var Types = []columnar.Type{columnar.NullType, columnar.BoolType, columnar.Int8Type, columnar.Int16Type, columnar.Int32Type, columnar.Int64Type,
	{Kind: columnar.Uint8}, {Kind: columnar.Uint16}, {Kind: columnar.Uint32}, {Kind: columnar.Uint64}, {Kind: columnar.Float16},
	columnar.Float32Type, columnar.Float64Type, columnar.DecimalType(9, 2), columnar.DecimalType(38, 4), columnar.StringType, columnar.BinaryType,
	columnar.DateType, columnar.TimeType, columnar.TimestampType, columnar.TimestampNTZType, columnar.DayTimeType, columnar.YearMonthType,
	columnar.ListType(columnar.StringType, true), columnar.MapType(columnar.Int32Type, columnar.ListType(columnar.BoolType, true), true),
	columnar.StructType(columnar.Field{Name: "a", Type: columnar.NullType}, columnar.Field{Name: "b", Type: columnar.ListType(columnar.StructType(columnar.Field{Name: "c", Type: columnar.StringType}), true)})}

// flat returns n random values of a type. Few distinct bytes compress well.
func flat(r *rand.Rand, t columnar.Type, n int, nulls bool) columnar.Vector {
	v := columnar.Vector{Type: t, Len: n, Width: uint8(t.FixedWidth())}
	noise := func(n int) []byte {
		words := make([]uint64, (n+7)/8)
		few := r.IntN(2) == 0
		for i := range words {
			if words[i] = r.Uint64(); few {
				words[i] &= 0x0101
			}
		}
		return columnar.BytesOf(words)[:n]
	}
	if t.Kind == columnar.Null {
		return v
	}
	if nulls {
		v.Valid = columnar.Bitmap(noise(columnar.BitmapBytes(n)))
	}
	switch {
	case t.IsNested():
		n := n
		if t.Kind != columnar.Struct {
			off := make([]int32, n+1)
			off[0] = int32(r.IntN(3))
			for i := range n {
				off[i+1] = off[i] + int32(r.IntN(4))
			}
			v.Data, n = columnar.BytesOf(off), int(off[n])
		}
		for _, k := range kids(t) {
			v.Kids = append(v.Kids, flat(r, k, n, true))
		}
	case t.Kind == columnar.Bool:
		v.Data = noise(columnar.BitmapBytes(n))
	case t.IsBytes():
		off := make([]int32, n+1)
		for i := range n {
			off[i+1] = off[i] + int32(r.IntN(9))
		}
		v.Data, v.Bytes = columnar.BytesOf(off), noise(int(off[n]))
	default:
		if t.Kind == columnar.Decimal && r.IntN(2) == 0 {
			v.Width = 24 - v.Width
		}
		v.Data = noise(n * int(v.Width))
	}
	return v
}

// Vector returns a vector of n rows in one of the encodings.
func Vector(r *rand.Rand, t columnar.Type, enc columnar.Encoding, n int, nulls bool) columnar.Vector {
	switch {
	case t.Kind == columnar.Null:
		return flat(r, t, n, false)
	case enc == columnar.Const:
		v := flat(r, t, 1, nulls)
		v.Enc, v.Len = enc, n
		return v
	case enc == columnar.Dict && t.Kind != columnar.Bool && !t.IsNested():
		d := flat(r, t, 1+r.IntN(20), false)
		codes := make([]uint32, n)
		for i := range codes {
			codes[i] = uint32(r.IntN(d.Len))
		}
		v := columnar.Vector{Type: t, Enc: enc, Len: n, Data: columnar.BytesOf(codes), Dict: &columnar.Dictionary{Values: d, Unique: r.IntN(2) == 0}}
		if nulls {
			v.Valid = flat(r, columnar.BoolType, n, false).Data
		}
		return v
	}
	return flat(r, t, n, nulls)
}

// Show renders a row's value exactly, whatever the encoding.
func Show(v *columnar.Vector, row int) string {
	switch {
	case v.NullAt(row):
		return "null"
	case v.Type.IsNested():
		return string(text.AppendValue(nil, v, row, nil))
	case v.Type.IsBytes():
		return fmt.Sprintf("%q", v.BytesAt(row))
	case v.Type.Kind == columnar.Decimal:
		return fmt.Sprint(v.Int128At(row))
	}
	return fmt.Sprint(v.Int64At(row)) // floats by their bits
}

// kids returns the types of a vector's children.
func kids(t columnar.Type) (out []columnar.Type) {
	if t.Kind == columnar.Map {
		return []columnar.Type{columnar.StructType(t.Nested.Fields...)}
	}
	for _, f := range t.Nested.Fields {
		out = append(out, f.Type)
	}
	return out
}

// Schema returns a schema of nullable columns c0, c1 … of some types.
func Schema(types ...columnar.Type) *columnar.Schema {
	s := &columnar.Schema{}
	for i, t := range types {
		s.Fields = append(s.Fields, columnar.Field{Name: fmt.Sprint("c", i), Type: t, Nullable: true})
	}
	return s
}

// Batch returns n random rows of a schema, each column in a random encoding.
func Batch(r *rand.Rand, s *columnar.Schema, n int) *columnar.Batch {
	b := &columnar.Batch{Schema: s, Rows: n}
	for _, f := range s.Fields {
		b.Cols = append(b.Cols, Vector(r, f.Type, columnar.Encoding(r.IntN(3)), n, r.IntN(2) == 0))
	}
	return b
}
