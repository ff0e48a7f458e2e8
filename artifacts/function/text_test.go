package function

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

var keptText []string

func keep(s string) string                    { keptText = append(keptText, s); return s + s }
func grown(s []byte) []byte                   { return append(s, '!') }
func long(s string) string                    { return strings.Repeat(s, 50) }
func joined(a, b string) string               { return a + b }
func framed(a string, n int, b []byte) []byte { return append([]byte(strings.Repeat(a, n)), b...) }

// Functions of text over columns of every shape: values are those of a plain loop,
// strings that a function keeps stay what they were, and one that appends to the
// bytes that it got changes those of no other row.
func TestTextFunctions(t *testing.T) {
	var r Registry
	Scalar1(&r, "keep", keep)
	Scalar1(&r, "grown", grown)
	Scalar1(&r, "long", long)
	Scalar2(&r, "joined", joined)
	Scalar3(&r, "framed", framed)
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	compute := func(name string, n int, sel []uint16, s *memory.Scratch, args ...columnar.Vector) columnar.Vector {
		f, _ := r.Table().Lookup(name)
		var in []*columnar.Vector
		for i := range args {
			in = append(in, &args[i])
		}
		v, err := f.Scalar.(expr.ForeignScalar).Compute(n, sel, in, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("MILLRACE_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MILLRACE_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := memory.NewScratch(nil)
	defer s.Close()
	for round := range 200 {
		s.Reset()
		n := rng.IntN(2000)
		xs := make([]string, n)
		for i := range xs {
			xs[i] = strings.Repeat(string(rune('a'+i%26)), rng.IntN(60))
		}
		v, err := storeTexts(columnar.StringType, xs, nil)
		if err != nil {
			t.Fatal(err)
		}
		if rng.IntN(2) == 0 {
			v.Valid = columnar.NewBitmap(n)
			for i := range n {
				v.Valid.SetTo(i, rng.IntN(3) > 0)
			}
		}
		counts := func(i int) bool { return true }
		var sel []uint16
		if rng.IntN(2) == 0 {
			sel = []uint16{}
			for i := range n {
				if rng.IntN(2) == 0 {
					sel = append(sel, uint16(i))
				}
			}
			counts = func(i int) bool { return slices.Contains(sel, uint16(i)) }
		}
		tail := columnar.Vector{Type: columnar.StringType, Enc: columnar.Const, Len: n, Data: columnar.BytesOf([]int32{0, 2}), Bytes: []byte("<>")}
		three := columnar.Vector{Type: columnar.Int64Type, Enc: columnar.Const, Len: n, Width: 8, Data: columnar.BytesOf([]int64{3})}
		raw := v
		raw.Type = columnar.BinaryType
		keptText = nil
		for name, c := range map[string]struct {
			got  columnar.Vector
			want func(x string) string
		}{
			"keep":   {compute("keep", n, sel, s, v), func(x string) string { return x + x }},
			"grown":  {compute("grown", n, sel, s, raw), func(x string) string { return x + "!" }},
			"long":   {compute("long", n, sel, s, v), func(x string) string { return strings.Repeat(x, 50) }},
			"joined": {compute("joined", n, sel, s, v, tail), func(x string) string { return x + "<>" }},
			"framed": {compute("framed", n, sel, s, tail, three, raw), func(x string) string { return "<><><>" + x }},
		} {
			for i, x := range xs {
				if null := v.NullAt(i); counts(i) && (c.got.NullAt(i) != null || !null && string(c.got.BytesAt(i)) != c.want(x)) {
					t.Fatalf("round %d, %s, row %d of %d: %q for %q, null: %t", round, name, i, n, c.got.BytesAt(i), x, null)
				}
			}
		}
		want := []string{}
		for i, x := range xs {
			if counts(i) && !v.NullAt(i) {
				want = append(want, x)
			}
		}
		copy(v.Bytes, bytes.Repeat([]byte("#"), len(v.Bytes)))
		if !slices.Equal(append([]string{}, keptText...), want) {
			t.Fatalf("round %d: kept strings have changed", round)
		}
	}
}
