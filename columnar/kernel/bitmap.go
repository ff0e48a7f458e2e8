package kernel

import (
	"encoding/binary"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
)

// And, Or, AndNot and Not combine n bits into dst, a word at a time. A nil
// operand of And stands for all ones.
func And(dst, a, b columnar.Bitmap, n int) {
	n = columnar.BitmapBytes(n)
	switch {
	case a == nil && b == nil:
		for i := range dst[:n] {
			dst[i] = 0xff
		}
	case a == nil:
		copy(dst[:n], b[:n])
	case b == nil:
		copy(dst[:n], a[:n])
	default:
		for i := 0; i < n; i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(a[i:])&binary.LittleEndian.Uint64(b[i:]))
		}
	}
}

// Or is the bitwise or of a and b.
func Or(dst, a, b columnar.Bitmap, n int) {
	for i := 0; i < columnar.BitmapBytes(n); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(a[i:])|binary.LittleEndian.Uint64(b[i:]))
	}
}

// AndNot keeps the bits of a that are not in b.
func AndNot(dst, a, b columnar.Bitmap, n int) {
	for i := 0; i < columnar.BitmapBytes(n); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(a[i:])&^binary.LittleEndian.Uint64(b[i:]))
	}
}

// Not inverts a.
func Not(dst, a columnar.Bitmap, n int) {
	for i := 0; i < columnar.BitmapBytes(n); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], ^binary.LittleEndian.Uint64(a[i:]))
	}
}

// SelectBits appends to out the rows, among sel or all n, whose bit is set and
// which are valid (a nil valid means all).
func SelectBits(b, valid columnar.Bitmap, n int, sel, out []uint16) []uint16 {
	if sel != nil {
		out = out[:cap(out)]
		if len(out) < len(sel) {
			out = make([]uint16, len(sel))
		}
		k := 0
		if valid == nil {
			for _, r := range sel {
				out[k] = r
				k += int(b[r>>3] >> (r & 7) & 1)
			}
		} else {
			for _, r := range sel {
				out[k] = r
				k += int((b[r>>3] & valid[r>>3]) >> (r & 7) & 1)
			}
		}
		return out[:k]
	}
	out = out[:0]
	for base := 0; base < n; base += 64 {
		w := binary.LittleEndian.Uint64(b[base>>3:])
		if valid != nil {
			w &= binary.LittleEndian.Uint64(valid[base>>3:])
		}
		if n-base < 64 {
			w &= 1<<(n-base) - 1
		}
		if w == ^uint64(0) {
			for i := range 64 {
				out = append(out, uint16(base+i))
			}
			continue
		}
		for w != 0 {
			out = append(out, uint16(base+bits.TrailingZeros64(w)))
			w &= w - 1
		}
	}
	return out
}
