package keyset

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op/optest"
)

// TestRuntimeFilter makes filters of random keys: no row that has a partner is
// dropped, whatever its encoding, and most rows without one are.
func TestRuntimeFilter(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	const n = 4000
	for _, typ := range []columnar.Type{columnar.Int64Type, columnar.Int32Type, columnar.DateType, columnar.StringType, columnar.Float64Type, columnar.DecimalType(12, 2), columnar.DecimalType(38, 2)} {
		for _, distinct := range []int{1, 3000, 1 << 30} {
			budget := memory.NewBroker(1<<30).Reserve("join", 0)
			both := optest.Random(r, 2*n, optest.Column{Type: typ, Distinct: distinct, Nulls: 0.1})
			v := kernel.Flatten(&both.Cols[0], nil)
			build, probe := kernel.Slice(&v, 0, n, nil), kernel.Slice(&v, n, n, nil)
			f := NewFilter(&build, n, budget)
			if f == nil {
				t.Errorf("%v: no filter", typ)
				continue
			}
			values := map[string]bool{}
			show := func(v *columnar.Vector, i int) string {
				one := kernel.Take(v, []uint32{uint32(i)}, nil)
				one = kernel.Flatten(&one, nil)
				if typ.IsBytes() {
					return string(one.BytesAt(0))
				}
				return string(one.Data)
			}
			for i := range n {
				if !build.NullAt(i) {
					values[show(&build, i)] = true
				}
			}
			codes := make([]uint32, n)
			for i := range codes {
				codes[i] = uint32(i)
			}
			plain := probe
			plain.Valid = nil
			dict := columnar.Vector{Type: typ, Enc: columnar.Dict, Len: n, Valid: probe.Valid, Data: columnar.BytesOf(codes), Dict: &columnar.Dictionary{Values: plain}}
			for _, x := range []*columnar.Vector{&probe, &dict} {
				for _, sel := range [][]uint16{nil, {0, 5, 6, 999, n - 1}} {
					kept := map[int]bool{}
					for _, row := range f.Bind(3).Select(x, sel, nil) {
						kept[int(row)] = true
					}
					if sel == nil {
						for i := range uint16(n) {
							sel = append(sel, i)
						}
					}
					wrong := 0
					for _, row := range sel {
						i := int(row)
						has := !x.NullAt(i) && values[show(x, i)]
						if has && !kept[i] {
							t.Fatalf("%v of %d: row %d is dropped", typ, distinct, i)
						}
						if !has && kept[i] {
							wrong++
						}
					}
					if wrong > len(sel)/20+1 {
						t.Errorf("%v of %d: %d rows of %d without a partner are kept", typ, distinct, wrong, len(sel))
					}
				}
			}
		}
	}
}
