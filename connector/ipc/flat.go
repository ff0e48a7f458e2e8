package ipc

import (
	"encoding/binary"
	"fmt"
)

// flat reads a flatbuffer whose every offset may be wrong. The first mistake
// stays in err, and everything read after it is zero or empty, so that callers
// look at err once.
//
//	table   int32 distance back to its vtable | inline fields
//	vtable  uint16 own bytes | uint16 bytes of the table | uint16 place of each field, 0: absent
//	field   a number, or uint32 distance on to a table, vector or string
//	vector  uint32 length | elements
//
// Tables may be referred to more than once, so that few bytes can unfold into
// many: budget is how many bytes may still be visited.
type flat struct {
	b      []byte
	budget int
	err    error
}

// sharing is how often each byte of a flatbuffer may be visited on average:
// writers may share equal strings.
const sharing = 16

func newFlat(b []byte) *flat { return &flat{b: b, budget: sharing*len(b) + 1024} }

func (f *flat) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// within reports whether n bytes at a place exist, and charges nothing.
func (f *flat) within(at, n int) bool {
	if f.err == nil && (at < 0 || n < 0 || at > len(f.b)-n) {
		f.fail("its metadata points to %d bytes at %d of %d", n, at, len(f.b))
	}
	return f.err == nil
}

func (f *flat) visit(n int) {
	if f.budget -= n; f.budget < 0 {
		f.fail("its metadata refers to the same bytes again and again")
	}
}

func (f *flat) uint8(at int) int {
	if !f.within(at, 1) {
		return 0
	}
	return int(f.b[at])
}

func (f *flat) uint16(at int) int {
	if !f.within(at, 2) {
		return 0
	}
	return int(binary.LittleEndian.Uint16(f.b[at:]))
}

func (f *flat) uint32(at int) int {
	if !f.within(at, 4) {
		return 0
	}
	return int(binary.LittleEndian.Uint32(f.b[at:]))
}

func (f *flat) int32(at int) int { return int(int32(f.uint32(at))) }

func (f *flat) int64(at int) int64 {
	if !f.within(at, 8) {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(f.b[at:]))
}

// flatTable is a checked table: its inline bytes and its vtable exist.
type flatTable struct {
	*flat
	at, size     int // inline bytes
	vtable, vlen int
}

// root returns the table that the buffer starts with.
func (f *flat) root() flatTable { return f.table(f.uint32(0)) }

func (f *flat) table(at int) flatTable {
	t := flatTable{flat: f, at: at, vtable: at - f.int32(at)}
	t.vlen, t.size = f.uint16(t.vtable), f.uint16(t.vtable+2)
	if f.err == nil && (t.vlen < 4 || t.vlen%2 != 0 || t.size < 4) {
		f.fail("its metadata has a table of %d bytes described by %d", t.size, t.vlen)
	}
	if !f.within(t.vtable, t.vlen) || !f.within(at, t.size) {
		return flatTable{flat: f}
	}
	f.visit(t.size + 4)
	return t
}

// field returns the place of the i-th field of n bytes, 0 if it is absent.
func (t flatTable) field(i, n int) int {
	slot := 4 + 2*i
	if t.err != nil || slot+2 > t.vlen {
		return 0
	}
	o := t.uint16(t.vtable + slot)
	if o == 0 {
		return 0
	}
	if o < 4 || o+n > t.size {
		t.fail("its metadata has a field at %d of a table of %d bytes", o, t.size)
		return 0
	}
	return t.at + o
}

// Numbers by index of their field, and what they are when absent.

func (t flatTable) byteAt(i, absent int) int {
	if at := t.field(i, 1); at != 0 {
		return t.uint8(at)
	}
	return absent
}

func (t flatTable) shortAt(i, absent int) int {
	if at := t.field(i, 2); at != 0 {
		return int(int16(t.uint16(at)))
	}
	return absent
}

func (t flatTable) intAt(i, absent int) int {
	if at := t.field(i, 4); at != 0 {
		return t.int32(at)
	}
	return absent
}

func (t flatTable) longAt(i int) int64 {
	if at := t.field(i, 8); at != 0 {
		return t.int64(at)
	}
	return 0
}

// child returns the table of a field and whether it is there.
func (t flatTable) child(i int) (flatTable, bool) {
	at := t.field(i, 4)
	if at == 0 {
		return flatTable{flat: t.flat}, false
	}
	c := t.table(at + t.uint32(at))
	return c, t.err == nil
}

// flatVector is a checked vector: n elements of size bytes at a place.
type flatVector struct {
	*flat
	at, n, size int
}

// vector returns the vector of a field, an empty one if it is absent.
func (t flatTable) vector(i, size int) flatVector {
	at := t.field(i, 4)
	if at == 0 {
		return flatVector{flat: t.flat}
	}
	at += t.uint32(at)
	v := flatVector{flat: t.flat, at: at + 4, n: t.uint32(at), size: size}
	if !t.within(v.at, v.n*size) {
		return flatVector{flat: t.flat}
	}
	t.visit(v.n*size + 4)
	return v
}

// place returns where the i-th element is.
func (v flatVector) place(i int) int { return v.at + i*v.size }

// table returns the i-th element of a vector of tables.
func (v flatVector) table(i int) flatTable { return v.flat.table(v.place(i) + v.uint32(v.place(i))) }
