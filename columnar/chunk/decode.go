package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
	"github.com/pierrec/lz4/v4"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// ErrCorrupt is wrapped by every decoding failure: the bytes are not a chunk of
// this schema, or were damaged on their way.
var ErrCorrupt = errors.New("chunk: corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// decoder walks the header and the body at once.
type decoder struct {
	head []byte // what is left of the chunk, from the header's place
	body []byte // what is left of the body
	raw  int    // raw bytes so far

	scratch *memory.Scratch // nil: the Go heap
}

// Decode returns the batch that Encode stored. Its memory is its own. The schema
// must be the one of the encoded batch.
func Decode(b []byte, schema *columnar.Schema) (*columnar.Batch, error) {
	return DecodeIn(nil, b, schema)
}

// DecodeIn is Decode into a scratch: the batch is valid until its Reset, and
// not stable. A nil scratch stands for the Go heap.
func DecodeIn(s *memory.Scratch, b []byte, schema *columnar.Schema) (*columnar.Batch, error) {
	rows, size, err := header(b, schema)
	if err != nil {
		return nil, err
	}
	d := &decoder{head: b[fixedHeader:size], body: b[size+trailer:], scratch: s}
	out := &columnar.Batch{Schema: schema, Rows: rows, Cols: make([]columnar.Vector, schema.Len())}
	for i, f := range schema.Fields {
		if err := d.column(&out.Cols[i], f.Type, rows); err != nil {
			return nil, fmt.Errorf("%w (column %d, %s)", err, i, f.Type)
		}
	}
	if len(d.body) != 0 {
		return nil, corrupt("%d bytes behind the last column", len(d.body))
	}
	return out, nil
}

// header verifies magic, version, counts and both checksums and returns the rows
// and the header's bytes without checksums.
func header(b []byte, schema *columnar.Schema) (rows, size int, err error) {
	if len(b) < fixedHeader+trailer || string(b[:4]) != magic {
		return 0, 0, corrupt("no chunk begins here")
	}
	if b[4] < oldest || b[4] > Version {
		return 0, 0, corrupt("version %d; this process reads %d", b[4], Version)
	}
	n, cols := binary.LittleEndian.Uint32(b[5:]), binary.LittleEndian.Uint32(b[9:])
	if n > columnar.MaxRows || int64(cols) != int64(schema.Len()) {
		return 0, 0, corrupt("%d rows of %d columns, expected at most %d of %d", n, cols, columnar.MaxRows, schema.Len())
	}
	size = fixedHeader
	for _, f := range schema.Fields {
		size = behind(b, size, f.Type)
	}
	if len(b) < size+trailer {
		return 0, 0, corrupt("the header is cut")
	}
	if got := crc32.Checksum(b[:size], castagnoli); got != binary.LittleEndian.Uint32(b[size:]) {
		return 0, 0, corrupt("the header's checksum differs")
	}
	if got := xxhash.Sum64(b[size+trailer:]); got != binary.LittleEndian.Uint64(b[size+4:]) {
		return 0, 0, corrupt("the body's checksum differs")
	}
	return int(n), size, nil
}

// behind returns where the entry of a column of the header ends, those of its
// children included; more than b has if it is cut.
func behind(b []byte, at int, t columnar.Type) int {
	if len(b) < at+columnBytes {
		return len(b) + 1
	}
	at += columnBytes + bufferBytes*count(t, columnar.Encoding(b[at]), b[at+2])
	for _, k := range kids(t) {
		at = behind(b, at, k)
	}
	return at
}

// kids returns the types of a vector's children.
func kids(t columnar.Type) []columnar.Type {
	switch t.Kind {
	case columnar.List:
		return []columnar.Type{t.Nested.Fields[0].Type}
	case columnar.Map:
		return []columnar.Type{columnar.StructType(t.Nested.Fields...)}
	case columnar.Struct:
		out := make([]columnar.Type, len(t.Nested.Fields))
		for i, f := range t.Nested.Fields {
			out[i] = f.Type
		}
		return out
	}
	return nil
}

// count returns the number of buffers of a column.
func count(t columnar.Type, enc columnar.Encoding, flags byte) int {
	if t.Kind == columnar.Null {
		return 0
	}
	n := 1 + int(flags&hasValid)
	if t.Kind == columnar.Struct {
		n--
	}
	if enc == columnar.Dict {
		n++
	}
	if t.IsBytes() {
		n++
	}
	return n
}

// entry is what the header says of a buffer.
type entry struct {
	raw, stored int
	form        uint32
	lengths     bool
}

// next returns the next buffer's entry and its stored bytes. Its raw length is
// bounded by them, or by maxFill.
func (d *decoder) next() (e entry, src []byte, err error) {
	raw, stored := binary.LittleEndian.Uint32(d.head), binary.LittleEndian.Uint32(d.head[4:])
	d.head = d.head[bufferBytes:]
	e = entry{int(raw &^ lengths), int(stored &^ formMask), stored & formMask, raw&lengths != 0}
	d.raw += e.raw
	fits := false
	switch e.form {
	case formRaw:
		fits = e.raw == e.stored
	case formLZ4:
		fits = e.stored < e.raw && e.raw <= e.stored*expansion+64
	case formFill:
		fits = e.stored == 1 && e.raw <= maxFill
	case formNarrow:
		fits = e.stored > narrowHead && e.raw <= maxFill
	}
	switch {
	case e.stored > len(d.body):
		return e, nil, corrupt("a buffer of %d stored bytes, %d are left", e.stored, len(d.body))
	case !fits || e.raw > maxBuffer || d.raw > maxRaw:
		return e, nil, corrupt("%d stored bytes cannot hold %d", e.stored, e.raw)
	}
	src = d.body[:e.stored]
	d.body = d.body[e.stored:]
	return e, src, nil
}

// buffer returns the next buffer, which must have want raw bytes; −1 stands for
// any number.
func (d *decoder) buffer(want int) ([]byte, error) {
	e, src, err := d.next()
	switch {
	case err != nil:
		return nil, err
	case want >= 0 && e.raw != want:
		return nil, corrupt("a buffer of %d bytes, expected %d", e.raw, want)
	case e.lengths:
		return nil, corrupt("lengths instead of values")
	}
	out := d.scratch.Bytes((e.raw + 7) &^ 7) // bitmaps are read a word at a time
	switch e.form {
	case formRaw:
		copy(out, src)
	case formFill:
		for i := range out[:e.raw] {
			out[i] = src[0]
		}
	case formNarrow:
		if err := widen(out[:e.raw], src); err != nil {
			return nil, err
		}
	default:
		if n, err := lz4.UncompressBlock(src, out[:e.raw]); err != nil || n != e.raw {
			return nil, corrupt("an LZ4 block is damaged")
		}
	}
	return out[:e.raw:len(out)], nil
}

// offsets returns the next buffer as n+1 offsets, −1 stands for any number, and
// the last one.
func (d *decoder) offsets(n int) (out []int32, last int, err error) {
	e, src, err := d.next()
	switch {
	case err != nil:
		return nil, 0, err
	case e.raw < 4 || e.raw%4 != 0 || n >= 0 && e.raw != 4*(n+1):
		return nil, 0, corrupt("offsets of %d bytes for %d values", e.raw, n)
	case e.form == formFill || e.form == formNarrow || e.lengths && e.form != formLZ4:
		return nil, 0, corrupt("offsets of form %d", e.form>>30)
	}
	out = memory.Slice[int32](d.scratch, e.raw/4)
	to := columnar.BytesOf(out)
	if e.lengths {
		out[0], to = 0, to[4:]
	}
	if e.form == formRaw {
		copy(to, src)
	} else if n, err := lz4.UncompressBlock(src, to); err != nil || n != len(to) {
		return nil, 0, corrupt("an LZ4 block is damaged")
	}
	if !e.lengths {
		last, err = ascending(out)
		return out, last, err
	}
	at, below := int32(0), int32(0)
	for i, n := range out {
		at += n
		below |= n | at // negative, or more than 31 bits: both show in the sign
		out[i] = at
	}
	if below < 0 {
		return nil, 0, corrupt("lengths that are negative or too many")
	}
	return out, int(at), nil
}

// bitmap returns the next buffer as n bits, in whole words.
func (d *decoder) bitmap(n int) (columnar.Bitmap, error) {
	b, err := d.buffer((n + 7) / 8)
	return columnar.Bitmap(b[:cap(b)]), err
}

// column decodes one column of n rows.
func (d *decoder) column(v *columnar.Vector, t columnar.Type, n int) (err error) {
	enc, width, flags := columnar.Encoding(d.head[0]), d.head[1], d.head[2]
	reserved := d.head[3]
	d.head = d.head[columnBytes:]
	if enc > columnar.Const || flags > hasValid|isUnique || reserved != 0 || enc != columnar.Flat && t.IsNested() {
		return corrupt("encoding %d with flags %d", enc, flags)
	}
	if natural := t.FixedWidth(); int(width) != natural && (t.Kind != columnar.Decimal || width != 8 && width != 16) {
		return corrupt("values %d bytes wide", width)
	}
	*v = columnar.Vector{Type: t, Enc: enc, Len: n, Width: width, Stable: d.scratch == nil}
	if t.Kind == columnar.Null {
		return nil
	}
	stored := n
	if enc == columnar.Const {
		stored = 1
	}
	if flags&hasValid != 0 {
		if v.Valid, err = d.bitmap(stored); err != nil {
			return err
		}
	}
	if t.IsNested() {
		return d.nested(v)
	}
	if enc != columnar.Dict {
		return d.values(v, stored)
	}
	v.Width = 0
	if v.Data, err = d.buffer(4 * n); err != nil {
		return err
	}
	v.Dict = &columnar.Dictionary{Unique: flags&isUnique != 0,
		Values: columnar.Vector{Type: t, Width: width, Stable: v.Stable}}
	if err = d.values(&v.Dict.Values, -1); err != nil {
		return err
	}
	limit := uint32(v.Dict.Values.Len)
	for _, c := range v.Codes() {
		if c >= limit {
			return corrupt("a code %d of %d values", c, limit)
		}
	}
	return nil
}

// nested decodes offsets and children.
func (d *decoder) nested(v *columnar.Vector) (err error) {
	n := v.Len
	if v.Type.Kind != columnar.Struct {
		off, last, err := d.offsets(n)
		if err != nil {
			return err
		}
		v.Data, n = columnar.BytesOf(off), last
	}
	types := kids(v.Type)
	v.Kids = make([]columnar.Vector, len(types))
	for i, t := range types {
		if err := d.column(&v.Kids[i], t, n); err != nil {
			return err
		}
	}
	return nil
}

// ascending checks offsets, and returns the last.
func ascending(off []int32) (int, error) {
	last := int32(0)
	for _, o := range off {
		if o < last {
			return 0, corrupt("offsets do not ascend")
		}
		last = o
	}
	if off[0] != 0 {
		return 0, corrupt("offsets begin at %d", off[0])
	}
	return int(last), nil
}

// values decodes n values; −1 stands for a dictionary's, whose number follows
// from its data.
func (d *decoder) values(v *columnar.Vector, n int) (err error) {
	dictionary := n < 0
	switch {
	case v.Type.Kind == columnar.Bool && dictionary:
		return corrupt("a dictionary of booleans")
	case v.Type.Kind == columnar.Bool:
		v.Data, err = d.bitmap(n)
		return err
	case v.Type.IsBytes():
		off, last, err := d.offsets(n)
		if err != nil {
			return err
		}
		v.Data, n = columnar.BytesOf(off), len(off)-1
		if v.Bytes, err = d.buffer(last); err != nil {
			return err
		}
	case dictionary:
		if v.Data, err = d.buffer(-1); err != nil {
			return err
		}
		n = len(v.Data) / int(v.Width)
	default:
		v.Data, err = d.buffer(n * int(v.Width))
		return err
	}
	if dictionary {
		if v.Len = n; n < 1 {
			return corrupt("a dictionary of %d values", n)
		}
	}
	return nil
}
