package kernel

import (
	"slices"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/columnartest"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Rows of every type, whatever their batches' shapes, arrive in their partitions in
// the order in which they came, with or without memory to spare, and not a byte
// stays reserved.
func TestSpreadAgainstRows(t *testing.T) {
	r := random(t)
	var types []columnar.Type
	for _, x := range columnartest.Types {
		if !x.IsNested() {
			types = append(types, x)
		}
	}
	for round := range 30 {
		schema, of := columnartest.Schema(types...), []int{3, 7}
		if round%5 == 0 {
			schema, of = columnartest.Schema(columnar.NullType), []int{0}
		}
		broker := memory.NewBroker([]int64{1 << 20, 64 << 20}[round%2])
		res := broker.Reserve("task", 0)
		s := memory.NewScratch(res)
		parts := 1 + r.IntN(20)
		var keys columnar.KeySet
		if r.IntN(2) == 0 {
			keys = of
		}
		x := NewSpread(schema, keys, parts, res, round%3 == 0)
		want, got := make([][]string, parts), make([][]string, parts)
		take := func() {
			for _, p := range x.Take() {
				for i := range p.Batch.Rows {
					row := ""
					for c := range p.Batch.Cols {
						row += columnartest.Show(&p.Batch.Cols[c], i) + " "
					}
					got[p.Partition] = append(got[p.Partition], row)
				}
				fresh := *p.Batch
				fresh.Hash = nil
				if keys != nil && !slices.Equal(HashBatch(&fresh, keys, nil)[:fresh.Rows], p.Batch.Hash) {
					t.Fatal("hashes are not of their rows")
				}
				if p.Region != nil {
					p.Region.Release()
				}
			}
		}
		for range r.IntN(12) {
			b := columnartest.Batch(r, schema, 1+r.IntN(700))
			b.Hash, b.HashOf = HashBatch(b, of, nil), of
			rows, ends := Partition(b.Hash, b.Rows, b.Sel, parts, nil)
			if r.IntN(4) == 0 {
				rows, ends = One(b.Rows, b.Sel, r.IntN(parts), parts, nil)
			}
			from := uint32(0)
			for p, end := range ends {
				for _, i := range rows[from:end] {
					row := ""
					for c := range b.Cols {
						row += columnartest.Show(&b.Cols[c], int(i)) + " "
					}
					want[p] = append(want[p], row)
				}
				from = end
			}
			s.Reset()
			if x.Add(b, rows, ends, s) {
				x.Flush()
			}
			take()
		}
		if r.IntN(8) > 0 {
			x.Finish()
			take()
			for p := range want {
				if !slices.Equal(want[p], got[p]) {
					t.Fatalf("partition %d of %d: %d rows of %d, or others", p, parts, len(got[p]), len(want[p]))
				}
			}
		}
		x.Close()
		s.Close()
		res.Close()
		if broker.Reserved() != 0 {
			t.Fatalf("%d bytes are reserved", broker.Reserved())
		}
	}
}
