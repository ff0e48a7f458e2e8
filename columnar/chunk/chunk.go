// Package chunk turns a batch into one self-contained run of bytes and back:
// what shuffles, spills and caches store and send. It does the same for schemas. A
// sheet tells where a batch lies in memory that another process maps (Sheet).
//
//	header   magic "MRCK" · version · rows · columns
//	         per column: encoding, width, flags
//	           per buffer: raw length and flags, stored length and form
//	         CRC32C of all that · xxh64 of the body
//	body     the buffers, one after the other: raw, an LZ4 block, one byte that
//	         stands for as many as the raw length, or numbers in fewer bytes or bits
//
// A flat or constant column has the buffers validity (if it has nulls), data
// and, for strings, bytes; a dictionary column has validity, codes and the
// data and bytes of its values. A nested column is followed by its children: a
// list or map has its offsets as data, a struct none. Offsets that are compressed
// are stored as lengths. Types are not stored: both sides know the schema.
//
// Invariants:
//
//   - H1 Decode(Encode(b)) is b without Sel and Hash: rows that do not count are
//     dropped; decimal widths are kept, and encodings, but that flat strings of
//     which few are different come back as a dictionary (few.go).
//   - H2 Decoding never panics and allocates no more than the body's stored
//     bytes can plausibly expand to (LZ4: 255 times; a repeated byte: a column of
//     the schema) and the bounds allow.
//   - H3 A decoded vector keeps the invariants of columnar: offsets ascend within
//     the bytes, codes lie below the dictionary's length.
//
// It imports columnar, kernel, diag, lz4 and xxhash. It is tested by round trips
// of all types and encodings and by fuzzing.
package chunk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/pierrec/lz4/v4"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/invariants"
)

// Version of the format. Decoders refuse others, but 2, which lacks numbers in fewer
// bytes, and 3, which lacks them in bits.
const (
	Version = 4
	oldest  = 2
)

const (
	magic       = "MRCK"
	fixedHeader = 4 + 1 + 4 + 4 // magic, version, rows, columns
	columnBytes = 4             // encoding, width, flags, reserved
	bufferBytes = 8             // raw length, stored length
	trailer     = 4 + 8         // CRC32C, xxh64
	minLZ4      = 256           // smaller buffers stay raw
	maxBuffer   = 1<<30 - 1     // raw bytes of one buffer
	maxRaw      = 1 << 31       // raw bytes of a chunk
	maxFill     = 16 * columnar.MaxRows
	expansion   = 255 // the most that LZ4 makes of a byte
)

// Column flags.
const (
	hasValid = 1 << iota
	isUnique
)

// The form of a buffer: the two highest bits of its stored length.
const (
	formRaw = iota << 30
	formLZ4
	formFill   // one byte, repeated; at most maxFill times
	formNarrow // values of 4 or 8 bytes in fewer, or in bits (narrow.go); at most maxFill bytes
	formMask   = 3 << 30
)

// lengths marks, in a raw length, offsets that are stored as lengths: one less, and
// the first offset is 0.
const lengths = 1 << 31

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// buffer is a buffer of a column.
type buffer struct {
	raw     []byte
	offsets bool // that begin at 0
	width   int  // of values of a fixed width; 0: of others
}

