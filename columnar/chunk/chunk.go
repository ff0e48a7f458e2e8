// Package chunk turns a batch into one self-contained run of bytes and back:
// what shuffles, spills and caches store and send.
//
//	header   magic "MRCK" · version · rows · columns
//	         per column: encoding, width, flags · per buffer: raw and stored length
//	         CRC32C of all that · xxh64 of the body
//	body     the buffers, one after the other, each raw or an LZ4 block
//
// A flat or constant column has the buffers validity (if it has nulls), data
// and, for strings, bytes; a dictionary column has validity, codes and the
// data and bytes of its values. A nested column is followed by its children: a
// list or map has its offsets as data, a struct none. Types are not stored: both
// sides know the schema.
//
// Invariants:
//
//   - H1 Decode(Encode(b)) is b without Sel and Hash: rows that do not count are
//     dropped; encodings and decimal widths are kept.
//   - H2 Decoding never panics and allocates no more than the body's stored
//     bytes can plausibly expand to (LZ4: 255 times) and the bounds allow.
//   - H3 A decoded vector keeps the invariants of columnar: offsets ascend within
//     the bytes, codes lie below the dictionary's length.
//
// It imports columnar, kernel, diag, lz4 and xxhash. It is tested by round trips
// of all flat types and encodings and by fuzzing.
package chunk

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/pierrec/lz4/v4"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Version of the format; decoders refuse others.
const Version = 1

const (
	magic       = "MRCK"
	fixedHeader = 4 + 1 + 4 + 4 // magic, version, rows, columns
	columnBytes = 4             // encoding, width, flags, reserved
	bufferBytes = 8             // raw length, stored length
	trailer     = 4 + 8         // CRC32C, xxh64
	minLZ4      = 256           // smaller buffers stay raw
	maxBuffer   = 1 << 30       // raw bytes of one buffer
	maxRaw      = 1 << 31       // raw bytes of a chunk
	expansion   = 255           // the most that LZ4 makes of a byte
)

// Column flags.
const (
	hasValid = 1 << iota
	isUnique
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// buffers lists a column's buffers in the order in which they are stored.
func buffers(v *columnar.Vector) [][]byte {
	var out [][]byte
	n := v.Len
	if v.Enc == columnar.Const {
		n = 1
	}
	if v.Type.Kind == columnar.Null {
		return nil
	}
	if v.Valid != nil {
		out = append(out, v.Valid[:(n+7)/8])
	}
	if v.Enc == columnar.Dict {
		out = append(out, v.Data[:4*n])
		v, n = &v.Dict.Values, v.Dict.Values.Len
	}
	switch {
	case v.Type.Kind == columnar.Struct:
		return out
	case v.Type.Kind == columnar.Bool:
		return append(out, v.Data[:(n+7)/8])
	case v.Type.IsNested():
		return append(out, columnar.BytesOf(based(columnar.View[int32](v.Data, n+1))))
	case v.Type.IsBytes():
		off := columnar.View[int32](v.Data, n+1)
		return append(out, columnar.BytesOf(based(off)), v.Bytes[off[0]:off[n]])
	}
	return append(out, v.Data[:n*int(v.Width)])
}

// based returns offsets that begin at zero.
func based(off []int32) []int32 {
	if off[0] == 0 {
		return off
	}
	out := make([]int32, len(off))
	for i, o := range off {
		out[i] = o - off[0]
	}
	return out
}

// expand appends a column and, behind it, what it is nested of.
func expand(dst []columnar.Vector, v *columnar.Vector) []columnar.Vector {
	x := small(v)
	if !x.Type.IsNested() {
		return append(dst, x)
	}
	if x.Enc != columnar.Flat {
		x = kernel.Flatten(&x, nil)
	}
	dst = append(dst, x)
	from, n := 0, x.Len
	if x.Type.Kind != columnar.Struct {
		off := x.Offsets()
		from, n = int(off[0]), int(off[n]-off[0])
	}
	for i := range x.Kids {
		kid := kernel.Slice(&x.Kids[i], from, n, nil)
		dst = expand(dst, &kid)
	}
	return dst
}

// small replaces a dictionary that has more values than the column has rows by
// the values themselves.
func small(v *columnar.Vector) columnar.Vector {
	if v.Enc == columnar.Dict && (v.Len == 0 || v.Dict.Values.Len > max(v.Len, 16)) {
		return kernel.Flatten(v, nil)
	}
	return *v
}

// Codec is what buffers are stored as.
type Codec uint8

// Raw stores bytes as they are; LZ4 those buffers as LZ4 blocks that get shorter.
const (
	Raw Codec = iota
	LZ4
)

// Encode returns the selected rows of a batch as a chunk of LZ4 blocks.
func Encode(b *columnar.Batch) ([]byte, error) { return Append(nil, b, LZ4) }

// Append is Encode by a codec, behind what dst holds.
func Append(dst []byte, b *columnar.Batch, codec Codec) ([]byte, error) {
	b = kernel.Compact(b, nil)
	cols := make([]columnar.Vector, 0, len(b.Cols))
	for i := range b.Cols {
		cols = expand(cols, &b.Cols[i])
	}
	parts := make([][][]byte, len(cols))
	size := fixedHeader
	for i := range cols {
		parts[i] = buffers(&cols[i])
		size += columnBytes + bufferBytes*len(parts[i])
	}
	from := len(dst)
	dst = slices.Grow(dst, size+trailer)[:from+size+trailer] // the body follows; then this is filled
	head := append(dst[from:from:from+size+trailer], magic...)
	head = append(head, Version)
	head = binary.LittleEndian.AppendUint32(head, uint32(b.Rows))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(b.Cols)))
	for i := range cols {
		v := &cols[i]
		flags := byte(0)
		if v.Valid != nil && v.Type.Kind != columnar.Null {
			flags |= hasValid
		}
		width := v.Width
		if v.Enc == columnar.Dict {
			width = v.Dict.Values.Width
			if v.Dict.Unique {
				flags |= isUnique
			}
		}
		head = append(head, byte(v.Enc), width, flags, 0)
		for _, raw := range parts[i] {
			if len(raw) > maxBuffer {
				return nil, diag.New(diag.MemoryLimit, "a column of %d MiB is too large for one chunk", len(raw)>>20).
					WithRemedy("use smaller batches or shorter strings")
			}
			at := len(dst)
			dst = appendBuffer(dst, raw, codec)
			head = binary.LittleEndian.AppendUint32(head, uint32(len(raw)))
			head = binary.LittleEndian.AppendUint32(head, uint32(len(dst)-at))
		}
	}
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	head = binary.LittleEndian.AppendUint64(head, xxhash.Sum64(dst[from+size+trailer:]))
	copy(dst[from:], head) // the body may have moved
	return dst, nil
}

// appendBuffer appends raw as an LZ4 block, or as it is when that is not
// shorter: equal lengths mean raw.
func appendBuffer(body, raw []byte, codec Codec) []byte {
	at := len(body)
	body = append(body, raw...) // as much room as the block may take
	if len(raw) < minLZ4 || codec == Raw {
		return body
	}
	n, err := lz4.CompressBlock(raw, body[at:at+len(raw)-1], nil)
	if err != nil || n == 0 {
		copy(body[at:], raw)
		return body
	}
	return body[:at+n]
}
