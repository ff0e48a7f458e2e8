package join_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/join"
	"github.com/millrace-engine/millrace/exec/op/optest"
	"github.com/millrace-engine/millrace/plan/logical"
)

// replay yields the same batches, which it does not make anew.
type replay struct {
	batches []*columnar.Batch
	at      int
}

func (r *replay) Open(context.Context, *op.TaskContext) error { return nil }
func (r *replay) Close() error                                { return nil }
func (r *replay) Next(context.Context) (*columnar.Batch, error) {
	if r.at == len(r.batches) {
		return nil, io.EOF
	}
	r.at++
	return r.batches[r.at-1], nil
}

func cut(b *columnar.Batch) (out []*columnar.Batch) {
	for at := 0; at < b.Rows; at += columnar.MaxRows {
		x := kernel.SliceBatch(b, at, min(columnar.MaxRows, b.Rows-at), nil)
		x.Schema = b.Schema
		out = append(out, x)
	}
	return out
}

// BenchmarkProbe joins a million rows with two hundred thousand: ns/row and
// allocs/batch are of probing alone.
func BenchmarkProbe(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	const build, probe = 200_000, 1_000_000
	for _, c := range []struct {
		name     string
		n        node
		distinct int
	}{
		{"close integers", node{kind: logical.Inner, keys: []int{0}}, build},
		{"far integers", node{kind: logical.Inner, keys: []int{0}}, 1 << 40},
		{"strings", node{kind: logical.Inner, keys: []int{1}}, build},
		{"two keys", node{kind: logical.Inner, keys: []int{0, 1}}, build},
		{"semi", node{kind: logical.LeftSemi, keys: []int{0}}, build},
		{"left", node{kind: logical.Left, keys: []int{0}}, build},
	} {
		side := func(n int) *columnar.Batch {
			x := optest.Random(r, n, optest.Column{Type: columnar.Int64Type, Distinct: c.distinct}, optest.Column{Type: columnar.StringType, Distinct: c.distinct},
				optest.Column{Type: columnar.Int32Type, Distinct: 40}, optest.Column{Type: columnar.StringType, Distinct: 1000, Longest: 30})
			if c.distinct > build { // most have a partner all the same
				keys := columnar.Values[int64](&x.Cols[0])
				for i := range keys {
					keys[i] = int64(kernel.HashWord(uint64(keys[i]%build)) >> 1)
				}
			}
			return x
		}
		w, l := side(build), side(probe)
		table, rows := cut(w), cut(l)
		p := c.n.plan(l.Schema, w.Schema)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := context.Background()
			var spent time.Duration
			for range b.N {
				m := memory.NewBroker(1<<32).Reserve("task", 0)
				j := join.NewHash(p, 1, &replay{batches: rows}, &replay{batches: table})
				if err := j.Open(ctx, &op.TaskContext{Memory: m, BatchRows: columnar.MaxRows, Slots: 1, Tasks: 1, Zone: time.UTC, Shared: &op.Shared{Memory: m}}); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				var err error
				for err == nil {
					_, err = j.Next(ctx)
				}
				spent += time.Since(start)
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				j.Close()
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/probe, "ns/row")
		})
	}
}
