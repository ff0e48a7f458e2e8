package chunk

import (
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Batches of a stream have the same dictionary as long as their chunks have equal ones,
// also when the scratch that they were decoded into is gone.
func TestDictionaries(t *testing.T) {
	schema := &columnar.Schema{Fields: []columnar.Field{{Name: "s", Type: columnar.StringType}}}
	encoded := func(values ...string) []byte {
		off, text := []int32{0}, []byte(nil)
		for _, v := range values {
			text = append(text, v...)
			off = append(off, int32(len(text)))
		}
		codes := make([]uint32, 100)
		for i := range codes {
			codes[i] = uint32(i % len(values))
		}
		d := &columnar.Dictionary{Unique: true, Values: columnar.Vector{Type: columnar.StringType, Len: len(values), Data: columnar.BytesOf(off), Bytes: text}}
		data, err := Encode(&columnar.Batch{Schema: schema, Rows: len(codes), Cols: []columnar.Vector{{Type: columnar.StringType, Enc: columnar.Dict, Len: len(codes), Data: columnar.BytesOf(codes), Dict: d}}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	long := make([]byte, mostShared+1)
	var dicts Dictionaries
	var before *columnar.Dictionary
	scratch := memory.NewScratch(nil)
	defer scratch.Close()
	for i, x := range []struct {
		values []string
		same   bool
	}{
		{[]string{"A", "N", "R"}, false},
		{[]string{"A", "N", "R"}, true},
		{[]string{"A", "R", "N"}, false},
		{[]string{"A", "RN", ""}, false},
		{[]string{"A", string(long)}, false}, // it is not remembered
		{[]string{"A", "RN", ""}, true},
	} {
		scratch.Reset()
		b, err := DecodeIn(scratch, encoded(x.values...), schema)
		if err != nil {
			t.Fatal(err)
		}
		dicts.Share(b)
		v := &b.Cols[0]
		for row := range 100 {
			if got := v.StringAt(row); got != x.values[row%len(x.values)] {
				t.Fatalf("batch %d, row %d: %q", i, row, got)
			}
		}
		small := len(x.values) == 3
		if same := v.Dict == before; same != x.same || small != v.Dict.Values.Stable || small != (v.Dict.Hashes != nil) {
			t.Errorf("batch %d: same dictionary: %v, stable: %v", i, same, v.Dict.Values.Stable)
		}
		if small {
			before = v.Dict
		}
	}
}
