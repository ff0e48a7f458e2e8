package columnar

import "unsafe"

// Encoding is how a vector stores its values.
type Encoding uint8

// Flat stores one value a row; Dict stores a uint32 code a row into Dict.Values;
// Const stores one value (row 0 of the buffers) that stands for all rows.
const (
	Flat Encoding = iota
	Dict
	Const
)

// Vector is one column of a batch. See the package invariants for layout,
// nulls and ownership. The zero value is an empty null vector.
//
//	Enc    Data                          Bytes          Valid
//	Flat   values | bits (Bool) |        string bytes   one bit a row
//	       int32 offsets (String, List)
//	Dict   uint32 codes                  –              one bit a row
//	Const  as Flat, for one value        as Flat        one bit: is it null?
//
// A Null-kind vector has no buffers and is all null. Struct and Map keep their
// children in Kids (Map: one Struct kid of key and value, with offsets in Data,
// as Arrow does); List has one kid. Nulls are told by Valid alone: a dictionary's
// values have none (I5).
type Vector struct {
	Type   Type
	Enc    Encoding
	Width  uint8 // bytes of one fixed-width value; 0 for Bool, bytes and nested kinds
	Stable bool  // the buffers are never overwritten (I4)
	Len    int
	Valid  Bitmap
	Data   []byte
	Bytes  []byte
	Dict   *Dictionary
	Kids   []Vector
}

// Dictionary is the set of values that codes of a Dict vector point to. It is
// immutable and outlives every batch that refers to it, unless the vector that
// holds it is not Stable.
type Dictionary struct {
	ID     uint64   // same id = same content within a process; 0 = anonymous
	Values Vector   // flat, without nulls, at least one value
	Unique bool     // no two codes have equal values: codes may be compared instead
	Hashes []uint64 // key hash of each value once computed; may be nil
}

// Fixed is the set of Go types that a fixed-width buffer can be viewed as.
type Fixed interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64 | Int128
}

// Int128 is a signed 128-bit integer in Arrow's decimal128 layout.
type Int128 struct {
	Lo uint64
	Hi int64
}

// View reinterprets the first n*sizeof(T) bytes of a buffer as n values. The
// buffer must be aligned for T, which every buffer of this module is.
func View[T Fixed](b []byte, n int) []T {
	if n == 0 {
		return nil
	}
	var z T
	_ = b[n*int(unsafe.Sizeof(z))-1]
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// BytesOf reinterprets a slice of values as its bytes.
func BytesOf[T Fixed](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	var z T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(z)))
}

// Values views the values of a flat (Len of them) or constant (one) fixed-width
// vector. T must be as wide as Width.
func Values[T Fixed](v *Vector) []T {
	n := v.Len
	if v.Enc == Const {
		n = 1
	}
	return View[T](v.Data, n)
}

// Codes views the codes of a Dict vector.
func (v *Vector) Codes() []uint32 { return View[uint32](v.Data, v.Len) }

// Offsets views the Len+1 offsets of a flat, or the two of a constant, vector
// of a bytes or list kind.
func (v *Vector) Offsets() []int32 {
	n := v.Len
	if v.Enc == Const {
		n = 1
	}
	return View[int32](v.Data, n+1)
}

// Bits views a Bool vector's values.
func (v *Vector) Bits() Bitmap { return Bitmap(v.Data) }

// index maps a row to its place in the buffers (for Dict: of Dict.Values).
func (v *Vector) index(row int) (*Vector, int) {
	switch v.Enc {
	case Const:
		return v, 0
	case Dict:
		return &v.Dict.Values, int(View[uint32](v.Data, v.Len)[row])
	}
	return v, row
}

// NullAt reports whether a row is null. For tests, edges and slow paths:
// kernels look at Valid as a whole.
func (v *Vector) NullAt(row int) bool {
	if v.Type.Kind == Null {
		return true
	}
	at := row
	if v.Enc == Const {
		at = 0
	}
	return v.Valid != nil && !v.Valid.Get(at)
}

// HasNulls reports whether any row may be null: false means that none is.
func (v *Vector) HasNulls() bool {
	return v.Type.Kind == Null || v.Valid != nil
}

// BytesAt returns the bytes of a row of a bytes kind, without copying. The row
// must not be null.
func (v *Vector) BytesAt(row int) []byte {
	w, i := v.index(row)
	o := View[int32](w.Data, i+2)
	return w.Bytes[o[i]:o[i+1]]
}

// StringAt is BytesAt as a string that shares the vector's memory: it is valid
// as long as the batch is (I4).
func (v *Vector) StringAt(row int) string {
	b := v.BytesAt(row)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Int64At returns the value of a row of any integer, date, time, timestamp,
// interval or bool kind, and of decimals that are 8 bytes wide. The row must
// not be null. For edges and slow paths.
func (v *Vector) Int64At(row int) int64 {
	w, i := v.index(row)
	if w.Type.Kind == Bool {
		if w.Bits().Get(i) {
			return 1
		}
		return 0
	}
	unsigned := w.Type.Kind >= Uint8 && w.Type.Kind <= Uint64
	switch w.Width {
	case 1:
		if unsigned {
			return int64(w.Data[i])
		}
		return int64(int8(w.Data[i]))
	case 2:
		if x := View[int16](w.Data, i+1)[i]; unsigned {
			return int64(uint16(x))
		} else {
			return int64(x)
		}
	case 4:
		if x := View[int32](w.Data, i+1)[i]; unsigned {
			return int64(uint32(x))
		} else {
			return int64(x)
		}
	case 16:
		return int64(View[Int128](w.Data, i+1)[i].Lo)
	}
	return View[int64](w.Data, i+1)[i]
}

// Int128At returns a decimal row's unscaled value at either width.
func (v *Vector) Int128At(row int) Int128 {
	w, i := v.index(row)
	if w.Width == 16 {
		return View[Int128](w.Data, i+1)[i]
	}
	x := View[int64](w.Data, i+1)[i]
	return Int128{Lo: uint64(x), Hi: x >> 63}
}

// Float64At returns a float or double row.
func (v *Vector) Float64At(row int) float64 {
	w, i := v.index(row)
	if w.Width == 4 {
		return float64(View[float32](w.Data, i+1)[i])
	}
	return View[float64](w.Data, i+1)[i]
}

// MemoryBytes returns the bytes that the vector's buffers hold, dictionaries
// included, for reservations. Shared dictionaries are counted by every holder.
func (v *Vector) MemoryBytes() int64 {
	n := int64(len(v.Data)) + int64(len(v.Bytes)) + int64(len(v.Valid))
	if v.Dict != nil {
		n += v.Dict.Values.MemoryBytes() + int64(8*len(v.Dict.Hashes))
	}
	for i := range v.Kids {
		n += v.Kids[i].MemoryBytes()
	}
	return n
}

// dataBytes returns the bytes of a vector's rows without its dictionary. A slice
// counts its part of the strings alone.
func (v *Vector) dataBytes() int64 {
	n := int64(len(v.Data)) + int64(len(v.Valid))
	if v.Enc == Flat && v.Type.IsBytes() && v.Len > 0 {
		ends := View[int32](v.Data, v.Len+1)
		n += int64(ends[v.Len] - ends[0])
	}
	for i := range v.Kids {
		n += v.Kids[i].dataBytes()
	}
	return n
}
