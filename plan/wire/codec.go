package wire

import (
	"errors"
	"fmt"
	"math"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"

	"google.golang.org/protobuf/encoding/protowire"
)

// Version of the format; decoders refuse others.
const Version = 1

// Bounds of what is accepted.
const (
	MaxStageBytes = 16 << 20
	MaxTaskBytes  = 1 << 20
	maxDepth      = 256
)

// ErrMalformed is wrapped by every decoding failure.
var ErrMalformed = errors.New("wire: malformed message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// encoder appends protobuf fields to a buffer.
type encoder struct {
	b       []byte
	nowhere bool // places in the text of the query are left out
}

func (e *encoder) uint(field int, v uint64) {
	if v != 0 {
		e.b = protowire.AppendVarint(protowire.AppendTag(e.b, protowire.Number(field), protowire.VarintType), v)
	}
}
func (e *encoder) int(field int, v int64) { e.uint(field, protowire.EncodeZigZag(v)) }
func (e *encoder) bool(field int, v bool) {
	if v {
		e.uint(field, 1)
	}
}
func (e *encoder) place(field int, p diag.Pos) {
	if !e.nowhere {
		e.uint(field, uint64(p))
	}
}
func (e *encoder) float(field int, v float64) {
	e.b = protowire.AppendFixed64(protowire.AppendTag(e.b, protowire.Number(field), protowire.Fixed64Type), math.Float64bits(v))
}
func (e *encoder) bytes(field int, v []byte) {
	e.b = protowire.AppendBytes(protowire.AppendTag(e.b, protowire.Number(field), protowire.BytesType), v)
}
func (e *encoder) string(field int, v string) {
	if v != "" {
		e.bytes(field, []byte(v))
	}
}
func (e *encoder) ints(field int, vs []int) {
	if len(vs) == 0 {
		return
	}
	var b []byte
	for _, v := range vs {
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(int64(v)))
	}
	e.bytes(field, b)
}

// message appends a nested message; an empty one is written too.
func (e *encoder) message(field int, write func(*encoder)) {
	sub := encoder{nowhere: e.nowhere}
	write(&sub)
	e.bytes(field, sub.b)
}

// field is one decoded field: a varint or fixed64 value, or bytes.
type field struct {
	num   int
	value uint64
	data  []byte
}

func (f field) int() int       { return int(protowire.DecodeZigZag(f.value)) }
func (f field) int64() int64   { return protowire.DecodeZigZag(f.value) }
func (f field) float() float64 { return math.Float64frombits(f.value) }
func (f field) bool() bool     { return f.value != 0 }
func (f field) string() string { return string(f.data) }

func (f field) ints() ([]int, error) {
	out := make([]int, 0, len(f.data))
	for b := f.data; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, malformed("list of integers in field %d", f.num)
		}
		out, b = append(out, int(protowire.DecodeZigZag(v))), b[n:]
	}
	return out, nil
}

// fields calls f for each field of a message, in order.
func fields(b []byte, f func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return malformed("tag")
		}
		b = b[n:]
		fd := field{num: int(num)}
		switch typ {
		case protowire.VarintType:
			fd.value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			fd.value, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			fd.data, n = protowire.ConsumeBytes(b)
		default:
			return malformed("wire type %d", typ)
		}
		if n < 0 {
			return malformed("field %d", num)
		}
		b = b[n:]
		if err := f(fd); err != nil {
			return err
		}
	}
	return nil
}

// decoder carries the depth of nesting and what names may resolve to.
type decoder struct {
	depth     int
	functions expr.Lookup
}

func (d *decoder) enter() error {
	if d.depth++; d.depth > maxDepth {
		return malformed("nested deeper than %d", maxDepth)
	}
	return nil
}
func (d *decoder) leave() { d.depth-- }

// fixed64 appends 64 raw bits.
func (e *encoder) fixed64(field int, v uint64) {
	e.b = protowire.AppendFixed64(protowire.AppendTag(e.b, protowire.Number(field), protowire.Fixed64Type), v)
}
