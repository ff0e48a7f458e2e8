package function

import (
	"fmt"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Null is a value or null: as a parameter it makes a function see nulls, as a result
// it may be one. The zero value is null.
type Null[T any] struct {
	Value T
	Valid bool
}

// String prints the value or NULL.
func (n Null[T]) String() string {
	if !n.Valid {
		return "NULL"
	}
	return fmt.Sprint(n.Value)
}

// column makes the column of Null[T] of that of T.
func (Null[T]) column() (any, error) {
	inner, err := columnOf[T]()
	if err != nil {
		return nil, err
	}
	c := column[Null[T]]{typ: inner.typ, nullable: true}
	c.load = func(v *columnar.Vector, n int, out []Null[T]) []Null[T] {
		values := inner.load(v, n, nil)
		out = resize(out, n)
		for i := range out {
			out[i] = Null[T]{Value: values[i], Valid: true}
		}
		if v.HasNulls() {
			for i := range out {
				if v.NullAt(i) {
					out[i] = Null[T]{}
				}
			}
		}
		return out
	}
	c.store = func(xs []Null[T], s *memory.Scratch) (columnar.Vector, error) {
		values := make([]T, len(xs))
		valid := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(len(xs))))
		clear(valid)
		for i, x := range xs {
			if x.Valid {
				values[i] = x.Value
				valid.Set(i)
			}
		}
		v, err := inner.store(values, s)
		v.Valid = valid
		return v, err
	}
	return c, nil
}
