package decode

import (
	"encoding/binary"
	"errors"
)

var errDelta = errors.New("delta-encoded values are damaged")

// maxMini bounds the values of a miniblock.
const maxMini = 1 << 16

// delta reads DELTA_BINARY_PACKED numbers: blocks of miniblocks, each of packed
// differences less the block's least one.
type delta struct {
	b       []byte
	left    int // values not read yet
	perMini int
	minis   int    // per block
	widths  []byte // of the current block's miniblocks that are not begun
	least   uint64 // of the current block
	value   uint64 // the last value
	first   bool   // the first value, which the header has, was not read yet
	wide    int    // bits of the packed differences
	packed  []byte // the current miniblock
	at      int    // next of its values
	have    int    // its values
}

func newDelta(b []byte) (delta, error) {
	var d delta
	d.b = b
	block, ok1 := d.uvarint()
	minis, ok2 := d.uvarint()
	total, ok3 := d.uvarint()
	value, ok4 := d.uvarint()
	if !ok1 || !ok2 || !ok3 || !ok4 || minis == 0 || block%minis != 0 || block/minis > maxMini || block/minis%8 != 0 || minis > maxMini || total > 1<<31 {
		return d, errDelta
	}
	d.perMini, d.minis, d.left = int(block/minis), int(minis), int(total)
	d.value, d.first = zigzag(value), true
	return d, nil
}

func (d *delta) uvarint() (uint64, bool) {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		return 0, false
	}
	d.b = d.b[n:]
	return x, true
}

func zigzag(x uint64) uint64 { return x>>1 ^ -(x & 1) }

// mini begins the next miniblock.
func (d *delta) mini() error {
	if len(d.widths) == 0 {
		x, ok := d.uvarint()
		if !ok || len(d.b) < d.minis || d.perMini == 0 {
			return errDelta
		}
		d.least = zigzag(x)
		d.widths, d.b = d.b[:d.minis], d.b[d.minis:]
	}
	d.wide, d.widths = int(d.widths[0]), d.widths[1:]
	size := d.perMini / 8 * d.wide
	if d.wide > 64 || size > len(d.b) {
		return errDelta
	}
	d.packed, d.b = d.b[:size], d.b[size:]
	d.at, d.have = 0, d.perMini
	return nil
}

// next fills out; numbers of 32 bits are the low half.
func (d *delta) next(out []int64) error {
	if len(out) > d.left {
		return errDelta
	}
	d.left -= len(out)
	if d.first && len(out) > 0 {
		out[0] = int64(d.value)
		out, d.first = out[1:], false
	}
	for len(out) > 0 {
		if d.at == d.have {
			if err := d.mini(); err != nil {
				return err
			}
		}
		k := min(len(out), d.have-d.at)
		x := d.value
		for i := range out[:k] {
			x += d.least + bitsAt(d.packed, (d.at+i)*d.wide, d.wide)
			out[i] = int64(x)
		}
		d.value = x
		d.at += k
		out = out[k:]
	}
	return nil
}

// bitsAt returns the number of some bits, 0 to 64, that begins at a bit.
func bitsAt(b []byte, bit, width int) uint64 {
	if width == 0 {
		return 0
	}
	at, shift := bit>>3, uint(bit&7)
	var x uint64
	if at+8 <= len(b) {
		x = binary.LittleEndian.Uint64(b[at:]) >> shift
	} else {
		for i, c := range b[at:] {
			x |= uint64(c) << (8 * i)
		}
		x >>= shift
	}
	if int(shift)+width > 64 && at+8 < len(b) {
		x |= uint64(b[at+8]) << (64 - shift)
	}
	return x & (^uint64(0) >> (64 - uint(width)))
}

// end returns what follows the last value. It may be called before any is read
// only.
func (d delta) end() ([]byte, error) {
	for left := d.left - 1; left > 0; left -= d.perMini {
		if err := d.mini(); err != nil {
			return nil, err
		}
	}
	return d.b, nil
}
