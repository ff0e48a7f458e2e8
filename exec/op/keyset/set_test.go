package keyset

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/optest"
)

// TestSets sends the keys of random rows the way that they go between processes: a
// collector per task, sets united in any order, encoded in between. The filter at
// the end drops no row that has a partner, and most of those that have none (K1).
func TestSets(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	broker := memory.NewBroker(1 << 30)
	const n, tasks = 4096, 5
	for _, typ := range []columnar.Type{columnar.Int64Type, columnar.Int32Type, columnar.DateType, columnar.StringType, columnar.Float64Type, columnar.DecimalType(12, 2), columnar.DecimalType(38, 2)} {
		for _, distinct := range []int{1, 100, 20000, 1 << 30} {
			var build []*columnar.Batch
			var sets []*Set
			for range tasks {
				res := broker.Reserve("task", 0)
				c, scratch := NewCollector(typ, res), memory.NewScratch(nil)
				for range r.IntN(4) {
					b := optest.Random(r, n, optest.Column{Type: typ, Distinct: distinct, Nulls: 0.1})
					if r.IntN(2) == 0 {
						for i := range b.Rows {
							if r.IntN(3) > 0 {
								b.Sel = append(b.Sel, uint16(i))
							}
						}
					}
					c.Add(&b.Cols[0], b.Sel, scratch)
					build = append(build, b)
				}
				sets = append(sets, resent(t, c.Set()))
				c.Close()
				scratch.Close()
				if res.Held() != 0 {
					t.Fatalf("%v: a collector keeps %d bytes", typ, res.Held())
				}
				res.Close()
			}
			r.Shuffle(len(sets), func(i, k int) { sets[i], sets[k] = sets[k], sets[i] })
			f := resent(t, Unite(sets)).Filter(broker.Reserve("filter", 0))
			has := map[string]bool{}
			for _, b := range build {
				for i := range b.Selected() {
					if row := b.RowAt(i); !b.Cols[0].NullAt(row) {
						has[show(&b.Cols[0], row)] = true
					}
				}
			}
			if f == nil {
				if len(has) > 0 {
					t.Errorf("%v of %d: no filter", typ, distinct)
				}
				continue
			}
			probe := append(build, optest.Random(r, n, optest.Column{Type: typ, Distinct: distinct, Nulls: 0.1}))
			kept, wrong := 0, 0
			for _, b := range probe {
				kept, wrong = kept+b.Rows, wrong+tried(t, f, &b.Cols[0], has)
			}
			if wrong > kept/20+5 {
				t.Errorf("%v of %d: %d rows of %d without a partner are kept", typ, distinct, wrong, kept)
			}
		}
	}
}

func resent(t *testing.T, s *Set) *Set {
	t.Helper()
	d, err := Decode(s.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if d.Keys() != s.Keys() || d.ordered != s.ordered || s.ordered && d.Range != s.Range {
		t.Fatalf("%d keys in %v became %d in %v", s.Keys(), s.Range, d.Keys(), d.Range)
	}
	return d
}

func show(v *columnar.Vector, i int) string { return string(text.AppendValue(nil, v, i, nil)) }

// tried checks that no row of a vector with a key of has is dropped; it returns
// how many others are kept.
func tried(t *testing.T, f op.RuntimeFilter, v *columnar.Vector, has map[string]bool) (wrong int) {
	t.Helper()
	kept := map[int]bool{}
	for _, row := range f.Bind(0).Select(v, nil, nil) {
		kept[int(row)] = true
	}
	for i := range v.Len {
		match := !v.NullAt(i) && has[show(v, i)]
		if match && !kept[i] {
			t.Fatalf("row %d is dropped", i)
		}
		if !match && kept[i] {
			wrong++
		}
	}
	return wrong
}

// TestMany: more keys than may be listed are told by their range; so are those for
// which memory has no room.
func TestMany(t *testing.T) {
	v := columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: 8192}
	fill := func(from int64) {
		words := make([]int64, v.Len)
		for i := range words {
			words[i] = from + int64(i)*1000
		}
		v.Data = columnar.BytesOf(words)
	}
	for name, budget := range map[string]int64{"too many": 1 << 30, "no memory": 2 << 20} {
		res := memory.NewBroker(budget).Reserve("task", 0)
		c := NewCollector(v.Type, res)
		for i := range int64(MaxKeys/8192 + 2) {
			fill(i * 8192 * 1000)
			c.Add(&v, nil, nil)
		}
		s := resent(t, c.Set())
		if s.Keys() != -1 || s.lo != 0 || s.hi != (MaxKeys+2*8192-1)*1000 {
			t.Errorf("%s: %d keys from %d to %d", name, s.Keys(), s.lo, s.hi)
		}
		least, most := s.Filter(res).Bind(0).Range()
		if least != s.lo || most != s.hi {
			t.Errorf("%s: the filter is from %v to %v", name, least, most)
		}
		if u := Unite([]*Set{{Range: s.Range}, s}); u.Keys() != -1 || u.hi != s.hi {
			t.Errorf("%s: united with another there are %d keys", name, u.Keys())
		}
		c.Close()
	}
}

func FuzzDecode(f *testing.F) {
	f.Add((&Set{Range: NewRange(columnar.Int64Type)}).Append(nil))
	f.Add((&Set{Range: Range{ordered: true, lo: -5, hi: 9}, keys: []uint64{^uint64(4), 9}}).Append(nil))
	f.Add((&Set{keys: []uint64{1, 1 << 63}}).Append(nil))
	f.Add((&Set{Range: Range{ordered: true, lo: 1, hi: 2}, many: true}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		resent(t, s)
		s.Filter(memory.NewBroker(1<<24).Reserve("filter", 0))
		resent(t, Unite([]*Set{s, s}))
	})
}
