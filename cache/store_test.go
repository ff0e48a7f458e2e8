package cache_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
)

// disk lets blocks lie in a spill space.
type disk struct{ space *spill.Space }

func (d disk) NewFile(cache.BlockID, int) cache.File { return file{d.space.File()} }

type file struct{ *spill.File }

func (f file) NewRun(int) cache.Run { return run{f.File.NewRun("test")} }

func (f file) Commit() error { return nil }

type run struct{ *spill.Run }

func (r run) Append(ctx context.Context, b *columnar.Batch) error {
	if err := r.Run.Append(ctx, b); err != nil {
		return err
	}
	return r.Flush()
}

func (r run) Open(ctx context.Context, to memory.Reservation) (cache.Reader, error) {
	d, err := r.Run.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	return d, nil
}

var schema = columnar.NewSchema(columnar.Field{Name: "x", Type: columnar.Int64Type})

// ints makes a batch of the values first, first+1 …
func ints(first int64, n int) *columnar.Batch {
	v := make([]int64, n)
	for i := range v {
		v[i] = first + int64(i)
	}
	return &columnar.Batch{Schema: schema, Rows: n, Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: n, Stable: true, Data: columnar.BytesOf(v)}}}
}

func coded(n int, d *columnar.Dictionary) *columnar.Batch {
	return &columnar.Batch{Rows: n, Cols: []columnar.Vector{{Type: columnar.StringType, Enc: columnar.Dict, Dict: d, Len: n, Stable: true, Data: make([]byte, 4*n)}}}
}

// put writes one block of batches that hold the values from first on.
func put(t *testing.T, s *cache.Store, id cache.BlockID, level cache.Level, first int64, sizes ...int) error {
	w := s.NewWriter(id, id.Partition+1, level)
	for _, n := range sizes {
		if err := w.Append(t.Context(), id.Partition, ints(first, n), int64(8*n)); err != nil {
			w.Abort()
			return err
		}
		first += int64(n)
	}
	return w.Commit()
}

// read returns the rows of a pinned block, which must ascend from first on.
func read(t *testing.T, p *cache.Pinned, first int64) int {
	n := 0
	for {
		b, err := p.Next(t.Context(), nil)
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Error(err)
			return -1
		}
		for c := range b.Cols {
			if !ascends(t, &b.Cols[c], first+int64(n)) {
				return -1
			}
		}
		n += b.Rows
	}
}

// ascends reports whether a column holds the numbers from first on, or codes of the
// only value of a dictionary.
func ascends(t *testing.T, v *columnar.Vector, first int64) bool {
	if v.Enc == columnar.Dict {
		for i, c := range v.Codes() {
			if c != 0 {
				t.Errorf("row %d has code %d, want 0", i, c)
				return false
			}
		}
		return true
	}
	if v.Type.IsBytes() { // the dictionary's value is empty
		if n := v.Offsets()[v.Len] - v.Offsets()[0]; n != 0 {
			t.Errorf("strings of %d bytes, want none", n)
		}
		return !t.Failed()
	}
	for i, x := range columnar.Values[int64](v) {
		if want := first + int64(i); x != want {
			t.Errorf("row %d is %d, want %d", i, x, want)
			return false
		}
	}
	return true
}

// What blocks hold is charged while they are held, and given back to the byte
// (B2); a shared dictionary is charged once.
func TestAccounting(t *testing.T) {
	broker := memory.NewBroker(64 << 20)
	s := cache.NewStore(broker, "blocks", nil)
	dict := &columnar.Dictionary{Values: columnar.Vector{Type: columnar.StringType, Len: 1, Data: make([]byte, 8), Bytes: make([]byte, 1<<20)}}
	for m := range 10 {
		w := s.NewWriter(cache.BlockID{Job: 1, Exchange: 1, Map: m}, 1, cache.MemoryAndDisk)
		for _, b := range []*columnar.Batch{ints(0, 100), coded(10, dict), coded(10, dict)} {
			if err := w.Append(t.Context(), 0, b, int64(len(b.Cols[0].Data))); err != nil {
				t.Fatal(err)
			}
		}
		w.Commit()
	}
	want := int64(10*(800+80) + 1<<20 + 8)
	if s.Bytes() != want || s.Len() != 10 {
		t.Fatalf("%d blocks of %d bytes, want 10 of %d", s.Len(), s.Bytes(), want)
	}
	s.DropWhere(func(b cache.BlockID) bool { return b.Map < 9 })
	if want = 880 + 1<<20 + 8; s.Bytes() != want {
		t.Fatalf("after dropping nine: %d bytes, want %d", s.Bytes(), want)
	}
	s.Close()
	if broker.Reserved() != 0 {
		t.Fatalf("%d bytes are still reserved", broker.Reserved())
	}
}

