package row

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

var list = columnar.ListType(columnar.Int32Type, true)

var kinds = []columnar.Type{
	columnar.NullType, columnar.BoolType, columnar.Int8Type, columnar.Int16Type, columnar.Int32Type, columnar.Int64Type,
	{Kind: columnar.Uint8}, {Kind: columnar.Uint16}, {Kind: columnar.Uint32}, {Kind: columnar.Uint64},
	columnar.Float32Type, columnar.Float64Type, columnar.DecimalType(12, 2), columnar.DecimalType(38, 2),
	columnar.StringType, columnar.BinaryType, columnar.DateType, columnar.TimestampType, list,
	columnar.StructType(columnar.Field{Name: "a", Type: columnar.StringType}, columnar.Field{Name: "b", Type: columnar.Float64Type}),
}

// edgy returns small numbers, so that rows tie, and now and then an extreme.
func edgy(r *rand.Rand) uint64 {
	switch r.IntN(6) {
	case 0:
		return r.Uint64()
	case 1:
		return 1<<63 - uint64(r.IntN(2))
	case 2:
		return ^uint64(r.IntN(3))
	}
	return uint64(r.IntN(4))
}

func text(r *rand.Rand, dst []byte) []byte {
	switch r.IntN(4) {
	case 0:
		return append(dst, "prefix that is long "[:r.IntN(21)]...)
	case 1: // zeros, which must not be taken for the end
		return append(dst, "ab\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:r.IntN(18)]...)
	case 2:
		return append(dst, "12345678901234567\xff"[:13+r.IntN(6)]...)
	}
	return fmt.Append(dst, r.IntN(3))
}

// flat returns n values; some floats are NaN or −0.0.
func flat(r *rand.Rand, t columnar.Type, n int) columnar.Vector {
	v := columnar.Vector{Type: t, Len: n, Width: uint8(t.FixedWidth())}
	switch {
	case t.Kind == columnar.Null:
	case t.Kind == columnar.Bool:
		v.Data = make([]byte, columnar.BitmapBytes(n))
		for i := range v.Data {
			v.Data[i] = byte(r.Uint32())
		}
	case t.IsBytes():
		off := make([]int32, n+1)
		for i := range n {
			v.Bytes = text(r, v.Bytes)
			off[i+1] = int32(len(v.Bytes))
		}
		v.Data = columnar.BytesOf(off)
	case t.Kind == columnar.List:
		off := make([]int32, n+1)
		for i := range n {
			off[i+1] = off[i] + int32(r.IntN(3))
		}
		v.Data, v.Kids = columnar.BytesOf(off), []columnar.Vector{vector(r, t.Nested.Fields[0].Type, int(off[n])+1)}
	case t.Kind == columnar.Struct:
		for _, f := range t.Nested.Fields {
			v.Kids = append(v.Kids, vector(r, f.Type, n))
		}
	case t.Kind == columnar.Float64:
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = float64(r.IntN(5)-2) * []float64{1, 0.5, math.Inf(1), math.NaN(), math.Copysign(0, -1)}[r.IntN(5)]
		}
		v.Data = columnar.BytesOf(xs)
	case t.Kind == columnar.Float32:
		xs := make([]float32, n)
		for i := range xs {
			xs[i] = float32(r.IntN(5)-2) * float32([]float64{1, 0.5, math.Inf(1), math.NaN(), math.Copysign(0, -1)}[r.IntN(5)])
		}
		v.Data = columnar.BytesOf(xs)
	default:
		if t.Kind == columnar.Decimal {
			v.Width = 8 << r.IntN(2) // I6: either width, whatever the precision
		}
		words := make([]uint64, n*int(v.Width)/8+1)
		for i := range words {
			words[i] = edgy(r)
		}
		if t.Kind == columnar.Decimal && v.Width == 16 {
			for i := range n {
				if t.Precision <= 18 || r.IntN(2) == 0 {
					words[2*i+1] = uint64(int64(words[2*i]) >> 63)
				}
			}
		}
		v.Data = columnar.BytesOf(words)[:n*int(v.Width)]
	}
	return v
}

