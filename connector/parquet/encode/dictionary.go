package encode

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// maxDictionary is the size in bytes at which a dictionary is given up.
const maxDictionary = 1 << 20

// probation is how many values a dictionary sees before it is judged.
const probation = 4096

// dictionary numbers byte strings in the order in which they come.
type dictionary struct {
	text  []byte
	off   []int32
	hash  []uint64
	slots []int32 // code plus one
}

func newDictionary() *dictionary {
	return &dictionary{off: []int32{0}, slots: make([]int32, 1024)}
}

func (d *dictionary) len() int { return len(d.off) - 1 }

func (d *dictionary) value(code uint32) []byte { return d.text[d.off[code]:d.off[code+1]] }

func (d *dictionary) code(b []byte) uint32 {
	h := kernel.HashBytes(b)
	mask := len(d.slots) - 1
	for at := int(h) & mask; ; at = (at + 1) & mask {
		k := d.slots[at]
		if k == 0 {
			d.slots[at] = int32(len(d.off))
			d.text = append(d.text, b...)
			d.off = append(d.off, int32(len(d.text)))
			d.hash = append(d.hash, h)
			if 2*len(d.off) > len(d.slots) {
				d.grow()
			}
			return uint32(len(d.off) - 2)
		}
		if d.hash[k-1] == h && string(d.value(uint32(k-1))) == string(b) {
			return uint32(k - 1)
		}
	}
}

func (d *dictionary) grow() {
	d.slots = make([]int32, 4*len(d.slots))
	mask := len(d.slots) - 1
	for i, h := range d.hash {
		at := int(h) & mask
		for d.slots[at] != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = int32(i + 1)
	}
}

// pointless reports whether n values have so many different ones that codes do
// not pay.
func (d *dictionary) pointless(n int) bool {
	return len(d.text) > maxDictionary || n >= probation && d.len() > n/2
}

// numbers is a dictionary of fixed-width values.
type numbers[T comparable] struct {
	values []T
	slots  []int32
}

// codesOf numbers values in the order in which they come; ok is false if there
// are more than limit.
func codesOf[T comparable](values []T, limit int, hash func(T) uint64, codes []uint32) (dict []T, out []uint32, ok bool) {
	size := 1024
	for size < 2*min(limit, len(values)) {
		size *= 2
	}
	d := numbers[T]{slots: make([]int32, size)}
	mask := size - 1
	codes = codes[:0]
	for i, x := range values {
		at := int(hash(x)>>32) & mask
		for {
			k := d.slots[at]
			if k == 0 {
				if len(d.values) >= limit || i >= probation && len(d.values) > i*7/8 {
					return nil, codes, false
				}
				d.values = append(d.values, x)
				k = int32(len(d.values))
				d.slots[at] = k
			} else if d.values[k-1] != x {
				at = (at + 1) & mask
				continue
			}
			codes = append(codes, uint32(k-1))
			break
		}
	}
	return d.values, codes, true
}

func hash32(x uint32) uint64 { return uint64(x) * 0x9e3779b97f4a7c15 }

func hash64(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	return x ^ x>>29
}

func hash128(x columnar.Int128) uint64 { return hash64(x.Lo ^ uint64(x.Hi)*0xbf58476d1ce4e5b9) }

// bitsFor returns the width of codes below n.
func bitsFor(n int) int {
	w := 0
	for 1<<w < n {
		w++
	}
	return w
}
