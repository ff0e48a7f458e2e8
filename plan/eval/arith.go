package eval

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64
}

type number interface {
	integer | ~float32 | ~float64
}

// zip computes f over two vectors of which one may be constant.
func zip[T number](a, b *columnar.Vector, out []T, op string) {
	switch {
	case b.Enc == columnar.Const:
		c := columnar.View[T](b.Data, 1)[0]
		x := columnar.View[T](a.Data, len(out))
		switch op {
		case "+":
			for i := range out {
				out[i] = x[i] + c
			}
		case "-":
			for i := range out {
				out[i] = x[i] - c
			}
		case "*":
			for i := range out {
				out[i] = x[i] * c
			}
		}
	case a.Enc == columnar.Const:
		c := columnar.View[T](a.Data, 1)[0]
		x := columnar.View[T](b.Data, len(out))
		switch op {
		case "+":
			for i := range out {
				out[i] = c + x[i]
			}
		case "-":
			for i := range out {
				out[i] = c - x[i]
			}
		case "*":
			for i := range out {
				out[i] = c * x[i]
			}
		}
	default:
		x, y := columnar.View[T](a.Data, len(out)), columnar.View[T](b.Data, len(out))
		switch op {
		case "+":
			for i := range out {
				out[i] = x[i] + y[i]
			}
		case "-":
			for i := range out {
				out[i] = x[i] - y[i]
			}
		case "*":
			for i := range out {
				out[i] = x[i] * y[i]
			}
		}
	}
}

// bounds returns the least and greatest value.
func bounds[T integer](v *columnar.Vector, n int) (lo, hi int64) {
	if v.Enc == columnar.Const {
		n = 1
	}
	xs := columnar.View[T](v.Data, n)
	if len(xs) == 0 {
		return 0, 0
	}
	a, b := xs[0], xs[0]
	for _, x := range xs {
		a, b = min(a, x), max(b, x)
	}
	return int64(a), int64(b)
}

// fits reports whether op over values within the bounds stays within limit
// (inclusive, of magnitudes of a signed type).
func fits(op string, alo, ahi, blo, bhi int64, least, most int64) bool {
	in := func(x columnar.Int128) bool { return x.FitsInt64() && int64(x.Lo) >= least && int64(x.Lo) <= most }
	switch op {
	case "+":
		return in(add128(columnar.Int128Of(alo), columnar.Int128Of(blo))) && in(add128(columnar.Int128Of(ahi), columnar.Int128Of(bhi)))
	case "-":
		return in(sub128(columnar.Int128Of(alo), columnar.Int128Of(bhi))) && in(sub128(columnar.Int128Of(ahi), columnar.Int128Of(blo)))
	}
	return in(mul64(alo, blo)) && in(mul64(alo, bhi)) && in(mul64(ahi, blo)) && in(mul64(ahi, bhi))
}

func add128(a, b columnar.Int128) columnar.Int128 {
	lo, c := bits.Add64(a.Lo, b.Lo, 0)
	return columnar.Int128{Lo: lo, Hi: a.Hi + b.Hi + int64(c)}
}

func sub128(a, b columnar.Int128) columnar.Int128 {
	lo, c := bits.Sub64(a.Lo, b.Lo, 0)
	return columnar.Int128{Lo: lo, Hi: a.Hi - b.Hi - int64(c)}
}

func mul64(a, b int64) columnar.Int128 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	h := int64(hi)
	if a < 0 {
		h -= b
	}
	if b < 0 {
		h -= a
	}
	return columnar.Int128{Lo: lo, Hi: h}
}

func (p *Program) arithmetic(c *expr.Call) function {
	op := c.Fn.Name
	a := c.Args[0].Type()
	switch {
	case a.Kind == columnar.Decimal && c.Typ.Kind == columnar.Decimal:
		return decimalOp(c)
	case c.Typ.IsFloat():
		return floatOp(c)
	case c.Typ.IsInteger() && a.IsInteger() && (op == "+" || op == "-" || op == "*"):
		switch c.Typ.FixedWidth() {
		case 1:
			return intOp[int8](c, math.MinInt8, math.MaxInt8)
		case 2:
			return intOp[int16](c, math.MinInt16, math.MaxInt16)
		case 4:
			return intOp[int32](c, math.MinInt32, math.MaxInt32)
		}
		return intOp[int64](c, math.MinInt64, math.MaxInt64)
	case c.Typ.IsInteger() && a.IsInteger():
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			x, y := args[0].Int64At(i), args[1].Int64At(i)
			if y == 0 {
				return divideByZero(c)
			}
			if y == -1 {
				b.int(i, 0)
				return nil
			}
			b.int(i, x%y)
			return nil
		})
	}
	return p.temporalOp(c)
}

