package encode

import "encoding/binary"

// The types of Thrift's compact protocol that are written.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI32    = 5
	thriftI64    = 6
	thriftBytes  = 8
	thriftList   = 9
	thriftStruct = 12
)

// thrift writes the compact protocol. Structs nest by begin and end.
type thrift struct {
	b     []byte
	last  int16
	stack []int16
}

func (w *thrift) header(id int16, typ byte) {
	if d := id - w.last; d > 0 && d <= 15 {
		w.b = append(w.b, byte(d)<<4|typ)
	} else {
		w.b = binary.AppendVarint(append(w.b, typ), int64(id))
	}
	w.last = id
}

func (w *thrift) i32(id int16, x int32) {
	w.header(id, thriftI32)
	w.b = binary.AppendVarint(w.b, int64(x))
}

func (w *thrift) i64(id int16, x int64) {
	w.header(id, thriftI64)
	w.b = binary.AppendVarint(w.b, x)
}

func (w *thrift) i8(id int16, x int8) {
	w.header(id, thriftByte)
	w.b = append(w.b, byte(x))
}

func (w *thrift) bool(id int16, x bool) {
	if x {
		w.header(id, thriftTrue)
	} else {
		w.header(id, thriftFalse)
	}
}

func (w *thrift) bytes(id int16, x []byte) {
	w.header(id, thriftBytes)
	w.raw(x)
}

// raw writes a byte string without a field header: a list's element.
func (w *thrift) raw(x []byte) {
	w.b = append(binary.AppendUvarint(w.b, uint64(len(x))), x...)
}

// element writes a number without a field header.
func (w *thrift) element(x int64) { w.b = binary.AppendVarint(w.b, x) }

// list opens a list of n elements.
func (w *thrift) list(id int16, typ byte, n int) {
	w.header(id, thriftList)
	if n < 15 {
		w.b = append(w.b, byte(n)<<4|typ)
		return
	}
	w.b = binary.AppendUvarint(append(w.b, 15<<4|typ), uint64(n))
}

// begin opens a struct: a field's value, or with id 0 a list's element.
func (w *thrift) begin(id int16) {
	if id > 0 {
		w.header(id, thriftStruct)
	}
	w.stack = append(w.stack, w.last)
	w.last = 0
}

func (w *thrift) end() {
	w.b = append(w.b, 0)
	w.last = w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
}

// empty writes a struct without fields.
func (w *thrift) empty(id int16) {
	w.begin(id)
	w.end()
}
