package memory

import (
	"unsafe"

	"github.com/millrace-engine/millrace/internal/invariants"
)

// Scratch hands out working memory that is given back all at once: the output
// of an evaluator or operator that lives until its next call. It is used by one
// goroutine at a time. A nil Scratch allocates from the Go heap.
//
// It cuts slabs from front to back. Reset keeps them; several become one of the
// sum of their sizes, so that a steady user has a single block.
type Scratch struct {
	reservation Reservation
	blocks      [][]byte
	at          int // free bytes of the last block start here
	used        int // bytes handed out since the last Reset
	held        int64
}

// NewScratch returns a scratch that charges r, which may be nil. It must be
// closed: its memory is not the collector's.
func NewScratch(r Reservation) *Scratch { return &Scratch{reservation: r} }

// Bytes returns n bytes aligned to 64, of arbitrary content, valid until Reset.
// They are taken whether or not the budget has them left: a batch's worth of
// scratch is what a task needs to give anything back at all.
func (s *Scratch) Bytes(n int) []byte {
	if s == nil {
		return aligned(n)
	}
	need := (n + 63) &^ 63
	if len(s.blocks) == 0 || s.at+need > len(s.blocks[len(s.blocks)-1]) {
		s.block(need)
	}
	b := s.blocks[len(s.blocks)-1]
	out := b[s.at : s.at+n : s.at+need]
	s.at += need
	s.used += need
	return out
}

// block adds a block that has room for need bytes.
func (s *Scratch) block(need int) {
	size := minSlab
	if k := len(s.blocks); k > 0 {
		size = min(2*len(s.blocks[k-1]), maxSlab)
	}
	s.add(max(need, size))
}

func (s *Scratch) add(size int) {
	if s.reservation != nil {
		n := int64(SlabSize(size))
		s.reservation.Take(n)
		s.held += n
	}
	b := AllocSlab(size)
	s.blocks = append(s.blocks, b[:cap(b)])
	s.at = 0
}

// Reset makes everything handed out reusable. Several blocks become one.
func (s *Scratch) Reset() {
	if s == nil {
		return
	}
	if len(s.blocks) > 1 {
		used := s.used
		s.free()
		s.add(used)
	} else if len(s.blocks) == 1 {
		invariants.Poison(s.blocks[0][:s.at])
	}
	s.at, s.used = 0, 0
}

func (s *Scratch) free() {
	for i, b := range s.blocks {
		FreeSlab(b)
		s.blocks[i] = nil
	}
	s.blocks = s.blocks[:0]
	if s.held > 0 {
		s.reservation.Return(s.held)
	}
	s.held = 0
}

// Held returns the bytes of the blocks that the scratch holds.
func (s *Scratch) Held() int64 {
	n := int64(0)
	if s != nil {
		for _, b := range s.blocks {
			n += int64(len(b))
		}
	}
	return n
}

// Close gives all memory back. It is idempotent.
func (s *Scratch) Close() {
	if s != nil {
		s.free()
		s.blocks, s.at, s.used = nil, 0, 0
	}
}

// Slice returns n values of T from a scratch, of arbitrary content. T must not
// hold pointers: the collector does not look into scratch memory.
func Slice[T any](s *Scratch, n int) []T {
	if n == 0 {
		return nil
	}
	var z T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(s.Bytes(n*int(unsafe.Sizeof(z)))))), n)
}
