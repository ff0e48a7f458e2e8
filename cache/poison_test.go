package cache_test

import (
	"context"
	"runtime/debug"
	"testing"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// Who reads a block's memory after it was given back sees poison, or ends with a
// fault where it was mapped: so TestRandom would see it. The memory goes with the
// last pin when a block is dropped, at once when it is evicted, and a chunk that was
// read from disk with its reader.
func TestPoisoned(t *testing.T) {
	if !invariants.Enabled {
		t.Skip("poisoned with -tags invariants only")
	}
	space := spill.NewSpace(t.TempDir())
	defer space.Close()
	for name, test := range map[string]struct {
		shared bool
		free   func(s *cache.Store, id cache.BlockID, p *cache.Pinned)
	}{
		"dropped": {false, func(s *cache.Store, id cache.BlockID, p *cache.Pinned) { s.Drop(id); p.Close() }},
		"shared":  {true, func(s *cache.Store, id cache.BlockID, p *cache.Pinned) { s.Drop(id); p.Close() }},
		"evicted": {false, func(s *cache.Store, id cache.BlockID, p *cache.Pinned) {
			p.Close()
			s.Reclaim(t.Context(), 1)
		}},
		"on disk": {false, func(s *cache.Store, id cache.BlockID, p *cache.Pinned) { p.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			broker := memory.NewBroker(16 << 20)
			s := cache.NewStore(broker, "blocks", disk{space})
			defer s.Close()
			id := cache.BlockID{Job: 1}
			putInRegion(t, s, broker, id, test.shared)
			if name == "on disk" {
				s.Reclaim(t.Context(), 1)
			}
			if s.InMemory(id) == (name == "on disk") {
				t.Fatalf("in memory: %v", s.InMemory(id))
			}
			p, _ := s.Get(id)
			b, err := p.Next(t.Context(), nil)
			if err != nil || !ascends(t, &b.Cols[0], 7) {
				t.Fatal("what is pinned cannot be read", err)
			}
			test.free(s, id, p)
			if x, ok := first8(&b.Cols[0]); ok && uint64(x) != invariants.Poisoned*0x0101010101010101 {
				t.Errorf("what was given back reads %#x", x)
			}
		})
	}
}

// A block that is dropped while it leaves memory keeps it until it is written: what is
// read meanwhile is no poison, and no fault. Then all of it is gone.
func TestDroppedWhileEvicted(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	space := spill.NewSpace(t.TempDir())
	defer space.Close()
	for name, shared := range map[string]bool{"pooled": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			broker := memory.NewBroker(16 << 20)
			id, met := cache.BlockID{Job: 1}, false
			var s *cache.Store
			s = cache.NewStore(broker, "blocks", watched{space, func(b *columnar.Batch) {
				s.Drop(id)
				met = ascends(t, &b.Cols[0], 7)
			}})
			defer s.Close()
			putInRegion(t, s, broker, id, shared)
			if s.Reclaim(t.Context(), 1); !met || s.Has(id) || s.Bytes() != 0 || space.Live() != 0 {
				t.Errorf("written: %v; there is still: %v, of %d bytes, %d on disk", met, s.Has(id), s.Bytes(), space.Live())
			}
		})
	}
}

// watched is a disk that shows each batch before it is written.
type watched struct {
	space *spill.Space
	show  func(*columnar.Batch)
}

type watchedFile struct {
	file
	show func(*columnar.Batch)
}

type watchedRun struct {
	run
	show func(*columnar.Batch)
}

func (w watched) NewFile(cache.BlockID, int) cache.File {
	return watchedFile{file{w.space.File()}, w.show}
}

func (f watchedFile) NewRun(int) cache.Run { return watchedRun{run{f.File.NewRun("test")}, f.show} }

func (r watchedRun) Append(ctx context.Context, b *columnar.Batch) error {
	r.show(b)
	return r.run.Append(ctx, b)
}

// first8 reads the first value of a column, unless its memory is not there.
func first8(v *columnar.Vector) (x int64, ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { _ = recover() }()
	return columnar.Values[int64](v)[0], true
}

// putInRegion puts the numbers from 7 on into a block in a region.
func putInRegion(t *testing.T, s *cache.Store, b *memory.Broker, id cache.BlockID, shared bool) {
	t.Helper()
	r := b.Reserve("task", 0)
	defer r.Close()
	x, _ := memory.NewRegion(64<<10, 64<<10, r, shared)
	defer x.Release()
	batch := ints(7, 1000)
	v := &batch.Cols[0]
	n := copy(x.Bytes(), v.Data)
	v.Data, v.Stable = x.Bytes()[:n], false
	w := s.NewWriter(id, 1, cache.MemoryAndDisk)
	if err := w.AppendIn(t.Context(), x, 0, batch, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}
