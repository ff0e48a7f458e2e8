package agg

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/internal/invariants"
)

// A string is two words: its length and first four bytes, then either the next
// eight bytes or, if it is longer than inline, where the arena has it. Pages count
// from 1: the second word of a long string that is not in the arena is zero, and
// must not be equal to that of one that is.
//
//	[first 4 bytes · length << 32] [bytes 4 – 11 | page << 32 · start]
const inline = 12

func textLen(w uint64) int { return int(w >> 32) }

// textWords encodes a string; the second word of a long one is zero.
func textWords(b []byte) (w0, w1 uint64) {
	n := len(b)
	w0 = uint64(n) << 32
	switch {
	case n > inline:
		return w0 | uint64(binary.LittleEndian.Uint32(b)), 0
	case n >= 8:
		return w0 | uint64(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint64(b[n-8:]) >> (8 * (12 - n))
	case n >= 4:
		return w0 | uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]) >> (8 * (8 - n)))
	}
	for i, c := range b {
		w0 |= uint64(c) << (8 * i)
	}
	return w0, 0
}

// arena keeps long strings in pages.
type arena struct {
	pages [][]byte
	size  int64
}

const pageBytes = 64 << 10

// reset forgets all strings but keeps a page.
func (a *arena) reset() {
	if len(a.pages) > 0 && cap(a.pages[0]) == pageBytes {
		invariants.Poison(a.pages[0])
		a.pages[0] = a.pages[0][:0]
		a.pages = a.pages[:1]
		a.size = pageBytes
		return
	}
	*a = arena{}
}

func (a *arena) bytes() int64 { return a.size }

// add copies a string and returns its second word.
func (a *arena) add(b []byte) uint64 {
	p := len(a.pages) - 1
	if p < 0 || cap(a.pages[p])-len(a.pages[p]) < len(b) {
		size := max(pageBytes, len(b))
		a.pages = append(a.pages, make([]byte, 0, size))
		a.size += int64(size)
		p++
	}
	start := len(a.pages[p])
	a.pages[p] = append(a.pages[p], b...)
	return uint64(p+1)<<32 | uint64(start)
}

// get returns a long string by its words.
func (a *arena) get(w0, w1 uint64) []byte {
	return a.pages[w1>>32-1][uint32(w1):][:textLen(w0)]
}

// appendText appends the string of two words.
func (a *arena) appendText(dst []byte, w0, w1 uint64) []byte {
	n := textLen(w0)
	if n > inline {
		return append(dst, a.get(w0, w1)...)
	}
	var b [inline]byte
	binary.LittleEndian.PutUint32(b[:], uint32(w0))
	binary.LittleEndian.PutUint64(b[4:], w1)
	return append(dst, b[:n]...)
}
