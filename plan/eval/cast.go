package eval

import (
	"errors"
	"math"
	"strconv"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// errCast says that a value cannot become the type; the caller names both.
var (
	errCast     = errors.New("invalid")
	errOverflow = errors.New("overflow")
)

// cast converts to a type: by loops between numbers, else row by row.
func (p *Program) cast(c *expr.Cast) function {
	from, to := c.Arg.Type(), c.To
	slow := p.castRows(c)
	fast := castLoop(from, to, !expr.CastFails(from, to))
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		v := args[0]
		switch {
		case from.Equal(to):
			return *v, nil
		case from.Kind == columnar.Null || v.Type.Kind == columnar.Null:
			return allNull(to, r.n), nil
		case from.IsBytes() && to.IsBytes():
			out := *v
			out.Type = to
			if v.Dict != nil {
				d := *v.Dict
				d.ID, d.Values.Type = 0, to
				out.Dict = &d
			}
			return out, nil
		}
		if fast != nil {
			v = shape(v, r)
			out := columnar.Vector{Type: to, Width: uint8(to.FixedWidth()), Len: r.n, Valid: v.Valid}
			if v.Enc == columnar.Flat && fast(r, v, &out) {
				return out, nil
			}
		}
		return slow(r, args)
	}
}

// castLoop returns the loop between two types of numbers, or nil. A loop fills
// out.Data, unless a value may not fit: then the rows that count must be looked
// at one by one. safe says that every value fits.
func castLoop(from, to columnar.Type, safe bool) func(r *rows, v, out *columnar.Vector) bool {
	switch {
	case from.IsSignedInteger() && to.IsSignedInteger() && safe:
		return func(r *rows, v, out *columnar.Vector) bool {
			switch to.FixedWidth() {
			case 2:
				out.Data = convertInts[int16](r, v)
			case 4:
				out.Data = convertInts[int32](r, v)
			default:
				out.Data = convertInts[int64](r, v)
			}
			return true
		}
	case from.IsSignedInteger() && to.Kind == columnar.Float64:
		return func(r *rows, v, out *columnar.Vector) bool {
			out.Data = convertInts[float64](r, v)
			return true
		}
	case (from.IsSignedInteger() || from.Kind == columnar.Decimal) && to.Kind == columnar.Decimal:
		return func(r *rows, v, out *columnar.Vector) bool {
			if v.Width == 16 {
				return false
			}
			w := *v
			if from.Kind != columnar.Decimal {
				w.Data, w.Width = convertInts[int64](r, v), 8
			}
			by := int(to.Scale) - int(from.Scale)
			x, ok := &w, true
			if by >= 0 {
				x, ok = rescaled(&w, by, r)
			} else {
				x, ok = scaledDown(&w, -by, r)
			}
			if !ok {
				return false
			}
			if !safe && to.Precision <= 18 && exceeds(columnar.View[int64](x.Data, r.n), tens[to.Precision]-1) {
				return false
			}
			out.Data, out.Width = x.Data, 8
			return true
		}
	case from.Kind == columnar.Decimal && to.Kind == columnar.Float64 && from.Scale <= 18:
		return func(r *rows, v, out *columnar.Vector) bool {
			if v.Width != 8 {
				return false
			}
			xs := columnar.View[int64](v.Data, r.n)
			if exceeds(xs, 1<<53) { // else both are exact and one division rounds once
				return false
			}
			ys, by := memory.Slice[float64](r.s, r.n), float64(tens[from.Scale])
			for i, x := range xs {
				ys[i] = float64(x) / by
			}
			out.Data = columnar.BytesOf(ys)
			return true
		}
	}
	return nil
}

// exceeds reports whether a value lies beyond ±most.
func exceeds(xs []int64, most int64) bool {
	var out int64
	for _, x := range xs {
		out |= (most - x) | (most + x)
	}
	return out < 0
}

