package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

var nested = []columnar.Type{
	columnar.ListType(columnar.Int32Type, true),
	columnar.ListType(columnar.StringType, true),
	columnar.StructType(columnar.Field{Name: "a", Type: columnar.Int64Type, Nullable: true}, columnar.Field{Name: "b", Type: columnar.StringType, Nullable: true}),
	columnar.MapType(columnar.StringType, columnar.DecimalType(38, 2), true),
	columnar.ListType(columnar.ListType(columnar.BoolType, true), true),
}

// nestedVector returns n random rows of any type; kids come in random encodings.
func nestedVector(r *rand.Rand, t columnar.Type, n int) columnar.Vector {
	if !t.IsNested() {
		return vector(r, t, n)
	}
	v := columnar.Vector{Type: t, Len: n}
	rows := n
	if r.IntN(5) == 0 {
		v.Enc, rows = columnar.Const, 1
	}
	if r.IntN(2) == 0 {
		v.Valid = columnar.NewBitmap(rows)
		for i := range rows {
			v.Valid.SetTo(i, r.IntN(4) > 0)
		}
	}
	if t.Kind == columnar.Struct {
		for _, f := range t.Nested.Fields {
			v.Kids = append(v.Kids, nestedVector(r, f.Type, rows))
		}
		return v
	}
	off := make([]int32, rows+1)
	for i := range rows {
		off[i+1] = off[i] + int32(r.IntN(4))
	}
	v.Data = columnar.BytesOf(off)
	kid := t.Nested.Fields[0].Type
	if t.Kind == columnar.Map {
		kid = columnar.StructType(t.Nested.Fields...)
	}
	v.Kids = []columnar.Vector{nestedVector(r, kid, max(1, int(off[rows])))}
	return v
}

// deep is cell for nested types too.
func deep(v *columnar.Vector, i int) string {
	if !v.Type.IsNested() || v.NullAt(i) {
		return cell(v, i)
	}
	if v.Enc == columnar.Const {
		i = 0
	}
	var parts []string
	from, to := i, i+1
	if v.Type.Kind != columnar.Struct {
		off := v.Offsets()
		from, to = int(off[i]), int(off[i+1])
	}
	for at := from; at < to; at++ {
		for k := range v.Kids {
			parts = append(parts, deep(&v.Kids[k], at))
		}
	}
	return "(" + strings.Join(parts, " ") + ")"
}

func deeps(v *columnar.Vector) []string {
	out := make([]string, v.Len)
	for i := range out {
		out[i] = deep(v, i)
	}
	return out
}

