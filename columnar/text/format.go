package text

import (
	"math"
	"strconv"
	"time"

	"github.com/millrace-engine/millrace/columnar"
)

// AppendFloat renders a double or float as Java does: 1.0, 1.0E10, NaN, Infinity.
func AppendFloat(dst []byte, x float64, bits int) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, "NaN"...)
	case math.IsInf(x, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(x, -1):
		return append(dst, "-Infinity"...)
	}
	a := math.Abs(x)
	if a == 0 || a >= 1e-3 && a < 1e7 {
		n := len(dst)
		dst = strconv.AppendFloat(dst, x, 'f', -1, bits)
		for _, c := range dst[n:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	b := strconv.AppendFloat(nil, x, 'e', -1, bits)
	e := 0
	for b[e] != 'e' {
		e++
	}
	dst = append(dst, b[:e]...)
	point := false
	for _, c := range b[:e] {
		point = point || c == '.'
	}
	if !point {
		dst = append(dst, ".0"...)
	}
	exp, _ := strconv.Atoi(string(b[e+1:]))
	return strconv.AppendInt(append(dst, 'E'), int64(exp), 10)
}

// AppendTimestamp renders µs since the epoch in a zone.
func AppendTimestamp(dst []byte, us int64, zone *time.Location) []byte {
	if zone != nil && zone != time.UTC {
		_, off := time.UnixMicro(us).In(zone).Zone()
		us += int64(off) * 1_000_000
	}
	return appendStamp(dst, us)
}

// appendStamp renders µs with the fraction digits that are needed.
func appendStamp(dst []byte, us int64) []byte { return AppendClock(dst, us, ' ', shortFraction(us)) }

// AppendValue renders a row as the spark-sql shell prints it: NULL, plain
// numbers, [1,2], {"a":1}, {1:"x"}.
func AppendValue(dst []byte, v *columnar.Vector, row int, zone *time.Location) []byte {
	if v.NullAt(row) {
		return append(dst, "NULL"...)
	}
	switch t := v.Type; t.Kind {
	case columnar.Bool:
		return strconv.AppendBool(dst, v.Int64At(row) != 0)
	case columnar.Float32:
		return AppendFloat(dst, v.Float64At(row), 32)
	case columnar.Float64:
		return AppendFloat(dst, v.Float64At(row), 64)
	case columnar.Decimal:
		return AppendDecimal(dst, v.Int128At(row), int(t.Scale))
	case columnar.String, columnar.Binary:
		return append(dst, v.BytesAt(row)...)
	case columnar.Date:
		return AppendDate(dst, int32(v.Int64At(row)))
	case columnar.Timestamp:
		return AppendTimestamp(dst, v.Int64At(row), zone)
	case columnar.TimestampNTZ:
		return appendStamp(dst, v.Int64At(row))
	case columnar.Time:
		s := columnar.FormatTimestamp(v.Int64At(row))
		return append(dst, s[len("1970-01-01 "):]...)
	case columnar.DayTimeInterval, columnar.YearMonthInterval:
		return append(dst, columnar.FormatInterval(v.Int64At(row), t)...)
	case columnar.Uint64:
		return strconv.AppendUint(dst, uint64(v.Int64At(row)), 10)
	case columnar.List, columnar.Struct, columnar.Map:
		return appendNested(dst, v, row, zone)
	}
	return AppendInt(dst, v.Int64At(row))
}

func appendNested(dst []byte, v *columnar.Vector, row int, zone *time.Location) []byte {
	if v.Enc == columnar.Const {
		row = 0
	}
	item := func(v *columnar.Vector, i int) {
		if !v.NullAt(i) && v.Type.IsBytes() {
			dst = append(append(append(dst, '"'), v.BytesAt(i)...), '"')
			return
		}
		if v.NullAt(i) {
			dst = append(dst, "null"...)
			return
		}
		dst = AppendValue(dst, v, i, zone)
	}
	if v.Type.Kind == columnar.Struct {
		dst = append(dst, '{')
		for k := range v.Kids {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), v.Type.Nested.Fields[k].Name...), `":`...)
			item(&v.Kids[k], row)
		}
		return append(dst, '}')
	}
	off := v.Offsets()
	begin, end := byte('['), byte(']')
	if v.Type.Kind == columnar.Map {
		begin, end = '{', '}'
	}
	dst = append(dst, begin)
	for i := int(off[row]); i < int(off[row+1]); i++ {
		if i > int(off[row]) {
			dst = append(dst, ',')
		}
		if v.Type.Kind == columnar.Map {
			item(&v.Kids[0].Kids[0], i)
			dst = append(dst, ':')
			item(&v.Kids[0].Kids[1], i)
		} else {
			item(&v.Kids[0], i)
		}
	}
	return append(dst, end)
}
