// Package ipc is the border to the Arrow library: schemas and columns in both
// directions. Flat columns go out without a copy; what comes in is copied, so
// that the library's memory can be released at once.
//
// It imports columnar, kernel and arrow-go.
package ipc

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace-engine/millrace/columnar"
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
	case *arrow.DurationType:
		return columnar.DayTimeType, nil
	case *arrow.MonthIntervalType:
		return columnar.YearMonthType, nil
	case *arrow.DictionaryType:
		return typeFrom(x.ValueType)
	}
	return columnar.Type{}, fmt.Errorf("no counterpart of %s", t)
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
	case columnar.DayTimeInterval:
		return arrow.FixedWidthTypes.Duration_us, nil
	case columnar.YearMonthInterval:
		return arrow.FixedWidthTypes.MonthInterval, nil
	case columnar.TimestampNTZ:
		return &arrow.TimestampType{Unit: arrow.Microsecond}, nil
	}
	return nil, fmt.Errorf("no counterpart of %s", t)
}
