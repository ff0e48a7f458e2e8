package eval

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

func overflow(c *expr.Call) error {
	e := diag.NewAt(c.Place, diag.Overflow, "the result of %s exceeds the range of %s", c, c.Typ)
	cast := "cast the operands to a wider type"
	if c.Typ.Kind == columnar.Decimal {
		e.Class, cast = diag.NumericOutOfRange, "cast the operands to a narrower decimal or to double"
	}
	if name, ok := tryNames[c.Fn.Name]; ok {
		return e.WithRemedy("%s, or use %s to get NULL", cast, name)
	}
	return e.WithRemedy("%s", cast)
}

// tryNames are the functions that are null where an operator fails.
var tryNames = map[string]string{"+": "try_add", "-": "try_subtract", "*": "try_multiply", "/": "try_divide", "div": "try_divide", "%": "try_mod", "pmod": "try_mod"}

func divideByZero(c *expr.Call) error {
	return diag.NewAt(c.Place, diag.DivideByZero, "division by zero in %s", c).
		WithRemedy("use %s to get NULL instead", tryNames[c.Fn.Name])
}

func (p *Program) arithmetic(c *expr.Call) function {
	op := c.Fn.Name
	a, b := c.Args[0].Type(), c.Args[1].Type()
	whole := c.Typ.IsInteger() && a.IsInteger() && b.IsInteger()
	switch {
	case a.Kind == columnar.Decimal && c.Typ.Kind == columnar.Decimal:
		return decimalOp(c)
	case c.Typ.IsFloat() && (op == "/" || op == "%" || op == "pmod"):
		return floatDivide(c)
	case c.Typ.Kind == columnar.Float32:
		return floatOp[float32](c)
	case c.Typ.IsFloat():
		return floatOp[float64](c)
	case op == "div":
		return integralDivide(c)
	case whole && (op == "%" || op == "pmod"):
		return remainder(c)
	case whole && c.Typ.IsSignedInteger():
		switch c.Typ.FixedWidth() {
		case 1:
			return intOp[int8](c)
		case 2:
			return intOp[int16](c)
		case 4:
			return intOp[int32](c)
		}
		return intOp[int64](c)
	}
	return p.temporalOp(c)
}

// combine runs the loop of + - * on vectors of which at most one is constant.
func combine[T interface {
	integer
	columnar.Fixed
}](op string, a, b *columnar.Vector, out []T) (over bool) {
	switch {
	case b.Enc == columnar.Const:
		x, c := columnar.View[T](a.Data, len(out)), columnar.View[T](b.Data, 1)[0]
		switch op {
		case "+":
			return addVC(out, x, c)
		case "-":
			return subVC(out, x, c)
		}
		return mulVC(out, x, c)
	case a.Enc == columnar.Const:
		c, y := columnar.View[T](a.Data, 1)[0], columnar.View[T](b.Data, len(out))
		switch op {
		case "+":
			return addVC(out, y, c)
		case "-":
			return subCV(out, c, y)
		}
		return mulVC(out, y, c)
	}
	x, y := columnar.View[T](a.Data, len(out)), columnar.View[T](b.Data, len(out))
	switch op {
	case "+":
		return addVV(out, x, y)
	case "-":
		return subVV(out, x, y)
	}
	return mulVV(out, x, y)
}

// exactly computes + - * of two 64-bit values.
func exactly(op string, x, y int64) columnar.Int128 {
	switch op {
	case "+":
		return add128(columnar.Int128Of(x), columnar.Int128Of(y))
	case "-":
		return sub128(columnar.Int128Of(x), columnar.Int128Of(y))
	}
	return mul64(x, y)
}

func intOp[T interface {
	integer
	columnar.Fixed
}](c *expr.Call) function {
	op, width := c.Fn.Name, 8*c.Typ.FixedWidth()
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(c.Typ, r.n), nil
		}
		a, b := shape(args[0], r), shape(args[1], r)
		out := memory.Slice[T](r.s, r.n)
		v := columnar.Vector{Type: c.Typ, Width: uint8(width / 8), Len: r.n, Valid: valid, Data: columnar.BytesOf(out)}
		if !combine(op, a, b, out) {
			return v, nil
		}
		if r.find(valid, func(i int) bool { // does a row that counts overflow?
			z := exactly(op, a.Int64At(i), b.Int64At(i))
			return !z.FitsInt64() || int64(z.Lo)<<(64-width)>>(64-width) != int64(z.Lo)
		}) {
			return v, overflow(c)
		}
		return v, nil
	}
}

