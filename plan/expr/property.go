package expr

import "github.com/millrace-engine/millrace/columnar"

// Fallible reports whether evaluating an expression may raise an error.
func Fallible(e Expr) bool {
	return Any(e, func(e Expr) bool {
		switch x := e.(type) {
		case *Call:
			return x.Fn.Fallible && !SafeCall(x)
		case *Cast:
			return !x.Try && CastFails(x.Arg.Type(), x.To)
		}
		return false
	})
}

// SafeCall reports calls of functions that may fail in general which cannot fail
// on any values of their arguments' types.
func SafeCall(c *Call) bool {
	if len(c.Args) == 0 {
		return false
	}
	t, decimal := c.Args[0].Type(), c.Typ.Kind == columnar.Decimal
	switch c.Fn.Name {
	case "negative", "abs":
		return c.Typ.IsFloat() || decimal
	case "round", "bround", "ceil", "floor":
		if len(c.Args) > 1 {
			if n, ok := literalInt(c.Args[1]); !ok || n < 0 {
				return t.IsFloat() && !decimal
			}
		}
		return t.IsFloat() && !decimal || decimal && t.Kind == columnar.Decimal && t.Precision < columnar.MaxPrecision
	case "like": // a literal pattern is looked at before anything is computed
		for _, a := range c.Args[1:] {
			if _, ok := a.(*Literal); !ok {
				return false
			}
		}
		return true
	case "split_part":
		n, ok := literalInt(c.Args[len(c.Args)-1])
		return ok && n != 0
	case "lpad", "rpad", "repeat":
		n, ok := literalInt(c.Args[1])
		return ok && n <= 1000
	}
	if len(c.Args) != 2 {
		return false
	}
	u := c.Args[1].Type()
	if decimal && (t.Kind != columnar.Decimal || u.Kind != columnar.Decimal) {
		return false
	}
	whole, scale := int(t.Precision)-int(t.Scale), int(t.Scale)
	switch c.Fn.Name {
	case "+", "-":
		p := max(whole, int(u.Precision)-int(u.Scale)) + max(scale, int(u.Scale)) + 1
		return c.Typ.IsFloat() || decimal && p <= columnar.MaxPrecision
	case "*":
		return c.Typ.IsFloat() || decimal && int(t.Precision)+int(u.Precision) < columnar.MaxPrecision
	case "/":
		p := whole + int(u.Scale) + max(6, scale+int(u.Precision)+1)
		return notZero(c.Args[1]) && (c.Typ.IsFloat() || decimal && p <= columnar.MaxPrecision)
	case "%":
		return notZero(c.Args[1]) && (c.Typ.IsInteger() || c.Typ.IsFloat() || decimal)
	}
	return false
}

func literalInt(e Expr) (int64, bool) {
	l, ok := e.(*Literal)
	if !ok {
		return 0, false
	}
	n, ok := l.Value.(int64)
	return n, ok
}

// notZero reports a literal number that is not zero.
func notZero(e Expr) bool {
	l, ok := e.(*Literal)
	if !ok {
		return false
	}
	switch x := l.Value.(type) {
	case int64:
		return x != 0
	case float64:
		return x != 0
	case columnar.Int128:
		return x != columnar.Int128{}
	}
	return false
}

// CastFails reports whether a cast between two types may fail on some value.
func CastFails(from, to columnar.Type) bool {
	switch {
	case from.Equal(to) || from.Kind == columnar.Null || to.Kind == columnar.String || to.IsFloat() && from.IsNumeric():
		return false
	case from.IsSignedInteger() && to.IsSignedInteger():
		return to.Kind < from.Kind
	case from.Kind == columnar.Date && isTemporal(to), isTemporal(from) && to.Kind == columnar.Date:
		return false
	case to.Kind == columnar.Decimal && (from.IsInteger() || from.Kind == columnar.Decimal):
		d, _ := digits(from)
		return int(to.Precision)-int(to.Scale) < int(d.Precision)-int(d.Scale) || to.Scale < d.Scale
	}
	return true
}

// Deterministic reports whether an expression gives the same value every time.
func Deterministic(e Expr) bool {
	return !Any(e, func(e Expr) bool {
		c, ok := e.(*Call)
		return ok && c.Fn.Volatile
	})
}
