package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

// random returns a generator and prints its seed.
func random(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

var kinds = []columnar.Type{columnar.NullType, columnar.BoolType, columnar.Int8Type, columnar.Int16Type, columnar.Int32Type,
	columnar.Int64Type, columnar.DecimalType(38, 2), columnar.StringType}

// vector returns n random rows of a type in a random encoding.
func vector(r *rand.Rand, t columnar.Type, n int) columnar.Vector {
	flat := func(n int) columnar.Vector {
		v := columnar.Vector{Type: t, Len: n, Width: uint8(t.FixedWidth())}
		switch {
		case t.Kind == columnar.Null:
			return v
		case t.Kind == columnar.Bool:
			v.Data = columnar.NewBitmap(n)
			for i := range n {
				columnar.Bitmap(v.Data).SetTo(i, r.IntN(2) == 0)
			}
		case t.IsBytes():
			off := make([]int32, n+1)
			for i := range n {
				v.Bytes = fmt.Append(v.Bytes, r.IntN(200))
				off[i+1] = int32(len(v.Bytes))
			}
			v.Data = columnar.BytesOf(off)
		default:
			if t.Kind == columnar.Decimal && r.IntN(2) == 0 {
				v.Width = 8
			}
			words := make([]uint64, n*int(v.Width)/8+1)
			for i := range words {
				words[i] = r.Uint64()
			}
			v.Data = columnar.BytesOf(words)[:n*int(v.Width)]
		}
		return v
	}
	v := flat(n)
	switch enc := r.IntN(3); {
	case t.Kind == columnar.Null:
		return v
	case enc == 1:
		v = flat(1)
		v.Enc, v.Len, n = columnar.Const, n, 1
	case enc == 2 && t.Kind != columnar.Bool:
		d := &columnar.Dictionary{Values: flat(1 + r.IntN(10))}
		d.Values.Stable = r.IntN(2) == 0
		codes := make([]uint32, n)
		for i := range codes {
			codes[i] = uint32(r.IntN(d.Values.Len))
		}
		v = columnar.Vector{Type: t, Enc: columnar.Dict, Len: n, Data: columnar.BytesOf(codes), Dict: d}
	}
	if r.IntN(2) == 0 {
		v.Valid = columnar.NewBitmap(n)
		for i := range n {
			v.Valid.SetTo(i, r.IntN(4) > 0)
		}
	}
	return v
}

// cell is the reference's view of a row.
func cell(v *columnar.Vector, row int) string {
	switch {
	case v.NullAt(row):
		return "null"
	case v.Type.IsBytes():
		return "s" + string(v.BytesAt(row))
	case v.Type.Kind == columnar.Decimal:
		return fmt.Sprint(v.Int128At(row))
	}
	return fmt.Sprint(v.Int64At(row))
}

func cells(v *columnar.Vector) []string {
	out := make([]string, v.Len)
	for i := range out {
		out[i] = cell(v, i)
	}
	return out
}

func selection(r *rand.Rand, n int) []uint16 {
	sel := []uint16{}
	for i := range n {
		if r.IntN(3) == 0 {
			sel = append(sel, uint16(i))
		}
	}
	return sel
}

func TestTakeAgainstRows(t *testing.T) {
	r := random(t)
	for range 300 {
		typ, n := kinds[r.IntN(len(kinds))], 1+r.IntN(150)
		v := vector(r, typ, n)
		before := cells(&v)
		rows := make([]uint32, r.IntN(200))
		want, wantNull := make([]string, len(rows)), make([]string, len(rows))
		holes := make([]uint32, len(rows))
		for i := range rows {
			rows[i] = uint32(r.IntN(n))
			want[i], wantNull[i], holes[i] = before[rows[i]], before[rows[i]], rows[i]
			if r.IntN(5) == 0 {
				holes[i], wantNull[i] = NullRow, "null"
			}
		}
		taken, nulled, flat := Take(&v, rows, nil), TakeNull(&v, holes, nil), Flatten(&v, nil)
		for name, p := range map[string][2][]string{"Take": {cells(&taken), want}, "TakeNull": {cells(&nulled), wantNull},
			"Flatten": {cells(&flat), before}, "the input": {cells(&v), before}} {
			if !slices.Equal(p[0], p[1]) {
				t.Fatalf("%s of %s, encoding %d: %q, want %q", name, typ, v.Enc, p[0], p[1])
			}
		}
	}
}

// TestAppenderAgainstRows appends batches of mixed encodings and widths, with
// and without selections, and compacts them.
func TestAppenderAgainstRows(t *testing.T) {
	r := random(t)
	for range 100 {
		a := NewAppender(kinds, nil)
		want := make([][]string, len(kinds))
		total := 0
		for range r.IntN(5) {
			b := &columnar.Batch{Rows: 1 + r.IntN(100)}
			for _, k := range kinds {
				b.Cols = append(b.Cols, vector(r, k, b.Rows))
			}
			if r.IntN(2) == 0 {
				b.Sel = selection(r, b.Rows)
			}
			dense := Compact(b, nil)
			for c := range b.Cols {
				var rows []string
				for i := range b.Selected() {
					rows = append(rows, cell(&b.Cols[c], b.RowAt(i)))
				}
				if got := cells(&dense.Cols[c]); dense.Sel != nil || dense.Rows != b.Selected() || !slices.Equal(got, rows) {
					t.Fatalf("Compact of %s, encoding %d: %q, want %q", kinds[c], b.Cols[c].Enc, got, rows)
				}
				want[c] = append(want[c], rows...)
			}
			if err := a.Append(b); err != nil {
				t.Fatal(err)
			}
			total += b.Selected()
		}
		if a.Len() != total {
			t.Fatalf("Len is %d after %d rows", a.Len(), total)
		}
		out := a.Take(nil)
		for c := range out.Cols {
			if got := cells(&out.Cols[c]); out.Rows != total || !slices.Equal(got, want[c]) {
				t.Fatalf("appended %s: %q, want %q", kinds[c], got, want[c])
			}
		}
	}
}

func TestPartitionAgainstRows(t *testing.T) {
	r := random(t)
	for range 200 {
		n, parts := r.IntN(300), 1+r.IntN(40)
		hash := make([]uint64, n)
		for i := range hash {
			hash[i] = r.Uint64()
		}
		var sel []uint16
		if r.IntN(2) == 0 {
			sel = selection(r, n)
		}
		want := make([][]uint16, parts)
		each := func(i uint16) { p := PartitionOf(hash[i], parts); want[p] = append(want[p], i) }
		if sel == nil {
			for i := range n {
				each(uint16(i))
			}
		} else {
			for _, i := range sel {
				each(i)
			}
		}
		rows, ends := Partition(hash, n, sel, parts, nil)
		from := uint32(0)
		for p, end := range ends {
			if !slices.Equal(rows[from:end], want[p]) {
				t.Fatalf("partition %d of %d: %v, want %v", p, parts, rows[from:end], want[p])
			}
			from = end
		}
		if int(from) != len(rows) {
			t.Fatalf("%d of %d rows belong to a partition", from, len(rows))
		}
	}
}