func vector(r *rand.Rand, t columnar.Type, n int) columnar.Vector {
	if n == 0 {
		return flat(r, t, n)
	}
	v, rows := columnar.Vector{}, n
	switch enc := r.IntN(3); {
	case enc == 1 && t.Kind != columnar.Null:
		v, rows = flat(r, t, 1), 1
		v.Enc, v.Len = columnar.Const, n
	case enc == 2 && t.Kind != columnar.Null && !t.IsNested():
		d := flat(r, t, 1+r.IntN(2*n))
		codes := make([]uint32, n)
		for i := range codes {
			codes[i] = uint32(r.IntN(d.Len))
		}
		v = columnar.Vector{Type: t, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: &columnar.Dictionary{Values: d}}
	default:
		v = flat(r, t, n)
	}
	if r.IntN(2) == 0 && t.Kind != columnar.Null {
		v.Valid = columnar.NewBitmap(rows)
		for i := range rows {
			v.Valid.SetTo(i, r.IntN(4) > 0)
		}
	}
	return v
}

// naive compares a row of each, as the ordering is defined.
func naive(k Key, a *columnar.Vector, i int, b *columnar.Vector, j int) int {
	c := 0
	switch x, y := a.NullAt(i), b.NullAt(j); {
	case x && y:
		return 0
	case x || y:
		if x != k.NullsLast {
			return -1
		}
		return 1
	case a.Type.IsFloat():
		p, q := a.Float64At(i), b.Float64At(j)
		switch {
		case p != p && q != q:
		case p != p:
			c = 1
		case q != q:
			c = -1
		case p < q:
			c = -1
		case p > q:
			c = 1
		}
	case a.Type.IsBytes():
		c = bytes.Compare(a.BytesAt(i), b.BytesAt(j))
	case a.Type.Kind == columnar.Decimal:
		c = a.Int128At(i).Big().Cmp(b.Int128At(j).Big())
	case a.Type.Kind == columnar.Uint64:
		c = cmp.Compare(uint64(a.Int64At(i)), uint64(b.Int64At(j)))
	case a.Type.IsNested():
		if a.Enc == columnar.Const {
			i = 0
		}
		if b.Enc == columnar.Const {
			j = 0
		}
		n, m := 1, 1
		if a.Type.Kind == columnar.List {
			x, y := a.Offsets(), b.Offsets()
			n, m, i, j = int(x[i+1]-x[i]), int(y[j+1]-y[j]), int(x[i]), int(y[j])
		}
		for e := 0; e < min(n, m) && c == 0; e++ {
			for f := 0; f < len(a.Kids) && c == 0; f++ {
				c = naive(Key{}, &a.Kids[f], i+e, &b.Kids[f], j+e)
			}
		}
		if c == 0 {
			c = cmp.Compare(n, m)
		}
	default:
		c = cmp.Compare(a.Int64At(i), b.Int64At(j))
	}
	if k.Desc {
		return -c
	}
	return c
}

// Keys of different batches, of all types, orders and encodings, compare as the
// rows do, and Sort is stable and right.
func TestAgainstNaive(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 700 {
		keys := make([]Key, 1+r.IntN(3))
		types := make([]columnar.Type, len(keys))
		n, m := r.IntN(80), r.IntN(80)
		if round%100 == 0 {
			n = 3000 // sorted by radix
		}
		var a, b []columnar.Vector
		for i := range keys {
			keys[i] = Key{Desc: r.IntN(2) == 0, NullsLast: r.IntN(2) == 0}
			types[i] = kinds[r.IntN(len(kinds))]
			if round < len(kinds)*4 && i == 0 {
				types[i] = kinds[round%len(kinds)]
			}
			a, b = append(a, vector(r, types[i], n)), append(b, vector(r, types[i], m))
		}
		rows := func(x []columnar.Vector, i int, y []columnar.Vector, j int) int {
			for k := range keys {
				if c := naive(keys[k], &x[k], i, &y[k], j); c != 0 {
					return c
				}
			}
			return 0
		}
		ka, kb := Encode(keys, a, n), Encode(keys, b, m)
		for i := range min(n, 80) {
			for j := range m {
				if got, want := Compare(ka, i, kb, j), rows(a, i, b, j); got != want {
					t.Fatalf("seed %d: rows %d and %d of %v %v compare as %d, want %d", seed, i, j, types, keys, got, want)
				}
			}
		}
		want := make([]uint32, n)
		for i := range want {
			want[i] = uint32(i)
		}
		slices.SortStableFunc(want, func(i, j uint32) int { return rows(a, int(i), a, int(j)) })
		if got := ka.Sort(nil); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v %v sort as %v, want %v", seed, types, keys, got, want)
		}
	}
}

