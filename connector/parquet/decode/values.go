package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

var errValues = errors.New("a page has fewer values than it claims")

// maxStrings bounds the bytes that the strings of one batch are built to, where
// the encoding lets few stored bytes stand for many.
const maxStrings = 256 << 20

// values are those of a page without a dictionary, read from front to back.
type values struct {
	physical format.Type
	encoding int
	width    int    // bytes of a fixed-width value, 0 of strings and bools
	b        []byte // plain: the page; deltas: the bytes of strings
	at       int    // next value: a byte of b, a bit of bools, an index of split ones
	to       int    // plain strings: end of those that were moved together
	total    int    // split: values of the page
	bits     Hybrid // RLE
	deltas   delta  // numbers, or lengths of (the ends of) strings
	prefixes delta  // lengths that strings share with the one before
	last     []byte // that one
}

func widthOf(t format.Type, length int) int {
	switch t {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	case format.FixedLenByteArray:
		return length
	}
	return 0
}

func newValues(t format.Type, length, encoding int, b []byte) (v values, err error) {
	v = values{physical: t, encoding: encoding, width: widthOf(t, length), b: b}
	switch encoding {
	case encPlain:
	case encRLE:
		if t != format.Boolean {
			return v, unsupported(t, encoding)
		}
		if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4) {
			return v, errValues
		}
		v.bits = newHybrid(b[4:4+binary.LittleEndian.Uint32(b)], 1)
	case encDeltaBinary:
		if t != format.Int32 && t != format.Int64 {
			return v, unsupported(t, encoding)
		}
		v.deltas, err = newDelta(b)
	case encDeltaLength:
		if t != format.ByteArray {
			return v, unsupported(t, encoding)
		}
		if v.deltas, err = newDelta(b); err == nil {
			v.b, err = v.deltas.end()
		}
	case encDeltaBytes:
		if t != format.ByteArray && t != format.FixedLenByteArray {
			return v, unsupported(t, encoding)
		}
		if v.prefixes, err = newDelta(b); err != nil {
			return v, err
		}
		if b, err = v.prefixes.end(); err != nil {
			return v, err
		}
		if v.deltas, err = newDelta(b); err == nil {
			v.b, err = v.deltas.end()
		}
	case encByteStreamSplit:
		if v.width == 0 || t == format.Int96 {
			return v, unsupported(t, encoding)
		}
		if v.total = len(b) / v.width; v.total*v.width != len(b) {
			return v, errValues
		}
	default:
		return v, unsupported(t, encoding)
	}
	return v, err
}

func unsupported(t format.Type, encoding int) error {
	return fmt.Errorf("values of type %v in encoding %v are not supported", t, format.Encoding(encoding))
}

// skip passes n values.
func (v *values) skip(n int) error {
	switch {
	case v.encoding == encPlain && v.physical == format.ByteArray:
		for range n {
			if v.at+4 > len(v.b) {
				return errValues
			}
			l := int(binary.LittleEndian.Uint32(v.b[v.at:]))
			if v.at += 4; l > len(v.b)-v.at {
				return errValues
			}
			v.at += l
		}
	case v.encoding == encPlain && v.physical == format.Boolean, v.encoding == encByteStreamSplit:
		v.at += n
	case v.encoding == encPlain:
		v.at += n * v.width
	case v.encoding == encRLE:
		return v.bits.Skip(n)
	default:
		for n > 0 { // what follows depends on what is skipped
			k := min(n, columnar.MaxRows)
			var err error
			if v.encoding == encDeltaBinary {
				err = v.deltas.next(make([]int64, k))
			} else {
				_, _, err = v.strings(k, nil)
			}
			if err != nil {
				return err
			}
			n -= k
		}
	}
	return nil
}

