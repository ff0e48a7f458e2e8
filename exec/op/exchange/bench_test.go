package exchange

import (
	"math/rand/v2"
	"testing"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// BenchmarkSink partitions batches of eight bigint columns into 16 and 200
// partitions: the rate is of the bytes that go in.
func BenchmarkSink(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	wide := &columnar.Schema{}
	in := &columnar.Batch{Rows: columnar.MaxRows}
	for range 8 {
		wide.Fields = append(wide.Fields, columnar.Field{Name: "c", Type: columnar.Int64Type})
		x := make([]int64, in.Rows)
		for i := range x {
			x[i] = r.Int64()
		}
		in.Cols = append(in.Cols, columnar.Vector{Type: columnar.Int64Type, Width: 8, Len: in.Rows, Data: columnar.BytesOf(x)})
	}
	in.Schema = wide
	for _, parts := range []int{1, 16, 200} {
		b.Run(physical.Partitioning{Kind: physical.HashPartitioning, Count: parts, Keys: []int{0}}.String(), func(b *testing.B) {
			broker := memory.NewBroker(8 << 30)
			b.SetBytes(int64(100 * 64 * in.Rows))
			b.ReportAllocs()
			for b.Loop() {
				store := cache.NewStore(broker, "blocks", nil)
				res := broker.Reserve("task", 0)
				s := NewSink(store, exec.TaskID{}, &stage.Output{Exchange: 1, Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: parts, Keys: []int{0}}}, wide, &op.TaskContext{Memory: res}, Options{})
				for range 100 {
					if err := s.Write(b.Context(), in); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := s.Commit(b.Context()); err != nil {
					b.Fatal(err)
				}
				res.Close()
				store.Close()
			}
		})
	}
}
