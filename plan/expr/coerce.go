package expr

import "github.com/millrace-engine/millrace/columnar"

// digits returns the decimal type that holds every value of an integer type.
func digits(t columnar.Type) (columnar.Type, bool) {
	switch t.Kind {
	case columnar.Decimal:
		return t, true
	case columnar.Int8, columnar.Uint8:
		return columnar.DecimalType(3, 0), true
	case columnar.Int16, columnar.Uint16:
		return columnar.DecimalType(5, 0), true
	case columnar.Int32, columnar.Uint32:
		return columnar.DecimalType(10, 0), true
	case columnar.Int64, columnar.Uint64:
		return columnar.DecimalType(20, 0), true
	}
	return t, false
}

// BoundedDecimal returns decimal(precision, scale) cut to 38 digits as Spark
// does: integer digits are kept first, then at least 6 of the scale.
func BoundedDecimal(precision, scale int) columnar.Type {
	if precision <= columnar.MaxPrecision {
		return columnar.DecimalType(precision, scale)
	}
	whole := precision - scale
	least := min(scale, 6)
	return columnar.DecimalType(columnar.MaxPrecision, max(columnar.MaxPrecision-whole, least))
}

// widerDecimal returns the decimal that holds the values of both.
func widerDecimal(a, b columnar.Type) columnar.Type {
	scale := max(int(a.Scale), int(b.Scale))
	whole := max(int(a.Precision)-int(a.Scale), int(b.Precision)-int(b.Scale))
	return columnar.DecimalType(min(whole+scale, columnar.MaxPrecision), min(scale, columnar.MaxPrecision))
}

// CommonType returns the type that values of both types are brought to for a
// comparison, CASE, COALESCE or a set operation (Spark's ANSI rules). Strings
// give way to the other type.
func CommonType(a, b columnar.Type) (columnar.Type, bool) {
	switch {
	case a.Equal(b):
		return a, true
	case a.Kind == columnar.Null:
		return b, true
	case b.Kind == columnar.Null:
		return a, true
	case a.Kind == columnar.String && !b.IsNested():
		if b.IsSignedInteger() {
			return columnar.Int64Type, true
		}
		if b.Kind == columnar.Decimal || b.IsFloat() {
			return columnar.Float64Type, true
		}
		return b, true
	case b.Kind == columnar.String && !a.IsNested():
		return CommonType(b, a)
	case a.IsNumeric() && b.IsNumeric():
		return commonNumeric(a, b), true
	case isTemporal(a) && isTemporal(b):
		if a.Kind == columnar.Date {
			return b, true
		}
		if b.Kind == columnar.Date {
			return a, true
		}
		return columnar.TimestampType, true
	case a.Kind == b.Kind && (a.Kind == columnar.DayTimeInterval || a.Kind == columnar.YearMonthInterval):
		a.From, a.To = min(a.From, b.From), max(a.To, b.To)
		return a, true
	}
	return columnar.NullType, false
}

func isTemporal(t columnar.Type) bool {
	return t.Kind == columnar.Date || t.Kind == columnar.Timestamp || t.Kind == columnar.TimestampNTZ
}

func commonNumeric(a, b columnar.Type) columnar.Type {
	if a.IsFloat() || b.IsFloat() {
		if a.Kind == columnar.Float32 && (b.Kind == columnar.Float32 || b.IsInteger()) || b.Kind == columnar.Float32 && a.IsInteger() {
			if a.Kind == b.Kind {
				return a
			}
			return columnar.Float64Type
		}
		return columnar.Float64Type
	}
	if a.Kind == columnar.Decimal || b.Kind == columnar.Decimal {
		x, _ := digits(a)
		y, _ := digits(b)
		return widerDecimal(x, y)
	}
	if a.IsSignedInteger() && b.IsSignedInteger() {
		if a.Kind > b.Kind {
			return a
		}
		return b
	}
	return columnar.Int64Type
}

// ImplicitCast reports whether a value may silently become another type.
func ImplicitCast(from, to columnar.Type) bool {
	if from.Equal(to) || from.Kind == columnar.Null {
		return true
	}
	switch {
	case from.Kind == columnar.String:
		return !to.IsNested()
	case to.Kind == columnar.String:
		return !from.IsNested() && from.Kind != columnar.Binary
	case from.IsNumeric() && to.IsNumeric():
		if to.IsFloat() {
			return true
		}
		if to.Kind == columnar.Decimal {
			return !from.IsFloat()
		}
		return from.IsInteger() && to.IsInteger() && to.Kind >= from.Kind
	case from.Kind == columnar.Date:
		return to.Kind == columnar.Timestamp || to.Kind == columnar.TimestampNTZ
	case isTemporal(from) && isTemporal(to):
		return to.Kind != columnar.Date
	}
	return from.Kind == to.Kind && (from.Kind == columnar.DayTimeInterval || from.Kind == columnar.YearMonthInterval)
}

// literalDigits narrows an integer literal that meets a decimal to the digits it
// has, as Spark does.
func literalDigits(e Expr) (columnar.Type, bool) {
	l, ok := e.(*Literal)
	if !ok || !l.Typ.IsInteger() {
		return columnar.Type{}, false
	}
	v, ok := l.Value.(int64)
	if !ok {
		return columnar.Type{}, false
	}
	n := 1
	for v /= 10; v != 0; v /= 10 {
		n++
	}
	return columnar.DecimalType(n, 0), true
}

// decimalOperands returns the decimal types of two operands of which one is a
// decimal and neither a float.
func decimalOperands(args []Expr) (a, b columnar.Type) {
	ts := [2]columnar.Type{}
	for i, e := range args {
		if t, ok := literalDigits(e); ok {
			ts[i] = t
			continue
		}
		ts[i], _ = digits(e.Type())
	}
	return ts[0], ts[1]
}

// DecimalResult returns the type of an operator on decimals.
func DecimalResult(op string, a, b columnar.Type) columnar.Type {
	p1, s1, p2, s2 := int(a.Precision), int(a.Scale), int(b.Precision), int(b.Scale)
	switch op {
	case "+", "-":
		s := max(s1, s2)
		return BoundedDecimal(max(p1-s1, p2-s2)+s+1, s)
	case "*":
		return BoundedDecimal(p1+p2+1, s1+s2)
	case "/":
		s := max(6, s1+p2+1)
		return BoundedDecimal(p1-s1+s2+s, s)
	}
	s := max(s1, s2) // % and pmod
	return BoundedDecimal(min(p1-s1, p2-s2)+s, s)
}
