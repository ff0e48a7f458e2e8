package ipc

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The numbers of Arrow's format (Message.fbs, Schema.fbs) that are told apart.
const (
	headerSchema, headerDictionary, headerRecord = 1, 2, 3

	typeNull, typeInt, typeFloat, typeBinary, typeText, typeBool, typeDecimal, typeDate, typeTime, typeTimestamp, typeInterval = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

	typeUnion, typeFixedBinary, typeFixedList, typeMap, typeDuration, typeLargeBinary, typeLargeText = 14, 15, 16, 17, 18, 19, 20

	typeBinaryView, typeTextView, typeLast = 23, 24, 26

	codecNone, codecLZ4, codecZstd = -1, 0, 1

	versionV4, versionV5 = 3, 4
)

// Limits of what a file may ask for. All but the depth are far beyond what
// writers produce.
const (
	maxDepth  = 64            // of nested fields
	maxFields = 1 << 18       // of a schema, nested ones included
	maxRows   = math.MaxInt32 // of a record
	maxRaw    = math.MaxInt32 // bytes of a decompressed buffer
	maxWindow = 128 << 20     // bytes that zstd looks back
)

// shape is how a type is laid out in buffers.
type shape uint8

const (
	nested  shape = iota // not read
	empty                // no buffers
	fixed                // validity, values
	lengthy              // validity, offsets, bytes
	viewing              // validity, views, any number of byte buffers
)

// layout is the buffers of a column: bits is the width of a value or an offset.
type layout struct {
	shape shape
	bits  int64
}

// schema is what is known of a file's columns once its schema was checked.
type schema struct {
	columns      []layout
	dictionaries map[int64]layout // by id
	fields       int
}

// message is a checked message: what it holds and how long its body is.
type message struct {
	header int // one of the header constants
	table  flatTable
	body   int64
}

// checkMessage checks all of a message's metadata but what depends on its body.
func checkMessage(meta []byte) (message, error) {
	f := newFlat(meta)
	root := f.root()
	m := message{header: root.byteAt(1, 0), body: root.longAt(3)}
	if v := root.shortAt(0, 0); f.err == nil && v != versionV4 && v != versionV5 {
		f.fail("its metadata version %d is not supported", v)
	}
	var there bool
	if m.table, there = root.child(2); f.err == nil && !there {
		f.fail("a message has no content")
	}
	if m.body < 0 {
		f.fail("a message claims a body of %d bytes", m.body)
	}
	checkKeyValues(root.vector(4, 4))
	return m, f.err
}

func checkKeyValues(v flatVector) {
	for i := 0; i < v.n && v.err == nil; i++ {
		kv := v.table(i)
		kv.vector(0, 1)
		kv.vector(1, 1)
	}
}

// checkSchema checks a schema with its fields and returns their layouts.
func checkSchema(t flatTable) (*schema, error) {
	s := &schema{dictionaries: map[int64]layout{}}
	swapped := t.shortAt(0, 0) != 0
	for v, i := t.vector(1, 4), 0; i < v.n && v.err == nil; i++ {
		l := s.field(v.table(i), 1)
		if swapped && l.shape == viewing {
			t.fail("its views are big-endian, which is not supported")
		}
		s.columns = append(s.columns, l)
	}
	checkKeyValues(t.vector(2, 4))
	t.vector(3, 8)
	return s, t.err
}

// field checks a field and its children.
func (s *schema) field(t flatTable, depth int) layout {
	if s.fields++; s.fields > maxFields {
		t.fail("its schema has more than %d fields", maxFields)
	}
	if depth > maxDepth {
		t.fail("its schema nests fields deeper than %d", maxDepth)
	}
	t.vector(0, 1)
	t.byteAt(1, 0)
	kind, there := t.child(3)
	if t.err == nil && !there {
		t.fail("a field has no type")
	}
	l := checkType(t.byteAt(2, 0), kind)
	for v, i := t.vector(5, 4), 0; i < v.n && v.err == nil; i++ {
		s.field(v.table(i), depth+1)
	}
	checkKeyValues(t.vector(6, 4))
	d, there := t.child(4)
	if !there {
		return l
	}
	id := d.longAt(0)
	if old, seen := s.dictionaries[id]; seen && old != l {
		t.fail("fields of different types share dictionary %d", id)
	}
	s.dictionaries[id] = l
	d.byteAt(2, 0)
	d.shortAt(3, 0)
	index, there := d.child(1)
	if t.err == nil && !there {
		t.fail("a dictionary has no index type")
	}
	return checkType(typeInt, index)
}