// TestManyAlike: rows whose keys differ only far behind where the words of the first
// bits end are in order, equal ones in theirs.
func TestManyAlike(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 2))
	for range 40 {
		n := mostCompared + r.IntN(6000)
		deep, few := 1+r.IntN(60), 30+60*r.IntN(2) // 30: nearly one letter alone
		off, b := make([]int32, n+1), []byte{}
		valid := columnar.NewBitmap(n)
		for i := range n {
			at := len(b)
			for len(b)-at < deep && r.IntN(40) > 0 { // mostly the same bytes
				b = append(b, "ab\x00\xff"[min(3, r.IntN(few)/29)])
			}
			off[i+1] = int32(len(b))
			valid.SetTo(i, r.IntN(20) > 0)
		}
		name := columnar.Vector{Type: columnar.StringType, Len: n, Data: columnar.BytesOf(off), Bytes: b, Valid: valid}
		cols := []columnar.Vector{flat(r, columnar.DecimalType(38, 2), n), name, flat(r, columnar.Int64Type, n), name}
		keys := make([]Key, len(cols))
		for i := range keys {
			keys[i] = Key{Desc: r.IntN(2) == 0, NullsLast: r.IntN(2) == 0}
		}
		from := r.IntN(2)
		keys, cols = keys[from:], cols[from:]
		want := make([]uint32, n)
		for i := range want {
			want[i] = uint32(i)
		}
		slices.SortStableFunc(want, func(i, j uint32) int {
			for k := range keys {
				if c := naive(keys[k], &cols[k], int(i), &cols[k], int(j)); c != 0 {
					return c
				}
			}
			return 0
		})
		if got := Encode(keys, cols, n).Sort(nil); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d rows by %v are not in order", seed, n, keys)
		}
	}
}

func benchVector(r *rand.Rand, kind string, n int) columnar.Vector {
	switch kind {
	case "date":
		xs := make([]int32, n)
		for i := range xs {
			xs[i] = int32(r.IntN(2500))
		}
		return columnar.Vector{Type: columnar.DateType, Width: 4, Len: n, Data: columnar.BytesOf(xs)}
	case "key":
		xs := make([]int64, n)
		for i := range xs {
			xs[i] = int64(r.IntN(6e6))
		}
		return columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: n, Data: columnar.BytesOf(xs)}
	case "double":
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = r.NormFloat64()
		}
		return columnar.Vector{Type: columnar.Float64Type, Width: 8, Len: n, Data: columnar.BytesOf(xs)}
	}
	off, b := make([]int32, n+1), []byte{}
	for i := range n {
		if kind == "path" {
			b = fmt.Appendf(b, "%s/%012d", []string{"orders", "customers", "parts", "suppliers"}[r.IntN(4)], r.Int64N(1e12))
			off[i+1] = int32(len(b))
			continue
		}
		b = fmt.Appendf(b, "Customer#%09d", r.IntN(1e6))
		off[i+1] = int32(len(b))
	}
	return columnar.Vector{Type: columnar.StringType, Len: n, Data: columnar.BytesOf(off), Bytes: b}
}

func BenchmarkSort(b *testing.B) {
	n := 1 << 17
	for _, c := range [][]string{{"key"}, {"date", "key"}, {"double"}, {"double", "key"}, {"name"}, {"path"}, {"date", "name"}} {
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			var cols []columnar.Vector
			for _, k := range c {
				cols = append(cols, benchVector(r, k, n))
			}
			keys := make([]Key, len(c))
			keys[0].Desc = true
			for b.Loop() {
				Encode(keys, cols, n).Sort(nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
		})
	}
}
