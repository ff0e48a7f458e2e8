package memory

import "sync/atomic"

// Region is memory outside the Go heap that lives until the last of its holders
// lets go of it: rows of several blocks that are written in one go, and dropped one
// by one. Who makes it pays for it, until others do, and writes to it before they
// read.
type Region struct {
	b       []byte
	holders atomic.Int32
	payer   Reservation // nil: nobody
	charged atomic.Int64
	taken   bool // of payer by Take
}

// NewRegion returns a region of at least n bytes, of arbitrary content, aligned to
// 64, with one holder. R pays for it, whether or not it has that left: paid says
// whether it had.
func NewRegion(n int, r Reservation) (x *Region, paid bool) {
	x = &Region{b: regionSlab(n), payer: r}
	x.holders.Store(1)
	x.charged.Store(x.Size())
	if r.TryGrow(x.Size()) {
		return x, true
	}
	x.taken = true
	r.Take(x.Size())
	return x, false
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
	FreeSlab(x.b)
	x.Settle()
}
