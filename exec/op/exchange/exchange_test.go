package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
)

var schema = columnar.NewSchema(
	columnar.Field{Name: "k", Type: columnar.Int64Type, Nullable: true},
	columnar.Field{Name: "s", Type: columnar.StringType, Nullable: true},
)

var dict = &columnar.Dictionary{Unique: true, Values: columnar.Vector{Type: columnar.StringType, Stable: true, Len: 3, Data: columnar.BytesOf([]int32{0, 1, 1, 3}), Bytes: []byte("abb")}}

// batch makes n rows: k random or null, s as a dictionary, flat or constant, and
// a random selection.
func batch(r *rand.Rand, n int) *columnar.Batch {
	keys, valid := make([]int64, n), columnar.NewBitmap(n)
	for i := range keys {
		keys[i] = int64(r.IntN(50))
		valid.SetTo(i, r.IntN(10) > 0)
	}
	b := &columnar.Batch{Schema: schema, Rows: n, Cols: []columnar.Vector{
		{Type: columnar.Int64Type, Width: 8, Len: n, Valid: valid, Data: columnar.BytesOf(keys)},
		{Type: columnar.StringType, Len: n},
	}}
	s := &b.Cols[1]
	switch r.IntN(3) {
	case 0:
		codes := make([]uint32, n)
		for i := range codes {
			codes[i] = uint32(r.IntN(3))
		}
		s.Enc, s.Dict, s.Data = columnar.Dict, dict, columnar.BytesOf(codes)
	case 1:
		s.Enc, s.Data, s.Bytes = columnar.Const, columnar.BytesOf([]int32{0, 5}), []byte("const")
	default:
		off := []int32{0}
		for range n {
			s.Bytes = append(s.Bytes, "xyzxyz"[:r.IntN(6)]...)
			off = append(off, int32(len(s.Bytes)))
		}
		s.Data = columnar.BytesOf(off)
		s.Valid = valid
	}
	if r.IntN(2) == 0 {
		b.Sel = []uint16{}
		for i := range n {
			if r.IntN(3) > 0 {
				b.Sel = append(b.Sel, uint16(i))
			}
		}
	}
	return b
}

func text(b *columnar.Batch) []string {
	var out []string
	for i := range b.Selected() {
		at, row := b.RowAt(i), ""
		if !b.Cols[0].NullAt(at) {
			row = fmt.Sprint(b.Cols[0].Int64At(at))
		}
		row += "|"
		if !b.Cols[1].NullAt(at) {
			row += b.Cols[1].StringAt(at)
		} else {
			row += "NULL"
		}
		out = append(out, row)
	}
	return out
}

// scribble overwrites what a producer may overwrite after its batch was written.
func scribble(b *columnar.Batch) {
	for i := range b.Cols {
		clear(b.Cols[i].Valid)
		if b.Cols[i].Enc != columnar.Const {
			clear(b.Cols[i].Data)
		}
		clear(b.Cols[i].Bytes)
	}
	for i := range b.Sel {
		b.Sel[i] = 0
	}
}

