package kernel

import (
	"slices"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
)

// The sum of rows depends on their values and places alone: not on encodings,
// decimal widths, selections, or where batches are cut.
func TestSumRows(t *testing.T) {
	r := random(t)
	all := slices.Concat(kinds, nested, []columnar.Type{columnar.Float64Type, columnar.Float32Type, {Kind: columnar.Float16}, {Kind: columnar.Uint8}, {Kind: columnar.Uint32}, columnar.DecimalType(9, 1), columnar.DateType})
	for round := range 60 {
		n := 1 + r.IntN(2000)
		b := &columnar.Batch{Rows: n}
		for range 1 + r.IntN(5) {
			b.Cols = append(b.Cols, nestedVector(r, all[r.IntN(len(all))], n))
		}
		want := SumRows(b, 100)
		flat := &columnar.Batch{Rows: n}
		for i := range b.Cols {
			flat.Cols = append(flat.Cols, Flatten(&b.Cols[i], nil))
		}
		if got := SumRows(flat, 100); got != want {
			t.Fatalf("round %d: flattened rows have another sum", round)
		}
		cut := r.IntN(n + 1)
		if got := SumRows(SliceBatch(flat, 0, cut, nil), 100) + SumRows(SliceBatch(flat, cut, n-cut, nil), int64(100+cut)); got != want {
			t.Fatalf("round %d: cut at %d of %d the sum differs", round, cut, n)
		}
		sel := *b
		sel.Sel = []uint16{}
		for i := range n {
			if r.IntN(2) == 0 {
				sel.Sel = append(sel.Sel, uint16(i))
			}
		}
		if got := SumRows(Compact(&sel, nil), 7); got != SumRows(&sel, 7) {
			t.Fatalf("round %d: %d selected of %d rows have another sum than the same rows alone", round, len(sel.Sel), n)
		}
	}
}

// Any two rows exchanged, a row lost, doubled or altered change the sum.
func TestSumRowsTellsChanges(t *testing.T) {
	n := 300
	vs := make([]int64, n)
	for i := range vs {
		vs[i] = int64(i % 7) // many are equal
	}
	batch := func(vs []int64) *columnar.Batch {
		return &columnar.Batch{Rows: len(vs), Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: len(vs), Data: columnar.BytesOf(vs)}}}
	}
	want := SumRows(batch(vs), 0)
	for i := range n - 1 {
		x := append([]int64{}, vs...)
		x[i], x[i+1] = x[i+1], x[i]
		if SumRows(batch(x), 0) == want {
			t.Fatalf("rows %d and %d exchanged have the same sum", i, i+1)
		}
		x[i], x[i+1] = x[i+1], x[i]
		x[i] ^= 1 << (i & 63)
		if SumRows(batch(x), 0) == want {
			t.Fatalf("row %d altered has the same sum", i)
		}
		if SumRows(batch(append(append([]int64{}, vs[:i]...), vs[i+1:]...)), 0) == want {
			t.Fatalf("the sum is the same without row %d", i)
		}
		if SumRows(batch(append(append([]int64{}, vs[:i+1]...), vs[i:]...)), 0) == want {
			t.Fatalf("the sum is the same with row %d twice", i)
		}
	}
	if SumRows(&columnar.Batch{Rows: 2}, 0) == SumRows(&columnar.Batch{Rows: 3}, 0) {
		t.Error("rows without columns do not count")
	}
}

func BenchmarkSumRows(b *testing.B) {
	s := shapes()
	x := &columnar.Batch{Rows: columnar.MaxRows, Cols: []columnar.Vector{s["int64"], s["int32"], s["int64"], s["short"]}}
	for b.Loop() {
		SumRows(x, 0)
	}
	perRow(b, x.Rows)
}
