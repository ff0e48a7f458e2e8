package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// Numbers that lie close together are stored as their distance from the least one,
// in as few bytes as the largest takes: what LZ4 makes of the zeros between them is
// longer, and takes longer. Or in as few bits, where LZ4 does no better.
//
//	bytes of a value · bytes of a distance · how · least value u64 · distances
const narrowHead = 1 + 1 + 1 + 8

// How distances are stored.
const (
	narrowBytes = iota
	narrowLZ4
	narrowBits // and their width is in bits
)

// narrowed are buffers for distances.
var narrowed = sync.Pool{New: func() any { return new([]byte) }}

func putNarrowed(p *[]byte) {
	invariants.Poison(*p)
	narrowed.Put(p)
}

// appendNarrow appends the values of a buffer as distances, if they are numbers for
// which that saves half.
func appendNarrow(body []byte, x buffer) (_ []byte, ok bool) {
	if len(x.raw) > maxFill {
		return body, false
	}
	p := narrowed.Get().(*[]byte)
	defer putNarrowed(p)
	var least uint64
	var w, width int
	switch x.width {
	case 8:
		*p, least, w, width = distances((*p)[:0], columnar.View[int64](x.raw, len(x.raw)/8), 4)
	case 4:
		*p, least, w, width = distances((*p)[:0], columnar.View[int32](x.raw, len(x.raw)/4), 2)
	}
	if w == 0 {
		return body, false
	}
	body = append(body, byte(x.width), byte(w), 0)
	flag := len(body) - 1
	body = binary.LittleEndian.AppendUint64(body, least)
	at, most := len(body), len(*p)-len(*p)/8
	body = slices.Grow(body, len(*p))
	n, err := lz4.CompressBlock(*p, body[at:at+most], nil)
	if err != nil || n == 0 {
		n = most
	}
	if packedBytes(len(*p)/w, width) < n {
		body[flag-1], body[flag] = byte(width), narrowBits
		return pack(body, *p, w, width), true
	}
	if n < most {
		body[flag] = narrowLZ4
		return body[:at+n], true
	}
	return append(body, *p...), true
}

// distances writes how far values are from the least one, in w bytes of at most
// most; w is 0 if they need more. The largest one has width bits, one at least.
func distances[T int32 | int64](dst []byte, values []T, most int) (_ []byte, least uint64, w, width int) {
	low, high := values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	d := uint64(high) - uint64(low)
	switch {
	case d <= math.MaxUint8:
		w = 1
	case d <= math.MaxUint16:
		w = 2
	case d <= math.MaxUint32:
		w = 4
	}
	if w == 0 || w > most {
		return dst, 0, 0, 0
	}
	dst = slices.Grow(dst, w*len(values)+8)[:w*len(values)]
	switch w {
	case 1:
		subtract(dst, values, low)
	case 2:
		subtract(columnar.View[uint16](dst, len(values)), values, low)
	default:
		subtract(columnar.View[uint32](dst, len(values)), values, low)
	}
	return dst, uint64(low), w, max(1, bits.Len64(d))
}

func subtract[D uint8 | uint16 | uint32, T int32 | int64](dst []D, values []T, low T) {
	dst = dst[:len(values)]
	for i, v := range values {
		dst[i] = D(v - low)
	}
}

// widen is the reverse of appendNarrow, into a buffer of the values' length.
func widen(out, src []byte) error {
	width, w, how := int(src[0]), int(src[1]), src[2]
	low, src := binary.LittleEndian.Uint64(src[3:]), src[narrowHead:]
	if width != 4 && width != 8 || len(out)%width != 0 || how > narrowBits {
		return corrupt("values of %d bytes in %d", width, len(out))
	}
	n := len(out) / width
	if how == narrowBits {
		if w < 1 || w > 4*width || len(src) != packedBytes(n, w) {
			return corrupt("%d bytes for %d distances of %d bits", len(src), n, w)
		}
		if width == 8 {
			unpack(columnar.View[int64](out, n), src, w, int64(low))
		} else {
			unpack(columnar.View[int32](out, n), src, w, int32(low))
		}
		return nil
	}
	if w != 1 && w != 2 && w != 4 || w >= width {
		return corrupt("values of %d bytes in %d", width, w)
	}
	p := narrowed.Get().(*[]byte)
	defer putNarrowed(p)
	*p = slices.Grow((*p)[:0], n*w+8)[:n*w]
	if how == narrowLZ4 {
		if k, err := lz4.UncompressBlock(src, *p); err != nil || k != len(*p) {
			return corrupt("an LZ4 block is damaged")
		}
	} else if copy(*p, src) != len(*p) || len(src) != len(*p) {
		return corrupt("%d bytes of distances, expected %d", len(src), len(*p))
	}
	if width == 8 {
		add(columnar.View[int64](out, n), *p, w, int64(low))
	} else {
		add(columnar.View[int32](out, n), *p, w, int32(low))
	}
	return nil
}

func add[T int32 | int64](dst []T, distances []byte, w int, low T) {
	switch w {
	case 1:
		for i, d := range distances[:len(dst)] {
			dst[i] = low + T(d)
		}
	case 2:
		for i, d := range columnar.View[uint16](distances, len(dst)) {
			dst[i] = low + T(d)
		}
	default:
		for i, d := range columnar.View[uint32](distances, len(dst)) {
			dst[i] = low + T(d)
		}
	}
}