// fixed returns the next n values of a fixed width in plain layout, in place if
// that is aligned.
func (v *values) fixed(n int, s *memory.Scratch) ([]byte, error) {
	switch v.encoding {
	case encPlain:
		size := n * v.width
		if size > len(v.b)-v.at || v.at < 0 {
			return nil, errValues
		}
		b := v.b[v.at : v.at+size : v.at+size]
		v.at += size
		if size > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%8 != 0 {
			out := s.Bytes(size)
			copy(out, b)
			return out, nil
		}
		return b, nil
	case encDeltaBinary:
		out := memory.Slice[int64](s, n)
		if err := v.deltas.next(out); err != nil {
			return nil, err
		}
		if v.width == 8 {
			return columnar.BytesOf(out), nil
		}
		narrow := memory.Slice[int32](s, n)
		for i, x := range out {
			narrow[i] = int32(x)
		}
		return columnar.BytesOf(narrow), nil
	case encByteStreamSplit:
		if n > v.total-v.at {
			return nil, errValues
		}
		out := s.Bytes(n * v.width)
		for k := range v.width {
			for i, c := range v.b[k*v.total+v.at:][:n] {
				out[i*v.width+k] = c
			}
		}
		v.at += n
		return out, nil
	case encDeltaBytes:
		off, b, err := v.strings(n, s)
		if err != nil {
			return nil, err
		}
		for i := range n {
			if int(off[i+1]-off[i]) != v.width {
				return nil, errValues
			}
		}
		return b, nil
	}
	return nil, errValues
}

// strings returns the offsets and bytes of the next n strings.
func (v *values) strings(n int, s *memory.Scratch) (off []int32, b []byte, err error) {
	off = memory.Slice[int32](s, n+1)
	off[0] = 0
	if v.encoding == encPlain {
		b, err = v.together(off)
		return off, b, err
	}
	lens := memory.Slice[int64](s, n)
	if err := v.deltas.next(lens); err != nil {
		return nil, nil, err
	}
	if v.encoding == encDeltaLength {
		from := v.at
		for i, l := range lens {
			if l < 0 || l > int64(len(v.b)-v.at) {
				return nil, nil, errValues
			}
			v.at += int(l)
			off[i+1] = int32(v.at - from)
		}
		return off, v.b[from:v.at], nil
	}
	shared := memory.Slice[int64](s, n)
	if err := v.prefixes.next(shared); err != nil {
		return nil, nil, err
	}
	for i, l := range lens {
		if l < 0 || l > int64(len(v.b)-v.at) || shared[i] < 0 || shared[i] > int64(len(v.last)) || len(b) > maxStrings {
			return nil, nil, errValues
		}
		from := len(b)
		b = append(append(b, v.last[:shared[i]]...), v.b[v.at:v.at+int(l)]...)
		v.last = b[from:]
		v.at += int(l)
		off[i+1] = int32(len(b))
	}
	v.last = append([]byte{}, v.last...)
	return off, b, nil
}

// together moves the next plain strings together, over their lengths, and fills
// their offsets. The page's bytes are not read again.
//
//	┌────┬─────┬────┬───────┬───   ┌─────┬───────┬───
//	│ 3  │ abc │ 5  │ defgh │ … ─► │ abc │ defgh │ …
//	└────┴─────┴────┴───────┴───   └─────┴───────┴───
func (v *values) together(off []int32) ([]byte, error) {
	b, r, w := v.b, v.at, v.to
	from := w
	for i := 1; i < len(off); i++ {
		if r+4 > len(b) {
			return nil, errValues
		}
		n := int(binary.LittleEndian.Uint32(b[r:]))
		if r += 4; n > len(b)-r {
			return nil, errValues
		}
		// Blocks of one size are moved without a branch on the length, which would
		// be mispredicted. What they run over was read already.
		switch {
		case n <= 64 && r-w >= 64 && r+64 <= len(b):
			*(*[64]byte)(b[w:]) = *(*[64]byte)(b[r:])
		case n <= 16 && r-w >= 16 && r+16 <= len(b):
			*(*[16]byte)(b[w:]) = *(*[16]byte)(b[r:])
		default:
			copy(b[w:], b[r:r+n])
		}
		r += n
		w += n
		off[i] = int32(w - from)
	}
	v.at, v.to = r, w
	return b[from:w:w], nil
}

// bools reads the next n values into a bitmap.
func (v *values) bools(dst columnar.Bitmap, n int) error {
	if v.encoding == encRLE {
		return v.bits.Bits(dst, 0, n)
	}
	if v.at+n > 8*len(v.b) {
		return errValues
	}
	plainBits(dst, v.b, v.at, n)
	v.at += n
	return nil
}