// buffers lists a column's buffers in the order in which they are stored.
func buffers(dst []buffer, v *columnar.Vector) []buffer {
	n := v.Len
	if v.Enc == columnar.Const {
		n = 1
	}
	if v.Type.Kind == columnar.Null {
		return dst
	}
	if v.Valid != nil {
		dst = append(dst, buffer{raw: v.Valid[:(n+7)/8]})
	}
	if v.Enc == columnar.Dict {
		dst = append(dst, buffer{raw: v.Data[:4*n], width: 4})
		v, n = &v.Dict.Values, v.Dict.Values.Len
	}
	switch {
	case v.Type.Kind == columnar.Struct:
		return dst
	case v.Type.Kind == columnar.Bool:
		return append(dst, buffer{raw: v.Data[:(n+7)/8]})
	case v.Type.IsNested():
		return append(dst, buffer{raw: columnar.BytesOf(based(columnar.View[int32](v.Data, n+1))), offsets: true})
	case v.Type.IsBytes():
		off := columnar.View[int32](v.Data, n+1)
		return append(dst, buffer{raw: columnar.BytesOf(based(off)), offsets: true}, buffer{raw: v.Bytes[off[0]:off[n]]})
	}
	return append(dst, buffer{raw: v.Data[:n*int(v.Width)], width: int(v.Width)})
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

// expand appends a column and, behind it, what it is nested of. Validity without a
// null is left out.
func expand(dst []columnar.Vector, v *columnar.Vector, s *memory.Scratch) []columnar.Vector {
	x := small(v, s)
	if n := x.Len; x.Valid != nil && x.Type.Kind != columnar.Null && x.Enc != columnar.Const && x.Valid.Count(n) == n {
		x.Valid = nil
	}
	if !x.Type.IsNested() {
		return append(dst, x)
	}
	if x.Enc != columnar.Flat {
		x = kernel.Flatten(&x, s)
	}
	dst = append(dst, x)
	from, n := 0, x.Len
	if x.Type.Kind != columnar.Struct {
		off := x.Offsets()
		from, n = int(off[0]), int(off[n]-off[0])
	}
	for i := range x.Kids {
		kid := kernel.Slice(&x.Kids[i], from, n, s)
		dst = expand(dst, &kid, s)
	}
	return dst
}

// small replaces a dictionary that has more values than the column has rows by
// the values themselves.
func small(v *columnar.Vector, s *memory.Scratch) columnar.Vector {
	if v.Enc == columnar.Dict && (v.Len == 0 || v.Dict.Values.Len > max(v.Len, 16)) {
		return kernel.Flatten(v, s)
	}
	return *v
}

// Codec is what buffers are stored as.
type Codec uint8

// Raw stores bytes as they are; LZ4 those buffers as LZ4 blocks that get shorter by
// an eighth at least. Bytes that are all the same are stored as one by either.
const (
	Raw Codec = iota
	LZ4
)

// Encode returns the selected rows of a batch as a chunk of LZ4 blocks.
func Encode(b *columnar.Batch) ([]byte, error) { return Append(nil, b, LZ4) }

// Append is Encode by a codec, behind what dst holds.
func Append(dst []byte, b *columnar.Batch, codec Codec) ([]byte, error) {
	s := memory.NewScratch(nil) // off the heap: a batch's worth for each chunk is much garbage
	defer s.Close()
	b = kernel.Compact(b, s)
	cols := make([]columnar.Vector, 0, len(b.Cols))
	for i := range b.Cols {
		cols = expand(cols, &b.Cols[i], s)
	}
	if codec == LZ4 {
		for i := range cols {
			if f := fewOf(&cols[i]); f != nil {
				defer f.release()
			}
		}
	}
	var all []buffer
	counts := make([]int, len(cols))
	for i := range cols {
		before := len(all)
		all = buffers(all, &cols[i])
		counts[i] = len(all) - before
	}
	size := fixedHeader + columnBytes*len(cols) + bufferBytes*len(all)
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
		for _, x := range all[:counts[i]] {
			if len(x.raw) > maxBuffer {
				return nil, diag.New(diag.MemoryLimit, "a column of %d MiB is too large for one chunk", len(x.raw)>>20).
					WithRemedy("use smaller batches or shorter strings")
			}
			at := len(dst)
			var form, mark uint32
			dst, form, mark = appendBuffer(dst, x, codec)
			head = binary.LittleEndian.AppendUint32(head, uint32(len(x.raw))|mark)
			head = binary.LittleEndian.AppendUint32(head, uint32(len(dst)-at)|form)
		}
		all = all[counts[i]:]
	}
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	head = binary.LittleEndian.AppendUint64(head, xxhash.Sum64(dst[from+size+trailer:]))
	copy(dst[from:], head) // the body may have moved
	return dst, nil
}

// appendBuffer appends a buffer in the form that is shortest by a good deal, and
// tells which, and whether it is lengths.
func appendBuffer(body []byte, x buffer, codec Codec) (_ []byte, form, mark uint32) {
	raw := x.raw
	if n := len(raw); n > 8 && n <= maxFill && !x.offsets && repeats(raw) {
		return append(body, raw[0]), formFill, 0
	}
	if len(raw) < minLZ4 || codec == Raw {
		return append(body, raw...), formRaw, 0
	}
	if out, ok := appendNarrow(body, x); ok {
		return out, formNarrow, 0
	}
	if x.offsets {
		p := differences.Get().(*[]int32)
		defer putDifferences(p)
		*p = lengthsOf((*p)[:0], columnar.View[int32](raw, len(raw)/4))
		raw, mark = columnar.BytesOf(*p), lengths
	}
	at, most := len(body), len(raw)-len(raw)/8
	body = slices.Grow(body, most)
	n, err := lz4.CompressBlock(raw, body[at:at+most], nil)
	if err != nil || n == 0 {
		return append(body, x.raw...), formRaw, 0
	}
	return body[:at+n], formLZ4, mark
}

// differences are buffers for lengths.
var differences = sync.Pool{New: func() any { return new([]int32) }}

func putDifferences(p *[]int32) {
	invariants.Poison(columnar.BytesOf(*p))
	differences.Put(p)
}

func lengthsOf(dst, off []int32) []int32 {
	dst = slices.Grow(dst, len(off))[:len(off)-1]
	for i := range dst {
		dst[i] = off[i+1] - off[i]
	}
	return dst
}

// repeats reports whether all bytes are the first one.
func repeats(b []byte) bool { return bytes.Equal(b[1:], b[:len(b)-1]) }
