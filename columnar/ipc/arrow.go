// Package ipc is the border to the Arrow library: schemas and columns in both
// directions. Flat columns go out without a copy; what comes in is copied, so
// that the library's memory can be released at once.
//
// It imports columnar, kernel and arrow-go.
package ipc

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	amem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/internal/diag"
)

// FromArrowSchema maps a schema; types without a counterpart are refused.
func FromArrowSchema(s *arrow.Schema) (*columnar.Schema, error) {
	out := &columnar.Schema{}
	for _, f := range s.Fields() {
		t, err := typeFrom(f.Type)
		if err != nil {
			return nil, diag.New(diag.Unsupported, "column %s of Arrow type %s is not supported yet", f.Name, f.Type)
		}
		out.Fields = append(out.Fields, columnar.Field{Name: f.Name, Type: t, Nullable: f.Nullable})
	}
	return out, nil
}

func typeFrom(t arrow.DataType) (columnar.Type, error) {
	switch x := t.(type) {
	case *arrow.NullType:
		return columnar.NullType, nil
	case *arrow.BooleanType:
		return columnar.BoolType, nil
	case *arrow.Int8Type:
		return columnar.Int8Type, nil
	case *arrow.Int16Type, *arrow.Uint8Type:
		return columnar.Int16Type, nil
	case *arrow.Int32Type, *arrow.Uint16Type:
		return columnar.Int32Type, nil
	case *arrow.Int64Type, *arrow.Uint32Type:
		return columnar.Int64Type, nil
	case *arrow.Float32Type:
		return columnar.Float32Type, nil
	case *arrow.Float64Type:
		return columnar.Float64Type, nil
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return columnar.StringType, nil
	case *arrow.BinaryType, *arrow.LargeBinaryType, *arrow.BinaryViewType:
		return columnar.BinaryType, nil
	case *arrow.Date32Type, *arrow.Date64Type:
		return columnar.DateType, nil
	case *arrow.TimestampType:
		if x.TimeZone == "" {
			return columnar.TimestampNTZType, nil
		}
		return columnar.TimestampType, nil
	case *arrow.Decimal128Type:
		return columnar.DecimalType(int(x.Precision), int(x.Scale)), nil
	case *arrow.DictionaryType:
		return typeFrom(x.ValueType)
	}
	return columnar.Type{}, fmt.Errorf("no counterpart of %s", t)
}

// FromArrow copies a record's columns into batches of at most rows rows.
func FromArrow(rec arrow.RecordBatch, schema *columnar.Schema, columns []int, rows int) ([]*columnar.Batch, error) {
	var out []*columnar.Batch
	n := int(rec.NumRows())
	for from := 0; from < n; from += rows {
		k := min(rows, n-from)
		b := &columnar.Batch{Schema: schema, Rows: k}
		for _, c := range columns {
			v, err := vector(rec.Column(c), schema.Fields[c].Type, from, k)
			if err != nil {
				return nil, err
			}
			b.Cols = append(b.Cols, v)
		}
		out = append(out, b)
	}
	return out, nil
}

// strings is what Arrow's string and binary arrays have in common.
type strings interface{ Value(int) string }
type binaries interface{ Value(int) []byte }

func fixed[T columnar.Fixed](v *columnar.Vector, n int, at func(i int) T) {
	out := make([]T, n)
	for i := range out {
		if v.Valid == nil || v.Valid.Get(i) {
			out[i] = at(i)
		}
	}
	v.Data = columnar.BytesOf(out)
}

func vector(a arrow.Array, t columnar.Type, from, n int) (columnar.Vector, error) {
	v := columnar.Vector{Type: t, Len: n, Width: uint8(t.FixedWidth()), Stable: true}
	if t.Kind == columnar.Null {
		return v, nil
	}
	if a.NullN() > 0 {
		v.Valid = columnar.NewBitmap(n)
		for i := range n {
			v.Valid.SetTo(i, a.IsValid(from+i))
		}
	}
	switch x := a.(type) {
	case *array.Boolean:
		b := columnar.NewBitmap(n)
		for i := range n {
			b.SetTo(i, x.Value(from+i))
		}
		v.Data = b
	case *array.Int8:
		fixed(&v, n, func(i int) int8 { return x.Value(from + i) })
	case *array.Uint8:
		fixed(&v, n, func(i int) int16 { return int16(x.Value(from + i)) })
	case *array.Int16:
		fixed(&v, n, func(i int) int16 { return x.Value(from + i) })
	case *array.Uint16:
		fixed(&v, n, func(i int) int32 { return int32(x.Value(from + i)) })
	case *array.Int32:
		fixed(&v, n, func(i int) int32 { return x.Value(from + i) })
	case *array.Uint32:
		fixed(&v, n, func(i int) int64 { return int64(x.Value(from + i)) })
	case *array.Int64:
		fixed(&v, n, func(i int) int64 { return x.Value(from + i) })
	case *array.Float32:
		fixed(&v, n, func(i int) float32 { return x.Value(from + i) })
	case *array.Float64:
		fixed(&v, n, func(i int) float64 { return x.Value(from + i) })
	case *array.Date32:
		fixed(&v, n, func(i int) int32 { return int32(x.Value(from + i)) })
	case *array.Date64:
		fixed(&v, n, func(i int) int32 { return int32(int64(x.Value(from+i)) / 86_400_000) })
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		fixed(&v, n, func(i int) int64 {
			u := int64(x.Value(from + i))
			switch unit {
			case arrow.Second:
				return u * 1_000_000
			case arrow.Millisecond:
				return u * 1000
			case arrow.Nanosecond:
				return u / 1000
			}
			return u
		})
	case *array.Decimal128:
		wide := make([]columnar.Int128, n)
		narrow := true
		for i := range wide {
			if v.Valid == nil || v.Valid.Get(i) {
				d := x.Value(from + i)
				wide[i] = columnar.Int128{Lo: d.LowBits(), Hi: d.HighBits()}
				narrow = narrow && wide[i].FitsInt64()
			}
		}
		if v.Width, v.Data = 16, columnar.BytesOf(wide); narrow {
			v.Width = 8
			fixed(&v, n, func(i int) int64 { return int64(wide[i].Lo) })
		}
	case *array.Dictionary:
		return dictionary(x, t, v, from, n)
	default:
		off := make([]int32, n+1)
		for i := range n {
			if v.Valid == nil || v.Valid.Get(i) {
				switch y := a.(type) {
				case strings:
					v.Bytes = append(v.Bytes, y.Value(from+i)...)
				case binaries:
					v.Bytes = append(v.Bytes, y.Value(from+i)...)
				default:
					return v, diag.New(diag.Unsupported, "Arrow arrays of type %s are not supported yet", a.DataType())
				}
			}
			off[i+1] = int32(len(v.Bytes))
		}
		v.Data = columnar.BytesOf(off)
	}
	return v, nil
}

