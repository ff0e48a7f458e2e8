package expr

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

func mathFunctions() []*Function {
	d := columnar.Float64Type
	var fs []*Function
	for _, n := range []string{"ln", "log10", "log2", "log1p"} {
		fs = append(fs, strict(n, "A logarithm; null where there is none.", false, nullable(fixedTypes(n, d, 1, d))))
	}
	for _, n := range []string{"sqrt", "cbrt", "exp", "expm1", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "cot", "sec", "csc", "rint", "sin", "cos", "tan", "asin", "acos", "atan", "radians", "degrees"} {
		fs = append(fs, strict(n, "A function of one number.", false, fixedTypes(n, d, 1, d)))
	}
	round := func(name string) *Function {
		return strict(name, "Rounds to a number of decimals.", true, func(args []Expr) (Signature, error) {
			if err := arity(args, name, 1, 2); err != nil {
				return Signature{}, err
			}
			t := args[0].Type()
			if t.Kind == columnar.String || t.Kind == columnar.Null {
				t = d
			}
			if !t.IsNumeric() {
				return Signature{}, mismatch(name, args, "a number")
			}
			scale, err := scaleOf(name, args)
			if err != nil {
				return Signature{}, err
			}
			s := Signature{Args: []columnar.Type{t}, Result: t}
			if len(args) == 2 {
				s.Args = append(s.Args, columnar.Int32Type)
			}
			if t.Kind == columnar.Decimal {
				s.Result = roundedDecimal(t, scale)
			}
			return s, nil
		})
	}
	whole := func(name string) *Function {
		return strict(name, "Rounds to a whole number, or down or up to a number of decimals.", true, func(args []Expr) (Signature, error) {
			if err := arity(args, name, 1, 2); err != nil {
				return Signature{}, err
			}
			t := args[0].Type()
			if len(args) == 2 { // the result is a decimal
				scale, err := scaleOf(name, args)
				if err != nil {
					return Signature{}, err
				}
				x, ok := digits(t)
				if !ok {
					x = columnar.DecimalType(30, 15)
				}
				if !ImplicitCast(t, d) {
					return Signature{}, mismatch(name, args, "a number")
				}
				return Signature{Args: []columnar.Type{x, columnar.Int32Type}, Result: roundedDecimal(x, scale)}, nil
			}
			if t.Kind == columnar.Decimal {
				return Signature{Args: []columnar.Type{t}, Result: roundedDecimal(t, 0)}, nil
			}
			if t.IsInteger() {
				return Signature{Args: []columnar.Type{columnar.Int64Type}, Result: columnar.Int64Type}, nil
			}
			if !ImplicitCast(t, d) {
				return Signature{}, mismatch(name, args, "a number")
			}
			return Signature{Args: []columnar.Type{d}, Result: columnar.Int64Type}, nil
		})
	}
	return append(fs, round("round"), round("bround"), whole("ceil"), whole("floor"),
		strict("abs", "The absolute value.", true, sameNumeric("abs", true)),
		strict("sign", "−1, 0 or 1.", false, func(args []Expr) (Signature, error) {
			if len(args) == 1 && isInterval(args[0].Type()) {
				return Signature{Args: []columnar.Type{args[0].Type()}, Result: d}, nil
			}
			return fixedTypes("sign", d, 1, d)(args)
		}),
		strict("hypot", "The length of a point's vector.", false, fixedTypes("hypot", d, 2, d, d)),
		strict("log", "The natural logarithm, or that to a base.", false, nullable(fixedTypes("log", d, 1, d, d))),
		strict("pow", "A number to a power.", false, fixedTypes("pow", d, 2, d, d)),
		strict("atan2", "The angle of a point.", false, fixedTypes("atan2", d, 2, d, d)),
		strict("pmod", "The remainder, not negative for a positive divisor.", true, func(args []Expr) (Signature, error) {
			s, err := arithmetic("%").Resolve(args)
			if err == nil && !s.Result.IsFloat() && !s.Result.IsSignedInteger() {
				err = diag.New(diag.Unsupported, "pmod of decimals is not supported yet")
			}
			return s, err
		}),
		&Function{Name: "nanvl", Doc: "The first value, the second if it is not a number.", Resolve: fixedTypes("nanvl", d, 2, d, d)},
		attempt("try_add", "+"), attempt("try_subtract", "-"), attempt("try_multiply", "*"), attempt("try_divide", "/"), attempt("try_mod", "%"),
		strict("pi", "π.", false, fixedTypes("pi", d, 0)),
		strict("e", "Euler's number.", false, fixedTypes("e", d, 0)),
	)
}

// nullable marks results that may be null although no argument is.
func nullable(resolve func([]Expr) (Signature, error)) func([]Expr) (Signature, error) {
	return func(args []Expr) (Signature, error) {
		s, err := resolve(args)
		s.Nullable = true
		return s, err
	}
}

// scaleOf returns the second argument of round and its like, 0 if it is missing.
func scaleOf(name string, args []Expr) (int, error) {
	if len(args) < 2 {
		return 0, nil
	}
	e, sign := args[1], int64(1)
	if c, ok := e.(*Call); ok && c.Fn.Name == "negative" && len(c.Args) == 1 {
		e, sign = c.Args[0], -1
	}
	if l, ok := e.(*Literal); ok {
		if n, ok := l.Value.(int64); ok {
			return int(sign * n), nil
		}
	}
	return 0, diag.New(diag.TypeMismatch, "the scale of %s must be an integer literal", name)
}

// roundedDecimal is the type of a decimal rounded to a scale.
func roundedDecimal(t columnar.Type, scale int) columnar.Type {
	whole := int(t.Precision) - int(t.Scale) + 1
	if scale < 0 {
		return columnar.DecimalType(min(max(whole, 1-max(scale, -columnar.MaxPrecision)), columnar.MaxPrecision), 0)
	}
	s := min(scale, int(t.Scale))
	return columnar.DecimalType(min(whole+s, columnar.MaxPrecision), s)
}

// attempt makes an operator that is null where it would fail.
func attempt(name, op string) *Function {
	return strict(name, "Arithmetic that is null where it would fail.", false, nullable(arithmetic(op).Resolve))
}
