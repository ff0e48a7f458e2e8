package chunk

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/columnar"
)

// packSlack is the zeros behind packed distances: so that the last one can be read
// as a word.
const packSlack = 8

// packedBytes is what n distances of some bits take.
func packedBytes(n, bits int) int { return (n*bits+7)/8 + packSlack }

// pack appends distances, in w bytes each, as so many bits each, at most 32, the
// lowest first.
func pack(dst, distances []byte, w, bits int) []byte {
	n := len(distances) / w
	at, size := len(dst), packedBytes(n, bits)
	dst = append(dst, make([]byte, size)...)
	switch out := dst[at:]; w {
	case 1:
		packInto(out, distances, bits)
	case 2:
		packInto(out, columnar.View[uint16](distances, n), bits)
	default:
		packInto(out, columnar.View[uint32](distances, n), bits)
	}
	return dst
}

func packInto[D uint8 | uint16 | uint32](out []byte, distances []D, bits int) {
	word, fill, at := uint64(0), 0, 0
	for _, d := range distances {
		word |= uint64(d) << fill
		if fill += bits; fill >= 32 {
			binary.LittleEndian.PutUint32(out[at:], uint32(word))
			word, fill, at = word>>32, fill-32, at+4
		}
	}
	binary.LittleEndian.PutUint32(out[at:], uint32(word))
}

// unpack is the reverse of pack, with low added. Src has as many bytes as that takes.
func unpack[T int32 | int64](dst []T, src []byte, bits int, low T) {
	mask, at := uint64(1)<<bits-1, 0
	for i := range dst {
		dst[i] = low + T(binary.LittleEndian.Uint64(src[at>>3:])>>(at&7)&mask)
		at += bits
	}
}