// A block is written once (B1), nobody sees it before it is committed, readers
// keep what they have pinned (B4), and without a disk a full budget is the user's
// error.
func TestPutGet(t *testing.T) {
	s := cache.NewStore(memory.NewBroker(2<<20), "blocks", nil)
	defer s.Close()
	id := cache.BlockID{Job: 1, Exchange: 2, Map: 3, Attempt: 1}
	w := s.NewWriter(id, 2, cache.MemoryAndDisk)
	if err := w.Append(t.Context(), 1, ints(0, 9), 72); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 0 || s.Bytes() != 72 {
		t.Fatalf("%d blocks of %d bytes before the commit", s.Len(), s.Bytes())
	}
	w.Abort()
	w.Commit()
	for _, n := range []int{5, 7} {
		if err := put(t, s, id, cache.MemoryAndDisk, 0, n); err != nil {
			t.Fatal(err)
		}
	}
	p, ok := s.Get(id)
	if !ok || s.Bytes() != 40 {
		t.Fatalf("%v, %d bytes", ok, s.Bytes())
	}
	s.DropWhere(func(b cache.BlockID) bool { return true })
	if s.Has(id) || s.Bytes() != 40 {
		t.Fatalf("a dropped block: known %v, %d bytes while it is read", s.Has(id), s.Bytes())
	}
	if n := read(t, p, 0); n != 5 {
		t.Fatalf("%d rows", n)
	}
	p.Close()
	p.Close()
	if s.Bytes() != 0 {
		t.Fatalf("%d bytes after the last reader", s.Bytes())
	}
	if err := put(t, s, id, cache.MemoryAndDisk, 0, 1<<20); !errors.Is(err, &diag.Error{Class: diag.MemoryLimit}) {
		t.Fatalf("got %v, want %s", err, diag.MemoryLimit)
	}
	if s.Bytes() != 0 || s.Len() != 0 {
		t.Fatalf("a refused block is charged: %d bytes", s.Bytes())
	}
	if got := id.String(); got != "job 1 exchange 2 map 3.1 partition 0" {
		t.Fatalf("printed as %q", got)
	}
}

// Blocks go to disk when others need memory, in whatever state their readers are,
// and come back the same; those of memory alone go away.
func TestEvict(t *testing.T) {
	broker, space := memory.NewBroker(4<<20), spill.NewSpace(t.TempDir())
	s := cache.NewStore(broker, "blocks", disk{space})
	for m := range 4 {
		if err := put(t, s, cache.BlockID{Map: m}, cache.MemoryAndDisk, int64(m), 8000, 8000, 300); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(t, s, cache.BlockID{Map: 9}, cache.MemoryOnly, 0, 100); err != nil {
		t.Fatal(err)
	}
	pinned, _ := s.Get(cache.BlockID{Map: 2})
	first, err := pinned.Next(t.Context(), nil)
	if err != nil || first.Rows != 8000 {
		t.Fatal(first, err)
	}
	if freed := s.Reclaim(t.Context(), 1<<30); freed != 3*8*16300+800 || s.Bytes() != 8*16300 || s.Has(cache.BlockID{Map: 9}) {
		t.Fatalf("%d bytes freed, %d held", freed, s.Bytes())
	}
	pinned.Close()
	s.Reclaim(t.Context(), 1<<30)
	if s.Bytes() != 0 || space.Live() == 0 || s.Spilled() != space.Written() {
		t.Fatalf("%d bytes held, %d on disk, %d spilled", s.Bytes(), space.Live(), s.Spilled())
	}
	for m := range 4 {
		p, ok := s.Get(cache.BlockID{Map: m})
		if !ok || read(t, p, int64(m)) != 16300 {
			t.Fatalf("block %d came back changed", m)
		}
		p.Close()
	}
	// Memory that tasks took is not there for new blocks: they go to disk at once.
	task, err := broker.Start(t.Context(), "task", 4<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, cache.BlockID{Map: 5}, cache.MemoryAndDisk, 7, 8000, 200); err != nil || s.Bytes() != 0 {
		t.Fatal(err, s.Bytes())
	}
	p, _ := s.Get(cache.BlockID{Map: 5})
	if read(t, p, 7) != 8200 {
		t.Error("a block that went to disk at once came back changed")
	}
	p.Close()
	task.Close()
	s.Close()
	if broker.Reserved() != 0 || space.Live() != 0 {
		t.Errorf("%d reserved, %d on disk at the end", broker.Reserved(), space.Live())
	}
	if err := space.Close(); err != nil {
		t.Error(err)
	}
}

// A device that is full fails who writes to it, and what is in memory stays
// there: no block is lost.
func TestFullDisk(t *testing.T) {
	broker, space := memory.NewBroker(8<<20), spill.NewSpace(t.TempDir())
	space.Limit = 100 << 10
	s := cache.NewStore(broker, "blocks", disk{space})
	for m := range 20 {
		if err := put(t, s, cache.BlockID{Map: m}, cache.MemoryAndDisk, int64(m)<<32, 8000); err != nil {
			t.Fatal(err)
		}
	}
	if freed := s.Reclaim(t.Context(), 1<<30); freed == 0 || freed == 20*64000 {
		t.Fatalf("%d bytes freed onto a device of 100 KiB", freed)
	}
	task, err := broker.Start(t.Context(), "task", 6<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, cache.BlockID{Map: 50}, cache.DiskOnly, 0, 8000, 8000, 8000); diag.ClassOf(err) != diag.SpillFailed {
		t.Errorf("got %v", err)
	}
	task.Close()
	for m := range 20 {
		p, ok := s.Get(cache.BlockID{Map: m})
		if !ok || read(t, p, int64(m)<<32) != 8000 {
			t.Fatalf("block %d is lost or changed", m)
		}
		p.Close()
	}
	if s.Has(cache.BlockID{Map: 50}) {
		t.Error("a block that failed is visible")
	}
	s.Close()
	if broker.Reserved() != 0 || space.Live() != 0 {
		t.Errorf("%d reserved, %d on disk at the end", broker.Reserved(), space.Live())
	}
}