func divideByZero(c *expr.Call) error {
	return diag.NewAt(c.Place, diag.DivideByZero, "division by zero in %s", c).
		WithRemedy("write NULLIF(divisor, 0) to get NULL instead")
}

func overflow(c *expr.Call) error {
	if c.Typ.Kind == columnar.Decimal {
		return diag.NewAt(c.Place, diag.NumericOutOfRange, "the value of %s does not fit %s", c, c.Typ).
			WithRemedy("cast an operand to a decimal with fewer digits, or to double")
	}
	return diag.NewAt(c.Place, diag.Overflow, "the value of %s does not fit %s", c, c.Typ).
		WithRemedy("cast an operand to a wider type")
}

func intOp[T interface {
	integer
	columnar.Fixed
}](c *expr.Call, least, most int64) function {
	op := c.Fn.Name
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(c.Typ, r.n), nil
		}
		a, b := shape(args[0], r), shape(args[1], r)
		if a.Enc == columnar.Const && b.Enc == columnar.Const {
			a = flat(a, r.s)
		}
		out := memory.Slice[T](r.s, r.n)
		alo, ahi := bounds[T](a, r.n)
		blo, bhi := bounds[T](b, r.n)
		zip(a, b, out, op)
		v := columnar.Vector{Type: c.Typ, Width: uint8(c.Typ.FixedWidth()), Len: r.n, Valid: valid, Data: columnar.BytesOf(out)}
		if fits(op, alo, ahi, blo, bhi, least, most) {
			return v, nil
		}
		return v, r.each(func(i int) error { // which row was it, and does it count?
			x, y := a.Int64At(i), b.Int64At(i)
			if (valid == nil || valid.Get(i)) && !fits(op, x, x, y, y, least, most) {
				return overflow(c)
			}
			return nil
		})
	}
}

func floatOp(c *expr.Call) function {
	op := c.Fn.Name
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(c.Typ, r.n), nil
		}
		a, b := shape(args[0], r), shape(args[1], r)
		if a.Enc == columnar.Const && b.Enc == columnar.Const {
			a = flat(a, r.s)
		}
		v := columnar.Vector{Type: c.Typ, Width: uint8(c.Typ.FixedWidth()), Len: r.n, Valid: valid}
		if op == "/" || op == "%" {
			xs := memory.Slice[float64](r.s, r.n)
			clear(xs)
			err := r.each(func(i int) error {
				if valid != nil && !valid.Get(i) {
					return nil
				}
				y := b.Float64At(i)
				if y == 0 {
					return divideByZero(c)
				}
				if op == "/" {
					xs[i] = a.Float64At(i) / y
				} else {
					xs[i] = math.Mod(a.Float64At(i), y)
				}
				return nil
			})
			v.Data, v.Width = columnar.BytesOf(xs), 8
			if c.Typ.Kind == columnar.Float32 {
				short := memory.Slice[float32](r.s, r.n)
				for i, x := range xs {
					short[i] = float32(x)
				}
				v.Data, v.Width = columnar.BytesOf(short), 4
			}
			return v, err
		}
		if c.Typ.Kind == columnar.Float32 {
			out := memory.Slice[float32](r.s, r.n)
			zip(a, b, out, op)
			v.Data = columnar.BytesOf(out)
		} else {
			out := memory.Slice[float64](r.s, r.n)
			zip(a, b, out, op)
			v.Data = columnar.BytesOf(out)
		}
		return v, nil
	}
}

var tens = func() (t [19]int64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}()

