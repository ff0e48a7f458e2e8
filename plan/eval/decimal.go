package eval

import (
	"math/big"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/expr"
)

// rescaled returns 8-byte values times a power of ten, unless they might not fit.
func rescaled(v *columnar.Vector, by int, r *rows) (*columnar.Vector, bool) {
	if by == 0 {
		return v, true
	}
	if by > 18 || by < 0 {
		return nil, false
	}
	n := r.n
	if v.Enc == columnar.Const {
		n = 1
	}
	out := memory.Slice[int64](r.s, n)
	if scaleUp(out, columnar.View[int64](v.Data, n), tens[by]) {
		return nil, false
	}
	w := *v
	w.Data = columnar.BytesOf(out)
	w.Stable = false
	return &w, true
}

// decimalOp computes on decimals: in 64 bits where the values of the batch
// allow, else row by row in 128 bits. Results in 64 bits need no look at their
// precision: the type of an exact result holds it, and where digits were cut
// off there are 38 of them.
func decimalOp(c *expr.Call) function {
	op, t := c.Fn.Name, c.Typ
	s1, s2, s := int(c.Args[0].Type().Scale), int(c.Args[1].Type().Scale), int(t.Scale)
	exact := max(s1, s2)
	if op == "*" {
		exact = s1 + s2
	}
	slow := decimalRows(c)
	simple := exact == s && (op == "+" || op == "-" || op == "*")
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		a, b := args[0], args[1]
		if !simple || narrowest(a) != 8 || narrowest(b) != 8 {
			return slow(r, args)
		}
		valid, none := validity(r, args)
		if none {
			return allNull(t, r.n), nil
		}
		a, b = shape(a, r), shape(b, r)
		if op != "*" {
			var ok, ok2 bool
			a, ok = rescaled(a, s-s1, r)
			b, ok2 = rescaled(b, s-s2, r)
			if !ok || !ok2 {
				return slow(r, args)
			}
		}
		out := memory.Slice[int64](r.s, r.n)
		if combine(op, a, b, out) {
			return slow(r, args)
		}
		return columnar.Vector{Type: t, Width: 8, Len: r.n, Valid: valid, Data: columnar.BytesOf(out)}, nil
	}
}

func narrowest(v *columnar.Vector) uint8 {
	if v.Enc == columnar.Dict {
		return v.Dict.Values.Width
	}
	return v.Width
}

func decimalRows(c *expr.Call) function {
	op, t := c.Fn.Name, c.Typ
	s1, s2 := int(c.Args[0].Type().Scale), int(c.Args[1].Type().Scale)
	return perRow(t, func(out *builder, args []*columnar.Vector, i int) error {
		x, y := args[0].Int128At(i), args[1].Int128At(i)
		if op != "+" && op != "-" && op != "*" && y == (columnar.Int128{}) {
			return divideByZero(c)
		}
		z, ok := decimal128(op, x, y, s1, s2, int(t.Scale))
		if !ok {
			z, ok = decimalBig(op, x.Big(), y.Big(), s1, s2, int(t.Scale))
		}
		if !ok || !within(z, int(t.Precision)) {
			return overflow(c)
		}
		out.decimal(i, z)
		return nil
	})
}

// decimal128 computes in 128 bits; ok is false when they are too few.
func decimal128(op string, x, y columnar.Int128, s1, s2, s int) (z columnar.Int128, ok bool) {
	switch op {
	case "*":
		if z, ok = mul128(x, y); !ok {
			return z, false
		}
		return rescale128(z, s-s1-s2)
	case "/":
		// x/10^s1 ÷ y/10^s2 at scale s is x·10^(s+s2−s1) ÷ y.
		e := s + s2 - s1
		if e < 0 || !y.FitsInt64() {
			return z, false
		}
		if x, ok = rescale128(x, e); !ok {
			return z, false
		}
		return divRound(x, int64(y.Lo)), true
	case "+", "-":
		scale := max(s1, s2)
		var ok2 bool
		x, ok = rescale128(x, scale-s1)
		y, ok2 = rescale128(y, scale-s2)
		if !ok || !ok2 {
			return z, false
		}
		if op == "-" {
			y = neg128(y)
		}
		z = add128(x, y)
		if (x.Hi^z.Hi)&(y.Hi^z.Hi) < 0 {
			return z, false
		}
		return rescale128(z, s-scale)
	}
	return z, false
}

// decimalBig computes without limits.
func decimalBig(op string, x, y *big.Int, s1, s2, s int) (columnar.Int128, bool) {
	var z *big.Int
	scale := max(s1, s2)
	switch op {
	case "*":
		z, scale = new(big.Int).Mul(x, y), s1+s2
	case "/":
		if e := s + s2 - s1; e >= 0 {
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
		case "%":
			z = x.Rem(x, y)
		default: // pmod
			z = x.Rem(x, y)
			if z.Sign() < 0 {
				z.Add(z, y)
				z.Rem(z, y)
			}
		}
	}
	if scale > s {
		z = roundDiv(z, bigTen(scale-s))
	} else if scale < s {
		z.Mul(z, bigTen(s-scale))
	}
	return columnar.Int128FromBig(z)
}

// decimalDiv is div on decimals: the whole part of the quotient as a bigint.
func decimalDiv(c *expr.Call) function {
	s1, s2 := int(c.Args[0].Type().Scale), int(c.Args[1].Type().Scale)
	return perRow(c.Typ, func(out *builder, args []*columnar.Vector, i int) error {
		x, y := args[0].Int128At(i).Big(), args[1].Int128At(i).Big()
		if y.Sign() == 0 {
			return divideByZero(c)
		}
		x.Mul(x, bigTen(max(0, s2-s1)))
		y.Mul(y, bigTen(max(0, s1-s2)))
		if x.Quo(x, y); !x.IsInt64() {
			return overflow(c)
		}
		out.int(i, x.Int64())
		return nil
	})
}
