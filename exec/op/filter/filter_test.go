package filter

import (
	"errors"
	"io"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/keyset"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/plan/physical"
)

func numbers(from, n, step int) *columnar.Batch {
	words := make([]int64, n)
	for i := range words {
		words[i] = int64(from + i*step)
	}
	return &columnar.Batch{Schema: columnar.NewSchema(columnar.Field{Name: "n", Type: columnar.Int64Type}), Rows: n,
		Cols: []columnar.Vector{{Type: columnar.Int64Type, Len: n, Width: 8, Data: columnar.BytesOf(words)}}}
}

// TestLate: a runtime filter that is not there yet changes nothing; from when on it
// is, rows vanish that it does not know, and no other; one that knows all rows is
// not asked any more, and lets all pass.
func TestLate(t *testing.T) {
	const n, size = 40 * columnar.MaxRows, 1000
	for _, c := range []struct {
		name  string
		keys  *columnar.Batch
		after int // rows that come before the filter is there
	}{{"some", numbers(0, 2000, 3), 5000}, {"none", numbers(0, 0, 1), 0}, {"all", numbers(0, n, 1), 0}, {"never", nil, 0}} {
		for _, selection := range []bool{false, true} {
			table := numbers(0, n, 1)
			filters, shape := &op.Filters{Base: &op.Filters{}}, optest.Shape{Rows: size, Selection: selection}
			res := memory.NewBroker(1<<26).Reserve("task", 0)
			o := New(&physical.Filter{RuntimeFilters: []physical.RuntimeFilter{{ID: 7, Column: 0}}, Child: &physical.Values{Out: table.Schema}}, optest.NewSource(table, shape))
			if err := o.Open(t.Context(), &op.TaskContext{Memory: res, Filters: filters}); err != nil {
				t.Fatal(err)
			}
			has := func(x int64) bool {
				return c.keys == nil || x < int64(c.after) || len(c.keys.Cols[0].Data) > 0 && x%3 == 0 && x < 6000 || c.keys.Rows == n
			}
			next, published := int64(0), false
			for {
				if !published && c.keys != nil && next >= int64(c.after) {
					filters.Base.Publish(7, keyset.NewFilter(&c.keys.Cols[0], c.keys.Rows, res), false)
					published = true
				}
				b, err := o.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if b.Selected() == 0 {
					t.Fatalf("%s: an empty batch", c.name)
				}
				for i := range b.Selected() {
					x := b.Cols[0].Int64At(b.RowAt(i))
					for ; next < x; next++ {
						if has(next) {
							t.Fatalf("%s: %d is dropped", c.name, next)
						}
					}
					if !has(x) {
						t.Fatalf("%s: %d passes", c.name, x)
					}
					next++
				}
			}
			for ; next < n; next++ {
				if has(next) {
					t.Fatalf("%s: %d is dropped", c.name, next)
				}
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
