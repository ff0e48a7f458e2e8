package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/file"
)

// got is a batch as a holder gave it.
type got struct {
	batch *columnar.Batch
	block int
}

// tamperer is a holder that changes what another gives.
type tamperer struct {
	Holder
	change func([]got) []got
	fired  bool
}

func (h *tamperer) Read(ctx context.Context, ids []cache.BlockID, s *columnar.Schema, r memory.Reservation) Blocks {
	it := h.Holder.Read(ctx, ids, s, r)
	defer it.Close()
	var all []got
	for {
		b, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(err)
		}
		all = append(all, got{b, it.Block()})
	}
	before := slices.Clone(all)
	all = h.change(all)
	h.fired = h.fired || !slices.Equal(before, all)
	return &list{all: all}
}

type list struct {
	all  []got
	last int
}

func (l *list) Next(context.Context) (*columnar.Batch, error) {
	if len(l.all) == 0 {
		return nil, io.EOF
	}
	x := l.all[0]
	l.all, l.last = l.all[1:], x.block
	return x.batch, nil
}
func (l *list) Block() int   { return l.last }
func (l *list) Close() error { return nil }

// mapped writes the output of some map tasks and returns its reader.
func mapped(t *testing.T, r *rand.Rand, maps, partitions int, hashed bool, h func(Holder) Holder) *Reader {
	t.Helper()
	broker := memory.NewBroker(256 << 20)
	store, tracker := cache.NewStore(broker, "blocks", nil), shuffle.NewTracker()
	t.Cleanup(store.Close)
	for m := range maps {
		res := broker.Reserve("task", 0)
		s := NewSink(store, exec.TaskID{Job: 1, Task: m}, &stage.Output{Exchange: 5, Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: partitions, Keys: []int{0, 1}}}, schema, &op.TaskContext{Memory: res}, Options{Hashed: hashed})
		for range 20 {
			b := batch(r, 6000)
			if err := s.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		st, err := s.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		res.Close()
		st.Executor = "x"
		tracker.Register(1, 5, st)
	}
	return &Reader{Store: store, Outputs: tracker, Job: 1, Epochs: map[int]uint64{5: 1}, Holders: func(string) Holder { return h(Stored(store)) }}
}

