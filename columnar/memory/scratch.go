package memory

import "unsafe"

// minBlock is the size of a Scratch's first block.
const minBlock = 64 << 10

// Scratch hands out working memory that is given back all at once: the output
// of an evaluator or operator that lives until its next call. It is used by one
// goroutine at a time. A nil Scratch allocates from the Go heap.
type Scratch struct {
	reservation Reservation
	blocks      [][]byte
	at          int // free bytes of the last block start here
	used        int // bytes handed out since the last Reset
	held        int64
}

// NewScratch returns a scratch that charges r, which may be nil.
func NewScratch(r Reservation) *Scratch { return &Scratch{reservation: r} }

// Bytes returns n bytes aligned to 64, of arbitrary content, valid until Reset.
// They come whether or not the budget has them left: a batch's worth of scratch
// is what a task needs to give anything back at all.
func (s *Scratch) Bytes(n int) []byte {
	if s == nil {
		return aligned(n)[:n]
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

func aligned(n int) []byte {
	b := make([]byte, n+64)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
	return b[off : off+n : off+n]
}

func (s *Scratch) block(need int) {
	size := minBlock
	if k := len(s.blocks); k > 0 {
		size = 2 * len(s.blocks[k-1])
	}
	s.add(max(need, size))
}

func (s *Scratch) add(size int) {
	s.blocks = append(s.blocks, aligned(size))
	s.at = 0
	if s.reservation != nil && s.reservation.TryGrow(int64(size)) {
		s.held += int64(size)
	}
}

// Reset makes everything handed out reusable. Several blocks become one.
func (s *Scratch) Reset() {
	if s == nil {
		return
	}
	if len(s.blocks) > 1 {
		used := s.used
		s.free()
		s.add(max(minBlock, (used+minBlock-1)/minBlock*minBlock))
	}
	s.at, s.used = 0, 0
}

func (s *Scratch) free() {
	s.blocks = s.blocks[:0]
	if s.held > 0 {
		s.reservation.Shrink(s.held)
	}
	s.held = 0
}

// Close gives all memory back.
func (s *Scratch) Close() {
	if s != nil {
		s.free()
		s.blocks, s.at, s.used = nil, 0, 0
	}
}

// Slice returns n values of T from a scratch, of arbitrary content.
func Slice[T any](s *Scratch, n int) []T {
	if n == 0 {
		return nil
	}
	var z T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(s.Bytes(n*int(unsafe.Sizeof(z)))))), n)
}
