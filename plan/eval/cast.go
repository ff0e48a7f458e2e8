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

// cast converts to a type: fast for widening numbers, else row by row.
func (p *Program) cast(c *expr.Cast) function {
	from, to := c.Arg.Type(), c.To
	slow := p.castRows(c)
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		v := args[0]
		switch {
		case from.Equal(to):
			return *v, nil
		case from.Kind == columnar.Null:
			return allNull(to, r.n), nil
		case from.IsBytes() && to.IsBytes():
			out := *v
			out.Type = to
			if v.Dict != nil {
				d := *v.Dict
				d.Values.Type = to
				out.Dict = &d
			}
			return out, nil
		case from.Kind == columnar.Decimal && to.Kind == columnar.Decimal && v.Width == 8 && to.Scale >= from.Scale && v.Enc == columnar.Flat && r.n > 0:
			if w, ok := rescaled(v, int(to.Scale-from.Scale), r); ok {
				lo, hi := bounds[int64](w, r.n)
				if most := maxUnscaled(to.Precision); lo >= -most && hi <= most {
					out := *w
					out.Type = to
					return out, nil
				}
			}
		case v.Enc == columnar.Flat && from.IsSignedInteger() && to.Kind == columnar.Int64:
			out := memory.Slice[int64](r.s, r.n)
			widenInts(v, out)
			return columnar.Vector{Type: to, Width: 8, Len: r.n, Valid: v.Valid, Data: columnar.BytesOf(out)}, nil
		case v.Enc == columnar.Flat && from.IsSignedInteger() && to.Kind == columnar.Float64:
			ints := memory.Slice[int64](r.s, r.n)
			widenInts(v, ints)
			out := memory.Slice[float64](r.s, r.n)
			for i, x := range ints {
				out[i] = float64(x)
			}
			return columnar.Vector{Type: to, Width: 8, Len: r.n, Valid: v.Valid, Data: columnar.BytesOf(out)}, nil
		case v.Enc == columnar.Flat && from.IsSignedInteger() && to.Kind == columnar.Decimal && to.Precision <= 18 && r.n > 0:
			ints := memory.Slice[int64](r.s, r.n)
			widenInts(v, ints)
			w := columnar.Vector{Type: to, Width: 8, Len: r.n, Valid: v.Valid, Data: columnar.BytesOf(ints)}
			if x, ok := rescaled(&w, int(to.Scale), r); ok {
				lo, hi := bounds[int64](x, r.n)
				if most := maxUnscaled(to.Precision); lo >= -most && hi <= most {
					return *x, nil
				}
			}
		}
		return slow(r, args)
	}
}

func widenInts(v *columnar.Vector, out []int64) {
	switch v.Width {
	case 1:
		for i, x := range columnar.Values[int8](v) {
			out[i] = int64(x)
		}
	case 2:
		for i, x := range columnar.Values[int16](v) {
			out[i] = int64(x)
		}
	case 4:
		for i, x := range columnar.Values[int32](v) {
			out[i] = int64(x)
		}
	default:
		copy(out, columnar.Values[int64](v))
	}
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
		z := x.Big()
		if up := int(to.Scale) - scale; up >= 0 {
			z.Mul(z, bigTen(up))
		} else {
			z = roundDiv(z, bigTen(-up))
		}
		if z.CmpAbs(bigTen(int(to.Precision))) >= 0 {
			return errOverflow
		}
		y, _ := columnar.Int128FromBig(z)
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
