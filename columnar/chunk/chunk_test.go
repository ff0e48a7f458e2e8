package chunk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/columnartest"
	"github.com/millrace-engine/millrace/internal/golden"
)

func same(t *testing.T, want, got *columnar.Batch) {
	t.Helper()
	if got.Rows != want.Selected() || got.Sel != nil || len(got.Cols) != len(want.Cols) {
		t.Fatalf("%d rows of %d columns, want %d of %d", got.Rows, len(got.Cols), want.Selected(), len(want.Cols))
	}
	for c := range got.Cols {
		g, w := &got.Cols[c], &want.Cols[c]
		if g.Len != got.Rows || !g.Stable || !g.Type.Equal(w.Type) {
			t.Fatalf("column %d is %s with %d rows", c, g.Type, g.Len)
		}
		if g.Width != w.Width && g.Enc == w.Enc && w.Type.Kind != columnar.Null {
			t.Fatalf("column %d (%s) is %d bytes wide, was %d", c, w.Type, g.Width, w.Width)
		}
		for i := range got.Rows {
			if a, b := columnartest.Show(g, i), columnartest.Show(w, want.RowAt(i)); a != b {
				t.Fatalf("column %d (%s, encoding %d), row %d: %s, want %s", c, w.Type, w.Enc, i, a, b)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, n := range []int{0, 1, 7, 64, 65, 1000, columnar.MaxRows} {
		for _, enc := range []columnar.Encoding{columnar.Flat, columnar.Dict, columnar.Const} {
			for _, nulls := range []bool{false, true} {
				b := &columnar.Batch{Schema: &columnar.Schema{}, Rows: n}
				for i, x := range columnartest.Types {
					b.Cols = append(b.Cols, columnartest.Vector(r, x, enc, n, nulls))
					b.Schema.Fields = append(b.Schema.Fields, columnar.Field{Name: fmt.Sprint("c", i), Type: x, Nullable: true})
				}
				for range 2 {
					data, err := Encode(b)
					if err != nil {
						t.Fatal(err)
					}
					got, err := Decode(data, b.Schema)
					if err != nil {
						t.Fatalf("%d rows, encoding %d: %v", n, enc, err)
					}
					same(t, b, got)
					b.Sel = []uint16{} // the second time with a selection
					for i := range n {
						if r.IntN(3) == 0 {
							b.Sel = append(b.Sel, uint16(i))
						}
					}
				}
			}
		}
	}
}

func TestShapes(t *testing.T) {
	s := columnar.NewSchema(columnar.Field{Name: "s", Type: columnar.StringType})
	all := columnar.Vector{Type: columnar.StringType, Len: 4, Data: columnar.BytesOf([]int32{0, 2, 3, 5, 9}), Bytes: []byte("aabccdddd")}
	part := columnar.Vector{Type: columnar.StringType, Len: 2, Data: all.Data[4:], Bytes: all.Bytes} // offsets from 2 on
	data, err := Encode(&columnar.Batch{Schema: s, Rows: 2, Cols: []columnar.Vector{part}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data, s)
	if err != nil {
		t.Fatal(err)
	}
	if v := &got.Cols[0]; v.StringAt(0) != "b" || v.StringAt(1) != "cc" || len(v.Bytes) != 3 {
		t.Errorf("a slice of strings decodes to %q", v.Bytes)
	}
	zeros := columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: 8000, Data: make([]byte, 64000)}
	ints := columnar.NewSchema(columnar.Field{Name: "i", Type: columnar.Int64Type})
	if data, err = Encode(&columnar.Batch{Schema: ints, Rows: 8000, Cols: []columnar.Vector{zeros}}); err != nil || len(data) > 1000 {
		t.Errorf("64 KB of zeros take %d bytes (%v)", len(data), err)
	}
	if _, err := Decode(data, s); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another schema: %v", err)
	}
}

var fuzzSchema = func() *columnar.Schema {
	s := &columnar.Schema{}
	for _, t := range []columnar.Type{columnar.Int64Type, columnar.StringType, columnar.BoolType, columnar.DecimalType(38, 2), columnar.ListType(columnar.StructType(columnar.Field{Name: "a", Type: columnar.StringType}), true)} {
		s.Fields = append(s.Fields, columnar.Field{Name: t.String(), Type: t, Nullable: true})
	}
	return s
}()

func fuzzSeeds(t testing.TB) map[string][]byte {
	r, out := rand.New(rand.NewPCG(1, 2)), map[string][]byte{}
	for enc, name := range []string{"flat", "dict", "const"} {
		for _, n := range []int{0, 40} {
			b := &columnar.Batch{Schema: fuzzSchema, Rows: n}
			for _, f := range fuzzSchema.Fields {
				b.Cols = append(b.Cols, columnartest.Vector(r, f.Type, columnar.Encoding(enc), n, n > 0))
			}
			data, err := Encode(b)
			if err != nil {
				t.Fatal(err)
			}
			out[fmt.Sprint(name, n)] = data
		}
	}
	return out
}

// TestEveryBit: no flipped bit and no cut goes unnoticed.
func TestEveryBit(t *testing.T) {
	for name, data := range fuzzSeeds(t) {
		for i := range data {
			b := append([]byte{}, data...)
			b[i] ^= 1 << (i & 7)
			if _, err := Decode(b, fuzzSchema); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s with byte %d changed: %v", name, i, err)
			}
			if _, err := Decode(data[:i], fuzzSchema); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s cut at %d: %v", name, i, err)
			}
		}
		if _, err := Decode(append(data, 0), fuzzSchema); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s with a byte more: %v", name, err)
		}
	}
}

// TestCorpus: chunks written before are still read.
func TestCorpus(t *testing.T) {
	for name, data := range fuzzSeeds(t) {
		old := golden.Seed(t, "FuzzDecode", name, data)
		want, err := Decode(data, fuzzSchema)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(old, fuzzSchema)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, want, got)
	}
}

// FuzzDecode: any bytes, with their checksums made right so that what lies
// behind them is reached, are refused or give a batch of which every value can
// be read.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Decode(data, fuzzSchema); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("an error of another kind: %v", err)
		}
		b, err := Decode(seal(data), fuzzSchema)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		for c := range b.Cols {
			for i := range b.Rows {
				columnartest.Show(&b.Cols[c], i)
			}
		}
		again, err := Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(again, fuzzSchema)
		if err != nil {
			t.Fatal(err)
		}
		same(t, b, got)
	})
}