// checkType checks a type's own table and returns its layout.
func checkType(id int, t flatTable) layout {
	wide := func(bits int, allowed ...int) layout {
		for _, a := range allowed {
			if a == bits {
				return layout{fixed, int64(bits)}
			}
		}
		t.fail("a field of type %d is %d bits wide", id, bits)
		return layout{}
	}
	switch id {
	case typeNull:
		return layout{shape: empty}
	case typeInt:
		t.byteAt(1, 0)
		return wide(t.intAt(0, 0), 8, 16, 32, 64)
	case typeFloat:
		return wide(16<<(t.shortAt(0, 0)&15), 16, 32, 64)
	case typeBinary, typeText:
		return layout{lengthy, 32}
	case typeBool:
		return layout{fixed, 1}
	case typeDecimal:
		t.intAt(0, 0)
		t.intAt(1, 0)
		return wide(t.intAt(2, 128), 32, 64, 128, 256)
	case typeDate:
		return wide(32<<(t.shortAt(0, 1)&15), 32, 64)
	case typeTime:
		t.shortAt(0, 1)
		return wide(t.intAt(1, 32), 32, 64)
	case typeTimestamp:
		t.shortAt(0, 0)
		t.vector(1, 1)
		return layout{fixed, 64}
	case typeInterval:
		return wide(32<<(t.shortAt(0, 0)&15), 32, 64, 128)
	case typeFixedBinary:
		if n := t.intAt(0, 0); n >= 0 {
			return layout{fixed, 8 * int64(n)}
		}
		t.fail("a field of type %d has a negative width", id)
	case typeDuration:
		t.shortAt(0, 1)
		return layout{fixed, 64}
	case typeLargeBinary, typeLargeText:
		return layout{lengthy, 64}
	case typeBinaryView, typeTextView:
		return layout{viewing, 128}
	case typeUnion:
		t.shortAt(0, 0)
		t.vector(1, 4)
	case typeFixedList:
		t.intAt(0, 0)
	case typeMap:
		t.byteAt(0, 0)
	default:
		if id < typeNull || id > typeLast {
			t.fail("a field has the unknown type %d", id)
		}
	}
	return layout{}
}

// block is a message of a file: its place, and the bytes of both parts.
type block struct{ at, meta, body int64 }

// checkFooter checks a file's footer but for the schema, and returns its
// dictionaries' and its records' blocks, which end before limit.
func checkFooter(b []byte, limit int64) (dictionaries, records []block, err error) {
	f := newFlat(b)
	root := f.root()
	root.shortAt(0, 0)
	checkKeyValues(root.vector(4, 4))
	left := limit - 8
	blocks := func(v flatVector) []block {
		out := make([]block, v.n)
		for i := range out {
			at := v.place(i)
			b := block{f.int64(at), int64(f.int32(at + 8)), f.int64(at + 16)}
			if f.err == nil && (b.at < 8 || b.meta < 8 || b.body < 0 || b.at > limit || b.meta > limit-b.at || b.body > limit-b.at-b.meta) {
				f.fail("its footer has a block of %d and %d bytes at %d", b.meta, b.body, b.at)
			}
			if left -= b.meta + b.body; f.err == nil && left < 0 {
				f.fail("its footer's blocks overlap")
			}
			out[i] = b
		}
		return out
	}
	dictionaries, records = blocks(root.vector(2, 24)), blocks(root.vector(3, 24))
	return dictionaries, records, f.err
}

// checkDictionary checks a dictionary message against its body and returns its
// id, whether it extends the one before, and the bytes that decompressing takes.
func (s *schema) checkDictionary(t flatTable, body []byte) (id int64, delta bool, raw int64, err error) {
	id, delta = t.longAt(0), t.byteAt(2, 0) != 0
	l, known := s.dictionaries[id]
	if t.err == nil && !known {
		t.fail("no field refers to dictionary %d", id)
	}
	data, there := t.child(1)
	if t.err == nil && !there {
		t.fail("dictionary %d has no values", id)
	}
	raw, err = checkRecord(data, []layout{l}, body)
	return id, delta, raw, err
}

// checkRecord checks a record's nodes and buffers against its columns and its
// body, and returns how many bytes decompressing takes.
func checkRecord(t flatTable, columns []layout, body []byte) (raw int64, err error) {
	r := record{flat: t.flat, body: body, codec: codecNone, rows: t.longAt(0), nodes: t.vector(1, 16), buffers: t.vector(2, 16), views: t.vector(4, 8)}
	if c, there := t.child(3); there {
		r.codec = c.byteAt(0, codecLZ4)
		if method := c.byteAt(1, 0); t.err == nil && (r.codec != codecLZ4 && r.codec != codecZstd || method != 0) {
			t.fail("a record is compressed by codec %d, method %d", r.codec, method)
		}
	}
	if r.rows < 0 || r.rows > maxRows {
		t.fail("a record claims %d rows", r.rows)
	}
	if t.err == nil && r.nodes.n < len(columns) {
		t.fail("a record of %d columns describes %d", len(columns), r.nodes.n)
	}
	for i := 0; i < len(columns) && t.err == nil; i++ {
		r.column(i, columns[i])
	}
	return r.raw, t.err
}

