package ipc

import "math"

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

// column is a field of the schema: the layout of its values, or of its codes if
// it has a dictionary.
type column struct {
	layout
	coded      bool
	dictionary int64 // its id, if coded
}

// schema is what is known of a file's columns once its schema was checked.
type schema struct {
	columns      []column
	dictionaries map[int64]layout // by id
	fields       int
}

// message is a checked message: what it holds and how long its body is.
type message struct {
	meta   []byte
	header int // one of the header constants
	table  flatTable
	body   int64
}

// checkMessage checks all of a message's metadata but what depends on its body.
func checkMessage(meta []byte) (message, error) {
	f := newFlat(meta)
	root := f.root()
	m := message{meta: meta, header: root.byteAt(1, 0), body: root.longAt(3)}
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
	if t.shortAt(0, 0) != 0 {
		t.fail("its numbers are big-endian, which is not supported")
	}
	for v, i := t.vector(1, 4), 0; i < v.n && v.err == nil; i++ {
		s.columns = append(s.columns, s.field(v.table(i), 1))
	}
	checkKeyValues(t.vector(2, 4))
	t.vector(3, 8)
	return s, t.err
}

// field checks a field and its children.
func (s *schema) field(t flatTable, depth int) column {
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
		return column{layout: l}
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
	return column{layout: checkType(typeInt, index), coded: true, dictionary: id}
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