// scaledDown divides 8-byte values by a power of ten, rounding half away from
// zero.
func scaledDown(v *columnar.Vector, by int, r *rows) (*columnar.Vector, bool) {
	if by > 18 {
		return nil, false
	}
	xs, m := columnar.View[int64](v.Data, r.n), tens[by]
	if exceeds(xs, 1<<62) {
		return nil, false
	}
	out, half := memory.Slice[int64](r.s, r.n), m/2
	for i, x := range xs {
		sign := x >> 63
		out[i] = (x + (half ^ sign) - sign) / m
	}
	w := *v
	w.Data, w.Stable = columnar.BytesOf(out), false
	return &w, true
}

func convertInts[T int8 | int16 | int32 | int64 | float64](r *rows, v *columnar.Vector) []byte {
	out := memory.Slice[T](r.s, r.n)
	switch v.Width {
	case 1:
		for i, x := range columnar.View[int8](v.Data, r.n) {
			out[i] = T(x)
		}
	case 2:
		for i, x := range columnar.View[int16](v.Data, r.n) {
			out[i] = T(x)
		}
	case 4:
		for i, x := range columnar.View[int32](v.Data, r.n) {
			out[i] = T(x)
		}
	default:
		for i, x := range columnar.View[int64](v.Data, r.n) {
			out[i] = T(x)
		}
	}
	return columnar.BytesOf(out)
}

func (p *Program) castRows(c *expr.Cast) function {
	from, to := c.Arg.Type(), c.To
	var buf []byte
	one := func(b *builder, v *columnar.Vector, i int) error {
		if to.Kind == columnar.String {
			buf = text.AppendValue(buf[:0], v, i, p.opts.zone())
			b.str(i, buf)
			return nil
		}
		if from.IsBytes() {
			return p.parse(b, i, v.StringAt(i), to)
		}
		return p.convert(b, i, v, to)
	}
	return perRow(to, func(b *builder, args []*columnar.Vector, i int) error {
		err := one(b, args[0], i)
		if err == nil {
			return nil
		}
		if c.Try {
			b.null(i)
			return nil
		}
		shown := string(text.AppendValue(nil, args[0], i, p.opts.zone()))
		if errors.Is(err, errOverflow) || errors.Is(err, text.ErrRange) {
			return diag.NewAt(c.Place, diag.CastOverflow, "the value %s of type %s does not fit %s", shown, from, to).
				WithRemedy("use TRY_CAST to get NULL instead, or a wider type")
		}
		return diag.NewAt(c.Place, diag.CastInvalid, "the value '%s' of type %s cannot be cast to %s", shown, from, to).
			WithRemedy("use TRY_CAST to get NULL instead")
	})
}

// parse converts a string.
func (p *Program) parse(b *builder, i int, s string, to columnar.Type) error {
	switch {
	case to.Kind == columnar.Bool:
		x, err := text.ParseBool(text.Trim(s))
		b.bool(i, x)
		return err
	case to.IsSignedInteger():
		x, err := text.ParseInt(text.Trim(s), 8*to.FixedWidth())
		b.int(i, x)
		return err
	case to.IsFloat():
		x, err := text.ParseFloat(text.Trim(s), 8*to.FixedWidth())
		b.float(i, x)
		return err
	case to.Kind == columnar.Decimal:
		x, err := text.ParseDecimalTo(text.Trim(s), int(to.Precision), int(to.Scale))
		b.decimal(i, x)
		return err
	case to.Kind == columnar.Date:
		x, err := text.ParseDate(text.Trim(s))
		b.int(i, int64(x))
		return err
	case to.Kind == columnar.Timestamp:
		x, err := text.ParseTimestamp(text.Trim(s), p.opts.zone())
		b.int(i, x)
		return err
	case to.Kind == columnar.TimestampNTZ:
		x, _, err := text.ParseTimestampNTZ(text.Trim(s))
		b.int(i, x)
		return err
	case to.Kind == columnar.Time:
		x, err := text.ParseTime(text.Trim(s))
		b.int(i, x)
		return err
	case to.Kind == columnar.DayTimeInterval || to.Kind == columnar.YearMonthInterval:
		x, err := text.ParseInterval(text.Trim(s), to)
		b.int(i, x)
		return err
	}
	return errCast
}

