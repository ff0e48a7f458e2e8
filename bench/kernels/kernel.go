package kernels

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/row"
)

// Kernel is a loop to measure.
type Kernel struct {
	Name string
	Rows int   // that one run goes through
	Move int64 // bytes that one run has to read and write
	Out  int   // rows, or selected rows, that a run yields; -1: not fixed
	// Make makes the data and returns the run, which is called many times by one
	// goroutine, and what gives the data back.
	Make func(ctx context.Context) (run func() (out int, err error), done func(), err error)
}

// batchRows is what a kernel that works on one batch goes through.
const batchRows = columnar.MaxRows

// List returns the kernels, in the order of a report.
func List() []Kernel {
	list := append(loops(), expressions()...)
	list = append(list, operators()...)
	return append(list, decoding()...)
}

// simple is a kernel without errors and of memory that the collector takes.
func simple(name string, rows int, move int64, out int, mk func(s *memory.Scratch) func() int) Kernel {
	return Kernel{Name: name, Rows: rows, Move: move, Out: out, Make: func(context.Context) (func() (int, error), func(), error) {
		s := memory.NewScratch(nil)
		f := mk(s)
		return func() (int, error) { s.Reset(); return f(), nil }, func() { s.Close() }, nil
	}}
}

// source draws the same numbers in every run; columns of one batch need seeds of
// their own.
func source(seed int64) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 2)) }

// ints is a column of n numbers below limit.
func ints(n int, limit int64) columnar.Vector {
	r := source(limit)
	x := make([]int64, n)
	for i := range x {
		x[i] = r.Int64N(limit)
	}
	return columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: n, Data: columnar.BytesOf(x)}
}

// comments is a column of texts of five words, as the comments of TPC-H are.
func comments(n int) columnar.Vector {
	words := []string{"special ", "requests ", "carefully ", "final ", "deposits ", "among the ", "express ", "slyly "}
	r := source(1)
	v := columnar.Vector{Type: columnar.StringType, Len: n}
	off := []int32{0}
	for range n {
		for range 5 {
			v.Bytes = append(v.Bytes, words[r.IntN(len(words))]...)
		}
		off = append(off, int32(len(v.Bytes)))
	}
	v.Data = columnar.BytesOf(off)
	return v
}

// modes is a dictionary column of seven short texts.
func modes(n int) columnar.Vector {
	values := columnar.Vector{Type: columnar.StringType, Stable: true}
	off := []int32{0}
	for _, m := range []string{"AIR", "MAIL", "SHIP", "TRUCK", "RAIL", "FOB", "REG AIR"} {
		values.Bytes = append(values.Bytes, m...)
		off = append(off, int32(len(values.Bytes)))
		values.Len++
	}
	values.Data = columnar.BytesOf(off)
	r := source(2)
	codes := make([]uint32, n)
	for i := range codes {
		codes[i] = uint32(r.IntN(values.Len))
	}
	return columnar.Vector{Type: columnar.StringType, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: &columnar.Dictionary{Values: values, Unique: true}}
}

// size is what a column's rows take.
func size(v columnar.Vector) int64 { return int64(len(v.Data) + len(v.Bytes)) }

// loops are the kernels of columnar.
func loops() []Kernel {
	n := batchRows
	half := make([]uint16, 0, n)
	r := source(3)
	for i := range n {
		if r.IntN(2) == 0 {
			half = append(half, uint16(i))
		}
	}
	rows := make([]uint32, n)
	for i := range rows {
		rows[i] = uint32(r.IntN(n))
	}
	words := func(k int) int64 { return int64(8 * k) }
	var list []Kernel
	hash := func(name string, v columnar.Vector, combine bool) {
		move := size(v) + words(n)
		if combine {
			move += words(n)
		}
		list = append(list, simple(name, n, move, n, func(*memory.Scratch) func() int {
			out := make([]uint64, n)
			return func() int { kernel.HashVector(&v, out, combine); return n }
		}))
	}
	hash("hash bigint", ints(n, 1<<62), false)
	hash("hash second key", ints(n, 1<<62), true)
	hash("hash string", comments(n), false)
	hash("hash dictionary", modes(n), false)
	take := func(name string, v columnar.Vector, move int64) {
		list = append(list, simple(name, n, move+int64(4*n), n, func(s *memory.Scratch) func() int {
			return func() int { out := kernel.Take(&v, rows, s); return out.Len }
		}))
	}
	take("take bigint at random", ints(n, 1<<62), 2*words(n))
	take("take string at random", comments(n), 2*size(comments(n)))
	take("take dictionary codes", modes(n), int64(2*4*n))
	v := ints(n, 1<<62)
	list = append(list, simple("select half of bigint", n, words(n)+words(len(half))+int64(2*len(half)), len(half), func(s *memory.Scratch) func() int {
		return func() int { out := kernel.TakeSel(&v, half, s); return out.Len }
	}))
	for _, parts := range []int{16, 200} {
		list = append(list, simple(fmt.Sprintf("partition into %d", parts), n, words(n)+int64(2*n), n, func(s *memory.Scratch) func() int {
			hash := make([]uint64, n)
			kernel.HashVector(&v, hash, false)
			return func() int { out, _ := kernel.Partition(hash, n, nil, parts, s); return len(out) }
		}))
	}
	list = append(list, simple("flatten dictionary", n, int64(4*n)+int64(4*n)+int64(9*n/2), n, func(s *memory.Scratch) func() int {
		d := modes(n)
		return func() int { out := kernel.Flatten(&d, s); return out.Len }
	}))
	sorts := func(name string, v columnar.Vector) {
		list = append(list, simple(name, v.Len, size(v)+int64(4*v.Len), v.Len, func(s *memory.Scratch) func() int {
			return func() int { return len(row.EncodeIn(s, []row.Key{{}}, []columnar.Vector{v}, v.Len).Sort(s)) }
		}))
	}
	sorts("radix sort of 10⁶ bigint", ints(1_000_000, 1<<62))
	sorts("radix sort of 10⁶ bigint below 10⁴", ints(1_000_000, 10_000))
	sorts("sort of 10⁵ strings", comments(100_000))
	return list
}