func bigTen(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// maxUnscaled returns 10^p − 1 if it fits 64 bits, else the greatest int64.
func maxUnscaled(p uint8) int64 {
	if p <= 18 {
		return tens[p] - 1
	}
	return math.MaxInt64
}

// rescaled returns 8-byte values times a power of ten, unless they would not fit.
func rescaled(v *columnar.Vector, by int, r *rows) (*columnar.Vector, bool) {
	if by == 0 {
		return v, true
	}
	if by > 18 {
		return nil, false
	}
	lo, hi := bounds[int64](v, r.n)
	m := tens[by]
	if !mul64(lo, m).FitsInt64() || !mul64(hi, m).FitsInt64() {
		return nil, false
	}
	n := r.n
	if v.Enc == columnar.Const {
		n = 1
	}
	out := memory.Slice[int64](r.s, n)
	for i, x := range columnar.View[int64](v.Data, n) {
		out[i] = x * m
	}
	w := *v
	w.Data = columnar.BytesOf(out)
	return &w, true
}

// decimalOp computes on decimals: in 64 bits where the values of the batch
// allow, else exactly with big integers.
func decimalOp(c *expr.Call) function {
	op, t := c.Fn.Name, c.Typ
	s1, s2, s := int(c.Args[0].Type().Scale), int(c.Args[1].Type().Scale), int(t.Scale)
	exact := max(s1, s2)
	if op == "*" {
		exact = s1 + s2
	}
	slow := decimalSlow(c)
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(t, r.n), nil
		}
		a, b := shape(args[0], r), shape(args[1], r)
		if op == "/" || op == "%" || exact != s || a.Width != 8 || b.Width != 8 || a.Enc == columnar.Const && b.Enc == columnar.Const || r.n == 0 {
			return slow(r, args)
		}
		if op != "*" {
			var ok, ok2 bool
			a, ok = rescaled(a, s-s1, r)
			b, ok2 = rescaled(b, s-s2, r)
			if !ok || !ok2 {
				return slow(r, args)
			}
		}
		alo, ahi := bounds[int64](a, r.n)
		blo, bhi := bounds[int64](b, r.n)
		most := maxUnscaled(t.Precision)
		if !fits(op, alo, ahi, blo, bhi, -most, most) {
			return slow(r, args)
		}
		out := memory.Slice[int64](r.s, r.n)
		zip(a, b, out, op)
		return columnar.Vector{Type: t, Width: 8, Len: r.n, Valid: valid, Data: columnar.BytesOf(out)}, nil
	}
}

// roundDiv returns n ÷ d, rounded half away from zero.
func roundDiv(n, d *big.Int) *big.Int {
	neg := n.Sign()*d.Sign() < 0
	a, b := new(big.Int).Abs(n), new(big.Int).Abs(d)
	q, m := new(big.Int).QuoRem(a, b, new(big.Int))
	if m.Lsh(m, 1).Cmp(b) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if neg {
		q.Neg(q)
	}
	return q
}

func decimalSlow(c *expr.Call) function {
	op, t := c.Fn.Name, c.Typ
	s1, s2, s := int(c.Args[0].Type().Scale), int(c.Args[1].Type().Scale), int(t.Scale)
	limit := bigTen(int(t.Precision))
	return perRow(t, func(out *builder, args []*columnar.Vector, i int) error {
		x, y := args[0].Int128At(i).Big(), args[1].Int128At(i).Big()
		var z *big.Int
		scale := max(s1, s2)
		switch op {
		case "*":
			z, scale = new(big.Int).Mul(x, y), s1+s2
		case "/":
			if y.Sign() == 0 {
				return divideByZero(c)
			}
			// x/10^s1 ÷ y/10^s2 at scale s: x·10^(s+s2−s1) ÷ y
			e := s + s2 - s1
			if e >= 0 {
				x.Mul(x, bigTen(e))
			} else {
				y.Mul(y, bigTen(-e))
			}
			z, scale = roundDiv(x, y), s
		default:
			x.Mul(x, bigTen(scale-s1))
			y.Mul(y, bigTen(scale-s2))
			switch op {
			case "+":
				z = x.Add(x, y)
			case "-":
				z = x.Sub(x, y)
			default:
				if y.Sign() == 0 {
					return divideByZero(c)
				}
				z = x.Rem(x, y)
			}
		}
		if scale > s {
			z = roundDiv(z, bigTen(scale-s))
		} else if scale < s {
			z.Mul(z, bigTen(s-scale))
		}
		if z.CmpAbs(limit) >= 0 {
			return overflow(c)
		}
		d, _ := columnar.Int128FromBig(z)
		out.decimal(i, d)
		return nil
	})
}