// Slicing, gathering, growing and detaching of every type, nested ones included,
// give the rows they should, and hashes agree with equality.
func TestEveryTypeAgainstRows(t *testing.T) {
	r := random(t)
	all := append(append([]columnar.Type{}, kinds...), nested...)
	for range 60 {
		for _, typ := range all {
			n := 1 + r.IntN(100)
			v := nestedVector(r, typ, n)
			want := deeps(&v)

			from := r.IntN(n)
			k := r.IntN(n - from + 1)
			part := Slice(&v, from, k, nil)
			if got := deeps(&part); !slices.Equal(got, want[from:from+k]) {
				t.Fatalf("Slice %d+%d of %s, encoding %d: %q, want %q", from, k, typ, v.Enc, got, want[from:from+k])
			}
			flat := Flatten(&v, nil)
			if got := deeps(&flat); flat.Enc != columnar.Flat || !slices.Equal(got, want) {
				t.Fatalf("Flatten of %s, encoding %d: %q, want %q", typ, v.Enc, got, want)
			}
			rows := make([]uint32, r.IntN(50))
			wantRows := make([]string, len(rows))
			for i := range rows {
				if rows[i], wantRows[i] = NullRow, "null"; r.IntN(4) > 0 {
					rows[i] = uint32(r.IntN(n))
					wantRows[i] = want[rows[i]]
				}
			}
			for name, got := range map[string]columnar.Vector{"TakeNull": TakeNull(&v, rows, nil), "Indirect": Indirect(&v, rows, nil), "TakeNull of a slice": TakeNull(&part, nil, nil)} {
				if name == "TakeNull of a slice" {
					if got.Len != 0 {
						t.Fatalf("%s has %d rows", name, got.Len)
					}
				} else if !slices.Equal(deeps(&got), wantRows) {
					t.Fatalf("%s of %s, encoding %d: %q, want %q", name, typ, v.Enc, deeps(&got), wantRows)
				}
			}

			a := NewAppender([]columnar.Type{typ}, nil)
			var grown []string
			for range 3 {
				b := &columnar.Batch{Rows: n, Cols: []columnar.Vector{v}}
				if r.IntN(2) == 0 {
					b.Sel = selection(r, n)
				}
				for i := range b.Selected() {
					grown = append(grown, want[b.RowAt(i)])
				}
				if err := a.Append(b); err != nil {
					t.Fatal(err)
				}
				d, err := Detach(b, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := deeps(&d.Cols[0]); !stableKids(&d.Cols[0]) || !d.Cols[0].Stable || !slices.Equal(got, grown[len(grown)-b.Selected():]) {
					t.Fatalf("Detach of %s, encoding %d: %q, want %q", typ, v.Enc, got, grown[len(grown)-b.Selected():])
				}
				null := Nulls(typ, 2)
				if err := a.Append(&columnar.Batch{Rows: 2, Cols: []columnar.Vector{null}}); err != nil {
					t.Fatal(err)
				}
				if err := a.Append(&columnar.Batch{Rows: 1, Cols: []columnar.Vector{{Len: 1}}}); err != nil { // of no type
					t.Fatal(err)
				}
				grown = append(grown, "null", "null", "null")
			}
			some := a.Batch(nil, len(grown)/2, len(grown)-len(grown)/2)
			if got := deeps(&some.Cols[0]); !slices.Equal(got, grown[len(grown)/2:]) {
				t.Fatalf("Batch of %s: %q, want %q", typ, got, grown[len(grown)/2:])
			}
			if got := deeps(&a.Take(nil).Cols[0]); !slices.Equal(got, grown) {
				t.Fatalf("Take of %s, encoding %d: %q, want %q", typ, v.Enc, got, grown)
			}
			checkEqualRows(t, r, typ)
		}
	}
}

// checkEqualRows compares EqualRows and the hash with printed rows.
func checkEqualRows(t *testing.T, r *rand.Rand, typ columnar.Type) {
	a, b := nestedVector(r, typ, 1+r.IntN(60)), nestedVector(r, typ, 1+r.IntN(60))
	if r.IntN(2) == 0 {
		b = a
		b = Flatten(&b, nil)
	}
	m := 200
	ai, bi := make([]uint32, m), make([]uint32, m)
	sel := selection(r, m)
	for i := range m {
		ai[i], bi[i] = uint32(r.IntN(a.Len)), uint32(r.IntN(b.Len))
		if r.IntN(2) == 0 {
			bi[i] = min(ai[i], uint32(b.Len-1))
		}
	}
	ha, hb := make([]uint64, a.Len), make([]uint64, b.Len)
	HashVector(&a, ha, false)
	HashVector(&b, hb, false)
	for _, nullsEqual := range []bool{false, true} {
		var want []uint16
		for _, k := range sel {
			x, y := deep(&a, int(ai[k])), deep(&b, int(bi[k]))
			if x == y && (nullsEqual || x != "null") {
				want = append(want, k)
				if ha[ai[k]] != hb[bi[k]] {
					t.Fatalf("%s of %s: equal rows hash to %x and %x", x, typ, ha[ai[k]], hb[bi[k]])
				}
			}
		}
		got := EqualRows(&a, ai, &b, bi, slices.Clone(sel), nullsEqual)
		if !slices.Equal(got, want) {
			t.Fatalf("EqualRows of %s, encodings %d and %d, nulls equal %v: %v, want %v", typ, a.Enc, b.Enc, nullsEqual, got, want)
		}
	}
}

// Floats compare as they hash: −0.0 is 0.0, NaN is NaN.
func TestEqualFloats(t *testing.T) {
	x := columnar.Vector{Type: columnar.Float64Type, Width: 8, Len: 4, Data: columnar.BytesOf([]float64{0, math.NaN(), 1, math.NaN()})}
	y := columnar.Vector{Type: columnar.Float64Type, Width: 8, Len: 4, Data: columnar.BytesOf([]float64{math.Copysign(0, -1), -math.NaN(), 2, 3})}
	i := []uint32{0, 1, 2, 3}
	if got := EqualRows(&x, i, &y, i, []uint16{0, 1, 2, 3}, false); !slices.Equal(got, []uint16{0, 1}) {
		t.Error(got)
	}
}

// A hash of selected rows is that of all rows, whatever was combined.
func TestHashBatchSelection(t *testing.T) {
	r := random(t)
	for range 100 {
		n := 1 + r.IntN(3000)
		b := &columnar.Batch{Rows: n}
		for _, k := range kinds {
			b.Cols = append(b.Cols, vector(r, k, n))
		}
		keys := []int{r.IntN(len(kinds)), r.IntN(len(kinds)), r.IntN(len(kinds))}
		want := HashBatch(b, keys, nil)
		for i := range b.Rows { // a row at a time, combined by hand
			h := uint64(0)
			for j, k := range keys {
				next := hashRow(&b.Cols[k], i)
				if h = next; j > 0 {
					h = Combine(want0(b, keys[:j], i), next)
				}
			}
			if h != want[i] {
				t.Fatalf("row %d of %v: %x, want %x", i, keys, want[i], h)
			}
			if i == 20 {
				break
			}
		}
		for i := range n {
			if r.IntN(5) == 0 {
				b.Sel = append(b.Sel, uint16(i))
			}
		}
		got := HashBatch(b, keys, nil)
		for _, i := range b.Sel {
			if got[i] != want[i] {
				t.Fatalf("row %d of %v: %x, want %x", i, keys, got[i], want[i])
			}
		}
		b.Hash, b.HashOf = got, keys
		if h := HashBatch(b, keys, nil); &h[0] != &got[0] {
			t.Error("a hash that is there was computed anew")
		}
	}
}

func want0(b *columnar.Batch, keys []int, i int) uint64 {
	h := hashRow(&b.Cols[keys[0]], i)
	for _, k := range keys[1:] {
		h = Combine(h, hashRow(&b.Cols[k], i))
	}
	return h
}

// Scribbling over what a batch was made of does not change what was detached or
// appended, and both are charged.
func TestDetachScribble(t *testing.T) {
	r := random(t)
	for range 100 {
		s := memory.NewScratch(nil)
		b := &columnar.Batch{Rows: 200}
		for _, k := range append(append([]columnar.Type{}, kinds...), nested...) {
			v := nestedVector(r, k, b.Rows)
			rows := make([]uint32, b.Rows)
			for i := range rows {
				rows[i] = uint32(r.IntN(v.Len))
			}
			w := Take(&v, rows, s)
			if w.Type.IsBytes() && r.IntN(2) == 0 {
				w = Indirect(&w, rows, s)
			}
			b.Cols = append(b.Cols, w)
		}
		if r.IntN(2) == 0 {
			b.Sel = selection(r, b.Rows)
		}
		b.Hash, b.HashOf = HashBatch(b, []int{1}, s), []int{1}
		text := func(b *columnar.Batch) []string {
			var out []string
			for i := range b.Selected() {
				line := ""
				for c := range b.Cols {
					line += deep(&b.Cols[c], b.RowAt(i)) + "|"
				}
				if b.Hash != nil {
					line += fmt.Sprintf("%x", b.Hash[b.RowAt(i)])
				}
				out = append(out, line)
			}
			return out
		}
		want := text(b)
		broker := memory.NewBroker(64 << 20)
		res := broker.Reserve("x", 0)
		d, err := Detach(b, res)
		if err != nil {
			t.Fatal(err)
		}
		types := make([]columnar.Type, len(b.Cols))
		for i := range types {
			types[i] = b.Cols[i].Type
		}
		a := NewAppender(types, res)
		if err := a.Append(b); err != nil {
			t.Fatal(err)
		}
		if res.Held() < int64(8*len(want)) {
			t.Errorf("%d bytes are charged for %d rows", res.Held(), len(want))
		}
		s.Reset()
		rest := s.Bytes(int(s.Held()))
		for i := range rest {
			rest[i] = 0x5a
		}
		if got := text(d); !slices.Equal(got, want) {
			t.Fatalf("detached: %q, want %q", got, want)
		}
		if got := text(a.Take(nil)); !slices.Equal(got, want) {
			t.Fatalf("appended: %q, want %q", got, want)
		}
		s.Close()
		res.Close()
	}
	if _, err := Detach(&columnar.Batch{Rows: 1, Cols: []columnar.Vector{fixed(columnar.Int64Type, int64(1))}}, memory.NewBroker(1).Reserve("x", 0)); err != memory.ErrSpill {
		t.Errorf("over the budget: %v", err)
	}
}

// Bits are copied between any two places.
func TestCopyBits(t *testing.T) {
	r := random(t)
	for range 3000 {
		src, dst := columnar.NewBitmap(300), columnar.NewBitmap(300)
		for i := range src {
			src[i], dst[i] = byte(r.Uint32()), byte(r.Uint32())
		}
		before := slices.Clone(dst)
		at, from := r.IntN(150), r.IntN(150)
		n := r.IntN(150)
		rows := make([]uint16, n)
		for i := range rows {
			rows[i] = uint16(r.IntN(300))
		}
		mode := r.IntN(3)
		want := func(i int) bool {
			switch mode {
			case 0:
				return src.Get(from + i)
			case 1:
				return true
			}
			return src.Get(int(rows[i]))
		}
		switch mode {
		case 0:
			CopyBits(dst, at, src, from, n)
		case 1:
			FillBits(dst, at, n, true)
		case 2:
			gatherBits(dst, at, src, rows)
		}
		for i := range 300 {
			w := before.Get(i)
			if i >= at && i < at+n {
				w = want(i - at)
			}
			if dst.Get(i) != w {
				t.Fatalf("mode %d, bit %d of %d+%d is %v", mode, i, at, n, dst.Get(i))
			}
		}
	}
}

// SelectBits against a row at a time.
func TestSelectBits(t *testing.T) {
	r := random(t)
	for range 500 {
		n := r.IntN(300)
		b, valid := columnar.NewBitmap(n), columnar.NewBitmap(n)
		dense := r.IntN(4) == 0
		for i := range b {
			if b[i], valid[i] = byte(r.Uint32()), byte(r.Uint32()); dense {
				b[i] = 0xff
			}
		}
		if dense || r.IntN(3) == 0 {
			valid = nil
		}
		var sel []uint16
		if r.IntN(2) == 0 {
			sel = selection(r, n)
		}
		var want []uint16
		for i := range n {
			if (sel == nil || slices.Contains(sel, uint16(i))) && b.Get(i) && (valid == nil || valid.Get(i)) {
				want = append(want, uint16(i))
			}
		}
		if got := SelectBits(b, valid, n, sel, make([]uint16, 0, r.IntN(400))); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// A column of more than 2 GiB of strings is refused, not wrapped around. The
// strings are one constant, so that the test needs no more than the limit.
func TestAppendTooLong(t *testing.T) {
	text := make([]byte, 1<<20)
	v := columnar.Vector{Type: columnar.StringType, Enc: columnar.Const, Len: columnar.MaxRows, Data: columnar.BytesOf([]int32{0, int32(len(text))}), Bytes: text}
	a := NewAppender([]columnar.Type{columnar.StringType}, nil)
	if err := a.Append(&columnar.Batch{Rows: v.Len, Cols: []columnar.Vector{v}}); err == nil {
		t.Error("8 GiB of strings were appended")
	}
}
