package function

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// SchemaOf returns the columns of a struct: its exported fields, bool, numbers,
// strings, bytes and times, or pointers to these where null is possible.
func SchemaOf(t reflect.Type) (*columnar.Schema, error) {
	bad := func(what string) error {
		return diag.New(diag.InvalidArgument, "%s has no columns: %s", t, what).WithRemedy("use a struct whose fields are exported, of type %s, or pointers to these for what may be null", "bool, int, int32, int64, float64, string, []byte, time.Time")
	}
	if t.Kind() != reflect.Struct {
		return nil, bad("it is no struct")
	}
	s := &columnar.Schema{}
	for i := range t.NumField() {
		f := t.Field(i)
		ft := f.Type
		null := ft.Kind() == reflect.Pointer
		if null {
			ft = ft.Elem()
		}
		var typ columnar.Type
		switch {
		case ft == reflect.TypeFor[time.Time]():
			typ = columnar.TimestampType
		case ft.Kind() == reflect.Bool:
			typ = columnar.BoolType
		case ft.Kind() == reflect.Int32:
			typ = columnar.Int32Type
		case ft.Kind() == reflect.Int64, ft.Kind() == reflect.Int:
			typ = columnar.Int64Type
		case ft.Kind() == reflect.Float64:
			typ = columnar.Float64Type
		case ft.Kind() == reflect.String:
			typ = columnar.StringType
		case ft == reflect.TypeFor[[]byte]():
			typ = columnar.BinaryType
		default:
			return nil, bad(fmt.Sprintf("its field %s is of type %s", f.Name, f.Type))
		}
		if !f.IsExported() {
			return nil, bad("its field " + f.Name + " is not exported")
		}
		s.Fields = append(s.Fields, columnar.Field{Name: f.Name, Type: typ, Nullable: null})
	}
	return s, nil
}

// encodeRow encodes the columns of a row as ValueOf does the fields of a struct. Args
// say which of these are pointers: the others must not be null.
func (f *flow) encodeRow(b *columnar.Batch, at int) []byte {
	var out []byte
	for i := range b.Cols {
		v := &b.Cols[i]
		pointer := i < len(f.args) && f.args[i] == 1
		switch null := v.NullAt(at); {
		case null && !pointer:
			panic(fmt.Errorf("column %d has a null: make the field a pointer", i+1))
		case null:
			out = append(out, 0)
			continue
		case pointer:
			out = append(out, 1)
		}
		switch {
		case v.Type.IsBytes():
			x := v.BytesAt(at)
			out = append(binary.AppendUvarint(out, uint64(len(x))), x...)
		case v.Type.IsFloat():
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v.Float64At(at)+0))
		case v.Type.Kind == columnar.Bool:
			out = append(out, byte(v.Int64At(at)))
		default:
			out = binary.AppendVarint(out, v.Int64At(at))
		}
	}
	return out
}

// decodeRows makes columns of encoded structs.
func decodeRows(s *columnar.Schema, values []string) (*columnar.Batch, error) {
	rest := make([][]byte, len(values))
	for i, v := range values {
		rest[i] = []byte(v)
	}
	b := &columnar.Batch{Schema: s, Rows: len(values)}
	for _, f := range s.Fields {
		valid := columnar.NewBitmap(len(values))
		take := func(read func(i int, b []byte) ([]byte, error)) error {
			for i := range rest {
				if f.Nullable {
					if len(rest[i]) == 0 {
						return short()
					}
					set := rest[i][0] != 0
					rest[i] = rest[i][1:]
					if !set {
						continue
					}
				}
				valid.Set(i)
				next, err := read(i, rest[i])
				if err != nil {
					return err
				}
				rest[i] = next
			}
			return nil
		}
		v, err := decodeColumn(f.Type, len(values), take)
		if err != nil {
			return nil, fmt.Errorf("the column %s: %w", f.Name, err)
		}
		if f.Nullable {
			v.Valid = valid
		}
		v.Stable = true
		b.Cols = append(b.Cols, v)
	}
	return b, nil
}

// decodeColumn fills a vector with what take reads row by row.
func decodeColumn(t columnar.Type, n int, take func(func(int, []byte) ([]byte, error)) error) (columnar.Vector, error) {
	whole := func(set func(i int, x int64)) error {
		return take(func(i int, b []byte) ([]byte, error) {
			x, k := binary.Varint(b)
			if k <= 0 {
				return nil, short()
			}
			set(i, x)
			return b[k:], nil
		})
	}
	v := columnar.Vector{Type: t, Width: uint8(t.FixedWidth()), Len: n}
	var err error
	switch t.Kind {
	case columnar.String, columnar.Binary:
		xs := make([]string, n)
		if err = take(func(i int, b []byte) ([]byte, error) {
			k, b, err := count(b, 1)
			if err == nil {
				xs[i], b = string(b[:k]), b[k:]
			}
			return b, err
		}); err != nil {
			return v, err
		}
		return storeTexts(t, xs, nil)
	case columnar.Bool:
		bits := columnar.NewBitmap(n)
		err = take(func(i int, b []byte) ([]byte, error) {
			if len(b) == 0 {
				return nil, short()
			}
			bits.SetTo(i, b[0] != 0)
			return b[1:], nil
		})
		v.Data = bits
	case columnar.Float64:
		xs := make([]float64, n)
		err = take(func(i int, b []byte) ([]byte, error) {
			if len(b) < 8 {
				return nil, short()
			}
			xs[i] = math.Float64frombits(binary.LittleEndian.Uint64(b))
			return b[8:], nil
		})
		v.Data = columnar.BytesOf(xs)
	case columnar.Int32:
		xs := make([]int32, n)
		err = whole(func(i int, x int64) { xs[i] = int32(x) })
		v.Data = columnar.BytesOf(xs)
	default:
		xs := make([]int64, n)
		err = whole(func(i int, x int64) { xs[i] = x })
		v.Data = columnar.BytesOf(xs)
	}
	return v, err
}
