package columnar

import (
	"fmt"
	"strings"
)

// Kind is the closed list of logical types.
type Kind uint8

// The kinds. Date is days since 1970-01-01 (int32); Time is µs since midnight
// (int64); Timestamp is µs since the epoch in UTC, shown in the session's zone;
// TimestampNTZ is µs of a wall clock without a zone; DayTimeInterval is µs
// (int64); YearMonthInterval is months (int32).
const (
	Null Kind = iota
	Bool
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Float16
	Float32
	Float64
	Decimal
	String
	Binary
	Date
	Time
	Timestamp
	TimestampNTZ
	DayTimeInterval
	YearMonthInterval
	List
	Struct
	Map
	Variant
	numKinds
)

// MaxPrecision is the largest number of decimal digits.
const MaxPrecision = 38

// IntervalUnit names a field of an interval type.
type IntervalUnit uint8

// The fields, from the largest; Year and Month belong to YearMonthInterval, the
// others to DayTimeInterval.
const (
	Year IntervalUnit = iota
	Month
	Day
	Hour
	Minute
	Second
)

var intervalNames = [...]string{"year", "month", "day", "hour", "minute", "second"}

// Type is a logical type. The zero value is the null type. Types without Nested
// are comparable with ==; use Equal in general.
type Type struct {
	Kind      Kind
	Precision uint8        // Decimal: 1–38
	Scale     uint8        // Decimal: 0–Precision
	From, To  IntervalUnit // interval kinds
	Nested    *Nested      // List, Struct, Map
}

// Nested describes the children of a nested type: one field (the element) for
// List, key and value for Map, the fields for Struct.
type Nested struct{ Fields []Field }

// Field is a named, nullable type: a column of a schema or a child of a struct.
type Field struct {
	Name     string
	Type     Type
	Nullable bool
}

// Shorthands for the types without parameters.
var (
	NullType         = Type{Kind: Null}
	BoolType         = Type{Kind: Bool}
	Int8Type         = Type{Kind: Int8}
	Int16Type        = Type{Kind: Int16}
	Int32Type        = Type{Kind: Int32}
	Int64Type        = Type{Kind: Int64}
	Float32Type      = Type{Kind: Float32}
	Float64Type      = Type{Kind: Float64}
	StringType       = Type{Kind: String}
	BinaryType       = Type{Kind: Binary}
	DateType         = Type{Kind: Date}
	TimeType         = Type{Kind: Time}
	TimestampType    = Type{Kind: Timestamp}
	TimestampNTZType = Type{Kind: TimestampNTZ}
	DayTimeType      = Type{Kind: DayTimeInterval, From: Day, To: Second}
	YearMonthType    = Type{Kind: YearMonthInterval, From: Year, To: Month}
)

// DecimalType returns decimal(precision, scale).
func DecimalType(precision, scale int) Type {
	return Type{Kind: Decimal, Precision: uint8(precision), Scale: uint8(scale)}
}

// ListType returns array<element>.
func ListType(element Type, containsNull bool) Type {
	return Type{Kind: List, Nested: &Nested{[]Field{{"element", element, containsNull}}}}
}

// StructType returns struct<fields>.
func StructType(fields ...Field) Type { return Type{Kind: Struct, Nested: &Nested{fields}} }

// MapType returns map<key, value>.
func MapType(key, value Type, valueContainsNull bool) Type {
	return Type{Kind: Map, Nested: &Nested{[]Field{{"key", key, false}, {"value", value, valueContainsNull}}}}
}

// Equal reports whether two types are the same, nested names included.
func (t Type) Equal(o Type) bool {
	if t.Nested == nil || o.Nested == nil {
		return t == o
	}
	if t.Kind != o.Kind || len(t.Nested.Fields) != len(o.Nested.Fields) {
		return false
	}
	for i, f := range t.Nested.Fields {
		g := o.Nested.Fields[i]
		if f.Name != g.Name || f.Nullable != g.Nullable || !f.Type.Equal(g.Type) {
			return false
		}
	}
	return true
}

var kindNames = [numKinds]string{
	Null: "void", Bool: "boolean", Int8: "tinyint", Int16: "smallint", Int32: "int", Int64: "bigint",
	Uint8: "utinyint", Uint16: "usmallint", Uint32: "uint", Uint64: "ubigint",
	Float16: "half", Float32: "float", Float64: "double", Decimal: "decimal", String: "string", Binary: "binary",
	Date: "date", Time: "time", Timestamp: "timestamp", TimestampNTZ: "timestamp_ntz",
	DayTimeInterval: "interval", YearMonthInterval: "interval",
	List: "array", Struct: "struct", Map: "map", Variant: "variant",
}

// String returns Spark's simple string: int, decimal(12,2), array<string>.
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case DayTimeInterval, YearMonthInterval:
		if t.From == t.To {
			return "interval " + intervalNames[t.From]
		}
		return "interval " + intervalNames[t.From] + " to " + intervalNames[t.To]
	case List:
		return "array<" + t.Nested.Fields[0].Type.String() + ">"
	case Map:
		return "map<" + t.Nested.Fields[0].Type.String() + "," + t.Nested.Fields[1].Type.String() + ">"
	case Struct:
		parts := make([]string, len(t.Nested.Fields))
		for i, f := range t.Nested.Fields {
			parts[i] = f.Name + ":" + f.Type.String()
		}
		return "struct<" + strings.Join(parts, ",") + ">"
	}
	if t.Kind < numKinds {
		return kindNames[t.Kind]
	}
	return fmt.Sprintf("kind(%d)", t.Kind)
}

// IsSignedInteger reports tinyint, smallint, int, bigint.
func (t Type) IsSignedInteger() bool { return t.Kind >= Int8 && t.Kind <= Int64 }

// IsInteger reports the signed and unsigned integers.
func (t Type) IsInteger() bool { return t.Kind >= Int8 && t.Kind <= Uint64 }

// IsFloat reports half, float and double.
func (t Type) IsFloat() bool { return t.Kind >= Float16 && t.Kind <= Float64 }

// IsNumeric reports integers, floats and decimals.
func (t Type) IsNumeric() bool { return t.Kind >= Int8 && t.Kind <= Decimal }

// IsBytes reports string and binary: the kinds laid out as offsets and bytes.
func (t Type) IsBytes() bool { return t.Kind == String || t.Kind == Binary || t.Kind == Variant }

// IsNested reports array, struct and map.
func (t Type) IsNested() bool { return t.Kind == List || t.Kind == Struct || t.Kind == Map }

// Wordable reports the types whose values are signed integers of up to 64 bits,
// in their order: integers, decimals up to 18 digits, dates, times, intervals.
func (t Type) Wordable() bool {
	switch t.Kind {
	case Int8, Int16, Int32, Int64, Date, Time, Timestamp, TimestampNTZ, DayTimeInterval, YearMonthInterval:
		return true
	case Decimal:
		return t.Precision <= 18
	}
	return false
}

// FixedWidth returns the bytes of one value in a flat vector, 0 for kinds that
// are bits (Bool), variable (String …), nested or null. Decimal returns its
// natural width (8 up to 18 digits, else 16); a vector may be narrower (I6).
func (t Type) FixedWidth() int {
	switch t.Kind {
	case Int8, Uint8:
		return 1
	case Int16, Uint16, Float16:
		return 2
	case Int32, Uint32, Float32, Date, YearMonthInterval:
		return 4
	case Int64, Uint64, Float64, Time, Timestamp, TimestampNTZ, DayTimeInterval:
		return 8
	case Decimal:
		if t.Precision <= 18 {
			return 8
		}
		return 16
	}
	return 0
}
