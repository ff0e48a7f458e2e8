package function

import (
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// record makes the columns of Go values of one type: of the exported fields of a
// struct, or of a single value. What the type is made of is looked at once.
type record[R any] struct {
	schema *columnar.Schema
	fields []cells
}

// cells makes one column of n values that lie stride bytes apart from p on.
type cells func(p unsafe.Pointer, n int, stride uintptr, s *memory.Scratch) (columnar.Vector, error)

// recordOf finds the columns of R. A value that is no struct makes one, named value.
func recordOf[R any]() (record[R], error) {
	t := reflect.TypeFor[R]()
	r := record[R]{schema: &columnar.Schema{}}
	add := func(name string, t reflect.Type, offset uintptr) error {
		make := cellsOf(t)
		if make == nil {
			return diag.New(diag.InvalidArgument, "a column cannot have values of Go type %s", t).WithRemedy("use %s, or a pointer to one", valueTypes)
		}
		typ, nullable, c, err := make(offset)
		if err == nil {
			r.schema.Fields = append(r.schema.Fields, columnar.Field{Name: name, Type: typ, Nullable: nullable})
			r.fields = append(r.fields, c)
		}
		return err
	}
	if t.Kind() != reflect.Struct || cellsOf(t) != nil {
		return r, add("value", t, 0)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			return r, diag.New(diag.InvalidArgument, "the field %s of %s is not exported", f.Name, t).WithRemedy("each field of a row is a column: begin it with an upper-case letter")
		}
		if err := add(f.Name, f.Type, f.Offset); err != nil {
			return r, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	if len(r.fields) == 0 {
		return r, diag.New(diag.InvalidArgument, "%s has no fields, so its rows have no columns", t)
	}
	return r, nil
}

// store makes a column for each field of the rows; they live in s.
func (r *record[R]) store(rows []R, s *memory.Scratch) ([]columnar.Vector, error) {
	var z R
	out := make([]columnar.Vector, len(r.fields))
	for i, f := range r.fields {
		v, err := f(unsafe.Pointer(unsafe.SliceData(rows)), len(rows), unsafe.Sizeof(z), s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// cellsAt makes the cells at an offset of a row.
type cellsAt func(offset uintptr) (columnar.Type, bool, cells, error)

// cellsOf returns nil for a type that no column has.
func cellsOf(t reflect.Type) cellsAt {
	for _, kind := range cellTypes {
		switch {
		case t == kind.plain, t.Kind() == kind.plain.Kind() && kind.plain.Kind() != reflect.Struct && kind.plain.Kind() != reflect.Slice:
			return kind.value
		case t.Kind() == reflect.Slice && kind.plain.Kind() == reflect.Slice && t.Elem() == kind.plain.Elem():
			return kind.value
		case t == kind.null:
			return kind.orNull
		case t.Kind() == reflect.Pointer && t.Elem() == kind.plain:
			return kind.pointer
		}
	}
	return nil
}

// cellType is a Go type of cells, and its forms that may be null.
type cellType struct {
	plain, null            reflect.Type
	value, orNull, pointer cellsAt
}

var cellTypes = []cellType{
	cellTypeOf[bool](), cellTypeOf[int8](), cellTypeOf[int16](), cellTypeOf[int32](), cellTypeOf[int64](), cellTypeOf[int](),
	cellTypeOf[float32](), cellTypeOf[float64](), cellTypeOf[string](), cellTypeOf[[]byte](), cellTypeOf[time.Time](),
}

func cellTypeOf[T any]() cellType {
	return cellType{plain: reflect.TypeFor[T](), null: reflect.TypeFor[Null[T]](),
		value:  cellsBy(func(x T) T { return x }),
		orNull: cellsBy(func(x Null[T]) Null[T] { return x }),
		pointer: cellsBy(func(x *T) Null[T] {
			if x == nil {
				return Null[T]{}
			}
			return Null[T]{Value: *x, Valid: true}
		})}
}

// cellsBy reads fields of type F, which are cells of type T by way of get.
func cellsBy[F, T any](get func(F) T) cellsAt {
	return func(offset uintptr) (columnar.Type, bool, cells, error) {
		c, err := columnOf[T]()
		return c.typ, c.nullable, func(p unsafe.Pointer, n int, stride uintptr, s *memory.Scratch) (columnar.Vector, error) {
			xs := make([]T, n)
			for i := range xs {
				xs[i] = get(*(*F)(unsafe.Add(p, uintptr(i)*stride+offset)))
			}
			return c.store(xs, s)
		}, err
	}
}