// record walks the buffers of a record.
type record struct {
	*flat
	body                  []byte
	codec                 int
	rows, raw             int64
	nodes, buffers, views flatVector
	buffer, view          int // the next of each
}

func (r *record) column(i int, l layout) {
	rows, nulls := r.int64(r.nodes.place(i)), r.int64(r.nodes.place(i)+8)
	if rows != r.rows || nulls < 0 || nulls > rows {
		r.fail("column %d of a record of %d rows has %d rows, %d nulls", i+1, r.rows, rows, nulls)
	}
	if l.shape == empty {
		return
	}
	if l.shape == nested {
		r.fail("column %d is nested", i+1)
	}
	if nulls > 0 {
		r.next((rows + 7) / 8)
	} else {
		r.next(0)
	}
	switch {
	case rows == 0:
		r.next(0)
	case l.shape == lengthy:
		r.next((rows + 1) * l.bits / 8)
	default:
		r.next((rows*l.bits + 7) / 8)
	}
	switch l.shape {
	case lengthy:
		r.next(0)
	case viewing:
		if r.view >= r.views.n {
			r.fail("column %d does not say how many buffers it has", i+1)
			return
		}
		n := r.int64(r.views.place(r.view))
		if r.view++; n < 0 || n > int64(r.buffers.n-r.buffer) {
			r.fail("column %d claims %d buffers", i+1, n)
		}
		for ; n > 0 && r.err == nil; n-- {
			r.next(0)
		}
	}
}

// next checks the next buffer, which must hold need bytes.
func (r *record) next(need int64) {
	if r.buffer >= r.buffers.n {
		r.fail("a record has only %d buffers", r.buffers.n)
	}
	at := r.buffers.place(r.buffer)
	r.buffer++
	from, n := r.int64(at), r.int64(at+8)
	if r.err != nil {
		return
	}
	if from < 0 || n < 0 || n > 0 && (n > int64(len(r.body)) || from > int64(len(r.body))-n) {
		r.fail("a buffer of %d bytes at %d lies outside of its record of %d", n, from, len(r.body))
		return
	}
	if r.codec != codecNone && n > 0 {
		var err error
		if n, err = rawBytes(r.codec, r.body[from:from+n]); err != nil {
			r.fail("%w", err)
			return
		}
		r.raw += n
	}
	if n < need {
		r.fail("a buffer of %d bytes should have %d", n, need)
	}
}

// rawBytes returns how many bytes a compressed buffer has when decompressed: the
// number that it starts with, if its codec could have made so many of it.
func rawBytes(codec int, b []byte) (int64, error) {
	if len(b) < 8 {
		return 0, fmt.Errorf("a compressed buffer has %d bytes", len(b))
	}
	n, stored := int64(binary.LittleEndian.Uint64(b)), int64(len(b)-8)
	if n == -1 { // not compressed after all
		return stored, nil
	}
	limit := 255*stored + 64
	if codec == codecZstd {
		limit = 1<<15*stored + 64 // a block of 128 KiB takes four bytes
	}
	if n < 0 || n > min(limit, maxRaw) {
		return 0, fmt.Errorf("%d compressed bytes claim to be %d", stored, n)
	}
	if codec == codecZstd {
		return n, checkZstd(b[8:], n)
	}
	return n, nil
}

// checkZstd refuses a zstd frame (RFC 8878, section 3.1.1.1) that makes decoders
// take more memory to look back than they must offer, or than its content.
func checkZstd(b []byte, content int64) error {
	if len(b) < 6 || binary.LittleEndian.Uint32(b) != 0xfd2fb528 {
		return nil // no frame: the decoder will say so
	}
	exponent, mantissa := int64(b[5]>>3), int64(b[5]&7)
	window, limit := int64(1024)<<exponent*(8+mantissa)/8, int64(maxWindow)
	if single := b[4]&0x20 != 0; single { // all of the content is the window
		var size [8]byte
		copy(size[:1<<(b[4]>>6)], b[5+min(len(b)-5, []int{0, 1, 2, 4}[b[4]&3]):])
		window, limit = int64(binary.LittleEndian.Uint64(size[:])&math.MaxInt64), content
		if b[4]>>6 == 1 {
			window += 256
		}
	}
	if window > limit {
		return fmt.Errorf("a compressed buffer looks back %d bytes", window)
	}
	return nil
}