// remainder is % and pmod on integers.
func remainder(c *expr.Call) function {
	positive := c.Fn.Name == "pmod"
	return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
		x, y := args[0].Int64At(i), args[1].Int64At(i)
		switch y {
		case 0:
			return divideByZero(c)
		case -1:
			b.int(i, 0)
			return nil
		}
		z := x % y
		if positive && z < 0 {
			z = (z + y) % y
		}
		b.int(i, z)
		return nil
	})
}

// integralDivide is div: on integers, decimals and intervals of one kind.
func integralDivide(c *expr.Call) function {
	t := c.Args[0].Type()
	if t.Kind == columnar.Decimal {
		return decimalDiv(c)
	}
	return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
		x, y := args[0].Int64At(i), args[1].Int64At(i)
		switch {
		case y == 0:
			return divideByZero(c)
		case x == math.MinInt64 && y == -1:
			return overflow(c)
		}
		b.int(i, x/y)
		return nil
	})
}

func floatOp[T interface {
	~float32 | ~float64
	columnar.Fixed
}](c *expr.Call) function {
	op := c.Fn.Name
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(c.Typ, r.n), nil
		}
		a, b := shape(args[0], r), shape(args[1], r)
		out := memory.Slice[T](r.s, r.n)
		v := columnar.Vector{Type: c.Typ, Width: uint8(c.Typ.FixedWidth()), Len: r.n, Valid: valid, Data: columnar.BytesOf(out)}
		switch {
		case b.Enc == columnar.Const:
			floatVC(op, out, columnar.View[T](a.Data, r.n), columnar.View[T](b.Data, 1)[0])
		case a.Enc == columnar.Const && op == "-":
			k := columnar.View[T](a.Data, 1)[0]
			for i, y := range columnar.View[T](b.Data, r.n) {
				out[i] = k - y
			}
		case a.Enc == columnar.Const:
			floatVC(op, out, columnar.View[T](b.Data, r.n), columnar.View[T](a.Data, 1)[0])
		default:
			floatVV(op, out, columnar.View[T](a.Data, r.n), columnar.View[T](b.Data, r.n))
		}
		return v, nil
	}
}

func floatVC[T ~float32 | ~float64](op string, out, a []T, c T) {
	a = a[:len(out)]
	switch op {
	case "+":
		for i, x := range a {
			out[i] = x + c
		}
	case "-":
		for i, x := range a {
			out[i] = x - c
		}
	default:
		for i, x := range a {
			out[i] = x * c
		}
	}
}

func floatVV[T ~float32 | ~float64](op string, out, a, b []T) {
	a, b = a[:len(out)], b[:len(out)]
	switch op {
	case "+":
		for i, x := range a {
			out[i] = x + b[i]
		}
	case "-":
		for i, x := range a {
			out[i] = x - b[i]
		}
	default:
		for i, x := range a {
			out[i] = x * b[i]
		}
	}
}

// floatDivide is / % and pmod on floats: zero divisors are errors.
func floatDivide(c *expr.Call) function {
	op := c.Fn.Name
	slow := perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
		x, y := args[0].Float64At(i), args[1].Float64At(i)
		if y == 0 {
			return divideByZero(c)
		}
		switch op {
		case "/":
			x /= y
		case "%":
			x = math.Mod(x, y)
		default:
			if x = math.Mod(x, y); x < 0 {
				x = math.Mod(x+y, y)
			}
		}
		b.float(i, x)
		return nil
	})
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		valid, none := validity(r, args)
		if none {
			return allNull(c.Typ, r.n), nil
		}
		if op != "/" || c.Typ.Kind != columnar.Float64 {
			return slow(r, args)
		}
		a, b := flat(args[0], r.s), shape(args[1], r)
		out := memory.Slice[float64](r.s, r.n)
		x := columnar.View[float64](a.Data, r.n)
		zero := false
		if b.Enc == columnar.Const {
			k := columnar.View[float64](b.Data, 1)[0]
			zero = k == 0
			for i, x := range x {
				out[i] = x / k
			}
		} else {
			for i, y := range columnar.View[float64](b.Data, r.n) {
				out[i] = x[i] / y
				zero = zero || y == 0
			}
		}
		if zero {
			return slow(r, args)
		}
		return columnar.Vector{Type: c.Typ, Width: 8, Len: r.n, Valid: valid, Data: columnar.BytesOf(out)}, nil
	}
}