// convert turns a value that is not a string into a type that is not one.
func (p *Program) convert(b *builder, i int, v *columnar.Vector, to columnar.Type) error {
	from := v.Type
	switch {
	case to.Kind == columnar.Bool && from.IsNumeric():
		switch {
		case from.IsFloat():
			b.bool(i, v.Float64At(i) != 0)
		case from.Kind == columnar.Decimal:
			b.bool(i, v.Int128At(i) != columnar.Int128{})
		default:
			b.bool(i, v.Int64At(i) != 0)
		}
		return nil
	case isPoint(from) && isPoint(to):
		x := v.Int64At(i)
		switch {
		case to.Kind == columnar.Date:
			b.int(i, p.daysAt(v, i))
		case from.Kind == columnar.Date:
			b.int(i, p.utc(to, x*usPerDay))
		case from.Kind == columnar.Timestamp:
			b.int(i, p.local(from, x))
		default:
			b.int(i, p.utc(to, x))
		}
		return nil
	case from.Kind == columnar.Timestamp && to.IsSignedInteger():
		return putInt(b, i, floorDiv(v.Int64At(i), usPerSecond), to)
	case from.IsSignedInteger() && to.Kind == columnar.Timestamp:
		x := mul64(v.Int64At(i), usPerSecond)
		if !x.FitsInt64() {
			return errOverflow
		}
		b.int(i, int64(x.Lo))
		return nil
	case from.Kind == to.Kind && (from.Kind == columnar.DayTimeInterval || from.Kind == columnar.YearMonthInterval): // other fields
		b.int(i, v.Int64At(i))
		return nil
	case !(from.IsNumeric() || from.Kind == columnar.Bool) || !to.IsNumeric():
		return errCast
	}
	switch {
	case to.IsFloat():
		switch {
		case from.IsFloat():
			b.float(i, v.Float64At(i))
		case from.Kind == columnar.Decimal:
			x, err := strconv.ParseFloat(columnar.FormatDecimal(v.Int128At(i), int(from.Scale)), 64)
			if err != nil {
				return errCast
			}
			b.float(i, x)
		default:
			b.float(i, float64(v.Int64At(i)))
		}
		return nil
	case to.Kind == columnar.Decimal:
		var x columnar.Int128
		scale := 0
		switch {
		case from.IsFloat():
			f := v.Float64At(i)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return errCast
			}
			y, err := text.ParseDecimalTo(strconv.FormatFloat(f, 'f', -1, 64), int(to.Precision), int(to.Scale))
			if err != nil {
				return errOverflow
			}
			b.decimal(i, y)
			return nil
		case from.Kind == columnar.Decimal:
			x, scale = v.Int128At(i), int(from.Scale)
		default:
			x = columnar.Int128Of(v.Int64At(i))
		}
		y, ok := rescale128(x, int(to.Scale)-scale)
		if !ok || !within(y, int(to.Precision)) {
			return errOverflow
		}
		b.decimal(i, y)
		return nil
	}
	switch {
	case from.IsFloat():
		f := math.Trunc(v.Float64At(i))
		if math.IsNaN(f) || f < math.MinInt64 || f >= math.MaxInt64 {
			return errOverflow
		}
		return putInt(b, i, int64(f), to)
	case from.Kind == columnar.Decimal:
		z := v.Int128At(i).Big()
		z.Quo(z, bigTen(int(from.Scale)))
		if !z.IsInt64() {
			return errOverflow
		}
		return putInt(b, i, z.Int64(), to)
	}
	return putInt(b, i, v.Int64At(i), to)
}

func putInt(b *builder, i int, x int64, to columnar.Type) error {
	if w := uint(8 * to.FixedWidth()); w < 64 && x>>(w-1) != 0 && x>>(w-1) != -1 {
		return errOverflow
	}
	b.int(i, x)
	return nil
}
