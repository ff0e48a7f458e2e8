package memory

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/millrace-engine/millrace/internal/invariants"
)

func TestSlab(t *testing.T) {
	TrimSlabs(0)
	for _, c := range []struct{ n, size int }{
		{1, 64 << 10}, {64 << 10, 64 << 10}, {64<<10 + 1, 128 << 10}, {1 << 20, 1 << 20}, {16 << 20, 16 << 20}, {16<<20 + 1, 16<<20 + 64<<10},
	} {
		live, _ := SlabBytes()
		b := AllocSlab(c.n)
		if len(b) != c.n || cap(b) != c.size || uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Errorf("a slab of %d has len %d, cap %d, address %p", c.n, len(b), cap(b), b)
		}
		if now, _ := SlabBytes(); now-live != int64(c.size) {
			t.Errorf("a slab of %d counts %d", c.n, now-live)
		}
		for i := range b[:cap(b)] {
			b[:cap(b)][i] = 1
		}
		FreeSlab(b)
		if now, _ := SlabBytes(); now != live {
			t.Errorf("%d bytes live after all was freed", now-live)
		}
	}
	a := AllocSlab(100)
	p := unsafe.SliceData(a)
	FreeSlab(a)
	if b := AllocSlab(5000); unsafe.SliceData(b) != p {
		t.Error("a freed slab is not used again")
	} else {
		FreeSlab(b)
	}
	TrimSlabs(0)
	if _, idle := SlabBytes(); idle != 0 {
		t.Errorf("%d bytes idle after the trim", idle)
	}
	FreeSlab(nil)
	defer func() {
		if recover() == nil {
			t.Error("a slab could be freed twice")
		}
	}()
	b := AllocSlab(10)
	FreeSlab(b)
	FreeSlab(b)
}

func TestSlabIdleBound(t *testing.T) {
	var all [][]byte
	for range 12 {
		all = append(all, AllocSlab(maxSlab))
	}
	for _, b := range all {
		FreeSlab(b)
	}
	if _, idle := SlabBytes(); idle > maxIdle {
		t.Errorf("%d bytes are kept", idle)
	}
	TrimSlabs(0)
}

func TestScratch(t *testing.T) {
	broker := NewBroker(64 << 20)
	r := broker.Reserve("a", 0)
	live, _ := SlabBytes()
	s := NewScratch(r)
	s.Reset()
	for round := range 4 {
		var parts [][]byte
		for i := range 300 {
			b := s.Bytes(i * 37)
			if len(b) != i*37 || i > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%64 != 0 {
				t.Fatalf("%d bytes asked, len %d at %p", i*37, len(b), b)
			}
			for k := range b {
				b[k] = byte(i)
			}
			parts = append(parts, b)
		}
		for i, b := range parts { // nothing overlaps
			for _, x := range b {
				if x != byte(i) {
					t.Fatalf("round %d: part %d was overwritten", round, i)
				}
			}
		}
		if r.Held() != s.Held() || s.Held() < 300*299/2*37 {
			t.Fatalf("holds %d, charged %d", s.Held(), r.Held())
		}
		s.Reset()
		if round > 0 && len(s.blocks) != 1 {
			t.Fatalf("%d blocks in round %d", len(s.blocks), round)
		}
	}
	if invariants.Enabled {
		b := s.Bytes(8)
		b[0] = 1
		s.Reset()
		if b[0] != invariants.Poisoned {
			t.Error("scratch is not poisoned after Reset")
		}
	}
	s.Close()
	s.Close()
	if now, _ := SlabBytes(); now != live || r.Held() != 0 {
		t.Errorf("%d bytes live, %d charged after Close", now-live, r.Held())
	}
	r.Close()

	// Over the budget scratch still comes, and counts.
	small := NewBroker(1)
	r = small.Reserve("b", 0)
	s = NewScratch(r.Child("c"))
	if len(s.Bytes(100)) != 100 || r.Held() != minSlab || small.Reserved() != quantum || r.TryGrow(quantum) {
		t.Error("no scratch over the budget, or it is not counted")
	}
	s.Close()
	if r.Close(); small.Reserved() != 0 {
		t.Errorf("%d bytes are reserved at the end", small.Reserved())
	}
	var none *Scratch
	none.Reset()
	if b := none.Bytes(100); len(b) != 100 || none.Held() != 0 {
		t.Error("no scratch from the heap")
	}
	none.Close()
	if Slice[int64](nil, 0) != nil || len(Slice[int64](nil, 7)) != 7 {
		t.Error("Slice has the wrong length")
	}
}

func TestScratchSteadyState(t *testing.T) {
	s := NewScratch(nil)
	defer s.Close()
	use := func() {
		s.Reset()
		for range 50 {
			s.Bytes(20000)
		}
	}
	use()
	use()
	if n := testing.AllocsPerRun(20, use); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func TestSlabsConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				b := AllocSlab(1 + (i*7919+g*104729)%(1<<20))
				b[0], b[len(b)-1] = byte(g), byte(g)
				if b[0] != byte(g) {
					t.Error("a slab is shared")
				}
				FreeSlab(b)
			}
		})
	}
	wg.Wait()
}
