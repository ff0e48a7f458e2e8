package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// shapes are columns of a full batch, as queries have them.
func shapes() map[string]columnar.Vector {
	r := rand.New(rand.NewPCG(1, 1))
	n := columnar.MaxRows
	ints, days := make([]int64, n), make([]int32, n)
	off, bytes := make([]int32, n+1), []byte{}
	long, text := make([]int32, n+1), []byte{}
	codes := make([]uint32, n)
	valid := columnar.NewBitmap(n)
	for i := range n {
		ints[i], days[i], codes[i] = r.Int64(), r.Int32(), uint32(r.IntN(25))
		bytes = fmt.Append(bytes, "key", r.IntN(1e6))
		off[i+1] = int32(len(bytes))
		text = fmt.Append(text, "carefully final deposits detect slyly", r.IntN(1e6))
		long[i+1] = int32(len(text))
		valid.SetTo(i, r.IntN(10) > 0)
	}
	names := columnar.Vector{Type: columnar.StringType, Len: 25, Data: columnar.BytesOf(off[:26]), Bytes: bytes, Stable: true}
	i64 := columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: n, Data: columnar.BytesOf(ints)}
	nullable := i64
	nullable.Valid = valid
	return map[string]columnar.Vector{
		"int64":  i64,
		"null64": nullable,
		"int32":  {Type: columnar.DateType, Width: 4, Len: n, Data: columnar.BytesOf(days)},
		"bool":   {Type: columnar.BoolType, Len: n, Data: columnar.BytesOf(ints)[:columnar.BitmapBytes(n)]},
		"short":  {Type: columnar.StringType, Len: n, Data: columnar.BytesOf(off), Bytes: bytes},
		"long":   {Type: columnar.StringType, Len: n, Data: columnar.BytesOf(long), Bytes: text},
		"dict":   {Type: columnar.StringType, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: &columnar.Dictionary{Values: names, Unique: true}},
	}
}

var shapeNames = []string{"int64", "null64", "int32", "bool", "short", "long", "dict"}

// perRow reports nanoseconds per row of b.N calls over n rows.
func perRow(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
	b.ReportAllocs()
}

func each(b *testing.B, f func(b *testing.B, v *columnar.Vector)) {
	all := shapes()
	for _, name := range shapeNames {
		v := all[name]
		b.Run(name, func(b *testing.B) { f(b, &v) })
	}
}

func BenchmarkHash(b *testing.B) {
	out := make([]uint64, columnar.MaxRows)
	each(b, func(b *testing.B, v *columnar.Vector) {
		for b.Loop() {
			HashVector(v, out, false)
		}
		perRow(b, v.Len)
	})
}

func BenchmarkHashCombine(b *testing.B) {
	out := make([]uint64, columnar.MaxRows)
	each(b, func(b *testing.B, v *columnar.Vector) {
		for b.Loop() {
			HashVector(v, out, true)
		}
		perRow(b, v.Len)
	})
}

// half is every other row, more or less.
func half() []uint16 {
	r := rand.New(rand.NewPCG(2, 2))
	var sel []uint16
	for i := range columnar.MaxRows {
		if r.IntN(2) == 0 {
			sel = append(sel, uint16(i))
		}
	}
	return sel
}

func BenchmarkTakeSel(b *testing.B) {
	s, sel := memory.NewScratch(nil), half()
	defer s.Close()
	each(b, func(b *testing.B, v *columnar.Vector) {
		for b.Loop() {
			s.Reset()
			TakeSel(v, sel, s)
		}
		perRow(b, len(sel))
	})
}

func BenchmarkAppendSel(b *testing.B) {
	sel := half()
	each(b, func(b *testing.B, v *columnar.Vector) {
		batch := &columnar.Batch{Rows: v.Len, Cols: []columnar.Vector{*v}, Sel: sel}
		a := NewAppender([]columnar.Type{v.Type}, nil)
		for b.Loop() {
			if err := a.Append(batch); err != nil {
				b.Fatal(err)
			}
			if a.Len() > 1<<20 {
				a.Take(nil)
			}
		}
		perRow(b, len(sel))
	})
}

func BenchmarkPartition(b *testing.B) {
	s := memory.NewScratch(nil)
	defer s.Close()
	hash := make([]uint64, columnar.MaxRows)
	v := shapes()["int64"]
	HashVector(&v, hash, false)
	for _, parts := range []int{2, 16, 200} {
		b.Run(fmt.Sprint(parts), func(b *testing.B) {
			for b.Loop() {
				s.Reset()
				Partition(hash, len(hash), nil, parts, s)
			}
			perRow(b, len(hash))
		})
	}
}

func BenchmarkEqualRows(b *testing.B) {
	rows, sel := make([]uint32, columnar.MaxRows), make([]uint16, columnar.MaxRows)
	for i := range rows {
		rows[i] = uint32(i)
	}
	each(b, func(b *testing.B, v *columnar.Vector) {
		for b.Loop() {
			for i := range sel {
				sel[i] = uint16(i)
			}
			EqualRows(v, rows, v, rows, sel, true)
		}
		perRow(b, len(rows))
	})
}

// BenchmarkAppendMany grows the build side of a join: a million rows.
func BenchmarkAppendMany(b *testing.B) {
	each(b, func(b *testing.B, v *columnar.Vector) {
		batch := &columnar.Batch{Rows: v.Len, Cols: []columnar.Vector{*v, *v}}
		for b.Loop() {
			a := NewAppender([]columnar.Type{v.Type, v.Type}, nil)
			for a.Len() < 1<<20 {
				if err := a.Append(batch); err != nil {
					b.Fatal(err)
				}
			}
			a.Take(nil)
		}
		perRow(b, 2<<20)
	})
}
