package memory

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/millrace-engine/millrace/internal/invariants"
)

// Slabs are blocks of memory outside the Go heap: the collector neither scans
// them nor counts them. Sizes up to maxSlab are powers of two and pooled by the
// whole process; larger ones come from the system and go back to it.
const (
	minSlab = 64 << 10
	maxSlab = 16 << 20
	classes = 9 // 64 KiB … 16 MiB

	// maxIdle bounds the bytes of freed slabs that stay with the process, which
	// are an eighth of its budget too: for a fresh page the system takes longer than
	// copying it does.
	maxIdle = 256 << 20
)

type slabPool struct {
	mu   sync.Mutex
	idle [classes][][]byte
	live map[*byte]int64 // size by address

	// Changed under mu:
	kept  atomic.Int64 // bytes of idle
	used  atomic.Int64 // bytes of live
	bound atomic.Int64 // of kept
}

var slabs = newSlabPool()

func newSlabPool() *slabPool {
	p := &slabPool{live: map[*byte]int64{}}
	p.bound.Store(maxIdle)
	return p
}

// own notes that a slab is in use.
func (p *slabPool) own(b []byte) {
	p.live[unsafe.SliceData(b)] = int64(cap(b))
	p.used.Add(int64(cap(b)))
}

// classOf returns the class of slabs that hold n bytes, classes or more if none
// does.
func classOf(n int) int { return max(0, bits.Len(uint(n-1))-16) }

// pooled reports whether slabs of a size wait for their next use.
func pooled(size int) bool { return size <= maxSlab && size == minSlab<<classOf(size) }

// SlabSize returns the bytes that a slab of n bytes takes.
func SlabSize(n int) int {
	if n <= maxSlab {
		return minSlab << classOf(max(n, 1))
	}
	return (n + minSlab - 1) &^ (minSlab - 1)
}

// AllocSlab returns n bytes of arbitrary content, aligned to 64, with all the
// capacity that their slab has. Whoever has them gives them back by FreeSlab,
// once. Safe for concurrent use.
func AllocSlab(n int) []byte {
	size := SlabSize(n)
	slabs.mu.Lock()
	if size <= maxSlab {
		c := classOf(size)
		if k := len(slabs.idle[c]); k > 0 {
			b := slabs.idle[c][k-1]
			slabs.idle[c] = slabs.idle[c][:k-1]
			slabs.kept.Add(-int64(size))
			slabs.own(b)
			slabs.mu.Unlock()
			return b[:n]
		}
	}
	slabs.mu.Unlock()
	return freshSlab(size)[:n]
}

// freshSlab asks the system for a slab of size bytes, a multiple of the smallest.
func freshSlab(size int) []byte {
	b := mapSlab(size)
	slabs.mu.Lock()
	slabs.own(b)
	slabs.mu.Unlock()
	collector.follow()
	return b
}

// FreeSlab gives back what AllocSlab returned. Nobody may read it afterwards.
func FreeSlab(b []byte) {
	if cap(b) == 0 {
		return
	}
	b = b[:cap(b)]
	invariants.Poison(b)
	slabs.mu.Lock()
	size, ok := slabs.live[unsafe.SliceData(b)]
	if !ok || size != int64(len(b)) {
		slabs.mu.Unlock()
		panic(fmt.Sprintf("memory: a slab of %d bytes is freed that was not allocated", len(b)))
	}
	delete(slabs.live, unsafe.SliceData(b))
	slabs.used.Add(-size)
	if c := classOf(len(b)); pooled(len(b)) && slabs.kept.Load()+size <= slabs.bound.Load() {
		slabs.idle[c] = append(slabs.idle[c], b)
		slabs.kept.Add(size)
		b = nil
	}
	slabs.mu.Unlock()
	if b != nil {
		unmapSlab(b)
		collector.follow()
	}
}

// SlabBytes returns the bytes of slabs in use, and of idle ones that the process
// keeps for the next use.
func SlabBytes() (live, idle int64) { return slabs.used.Load(), slabs.kept.Load() }

// TrimSlabs gives idle slabs back to the system, the largest first, until at
// most keep bytes are left.
func TrimSlabs(keep int64) {
	var out [][]byte
	slabs.mu.Lock()
	for c := classes - 1; c >= 0; c-- {
		for k := len(slabs.idle[c]); k > 0 && slabs.kept.Load() > keep; k-- {
			b := slabs.idle[c][k-1]
			slabs.idle[c][k-1] = nil
			slabs.idle[c] = slabs.idle[c][:k-1]
			slabs.kept.Add(-int64(len(b)))
			out = append(out, b)
		}
	}
	slabs.mu.Unlock()
	for _, b := range out {
		unmapSlab(b)
	}
	if out != nil {
		collector.follow()
	}
}

// aligned returns n bytes of the Go heap, zeroed, aligned to 64.
func aligned(n int) []byte {
	b := make([]byte, n+64)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
	return b[off : off+n : off+n]
}