// TestTampered: chunks that are dropped, doubled, exchanged, replayed from another
// map output, or altered fail the read, and name a map output that was concerned.
func TestTampered(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	old := []got{}
	for name, change := range map[string]func([]got) []got{
		"dropped":   func(x []got) []got { i := r.IntN(len(x)); return slices.Delete(slices.Clone(x), i, i+1) },
		"all":       func(x []got) []got { return nil },
		"doubled":   func(x []got) []got { i := r.IntN(len(x)); return slices.Insert(slices.Clone(x), i, x[i]) },
		"last":      func(x []got) []got { return append(slices.Clone(x), x[0]) },
		"reordered": func(x []got) []got { x = slices.Clone(x); x[0].batch, x[1].batch = x[1].batch, x[0].batch; return x },
		"replayed": func(x []got) []got {
			defer func() { old = append(old, x...) }()
			x = slices.Clone(x)
			if len(old) > 0 {
				x[0].batch = old[0].batch
			}
			return x
		},
		"mislabelled": func(x []got) []got { x = slices.Clone(x); x[len(x)-1].block = 0; return x },
		"altered": func(x []got) []got {
			x = slices.Clone(x)
			b := *x[0].batch
			b.Cols = slices.Clone(b.Cols)
			b.Cols[0].Data = slices.Clone(b.Cols[0].Data)
			i := 0
			for b.Cols[0].NullAt(i) {
				i++
			}
			b.Cols[0].Data[8*i] ^= 4
			x[0].batch = &b
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			var h *tamperer
			reader := mapped(t, r, 3, 2, true, func(s Holder) Holder {
				if h == nil {
					h = &tamperer{s, change, false}
				}
				return h
			})
			old = nil
			var err error
			for p := 0; p < 2 && err == nil; p++ {
				var it op.BatchIterator
				if it, err = reader.Parts(t.Context(), 5, []stage.Part{stage.One(p)}, schema); err != nil {
					t.Fatal(err)
				}
				for err == nil {
					_, err = it.Next(t.Context())
				}
				if errors.Is(err, io.EOF) {
					err = nil
				}
				it.Close()
			}
			if !h.fired {
				t.Fatal("nothing was changed")
			}
			var f *exec.Failure
			var m *shuffle.MismatchError
			if !errors.As(err, &f) || f.Kind != exec.FetchFailed || f.Exchange != 5 || f.Map < 0 || !errors.As(err, &m) || m.Map != f.Map || m.Want == m.Got {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// TestReads: what was read to its end is told, by partition, as runs and in all,
// with or without hashes; what was not is not.
func TestReads(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	for _, hashed := range []bool{false, true} {
		reader := mapped(t, r, 3, 4, hashed, func(h Holder) Holder { return h })
		tracker := reader.Outputs.(*shuffle.Tracker)
		it, err := reader.Parts(t.Context(), 5, []stage.Part{stage.One(0)}, schema)
		drain(t, it, err)
		runs, err := reader.Runs(t.Context(), 5, 1, schema)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range runs {
			drain(t, it, nil)
		}
		it, err = reader.All(t.Context(), 5, schema)
		drain(t, it, err)
		if it, err = reader.Parts(t.Context(), 5, []stage.Part{stage.One(2)}, schema); err != nil {
			t.Fatal(err)
		}
		if _, err = it.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		it.Close()
		if _, err = it.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		reads := reader.Reads()
		if len(reads) != 3 {
			t.Fatalf("%d reads are told: %v", len(reads), reads)
		}
		for i, p := range []int{0, 1, shuffle.All} {
			want, _, exact, known := tracker.Expected(1, shuffle.Read{Exchange: 5, Partition: p, Epoch: 1})
			if reads[i].Partition != p || reads[i].Sum != want || !exact || !known || want.Rows == 0 || (want.Hash != 0) != hashed {
				t.Errorf("read %+v, want %v of partition %d", reads[i], want, p)
			}
		}
	}
}

// damagedDisk is a disk of which nothing can be read as it was written.
type damagedDisk struct{ err error }

func (d damagedDisk) NewFile(cache.BlockID, int) cache.File                   { return d }
func (d damagedDisk) NewRun(int) cache.Run                                    { return d }
func (d damagedDisk) Skip(int64) (skipped int64, more bool)                   { return 0, false }
func (d damagedDisk) Drop()                                                   {}
func (d damagedDisk) Commit() error                                           { return nil }
func (d damagedDisk) Append(context.Context, *columnar.Batch) error           { return nil }
func (d damagedDisk) Stored() int64                                           { return 0 }
func (d damagedDisk) Next(context.Context) (*columnar.Batch, error)           { return nil, d.err }
func (d damagedDisk) NextStored(context.Context) (b []byte, n int, err error) { return nil, 0, d.err }
func (d damagedDisk) Open(context.Context, memory.Reservation) (cache.Reader, error) {
	return unclosed{d}, nil
}
func (d damagedDisk) Close() error { return nil }

type unclosed struct{ damagedDisk }

func (unclosed) Close() {}

// Rows of this executor's own that lie damaged on its disk are an output that is
// gone, so that it is made again; a device that fails is not.
func TestDamagedOnDisk(t *testing.T) {
	for _, cause := range []error{chunk.ErrCorrupt, file.ErrCorrupt, file.ErrAbsent, os.ErrNotExist, io.ErrUnexpectedEOF} {
		broker := memory.NewBroker(64 << 20)
		store, tracker := cache.NewStore(broker, "blocks", damagedDisk{fmt.Errorf("a disk: %w", cause)}), shuffle.NewTracker()
		res := broker.Reserve("task", 0)
		s := NewSink(store, exec.TaskID{Job: 1, Task: 4}, &stage.Output{Exchange: 5, Partitioning: physical.Partitioning{Kind: physical.SinglePartition, Count: 1}}, schema, &op.TaskContext{Memory: res}, Options{Level: cache.DiskOnly})
		if err := s.Write(t.Context(), batch(rand.New(rand.NewPCG(1, 1)), 100)); err != nil {
			t.Fatal(err)
		}
		st, err := s.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tracker.Register(1, 5, st)
		it, err := (&Reader{Store: store, Outputs: tracker, Job: 1, Epochs: map[int]uint64{5: 1}}).Parts(t.Context(), 5, []stage.Part{stage.One(0)}, schema)
		if err != nil {
			t.Fatal(err)
		}
		_, err = it.Next(t.Context())
		var f *exec.Failure
		if gone := errors.As(err, &f) && f.Kind == exec.FetchFailed && f.Map == 4; gone == (cause == io.ErrUnexpectedEOF) || !errors.Is(err, cause) {
			t.Errorf("%v: %v", cause, err)
		}
		it.Close()
		res.Close()
		store.Close()
	}
}