// dictionary keeps the codes of a dictionary array whose values have no nulls.
func dictionary(x *array.Dictionary, t columnar.Type, v columnar.Vector, from, n int) (columnar.Vector, error) {
	values := x.Dictionary()
	d, err := vector(values, t, 0, values.Len())
	if err != nil {
		return d, err
	}
	rows := make([]uint32, n)
	for i := range rows {
		if v.Valid == nil || v.Valid.Get(i) {
			c := x.GetValueIndex(from + i)
			if c < 0 || c >= values.Len() {
				return v, diag.New(diag.CorruptFile, "a dictionary code %d lies beyond its %d values", c, values.Len())
			}
			rows[i] = uint32(c)
		} else {
			rows[i] = kernel.NullRow
		}
	}
	if d.Len == 0 { // every row is null
		v.Valid = columnar.NewBitmap(n)
		v.Enc, v.Data = columnar.Const, make([]byte, 16)
		return v, nil
	}
	out := kernel.Indirect(&d, rows, nil)
	return out, nil
}

// ToArrowSchema maps a schema.
func ToArrowSchema(s *columnar.Schema) (*arrow.Schema, error) {
	fields := make([]arrow.Field, s.Len())
	for i, f := range s.Fields {
		t, err := typeTo(f.Type)
		if err != nil {
			return nil, diag.New(diag.Unsupported, "column %s of type %s has no Arrow counterpart yet", f.Name, f.Type)
		}
		fields[i] = arrow.Field{Name: f.Name, Type: t, Nullable: f.Nullable}
	}
	return arrow.NewSchema(fields, nil), nil
}

func typeTo(t columnar.Type) (arrow.DataType, error) {
	switch t.Kind {
	case columnar.Null:
		return arrow.Null, nil
	case columnar.Bool:
		return arrow.FixedWidthTypes.Boolean, nil
	case columnar.Int8:
		return arrow.PrimitiveTypes.Int8, nil
	case columnar.Int16:
		return arrow.PrimitiveTypes.Int16, nil
	case columnar.Int32:
		return arrow.PrimitiveTypes.Int32, nil
	case columnar.Int64:
		return arrow.PrimitiveTypes.Int64, nil
	case columnar.Float32:
		return arrow.PrimitiveTypes.Float32, nil
	case columnar.Float64:
		return arrow.PrimitiveTypes.Float64, nil
	case columnar.Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}, nil
	case columnar.String:
		return arrow.BinaryTypes.String, nil
	case columnar.Binary:
		return arrow.BinaryTypes.Binary, nil
	case columnar.Date:
		return arrow.FixedWidthTypes.Date32, nil
	case columnar.Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, nil
	case columnar.TimestampNTZ:
		return &arrow.TimestampType{Unit: arrow.Microsecond}, nil
	}
	return nil, fmt.Errorf("no counterpart of %s", t)
}

// ToArrow returns a stable batch as a record that shares its buffers where the
// layout agrees. The record is valid as long as the batch.
func ToArrow(b *columnar.Batch, schema *arrow.Schema) (arrow.RecordBatch, error) {
	b = kernel.Compact(b, nil)
	cols := make([]arrow.Array, len(b.Cols))
	for i := range b.Cols {
		v := kernel.Flatten(&b.Cols[i], nil)
		f := schema.Field(i).Type
		if v.Type.Kind == columnar.Null {
			cols[i] = array.NewNull(b.Rows)
			continue
		}
		if v.Type.Kind == columnar.Decimal && v.Width == 8 {
			wide := make([]columnar.Int128, v.Len)
			for k, x := range columnar.Values[int64](&v) {
				wide[k] = columnar.Int128Of(x)
			}
			v.Data = columnar.BytesOf(wide)
		}
		nulls := 0
		var valid *amem.Buffer
		if v.Valid != nil {
			nulls = v.Len - v.Valid.Count(v.Len)
			valid = amem.NewBufferBytes(v.Valid)
		}
		buffers := []*amem.Buffer{valid, amem.NewBufferBytes(v.Data)}
		if v.Type.IsBytes() {
			buffers = append(buffers, amem.NewBufferBytes(v.Bytes))
		}
		cols[i] = array.MakeFromData(array.NewData(f, v.Len, buffers, nil, nulls, 0))
	}
	return array.NewRecordBatch(schema, cols, int64(b.Rows)), nil
}