func drain(t *testing.T, it op.BatchIterator, err error) []*columnar.Batch {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var out []*columnar.Batch
	for {
		b, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, err = kernel.Detach(b, nil); err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
}

// Whatever the shape of batches and partitioning: the rows that went in come out
// once, equal keys in one partition, hashes fit, and not a
// byte stays reserved.
func TestRoundTrip(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for _, part := range []physical.Partitioning{
		{Kind: physical.SinglePartition, Count: 1},
		{Kind: physical.HashPartitioning, Count: 1, Keys: []int{0}},
		{Kind: physical.HashPartitioning, Count: 7, Keys: []int{0}},
		{Kind: physical.HashPartitioning, Count: 300, Keys: []int{1, 0}},
		{Kind: physical.HashPartitioning, Count: 65537, Keys: []int{1, 0}},
		{Kind: physical.RoundRobin, Count: 4},
		{Kind: physical.Broadcast},
	} {
		t.Run(part.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			broker := memory.NewBroker(256 << 20)
			store, tracker := cache.NewStore(broker, "blocks", nil), shuffle.NewTracker()
			var want []string
			for m := range 3 {
				res := broker.Reserve("task", 0)
				s := NewSink(store, exec.TaskID{Job: 1, Task: m}, &stage.Output{Exchange: 5, Partitioning: part}, schema, &op.TaskContext{Memory: res}, Options{})
				for range 20 {
					b := batch(r, 1+r.IntN(2000))
					want = append(want, text(b)...)
					if err := s.Write(t.Context(), b); err != nil {
						t.Fatal(err)
					}
					scribble(b)
				}
				st, err := s.Commit(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.Abort()
				res.Close()
				tracker.Register(1, 5, st)
			}
			l := &Reader{Store: store, Outputs: tracker, Job: 1, Epochs: map[int]uint64{5: 1}}
			var got []string
			home := map[string]int{}
			for p := range max(1, part.Count) {
				it, err := l.Parts(t.Context(), 5, []stage.Part{stage.One(p)}, schema)
				for _, b := range drain(t, it, err) {
					if b.Rows > columnar.MaxRows || b.Sel != nil {
						t.Fatalf("a batch of %d rows, Sel %v", b.Rows, b.Sel != nil)
					}
					if b.Hash != nil {
						fresh := *b
						fresh.Hash = nil
						if h := kernel.HashBatch(&fresh, part.Keys, nil); !slices.Equal(h[:b.Rows], b.Hash[:b.Rows]) || !b.HashOf.Equal(part.Keys) {
							t.Fatalf("the hashes of a batch are not those of its keys")
						}
					}
					rows := text(b)
					got = append(got, rows...)
					for _, x := range rows {
						if old, ok := home[x]; ok && old != p && part.Kind == physical.HashPartitioning {
							t.Fatalf("%s is in partitions %d and %d", x, old, p)
						}
						home[x] = p
					}
				}
			}
			it, err := l.All(t.Context(), 5, schema)
			var all []string
			for _, b := range drain(t, it, err) {
				all = append(all, text(b)...)
			}
			slices.Sort(want)
			slices.Sort(got)
			slices.Sort(all)
			if !slices.Equal(want, got) || !slices.Equal(want, all) {
				t.Errorf("seed %d: %d rows went in, %d came out by partition, %d in all", seed, len(want), len(got), len(all))
			}
			store.Close()
			if broker.Reserved() != 0 {
				t.Errorf("%d bytes are reserved", broker.Reserved())
			}
		})
	}
}

// An exchange that is out of memory says so, and never loses rows instead.
func TestMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	broker := memory.NewBroker(2 << 20)
	res := broker.Reserve("task", 0)
	store := cache.NewStore(broker, "blocks", nil)
	s := NewSink(store, exec.TaskID{Job: 1}, &stage.Output{Exchange: 5, Partitioning: physical.Partitioning{Kind: physical.SinglePartition, Count: 1}}, schema, &op.TaskContext{Memory: res}, Options{})
	var err error
	for i := 0; err == nil; i++ {
		if i == 10000 {
			t.Fatal("20 million rows fit into 2 MiB")
		}
		err = s.Write(t.Context(), batch(r, 2000))
	}
	if diag.ClassOf(err) != diag.MemoryLimit {
		t.Fatal(err)
	}
	s.Abort()
	s.Abort()
	res.Close()
	store.Close()
	if broker.Reserved() != 0 {
		t.Errorf("%d bytes are reserved", broker.Reserved())
	}
}

// A reader names every output that is gone, and notices that the exchange is
// not what it was planned on.
func TestGone(t *testing.T) {
	broker := memory.NewBroker(64 << 20)
	store, tracker := cache.NewStore(broker, "blocks", nil), shuffle.NewTracker()
	for m := range 4 {
		res := broker.Reserve("task", 0)
		s := NewSink(store, exec.TaskID{Job: 1, Task: m}, &stage.Output{Exchange: 5, Partitioning: physical.Partitioning{Kind: physical.SinglePartition, Count: 1}}, schema, &op.TaskContext{Memory: res}, Options{})
		if m != 2 { // which has no rows, hence no block to lose
			if err := s.Write(t.Context(), batch(rand.New(rand.NewPCG(1, 1)), 100)); err != nil {
				t.Fatal(err)
			}
		}
		st, err := s.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tracker.Register(1, 5, st)
	}
	l := &Reader{Store: store, Outputs: tracker, Job: 1, Epochs: map[int]uint64{5: 1}}
	store.DropWhere(func(b cache.BlockID) bool { return b.Map > 0 })
	_, err := l.Runs(t.Context(), 5, 0, schema)
	var f *exec.Failure
	if !errors.As(err, &f) || f.Kind != exec.FetchFailed || f.Exchange != 5 || f.Map != 1 || !slices.Equal(f.More, []int{3}) {
		t.Fatalf("got %+v", err)
	}
	tracker.Unregister(1, 5, 1)
	for name, read := range map[string]func() error{
		"partition": func() error {
			_, err := l.Parts(context.Background(), 5, []stage.Part{stage.One(0)}, schema)
			return err
		},
		"runs": func() error { _, err := l.Runs(context.Background(), 5, 0, schema); return err },
		"all":  func() error { _, err := l.All(context.Background(), 5, schema); return err },
	} {
		if err := read(); !errors.As(err, &f) || f.Map != -1 {
			t.Errorf("%s: got %+v", name, err)
		}
	}
}
