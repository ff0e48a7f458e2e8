package decode

import (
	"encoding/binary"
	"errors"
)

var (
	errShort   = errors.New("a page header is cut off")
	errDamaged = errors.New("a page header is damaged")
)

// Types of Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBytes  = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxNesting bounds structs within structs.
const maxNesting = 16

// thrift reads the compact protocol. The first error stays.
type thrift struct {
	b   []byte
	at  int
	err error
}

func (r *thrift) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *thrift) byte() byte {
	if r.err != nil || r.at >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *thrift) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	x, n := binary.Uvarint(r.b[r.at:])
	switch {
	case n == 0:
		r.fail(errShort)
	case n < 0:
		r.fail(errDamaged)
	default:
		r.at += n
	}
	return x
}

func (r *thrift) int() int64 {
	x := r.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

// i32 reads a number that must fit into 32 bits.
func (r *thrift) i32() int {
	x := r.int()
	if x != int64(int32(x)) {
		r.fail(errDamaged)
	}
	return int(x)
}

func (r *thrift) advance(n uint64) {
	if r.err == nil && n > uint64(len(r.b)-r.at) {
		r.fail(errShort)
	}
	if r.err == nil {
		r.at += int(n)
	}
}

// fields calls f with the number and type of each field of a struct; f returns
// whether it has read the value.
func (r *thrift) fields(depth int, f func(id int, typ byte) bool) {
	if depth > maxNesting {
		r.fail(errDamaged)
	}
	id := 0
	for r.err == nil {
		h := r.byte()
		if h == 0 {
			return
		}
		if d := int(h >> 4); d > 0 {
			id += d
		} else {
			id = int(int16(r.int()))
		}
		if r.err == nil && !f(id, h&15) {
			r.skip(h&15, depth)
		}
	}
}

func nothing(int, byte) bool { return false }

// skip passes a value.
func (r *thrift) skip(typ byte, depth int) {
	switch typ {
	case thriftTrue, thriftFalse:
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.advance(8)
	case thriftBytes:
		r.advance(r.uvarint())
	case thriftStruct:
		r.fields(depth+1, nothing)
	case thriftList, thriftSet:
		h := r.byte()
		n := uint64(h >> 4)
		if n == 15 {
			n = r.uvarint()
		}
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.element(h&15, depth)
		}
	case thriftMap:
		n := r.uvarint()
		if n == 0 {
			return
		}
		kinds := r.byte()
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.element(kinds>>4, depth)
			r.element(kinds&15, depth)
		}
	default:
		r.fail(errDamaged)
	}
}

// element passes an element of a list, where a bool has a byte.
func (r *thrift) element(typ byte, depth int) {
	if depth > maxNesting {
		r.fail(errDamaged)
		return
	}
	if typ == thriftTrue || typ == thriftFalse {
		typ = thriftByte
	}
	r.skip(typ, depth+1)
}
