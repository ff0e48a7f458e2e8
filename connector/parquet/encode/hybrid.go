package encode

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/columnar"
)

// minRun is the least number of equal codes that are written as a run.
const minRun = 24

// appendCodes writes codes of a bit width as runs and packed groups of eight.
func appendCodes(b []byte, codes []uint32, width int) []byte {
	literal, i := 0, 0
	for i < len(codes) {
		x, k := codes[i], i+1
		for k < len(codes) && codes[k] == x {
			k++
		}
		fill := (8 - (i-literal)%8) % 8 // of the run, to end the packed group
		if run := k - i - fill; run >= minRun {
			b = appendPacked(b, codes[literal:i+fill], width)
			b = binary.AppendUvarint(b, uint64(run)<<1)
			for s := 0; s < width; s += 8 {
				b = append(b, byte(x>>s))
			}
			literal = k
		}
		i = k
	}
	return appendPacked(b, codes[literal:], width)
}

// appendPacked writes codes bit by bit, the last group filled with zeros.
func appendPacked(b []byte, codes []uint32, width int) []byte {
	if len(codes) == 0 {
		return b
	}
	groups := (len(codes) + 7) / 8
	b = binary.AppendUvarint(b, uint64(groups)<<1|1)
	b = grown(b, groups*width+8)
	at := len(b)
	end := at + groups*width
	out := b[at : end+8]
	acc, have, k := uint64(0), 0, 0
	for _, x := range codes {
		acc |= uint64(x) << have
		if have += width; have >= 32 {
			binary.LittleEndian.PutUint32(out[k:], uint32(acc))
			acc >>= 32
			have -= 32
			k += 4
		}
	}
	binary.LittleEndian.PutUint64(out[k:], acc)
	for k += 8; k < end-at; k++ {
		out[k] = 0
	}
	return b[:end]
}

// appendLevels writes the definition levels of n rows from bit at, a multiple of
// eight: after their length, as one run if all are valid.
func appendLevels(b []byte, valid columnar.Bitmap, at, n, nulls int) []byte {
	head := len(b)
	b = append(b, 0, 0, 0, 0)
	switch nulls {
	case 0:
		b = append(binary.AppendUvarint(b, uint64(n)<<1), 1)
	case n:
		b = append(binary.AppendUvarint(b, uint64(n)<<1), 0)
	default:
		groups := (n + 7) / 8
		b = binary.AppendUvarint(b, uint64(groups)<<1|1)
		b = append(b, valid[at/8:at/8+groups]...)
	}
	binary.LittleEndian.PutUint32(b[head:], uint32(len(b)-head-4))
	return b
}
