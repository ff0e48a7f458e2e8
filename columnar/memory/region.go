package memory

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"
)

// Region is memory outside the Go heap that lives until the last of its holders
// lets go of it: rows of several blocks that are written in one go, and dropped one
// by one. Who makes it pays for it, until others do, and writes to it before they
// read.
//
// One that is shared is a file without a name whose descriptor other processes are
// given, which map it for reading (OpenRegion). Its pages live as long as anybody
// maps them, are not used again for anything else, and count in the process that
// made them; who reads pays for what it reads meanwhile.
type Region struct {
	b       []byte
	file    *os.File // what is shared; nil: nothing
	foreign bool     // another process made it
	holders atomic.Int32
	payer   Reservation // nil: nobody
	charged atomic.Int64
	taken   bool // of payer by Take
}

// NewRegion returns a region of at least n bytes, of arbitrary content, aligned to
// 64, with one holder. R pays for it; where it has not that much left, the region has
// room for least bytes only, and R pays for these whether or not it has them: paid
// says whether it could pay for n. It is shared if that is wanted, where the system
// can do that.
func NewRegion(n, least int, r Reservation, shared bool) (x *Region, paid bool) {
	x = newRegion(n, r, shared)
	if r.TryGrow(x.Size()) {
		return x, true
	}
	if least < n {
		x.charged.Store(0)
		x.Release()
		x = newRegion(least, r, false)
		if r.TryGrow(x.Size()) {
			return x, false
		}
	}
	x.taken = true
	r.Take(x.Size())
	return x, false
}

func newRegion(n int, r Reservation, shared bool) *Region {
	x := &Region{payer: r}
	if shared {
		if x.b, x.file = mapFile((n + page - 1) &^ (page - 1)); x.file != nil {
			slabs.mu.Lock()
			slabs.own(x.b)
			slabs.mu.Unlock()
			collector.follow()
		}
	}
	if x.file == nil {
		x.b = regionSlab(n)
	}
	x.holders.Store(1)
	x.charged.Store(x.Size())
	return x
}

const page = 4096

// OpenRegion maps the file of another process's region for reading; it closes the
// file. Nobody is charged.
func OpenRegion(f *os.File) (*Region, error) {
	defer f.Close()
	b, err := openFile(f)
	if err != nil {
		return nil, fmt.Errorf("memory: a region of another process: %w", err)
	}
	x := &Region{b: b, foreign: true}
	x.holders.Store(1)
	return x, nil
}

// File returns what a region shares, which stays the region's; nil if it does not.
func (x *Region) File() *os.File { return x.file }

// Offset returns where in the region a part of its memory begins.
func (x *Region) Offset(part []byte) (int, bool) {
	at, base := uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(unsafe.Pointer(unsafe.SliceData(x.b)))
	if at < base || at+uintptr(len(part)) > base+uintptr(len(x.b)) {
		return 0, false
	}
	return int(at - base), true
}

// regionSlab returns a slab that is pooled if that wastes little.
func regionSlab(n int) []byte {
	size := SlabSize(n)
	if exact := (n + minSlab - 1) &^ (minSlab - 1); size-exact > size/8 {
		return freshSlab(exact)
	}
	b := AllocSlab(n)
	return b[:cap(b)]
}

// Bytes returns the region's memory.
func (x *Region) Bytes() []byte { return x.b }

// Size returns what the region takes.
func (x *Region) Size() int64 { return int64(cap(x.b)) }

// Settle gives back what who made the region paid: others do from now on. It is
// idempotent.
func (x *Region) Settle() {
	switch n := x.charged.Swap(0); {
	case n == 0:
	case x.taken:
		x.payer.Return(n)
	default:
		x.payer.Shrink(n)
	}
}

// Hold adds a holder.
func (x *Region) Hold() { x.holders.Add(1) }

// Release takes a holder away. With the last one the memory is gone: nobody may read
// it any more.
func (x *Region) Release() {
	switch n := x.holders.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("memory: a region is released more often than held")
	}
	switch {
	case x.foreign:
		unmapFile(x.b)
	case x.file != nil:
		slabs.mu.Lock()
		delete(slabs.live, unsafe.SliceData(x.b))
		slabs.used.Add(-x.Size())
		slabs.mu.Unlock()
		unmapFile(x.b)
		_ = x.file.Close()
		collector.follow()
	default:
		FreeSlab(x.b)
	}
	x.Settle()
}
