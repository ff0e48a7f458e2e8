package csv

import "encoding/binary"

// groupBytes is how much text is marked at once.
const groupBytes = 4096

const (
	eachByte = 0x0101010101010101
	low7     = eachByte * 0x7f
)

// markWords is mark by words of 8 bytes: a byte of x that is zero leaves a one in
// the high bit of its place, and a multiplication brings these bits together.
func markWords(marks *[2 * groupBytes / 64]uint64, t []byte, sep, stopA, stopB byte) {
	s, a, b := eachByte*uint64(sep), eachByte*uint64(stopA), eachByte*uint64(stopB)
	for k := 0; len(t) >= 64; k, t = k+2, t[64:] {
		var seps, stops uint64
		for i := 0; i < 64; i += 8 {
			w := binary.LittleEndian.Uint64(t[i:])
			x, y, z := w^s, w^a, w^b
			x = ^(x&low7 + low7 | x | low7)
			y = ^(y&low7 + low7 | y | low7)
			z = ^(z&low7 + low7 | z | low7)
			seps |= (x >> 7 * 0x0102040810204080) >> 56 << uint(i)
			stops |= ((y | z) >> 7 * 0x0102040810204080) >> 56 << uint(i)
		}
		marks[k], marks[k+1] = seps, stops
	}
}
