package kernel

import "github.com/millrace-engine/millrace/columnar"

// CopyBits copies n bits of src from bit from on to dst from bit at on. Other
// bits of dst stay as they are.
func CopyBits(dst columnar.Bitmap, at int, src columnar.Bitmap, from, n int) {
	for n > 0 && at&7 != 0 { // up to a byte of dst
		dst.SetTo(at, src.Get(from))
		at, from, n = at+1, from+1, n-1
	}
	whole := n >> 3
	d, s := dst[at>>3:], src[from>>3:]
	if sh := uint(from & 7); sh == 0 {
		copy(d[:whole], s[:whole])
	} else if whole > 0 {
		d, s = d[:whole], s[:whole+1]
		for i := range d {
			d[i] = s[i]>>sh | s[i+1]<<(8-sh)
		}
	}
	at, from, n = at+whole<<3, from+whole<<3, n&7
	for i := range n {
		dst.SetTo(at+i, src.Get(from+i))
	}
}

// FillBits sets n bits of dst from bit at on to v.
func FillBits(dst columnar.Bitmap, at, n int, v bool) {
	for n > 0 && at&7 != 0 {
		dst.SetTo(at, v)
		at, n = at+1, n-1
	}
	b := byte(0)
	if v {
		b = 0xff
	}
	d := dst[at>>3:][:n>>3]
	for i := range d {
		d[i] = b
	}
	at, n = at+n&^7, n&7
	for i := range n {
		dst.SetTo(at+i, v)
	}
}

// gatherBits writes bits rows[i] of src to dst from bit at on.
func gatherBits[I index](dst columnar.Bitmap, at int, src columnar.Bitmap, rows []I) {
	for len(rows) > 0 && at&7 != 0 {
		dst.SetTo(at, src.Get(int(rows[0])))
		at, rows = at+1, rows[1:]
	}
	d := dst[at>>3:]
	for k := 0; len(rows) >= 8; k++ {
		r := rows[:8]
		d[k] = src[r[0]>>3]>>(r[0]&7)&1 |
			src[r[1]>>3]>>(r[1]&7)&1<<1 |
			src[r[2]>>3]>>(r[2]&7)&1<<2 |
			src[r[3]>>3]>>(r[3]&7)&1<<3 |
			src[r[4]>>3]>>(r[4]&7)&1<<4 |
			src[r[5]>>3]>>(r[5]&7)&1<<5 |
			src[r[6]>>3]>>(r[6]&7)&1<<6 |
			src[r[7]>>3]>>(r[7]&7)&1<<7
		at, rows = at+8, rows[8:]
	}
	for i, r := range rows {
		dst.SetTo(at+i, src.Get(int(r)))
	}
}
