package cached

import (
	"cmp"
	"strings"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
)

// longest is the length up to which bounds of strings are kept.
const longest = 64

// bounds returns those of each column of a dense batch.
func bounds(b *columnar.Batch) []cache.Bounds {
	out := make([]cache.Bounds, len(b.Cols))
	for i := range b.Cols {
		if v := &b.Cols[i]; v.Enc == columnar.Flat {
			out[i] = boundsOf(v)
		}
	}
	return out
}

func boundsOf(v *columnar.Vector) cache.Bounds {
	wide := func(b cache.Bounds) cache.Bounds { return b }
	switch v.Type.Kind {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Date, columnar.Time, columnar.Timestamp, columnar.TimestampNTZ:
	case columnar.Decimal:
		wide = func(b cache.Bounds) cache.Bounds {
			if lo, ok := b.Min.(int64); ok {
				return cache.Bounds{Min: columnar.Int128Of(lo), Max: columnar.Int128Of(b.Max.(int64))}
			}
			return b
		}
	case columnar.String:
		return stringBounds(v)
	default:
		return cache.Bounds{}
	}
	switch v.Width {
	case 1:
		return wide(extremes(v, columnar.Values[int8](v)))
	case 2:
		return wide(extremes(v, columnar.Values[int16](v)))
	case 4:
		return wide(extremes(v, columnar.Values[int32](v)))
	case 8:
		return wide(extremes(v, columnar.Values[int64](v)))
	}
	return cache.Bounds{}
}

// extremes returns the bounds of the values that are not null.
func extremes[T int8 | int16 | int32 | int64](v *columnar.Vector, xs []T) cache.Bounds {
	if !v.HasNulls() {
		lo, hi := xs[0], xs[0]
		for _, x := range xs {
			lo, hi = min(lo, x), max(hi, x)
		}
		return cache.Bounds{Min: int64(lo), Max: int64(hi)}
	}
	any, lo, hi := false, T(0), T(0)
	for i, x := range xs {
		switch {
		case v.NullAt(i):
		case !any:
			any, lo, hi = true, x, x
		default:
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	if !any {
		return cache.Bounds{}
	}
	return cache.Bounds{Min: int64(lo), Max: int64(hi)}
}

func stringBounds(v *columnar.Vector) cache.Bounds {
	first, lo, hi := true, "", ""
	for i := range v.Len {
		if v.NullAt(i) {
			continue
		}
		s := v.StringAt(i)
		if first || cmp.Less(s, lo) {
			lo = s
		}
		if first || cmp.Less(hi, s) {
			hi = s
		}
		first = false
	}
	if first || len(lo) > longest || len(hi) > longest {
		return cache.Bounds{}
	}
	return cache.Bounds{Min: strings.Clone(lo), Max: strings.Clone(hi)}
}
