package decode

import (
	"encoding/binary"
	"errors"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

var errCodes = errors.New("a run of levels or codes is cut off")

// Hybrid reads numbers of a bit width that are stored as runs and packed groups
// of eight.
type Hybrid struct {
	b      []byte // what follows the current run
	width  int
	left   int    // values left of the current run
	value  uint32 // of all of them, if packed is nil
	packed []byte
	at     int // next value of packed
}

// newHybrid reads numbers of 0 to 32 bits.
func newHybrid(b []byte, width int) Hybrid { return Hybrid{b: b, width: width} }

// run begins the next run.
func (h *Hybrid) run() error {
	for h.left == 0 {
		x, n := binary.Uvarint(h.b)
		if n <= 0 || x>>1 > 1<<31 {
			return errCodes
		}
		h.b = h.b[n:]
		h.packed = nil
		if x&1 == 0 {
			size := (h.width + 7) / 8
			if size > len(h.b) {
				return errCodes
			}
			h.value = 0
			for i := range size {
				h.value |= uint32(h.b[i]) << (8 * i)
			}
			h.b, h.left = h.b[size:], int(x>>1)
			continue
		}
		groups := int(x >> 1)
		if h.width == 0 {
			h.value, h.left = 0, groups*8
			continue
		}
		size := groups * h.width
		h.left = groups * 8
		if size > len(h.b) { // some writers cut the last group off
			size = len(h.b)
			h.left = size * 8 / h.width
			if h.left == 0 {
				return errCodes
			}
		}
		h.packed, h.at, h.b = h.b[:size:size], 0, h.b[size:]
	}
	return nil
}

// Codes fills out with the next numbers: zeros, without an end, if they have no
// bits.
func (h *Hybrid) Codes(out []uint32) error {
	if h.width == 0 && len(h.b) == 0 && h.left == 0 {
		clear(out)
		return nil
	}
	for len(out) > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		k := min(h.left, len(out))
		if h.packed == nil {
			fill(out[:k], h.value)
		} else {
			h.unpack(out[:k])
		}
		h.left -= k
		out = out[k:]
	}
	return nil
}

func fill(out []uint32, x uint32) {
	for i := range out {
		out[i] = x
	}
}

// unpack reads packed values of the current run.
func (h *Hybrid) unpack(out []uint32) {
	for len(out) > 0 && h.at%8 != 0 {
		out[0] = h.one()
		out = out[1:]
	}
	n := len(out) &^ 7
	if full := (len(h.packed)*8/h.width - h.at) &^ 7; n > full {
		n = full
	}
	unpack(out[:n], h.packed[h.at/8*h.width:], h.width)
	h.at += n
	for i := n; i < len(out); i++ {
		out[i] = h.one()
	}
}

// one reads one packed value.
func (h *Hybrid) one() uint32 {
	bit := h.at * h.width
	h.at++
	var x uint64
	for i := 0; i < 5 && bit/8+i < len(h.packed); i++ {
		x |= uint64(h.packed[bit/8+i]) << (8 * i)
	}
	return uint32(x >> (bit & 7) & (1<<h.width - 1))
}

// unpack reads groups of eight: len(out) is a multiple of eight and b holds as
// many groups at least.
func unpack(out []uint32, b []byte, width int) {
	if width == 0 {
		clear(out)
		return
	}
	n := unpackMost(out, b, width)
	unpackRest(out[8*n:], b[n*width:], width)
}

// unpackRest is unpack in Go.
func unpackRest(out []uint32, b []byte, width int) {
	mask := uint32(1<<width - 1)
	w := uint(width)
	switch {
	case width <= 8:
		for len(out) >= 8 && len(b) >= 8 {
			x := binary.LittleEndian.Uint64(b)
			o := out[:8:8]
			o[0] = uint32(x) & mask
			o[1] = uint32(x>>(w&63)) & mask
			o[2] = uint32(x>>(2*w&63)) & mask
			o[3] = uint32(x>>(3*w&63)) & mask
			o[4] = uint32(x>>(4*w&63)) & mask
			o[5] = uint32(x>>(5*w&63)) & mask
			o[6] = uint32(x>>(6*w&63)) & mask
			o[7] = uint32(x>>(7*w&63)) & mask
			out, b = out[8:], b[width:]
		}
	case width <= 16:
		half, odd := width/2, 4*(w&1)
		for len(out) >= 8 && len(b) >= width+8 {
			x := binary.LittleEndian.Uint64(b)
			y := binary.LittleEndian.Uint64(b[half:]) >> (odd & 63)
			o := out[:8:8]
			o[0] = uint32(x) & mask
			o[1] = uint32(x>>(w&63)) & mask
			o[2] = uint32(x>>(2*w&63)) & mask
			o[3] = uint32(x>>(3*w&63)) & mask
			o[4] = uint32(y) & mask
			o[5] = uint32(y>>(w&63)) & mask
			o[6] = uint32(y>>(2*w&63)) & mask
			o[7] = uint32(y>>(3*w&63)) & mask
			out, b = out[8:], b[width:]
		}
	default:
		for len(out) >= 8 && len(b) >= width+8 {
			o := out[:8:8]
			for i := range o {
				bit := uint(i) * w
				o[i] = uint32(binary.LittleEndian.Uint64(b[bit>>3:])>>(bit&7)) & mask
			}
			out, b = out[8:], b[width:]
		}
	}
	var last [64]byte // groups near the end, from where eight bytes cannot be loaded
	for len(out) >= 8 {
		n := copy(last[:], b[:width])
		clear(last[n:])
		o := out[:8:8]
		for i := range o {
			bit := uint(i) * w
			o[i] = uint32(binary.LittleEndian.Uint64(last[bit>>3:])>>(bit&7)) & mask
		}
		out, b = out[8:], b[width:]
	}
}

// Bits reads n numbers of one bit into a bitmap from bit at on.
func (h *Hybrid) Bits(dst columnar.Bitmap, at, n int) error {
	for n > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		k := min(h.left, n)
		if h.packed == nil {
			kernel.FillBits(dst, at, k, h.value&1 != 0)
		} else {
			kernel.CopyBits(dst, at, columnar.Bitmap(h.packed), h.at, k)
			h.at += k
		}
		h.left -= k
		at += k
		n -= k
	}
	return nil
}

// AllOnes reports whether the next n numbers are of one run of ones, and passes
// them if so.
func (h *Hybrid) AllOnes(n int) bool {
	if h.left == 0 && h.run() != nil {
		return false
	}
	if h.packed != nil || h.value != 1 || h.left < n {
		return false
	}
	h.left -= n
	return true
}

// Skip passes n numbers.
func (h *Hybrid) Skip(n int) error {
	for n > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		k := min(h.left, n)
		h.left -= k
		h.at += k
		n -= k
	}
	return nil
}

// SkipBits passes n numbers of one bit and returns how many are one.
func (h *Hybrid) SkipBits(n int) (ones int, err error) {
	for n > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return 0, err
			}
		}
		k := min(h.left, n)
		if h.packed == nil {
			ones += k * int(h.value&1)
		} else {
			ones += countBits(h.packed, h.at, k)
			h.at += k
		}
		h.left -= k
		n -= k
	}
	return ones, nil
}

// countBits counts the ones among n bits from bit at on.
func countBits(b []byte, at, n int) (ones int) {
	for ; n > 0 && at&7 != 0; at, n = at+1, n-1 {
		ones += int(b[at>>3] >> (at & 7) & 1)
	}
	return ones + columnar.Bitmap(b[at>>3:]).Count(n)
}
