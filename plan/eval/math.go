package eval

import (
	"math"
	"math/big"
	"strconv"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

var floats = map[string]func(float64) float64{
	"sqrt": math.Sqrt, "cbrt": math.Cbrt, "exp": math.Exp, "expm1": math.Expm1,
	"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin, "acos": math.Acos, "atan": math.Atan,
	"sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh, "asinh": math.Asinh, "acosh": math.Acosh, "atanh": math.Atanh,
	"cot": func(x float64) float64 { return 1 / math.Tan(x) }, "sec": func(x float64) float64 { return 1 / math.Cos(x) },
	"csc": func(x float64) float64 { return 1 / math.Sin(x) }, "rint": math.RoundToEven,
	"radians": func(x float64) float64 { return x * (math.Pi / 180) }, "degrees": func(x float64) float64 { return x * (180 / math.Pi) },
	"pi": func(float64) float64 { return math.Pi }, "e": func(float64) float64 { return math.E },
	"sign": func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	},
}

// integral computes sign changes and operations on bits.
func integral(c *expr.Call) function {
	name, t := c.Fn.Name, c.Typ
	least := int64(-1) << (8*max(1, t.FixedWidth()) - 1)
	mask := uint(31) // shifts go around, as Java's do
	if t.FixedWidth() == 8 {
		mask = 63
	}
	return perRow(t, func(b *builder, args []*columnar.Vector, i int) error {
		if t.IsFloat() {
			x := args[0].Float64At(i)
			switch name {
			case "negative":
				x = -x
			case "abs":
				x = math.Abs(x)
			}
			b.float(i, x)
			return nil
		}
		if t.Kind == columnar.Decimal {
			x := args[0].Int128At(i)
			if name == "negative" || name == "abs" && x.Hi < 0 {
				x = sub128(columnar.Int128{}, x)
			}
			b.decimal(i, x)
			return nil
		}
		x := args[0].Int64At(i)
		switch name {
		case "negative", "abs":
			if x == least {
				return overflow(c)
			}
			if name == "negative" || x < 0 {
				x = -x
			}
		case "~":
			x = ^x
		case "&":
			x &= args[1].Int64At(i)
		case "|":
			x |= args[1].Int64At(i)
		case "^":
			x ^= args[1].Int64At(i)
		case "<<":
			x <<= uint(args[1].Int64At(i)) & mask
		case ">>":
			x >>= uint(args[1].Int64At(i)) & mask
		case ">>>":
			if mask == 31 {
				x = int64(int32(uint32(x) >> (uint(args[1].Int64At(i)) & mask)))
			} else {
				x = int64(uint64(x) >> (uint(args[1].Int64At(i)) & mask))
			}
		}
		b.int(i, x)
		return nil
	})
}

// divide returns x ÷ d rounded the way of a function.
func divide(name string, x, d *big.Int) *big.Int {
	switch name {
	case "ceil", "floor":
		return roundDown(x, d, name == "ceil")
	case "bround":
		q, m := new(big.Int).QuoRem(x, d, new(big.Int))
		if c := m.Lsh(m.Abs(m), 1).Cmp(d); c > 0 || c == 0 && q.Bit(0) == 1 {
			q.Add(q, big.NewInt(int64(x.Sign())))
		}
		return q
	}
	return roundDiv(x, d)
}

// rounding is round, bround, ceil and floor: exact, on the decimal digits that
// a number shows.
func rounding(c *expr.Call) function {
	name, t := c.Fn.Name, c.Typ
	from := c.Args[0].Type()
	return perRow(t, func(b *builder, args []*columnar.Vector, i int) error {
		scale := 0
		if len(args) > 1 {
			scale = int(args[1].Int64At(i))
		}
		switch {
		case from.Kind == columnar.Decimal:
			z := args[0].Int128At(i).Big()
			scale = max(scale, -columnar.MaxPrecision)
			if down := int(from.Scale) - scale; down > 0 {
				z = divide(name, z, bigTen(down))
			}
			if scale < 0 {
				z.Mul(z, bigTen(-scale))
			}
			if z.CmpAbs(bigTen(int(t.Precision))) >= 0 {
				return overflow(c)
			}
			d, _ := columnar.Int128FromBig(z)
			b.decimal(i, d)
		case from.IsFloat() && (name == "ceil" || name == "floor"):
			x := args[0].Float64At(i)
			if name == "ceil" {
				x = math.Ceil(x)
			} else {
				x = math.Floor(x)
			}
			b.int(i, saturate(x))
		case from.IsFloat():
			b.float(i, roundFloat(name, args[0].Float64At(i), scale))
		default:
			x := args[0].Int64At(i)
			if scale < 0 && name != "ceil" && name != "floor" {
				m := bigTen(min(-scale, 20))
				z := divide(name, big.NewInt(x), m)
				z.Mul(z, m)
				if w := uint(8 * t.FixedWidth()); z.BitLen() >= int(w) {
					return overflow(c)
				}
				x = z.Int64()
			}
			b.int(i, x)
		}
		return nil
	})
}

