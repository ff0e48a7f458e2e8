package columnar

import "math/bits"

// Bitmap is one bit a row, least significant bit first, as Arrow lays it out. A
// nil Bitmap as validity means that every row is valid. Bits past the length
// are arbitrary.
type Bitmap []byte

// BitmapBytes returns the bytes that hold n bits, rounded up to 8 so that whole
// words can be read and written.
func BitmapBytes(n int) int { return (n + 63) / 64 * 8 }

// NewBitmap returns n zero bits.
func NewBitmap(n int) Bitmap { return make(Bitmap, BitmapBytes(n)) }

// Get reports bit i.
func (b Bitmap) Get(i int) bool { return b[i>>3]>>(uint(i)&7)&1 != 0 }

// Set sets bit i.
func (b Bitmap) Set(i int) { b[i>>3] |= 1 << (uint(i) & 7) }

// Clear clears bit i.
func (b Bitmap) Clear(i int) { b[i>>3] &^= 1 << (uint(i) & 7) }

// SetTo sets bit i to v.
func (b Bitmap) SetTo(i int, v bool) {
	if v {
		b.Set(i)
	} else {
		b.Clear(i)
	}
}

// Fill sets the first n bits to v; bits past n within the last byte too.
func (b Bitmap) Fill(n int, v bool) {
	x := byte(0)
	if v {
		x = 0xff
	}
	n = (n + 7) / 8
	for i := range b[:n] {
		b[i] = x
	}
}

// Count returns the number of set bits among the first n.
func (b Bitmap) Count(n int) int {
	c, i := 0, 0
	for ; i+8 <= n>>3; i += 8 {
		c += bits.OnesCount64(le64(b[i:]))
	}
	for ; i < n>>3; i++ {
		c += bits.OnesCount8(b[i])
	}
	if r := uint(n & 7); r != 0 {
		c += bits.OnesCount8(b[i] & (1<<r - 1))
	}
	return c
}

func le64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
