package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// extreme is GREATEST (gt) and LEAST (lt), which skip nulls. Of values that are equal
// in SQL's order it takes the first.
func extreme(op int, t columnar.Type) function {
	pick := func(args []*columnar.Vector, i int) (best *columnar.Vector) {
		for _, a := range args {
			if !a.NullAt(i) && (best == nil || holds(op, orderAt(a, i, best, i))) {
				best = a
			}
		}
		return best
	}
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		if width := plainNumbers(t, args); width > 0 {
			out := columnar.Vector{Type: t, Width: width, Len: r.n, Data: r.s.Bytes(r.n * int(width))}
			fold(r, op, &out, args, func(i int) float64 { return pick(args, i).Float64At(i) })
			return out, nil
		}
		b := newBuilder(r, t)
		err := r.each(func(i int) error {
			if best := pick(args, i); best == nil {
				b.null(i)
			} else {
				b.copy(best, i)
			}
			return nil
		})
		return b.vector(), err
	}
}

// plainNumbers returns the width of the values when all arguments are signed numbers of
// that width without nulls, else 0.
func plainNumbers(t columnar.Type, args []*columnar.Vector) uint8 {
	switch t.Kind {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Float32, columnar.Float64, columnar.Decimal,
		columnar.Date, columnar.Time, columnar.Timestamp, columnar.TimestampNTZ:
	default:
		return 0
	}
	width := narrowest(args[0])
	for _, a := range args {
		if a.HasNulls() || narrowest(a) != width || width > 8 || a.Type.Kind != t.Kind {
			return 0
		}
	}
	return width
}

// fold computes extremes of plain numbers. Again computes a row of floats that no
// machine instruction decides as SQL does.
func fold(r *rows, op int, out *columnar.Vector, args []*columnar.Vector, again func(i int) float64) {
	switch {
	case out.Type.Kind == columnar.Float32:
		foldFloats[float32](r, op, out, args, again)
	case out.Type.Kind == columnar.Float64:
		foldFloats[float64](r, op, out, args, again)
	case out.Width == 1:
		foldInto[int8](r, op, out, args)
	case out.Width == 2:
		foldInto[int16](r, op, out, args)
	case out.Width == 4:
		foldInto[int32](r, op, out, args)
	default:
		foldInto[int64](r, op, out, args)
	}
}

// foldFloats looks once more at NaN, which is the greatest value, and at 0, of which
// there are two that are equal.
func foldFloats[T float32 | float64](r *rows, op int, out *columnar.Vector, args []*columnar.Vector, again func(i int) float64) {
	foldInto[T](r, op, out, args)
	xs := columnar.Values[T](out)
	for i, x := range xs {
		if !(x < 0 || x > 0) {
			xs[i] = T(again(i))
		}
	}
}

func foldInto[T int8 | int16 | int32 | int64 | float32 | float64](r *rows, op int, out *columnar.Vector, args []*columnar.Vector) {
	best := columnar.Values[T](out)
	for k, a := range args {
		a = shape(a, r)
		var xs []T
		if a.Enc == columnar.Const {
			xs = memory.Slice[T](r.s, r.n)
			c := columnar.Values[T](a)[0]
			for i := range xs {
				xs[i] = c
			}
		} else {
			xs = columnar.Values[T](a)
		}
		switch {
		case k == 0:
			copy(best, xs)
		case op == lt:
			for i, x := range xs[:len(best)] {
				best[i] = min(best[i], x)
			}
		default:
			for i, x := range xs[:len(best)] {
				best[i] = max(best[i], x)
			}
		}
	}
}