// saturate turns a float into the nearest integer that there is; NaN is 0.
func saturate(x float64) int64 {
	switch {
	case x != x:
		return 0
	case x >= math.MaxInt64:
		return math.MaxInt64
	case x <= math.MinInt64:
		return math.MinInt64
	}
	return int64(x)
}

// floatFunction computes a function of one double, or of none; the sign also of
// an interval.
func floatFunction(c *expr.Call, f func(float64) float64) function {
	whole := len(c.Args) > 0 && !c.Args[0].Type().IsFloat()
	return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
		x := 0.0
		switch {
		case whole:
			x = float64(args[0].Int64At(i))
		case len(args) > 0:
			x = args[0].Float64At(i)
		}
		b.float(i, f(x))
		return nil
	})
}

// logarithm is null where there is no logarithm.
func logarithm(c *expr.Call) function {
	name := c.Fn.Name
	return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
		x := args[0].Float64At(i)
		if name == "log" && len(args) == 2 {
			y := args[1].Float64At(i)
			if x <= 0 || y <= 0 {
				b.null(i)
			} else {
				b.float(i, math.Log(y)/math.Log(x))
			}
			return nil
		}
		if x <= 0 && (name != "log1p" || x <= -1) {
			b.null(i)
			return nil
		}
		switch name {
		case "log2":
			x = math.Log2(x)
		case "log10":
			x = math.Log10(x)
		case "log1p":
			x = math.Log1p(x)
		default:
			x = math.Log(x)
		}
		b.float(i, x)
		return nil
	})
}

func roundDown(x, d *big.Int, up bool) *big.Int {
	q, m := new(big.Int).QuoRem(x, d, new(big.Int))
	switch {
	case up && m.Sign() > 0:
		q.Add(q, big.NewInt(1))
	case !up && m.Sign() < 0:
		q.Sub(q, big.NewInt(1))
	}
	return q
}

// roundFloat rounds the shortest decimal form of x, as Spark does.
func roundFloat(name string, x float64, scale int) float64 {
	if x != x || math.IsInf(x, 0) || scale > 400 {
		return x
	}
	if scale < -400 {
		return 0
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(x, 'e', -1, 64))
	if !ok {
		return x
	}
	m := new(big.Rat).SetInt(bigTen(max(scale, -scale)))
	if scale < 0 {
		m.Inv(m)
	}
	r.Mul(r, m)
	z := divide(name, r.Num(), r.Denom())
	f, _ := new(big.Rat).Quo(new(big.Rat).SetInt(z), m).Float64()
	return f
}

// notNaN is NANVL: the second value where the first is not a number.
func notNaN(c *expr.Call) function {
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		b := newBuilder(r, c.Typ)
		err := r.each(func(i int) error {
			a := args[0]
			if !a.NullAt(i) && math.IsNaN(a.Float64At(i)) {
				a = args[1]
			}
			if a.NullAt(i) {
				b.null(i)
			} else {
				b.copy(a, i)
			}
			return nil
		})
		return b.vector(), err
	}
}

// positiveModulo is the remainder that is not negative for a positive divisor,
// on integers and doubles.
func positiveModulo(c *expr.Call) function {
	return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
		if c.Typ.IsFloat() {
			x, y := args[0].Float64At(i), args[1].Float64At(i)
			if y == 0 {
				return divideByZero(c)
			}
			if x = math.Mod(x, y); x < 0 {
				x = math.Mod(x+y, y)
			}
			b.float(i, x)
			return nil
		}
		x, y := args[0].Int64At(i), args[1].Int64At(i)
		if y == 0 {
			return divideByZero(c)
		}
		if y == -1 {
			b.int(i, 0)
			return nil
		}
		if x %= y; x < 0 {
			x = (x + y) % y
		}
		b.int(i, x)
		return nil
	})
}

// isNaN is false for null.
func isNaN(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
	out := r.bitmap()
	clear(out)
	err := r.each(func(i int) error {
		if !args[0].NullAt(i) && math.IsNaN(args[0].Float64At(i)) {
			out.Set(i)
		}
		return nil
	})
	return columnar.Vector{Type: columnar.BoolType, Len: r.n, Data: out}, err
}
