package function

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Value encodes the values of a Go type as bytes: states of aggregates, elements of
// datasets. Equal values have equal bytes (−0 is written as 0).
//
//	bool, int8 …   one byte …, integers as zig-zag varints
//	float32, 64    bits, little end first
//	string, []byte length, bytes           struct  its exported fields in order
//	slice, map     count, elements         array   elements       empty ones become nil
//	Pair           length of the key, key, value
//	pointer        0, or 1 and the value   Time    µs since 1970, UTC
//
// What a type is made of is looked at once, in ValueOf; encoding follows functions
// made then.
type Value[T any] struct{ c *coder }

// coder encodes and decodes what a pointer points to.
type coder struct {
	put func(b []byte, p unsafe.Pointer) []byte
	get func(b []byte, p unsafe.Pointer) ([]byte, error)
	// least is the fewest bytes that a value takes.
	least int
}

// ErrValue is wrapped by every failure to decode.
var ErrValue = errors.New("function: malformed value")

// ValueOf makes the encoding of T. A type that holds what cannot travel, as a
// channel, a function, an interface or an unexported field, is an error.
func ValueOf[T any]() (Value[T], error) {
	c, err := coderOf(reflect.TypeFor[T](), map[reflect.Type]*coder{})
	return Value[T]{c}, err
}

// Append encodes a value.
func (v Value[T]) Append(b []byte, x T) []byte { return v.c.put(b, unsafe.Pointer(&x)) }

// Decode decodes what Append made; nothing may be left over.
func (v Value[T]) Decode(b []byte) (x T, err error) {
	rest, err := v.c.get(b, unsafe.Pointer(&x))
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes too many", ErrValue, len(rest))
	}
	return x, err
}

func short() error { return fmt.Errorf("%w: cut short", ErrValue) }

func coderOf(t reflect.Type, seen map[reflect.Type]*coder) (*coder, error) {
	if c, ok := seen[t]; ok {
		return c, nil
	}
	c := &coder{}
	seen[t] = c
	if t == reflect.TypeFor[time.Time]() {
		c.least = 1
		c.put = func(b []byte, p unsafe.Pointer) []byte {
			return binary.AppendVarint(b, (*time.Time)(p).UnixMicro())
		}
		c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
			x, n := binary.Varint(b)
			if n <= 0 {
				return nil, short()
			}
			*(*time.Time)(p) = time.UnixMicro(x).UTC()
			return b[n:], nil
		}
		return c, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		c.least = 1
		c.put = func(b []byte, p unsafe.Pointer) []byte {
			if *(*bool)(p) {
				return append(b, 1)
			}
			return append(b, 0)
		}
		c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
			if len(b) == 0 || b[0] > 1 {
				return nil, short()
			}
			*(*bool)(p) = b[0] == 1
			return b[1:], nil
		}
	case reflect.Int8:
		integer[int8](c)
	case reflect.Int16:
		integer[int16](c)
	case reflect.Int32:
		integer[int32](c)
	case reflect.Int64:
		integer[int64](c)
	case reflect.Int:
		integer[int](c)
	case reflect.Uint8:
		integer[uint8](c)
	case reflect.Uint16:
		integer[uint16](c)
	case reflect.Uint32:
		integer[uint32](c)
	case reflect.Uint64:
		integer[uint64](c)
	case reflect.Uint:
		integer[uint](c)
	case reflect.Float32:
		c.least = 4
		c.put = func(b []byte, p unsafe.Pointer) []byte {
			return binary.LittleEndian.AppendUint32(b, math.Float32bits(*(*float32)(p)+0))
		}
		c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
			if len(b) < 4 {
				return nil, short()
			}
			*(*float32)(p) = math.Float32frombits(binary.LittleEndian.Uint32(b))
			return b[4:], nil
		}
	case reflect.Float64:
		c.least = 8
		c.put = func(b []byte, p unsafe.Pointer) []byte {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(*(*float64)(p)+0))
		}
		c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
			if len(b) < 8 {
				return nil, short()
			}
			*(*float64)(p) = math.Float64frombits(binary.LittleEndian.Uint64(b))
			return b[8:], nil
		}
	case reflect.String:
		c.least = 1
		c.put = func(b []byte, p unsafe.Pointer) []byte {
			s := *(*string)(p)
			return append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
		c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
			n, b, err := count(b, 1)
			if err != nil {
				return nil, err
			}
			*(*string)(p) = string(b[:n])
			return b[n:], nil
		}
	case reflect.Struct:
		if t.Implements(reflect.TypeFor[pair]()) {
			return c, pairCoder(c, t, seen)
		}
		return c, structCoder(c, t, seen)
	case reflect.Slice, reflect.Array, reflect.Pointer:
		if t == reflect.TypeFor[[]byte]() {
			bytesCoder(c)
			return c, nil
		}
		e, err := coderOf(t.Elem(), seen)
		if err != nil {
			return nil, err
		}
		switch t.Kind() {
		case reflect.Slice:
			sliceCoder(c, t, e)
		case reflect.Array:
			arrayCoder(c, t, e)
		default:
			pointerCoder(c, t, e)
		}
	case reflect.Map:
		return c, mapCoder(c, t, seen)
	default:
		return nil, diag.New(diag.InvalidArgument, "values of Go type %s cannot travel between processes", t).
			WithRemedy("use numbers, strings, times, and structs, slices, arrays, maps and pointers of these")
	}
	return c, nil
}

func bytesCoder(c *coder) {
	c.least = 1
	c.put = func(b []byte, p unsafe.Pointer) []byte {
		x := *(*[]byte)(p)
		return append(binary.AppendUvarint(b, uint64(len(x))), x...)
	}
	c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
		n, b, err := count(b, 1)
		if err != nil || n == 0 {
			return b, err
		}
		*(*[]byte)(p) = bytes.Clone(b[:n])
		return b[n:], nil
	}
}

