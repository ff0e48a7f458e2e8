package function

import (
	"reflect"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// column moves the values of one Go type between vectors and slices.
type column[T any] struct {
	typ      columnar.Type
	nullable bool // T is a Null
	// load returns the n values of a flat or constant vector, in out where it needs
	// room. Those of fixed width are the vector's own memory. Nulls hold anything.
	load func(v *columnar.Vector, n int, out []T) []T
	// store makes a flat vector of values, without nulls unless T is a Null; it may
	// keep the memory of xs.
	store func(xs []T, s *memory.Scratch) (columnar.Vector, error)
}

// Types that functions may have, for messages.
const valueTypes = "bool, int8, int16, int32, int64, int, float32, float64, string, []byte, time.Time, or millrace.Null of one of these"

// columnOf finds the column of a Go type.
func columnOf[T any]() (column[T], error) {
	var z T
	var c any
	var err error
	switch x := any(z).(type) {
	case bool:
		c = bools()
	case int8:
		c = fixed[int8](columnar.Int8Type)
	case int16:
		c = fixed[int16](columnar.Int16Type)
	case int32:
		c = fixed[int32](columnar.Int32Type)
	case int64:
		c = fixed[int64](columnar.Int64Type)
	case int:
		c = converted(fixed[int64](columnar.Int64Type), func(x int64) int { return int(x) }, func(x int) int64 { return int64(x) })
	case float32:
		c = fixed[float32](columnar.Float32Type)
	case float64:
		c = fixed[float64](columnar.Float64Type)
	case string:
		c = texts[string](columnar.StringType)
	case []byte:
		c = texts[[]byte](columnar.BinaryType)
	case time.Time:
		c = converted(fixed[int64](columnar.TimestampType), time.UnixMicro, time.Time.UnixMicro)
	case interface{ column() (any, error) }:
		c, err = x.column()
	default:
		err = diag.New(diag.InvalidArgument, "a function cannot have a value of Go type %s", reflect.TypeFor[T]()).WithRemedy("use %s", valueTypes)
	}
	if err != nil {
		return column[T]{}, err
	}
	return c.(column[T]), nil
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func fixed[T columnar.Fixed](t columnar.Type) column[T] {
	return column[T]{typ: t,
		load: func(v *columnar.Vector, n int, out []T) []T {
			if v.Enc != columnar.Const {
				return columnar.Values[T](v)
			}
			out = resize(out, n)
			x := columnar.Values[T](v)[0]
			for i := range out {
				out[i] = x
			}
			return out
		},
		store: func(xs []T, s *memory.Scratch) (columnar.Vector, error) {
			out := memory.Slice[T](s, len(xs))
			copy(out, xs)
			return columnar.Vector{Type: t, Width: uint8(t.FixedWidth()), Len: len(xs), Data: columnar.BytesOf(out)}, nil
		}}
}

// converted is a column whose values are those of another in other clothes.
func converted[A columnar.Fixed, B any](c column[A], to func(A) B, from func(B) A) column[B] {
	return column[B]{typ: c.typ,
		load: func(v *columnar.Vector, n int, out []B) []B {
			out = resize(out, n)
			for i, x := range c.load(v, n, nil) {
				out[i] = to(x)
			}
			return out
		},
		store: func(xs []B, s *memory.Scratch) (columnar.Vector, error) {
			values := memory.Slice[A](s, len(xs))
			for i, x := range xs {
				values[i] = from(x)
			}
			return c.store(values, s)
		}}
}

func bools() column[bool] {
	return column[bool]{typ: columnar.BoolType,
		load: func(v *columnar.Vector, n int, out []bool) []bool {
			out = resize(out, n)
			bits := v.Bits()
			for i := range out {
				at := i
				if v.Enc == columnar.Const {
					at = 0
				}
				out[i] = bits.Get(at)
			}
			return out
		},
		store: func(xs []bool, s *memory.Scratch) (columnar.Vector, error) {
			bits := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(len(xs))))
			clear(bits)
			for i, x := range xs {
				if x {
					bits.Set(i)
				}
			}
			return columnar.Vector{Type: columnar.BoolType, Len: len(xs), Data: bits}, nil
		}}
}
