package chunk

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/columnartest"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// shown spreads random rows of every type that is not nested into a shared region,
// and returns a large piece of them.
func shown(t *testing.T, r *rand.Rand) (kernel.Piece, *columnar.Schema) {
	var types []columnar.Type
	for _, x := range columnartest.Types {
		if !x.IsNested() {
			types = append(types, x)
		}
	}
	schema := columnartest.Schema(types...)
	res := memory.NewBroker(64<<20).Reserve("task", 0)
	t.Cleanup(res.Close)
	x := kernel.NewSpread(schema, nil, 1, res, true)
	t.Cleanup(x.Close)
	for range 20 {
		b := columnartest.Batch(r, schema, 2000)
		rows, ends := kernel.One(b.Rows, b.Sel, 0, 1, nil)
		x.Add(b, rows, ends, nil)
	}
	x.Flush()
	all := x.Take()
	for _, p := range all[:len(all)-1] {
		p.Region.Release()
	}
	p := all[len(all)-1]
	t.Cleanup(p.Region.Release)
	return p, schema
}

// What a sheet tells of a region reads as what was written there; a sheet that was
// changed or cut, or of another region, is refused and never panics.
func TestSheet(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	for range 10 {
		p, schema := shown(t, r)
		sheet := Sheet(p.Batch, p.Region)
		if sheet == nil {
			t.Fatalf("seed %d: no sheet", seed)
		}
		got, err := Unfold(sheet, p.Region, schema)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for c := range got.Cols {
			for i := range got.Rows {
				if a, b := columnartest.Show(&p.Batch.Cols[c], i), columnartest.Show(&got.Cols[c], i); a != b {
					t.Fatalf("seed %d: row %d of %s is %s, want %s", seed, i, schema.Fields[c].Type, b, a)
				}
			}
		}
		for range 300 {
			bad := append([]byte{}, sheet...)
			if r.IntN(3) == 0 {
				bad = bad[:r.IntN(len(bad))]
			} else {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			if _, err := Unfold(bad, p.Region, schema); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("seed %d: a changed sheet: %v", seed, err)
			}
		}
		small, _ := memory.NewRegion(64, 64, memory.NewBroker(4<<20).Reserve("task", 0), false)
		if _, err := Unfold(sheet, small, schema); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("seed %d: a region that is too small: %v", seed, err)
		}
		small.Release()
	}
}

// Sheets whose checksum is right are from peers; whatever they say, nothing is read
// outside the region.
func FuzzUnfold(f *testing.F) {
	r, _ := memory.NewRegion(1<<16, 1<<16, memory.NewBroker(4<<20).Reserve("task", 0), false)
	clear(r.Bytes())
	schema := columnar.NewSchema(columnar.Field{Name: "s", Type: columnar.StringType}, columnar.Field{Name: "n", Type: columnar.Int64Type})
	v := columnar.Vector{Type: columnar.StringType, Len: 3, Data: r.Bytes()[:16], Bytes: r.Bytes()[64:64]}
	n := columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: 3, Data: r.Bytes()[128:152], Valid: columnar.Bitmap(r.Bytes()[192:200])}
	s := Sheet(&columnar.Batch{Schema: schema, Rows: 3, Cols: []columnar.Vector{v, n}}, r)
	f.Add(s[:len(s)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := Unfold(signed(body), r, schema)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		for c := range b.Cols {
			for i := range b.Rows {
				columnartest.Show(&b.Cols[c], i)
			}
		}
	})
}