func integer[T ~int8 | ~int16 | ~int32 | ~int64 | ~int | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uint](c *coder) {
	c.least = 1
	c.put = func(b []byte, p unsafe.Pointer) []byte { return binary.AppendVarint(b, int64(*(*T)(p))) }
	c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
		x, n := binary.Varint(b)
		if n <= 0 || int64(T(x)) != x {
			return nil, fmt.Errorf("%w: an integer", ErrValue)
		}
		*(*T)(p) = T(x)
		return b[n:], nil
	}
}

// count reads how many elements follow; each takes at least least bytes.
func count(b []byte, least int) (int, []byte, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k)/uint64(max(1, least)) && least > 0 || n > 1<<31 {
		return 0, nil, short()
	}
	return int(n), b[k:], nil
}

func structCoder(c *coder, t reflect.Type, seen map[reflect.Type]*coder) error {
	type field struct {
		c  *coder
		at uintptr
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			return diag.New(diag.InvalidArgument, "the field %s of %s is not exported, so its values cannot travel between processes", f.Name, t).WithRemedy("export it, or leave it out")
		}
		e, err := coderOf(f.Type, seen)
		if err != nil {
			return err
		}
		fields = append(fields, field{e, f.Offset})
		c.least += e.least
	}
	c.put = func(b []byte, p unsafe.Pointer) []byte {
		for _, f := range fields {
			b = f.c.put(b, unsafe.Add(p, f.at))
		}
		return b
	}
	c.get = func(b []byte, p unsafe.Pointer) (_ []byte, err error) {
		for _, f := range fields {
			if b, err = f.c.get(b, unsafe.Add(p, f.at)); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return nil
}

func sliceCoder(c *coder, t reflect.Type, e *coder) {
	c.least = 1
	size := t.Elem().Size()
	c.put = func(b []byte, p unsafe.Pointer) []byte {
		s := *(*[]struct{})(p) // the header alone
		b = binary.AppendUvarint(b, uint64(len(s)))
		base := unsafe.Pointer(unsafe.SliceData(s))
		for i := range len(s) {
			b = e.put(b, unsafe.Add(base, uintptr(i)*size))
		}
		return b
	}
	c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
		n, b, err := count(b, max(1, e.least))
		if err != nil || n == 0 {
			return b, err
		}
		v := reflect.MakeSlice(t, n, n)
		base := v.UnsafePointer()
		for i := range n {
			if b, err = e.get(b, unsafe.Add(base, uintptr(i)*size)); err != nil {
				return nil, err
			}
		}
		reflect.NewAt(t, p).Elem().Set(v)
		return b, nil
	}
}

func arrayCoder(c *coder, t reflect.Type, e *coder) {
	size, n := t.Elem().Size(), t.Len()
	c.least = n * e.least
	c.put = func(b []byte, p unsafe.Pointer) []byte {
		for i := range n {
			b = e.put(b, unsafe.Add(p, uintptr(i)*size))
		}
		return b
	}
	c.get = func(b []byte, p unsafe.Pointer) (_ []byte, err error) {
		for i := range n {
			if b, err = e.get(b, unsafe.Add(p, uintptr(i)*size)); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
}

func pointerCoder(c *coder, t reflect.Type, e *coder) {
	c.least = 1
	c.put = func(b []byte, p unsafe.Pointer) []byte {
		to := *(*unsafe.Pointer)(p)
		if to == nil {
			return append(b, 0)
		}
		return e.put(append(b, 1), to)
	}
	c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
		if len(b) == 0 || b[0] > 1 {
			return nil, short()
		}
		if b[0] == 0 {
			return b[1:], nil
		}
		v := reflect.New(t.Elem())
		rest, err := e.get(b[1:], v.UnsafePointer())
		if err == nil {
			*(*unsafe.Pointer)(p) = v.UnsafePointer()
		}
		return rest, err
	}
}

// mapCoder writes entries in the order of their encoded keys.
func mapCoder(c *coder, t reflect.Type, seen map[reflect.Type]*coder) error {
	k, err := coderOf(t.Key(), seen)
	if err != nil {
		return err
	}
	e, err := coderOf(t.Elem(), seen)
	if err != nil {
		return err
	}
	c.least = 1
	c.put = func(b []byte, p unsafe.Pointer) []byte {
		m := reflect.NewAt(t, p).Elem()
		b = binary.AppendUvarint(b, uint64(m.Len()))
		entries := make([]string, 0, m.Len())
		key, value := reflect.New(t.Key()), reflect.New(t.Elem())
		for it := m.MapRange(); it.Next(); {
			key.Elem().SetIterKey(it)
			value.Elem().SetIterValue(it)
			entries = append(entries, string(e.put(k.put(nil, key.UnsafePointer()), value.UnsafePointer())))
		}
		slices.Sort(entries)
		for _, x := range entries {
			b = append(b, x...)
		}
		return b
	}
	c.get = func(b []byte, p unsafe.Pointer) ([]byte, error) {
		n, b, err := count(b, max(1, k.least+e.least))
		if err != nil || n == 0 {
			return b, err
		}
		m := reflect.MakeMapWithSize(t, n)
		for range n {
			key, value := reflect.New(t.Key()), reflect.New(t.Elem())
			if b, err = k.get(b, key.UnsafePointer()); err != nil {
				return nil, err
			}
			if b, err = e.get(b, value.UnsafePointer()); err != nil {
				return nil, err
			}
			m.SetMapIndex(key.Elem(), value.Elem())
		}
		reflect.NewAt(t, p).Elem().Set(m)
		return b, nil
	}
	return nil
}
