package chunk

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

// Flat strings of which few are different come back as codes of these, nulls or not;
// others as they were.
func TestFew(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	schema := &columnar.Schema{Fields: []columnar.Field{{Name: "s", Type: columnar.StringType, Nullable: true}}}
	for _, x := range []struct {
		rows, different int
		nulls, dict     bool
	}{{8192, 4, false, true}, {8192, 200, true, true}, {8192, 300, false, false}, {8192, 8000, true, false}, {300, 2, true, true}, {300, 60, false, false}, {7, 1, false, false}, {1000, 0, true, false}} {
		v := columnar.Vector{Type: columnar.StringType, Len: x.rows}
		off := make([]int32, x.rows+1)
		if x.nulls {
			v.Valid = columnar.NewBitmap(x.rows)
		}
		for i := range x.rows {
			some := x.different > 0 && (!x.nulls || r.IntN(3) > 0)
			if some {
				k := r.IntN(x.different)
				v.Bytes = fmt.Append(v.Bytes, "value ", k)
			}
			if x.nulls {
				v.Valid.SetTo(i, some)
			}
			off[i+1] = int32(len(v.Bytes))
		}
		v.Data = columnar.BytesOf(off)
		b := &columnar.Batch{Schema: schema, Rows: x.rows, Cols: []columnar.Vector{v}}
		data, err := Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data, schema)
		if err != nil {
			t.Fatal(err)
		}
		same(t, b, got)
		if d := got.Cols[0].Enc == columnar.Dict; d != x.dict {
			t.Errorf("%+v: a dictionary: %v", x, d)
		}
		if b.Cols[0].Enc != columnar.Flat {
			t.Errorf("%+v: the batch has changed", x)
		}
	}
}
