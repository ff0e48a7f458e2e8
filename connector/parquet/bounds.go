package parquet

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
)

// maxBound is the length from which on bounds of strings are not kept.
const maxBound = 256

// statistics returns the bounds of a row group's columns. They hold for every value
// or are nil. Only min_value and max_value count: the older fields are in an order
// that depends on the writer.
func (f *file) statistics(g int) []catalog.ColumnStatistics {
	out := make([]catalog.ColumnStatistics, len(f.cols))
	for i, l := range f.leaves {
		if l.chunk < 0 {
			out[i] = catalog.ColumnStatistics{Distinct: -1, NullCount: -1}
			continue
		}
		s := &f.chunk(g, l).Statistics
		if s.MinValue != nil && s.MaxValue != nil {
			out[i] = between(s.MinValue, s.MaxValue, f.cols[i].Type, l)
		}
		out[i].Distinct, out[i].NullCount = -1, -1
		if s.NullCount != nil && *s.NullCount >= 0 {
			out[i].NullCount = float64(*s.NullCount)
		}
	}
	return out
}

// between returns what a least and a greatest value, in plain encoding, tell.
func between(least, most []byte, t columnar.Type, l leaf) (s catalog.ColumnStatistics) {
	s.Min, s.Max = literal(least, t, l), literal(most, t, l)
	if t.IsFloat() {
		s.Max = nil // writers leave NaN out, which is greater than all others
	}
	return s
}

// literal returns a bound as a literal's value, nil where that would not be a
// bound.
func literal(b []byte, t columnar.Type, l leaf) any {
	var x int64
	switch p := l.physical; {
	case p == format.Int32 && len(b) == 4:
		if x = int64(int32(binary.LittleEndian.Uint32(b))); l.unsigned {
			x = int64(uint32(x))
		}
	case p == format.Int64 && len(b) == 8:
		if x = int64(binary.LittleEndian.Uint64(b)); l.unsigned && x < 0 {
			return columnar.Int128{Lo: uint64(x)}
		}
	case p == format.ByteArray || p == format.FixedLenByteArray:
		switch {
		case t.Kind == columnar.String && len(b) < maxBound:
			return string(b)
		case t.Kind == columnar.Decimal && len(b) > 0 && len(b) <= 16:
			return bigEndian(b)
		}
		return nil
	case p == format.Float && len(b) == 4:
		return number(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), t)
	case p == format.Double && len(b) == 8:
		return number(math.Float64frombits(binary.LittleEndian.Uint64(b)), t)
	default:
		return nil
	}
	switch t.Kind {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Date:
		return x
	case columnar.Time, columnar.Timestamp, columnar.TimestampNTZ:
		if y, ok := rescale(x, l.scale); ok {
			return y
		}
	case columnar.Decimal:
		return columnar.Int128Of(x)
	}
	return nil
}

func number(x float64, t columnar.Type) any {
	if math.IsNaN(x) || !t.IsFloat() {
		return nil
	}
	return x
}

// rescale turns a stored time into µs, rounded down; false: it does not fit.
func rescale(x, scale int64) (int64, bool) {
	switch {
	case scale > 0:
		y := x * scale
		return y, y/scale == x
	case scale < 0:
		y := x / -scale
		if x%scale < 0 {
			y--
		}
		return y, true
	}
	return x, true
}

// widen adds the statistics of a row group to those of a table.
func widen(s *catalog.ColumnStatistics, o catalog.ColumnStatistics, first bool) {
	if first {
		*s = o
		return
	}
	if s.NullCount >= 0 && o.NullCount >= 0 {
		s.NullCount += o.NullCount
	} else {
		s.NullCount = -1
	}
	s.Min = outer(s.Min, o.Min, -1)
	s.Max = outer(s.Max, o.Max, 1)
}

// outer returns the lesser (sign −1) or greater (1) of two bounds, nil if one is
// not known.
func outer(a, b any, sign int) any {
	switch {
	case a == nil || b == nil:
		return nil
	case eval.Order(b, a)*sign > 0:
		return b
	}
	return a
}
