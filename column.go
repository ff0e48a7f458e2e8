package millrace

import (
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/sql"
)

// Column is an expression over the columns of a frame: Col("price").Times(2). Its
// methods return new columns; nothing is checked before a frame's action. Where an
// operand is any, it is a Column, or a Go value that becomes a literal (see Lit).
// Package functions has the functions.
type Column struct {
	e     expr.Expr
	order *expr.SortOrder // of Asc and Desc, without the expression
	err   error
}

// Col is a column by name: "a", or "t.a" of a frame named with As; "*" is all.
func Col(name string) Column {
	if name == "*" {
		return Column{e: &expr.Star{}}
	}
	if q, ok := strings.CutSuffix(name, ".*"); ok {
		return Column{e: &expr.Star{Qualifier: strings.Split(q, ".")}}
	}
	if !strings.Contains(name, "`") {
		return Column{e: &expr.Name{Parts: strings.Split(name, ".")}}
	}
	return Expr(name)
}

// Expr is an expression in SQL.
func Expr(text string) Column {
	e, err := sql.ParseExpr(text)
	if err != nil {
		return Column{e: expr.Null(columnar.NullType), err: at(caller(), err)}
	}
	return Column{e: e}
}

// Lit is a constant: nil, bool, the integer and float types, string, []byte,
// time.Time (a timestamp), time.Duration (a day-time interval). An int is an INT
// if it fits, else a BIGINT.
func Lit(value any) Column {
	integer := func(v int64, t columnar.Type) Column { return Column{e: expr.Lit(v, t)} }
	switch v := value.(type) {
	case Column:
		return v
	case nil:
		return Column{e: expr.Null(columnar.NullType)}
	case bool:
		return Column{e: expr.Lit(v, columnar.BoolType)}
	case int:
		if int(int32(v)) == v {
			return integer(int64(v), columnar.Int32Type)
		}
		return integer(int64(v), columnar.Int64Type)
	case int8:
		return integer(int64(v), columnar.Int8Type)
	case int16:
		return integer(int64(v), columnar.Int16Type)
	case int32:
		return integer(int64(v), columnar.Int32Type)
	case int64:
		return integer(v, columnar.Int64Type)
	case uint8:
		return integer(int64(v), columnar.Int16Type)
	case uint16:
		return integer(int64(v), columnar.Int32Type)
	case uint32:
		return integer(int64(v), columnar.Int64Type)
	case float32:
		return Column{e: expr.Lit(float64(v), columnar.Float32Type)}
	case float64:
		return Column{e: expr.Lit(v, columnar.Float64Type)}
	case string:
		return Column{e: expr.Lit(v, columnar.StringType)}
	case []byte:
		return Column{e: expr.Lit(string(v), columnar.BinaryType)}
	case time.Time:
		return integer(v.UnixMicro(), columnar.TimestampType)
	case time.Duration:
		return integer(v.Microseconds(), columnar.DayTimeType)
	}
	return Column{e: expr.Null(columnar.NullType), err: at(caller(), diag.New(diag.InvalidArgument, "a value of Go type %T cannot be a constant", value).
		WithRemedy("use numbers, strings, booleans, bytes or times; or Expr with SQL text"))}
}

// CallFunction calls a function by its SQL name; package functions has a wrapper
// for each. Arguments that are strings name columns, other Go values are
// literals: use Lit for text.
func CallFunction(name string, args ...any) Column {
	cols := make([]Column, len(args))
	for i, a := range args {
		if s, ok := a.(string); ok {
			cols[i] = Col(s)
		} else {
			cols[i] = Lit(a)
		}
	}
	return call(name, cols...)
}

// call makes a call; its error is that of its first argument that has one.
func call(fn string, args ...Column) Column {
	c := &expr.UnresolvedCall{Fn: fn}
	out := Column{e: c}
	for _, a := range args {
		a = a.settled()
		c.Args = append(c.Args, a.e)
		if out.err == nil {
			out.err = a.err
		}
	}
	return out
}

// settled replaces the zero Column, which is no expression, by an error.
func (c Column) settled() Column {
	if c.e == nil {
		c.e = expr.Null(columnar.NullType)
		if c.err == nil {
			c.err = at(caller(), diag.New(diag.InvalidArgument, "the zero Column is no expression").WithRemedy("make columns with Col, Lit or Expr"))
		}
	}
	return c
}

func (c Column) binary(fn string, v any) Column { return call(fn, c, Lit(v)) }

// Eq is c = v, null if one is null.
func (c Column) Eq(v any) Column { return c.binary("=", v) }

// EqNullSafe is c <=> v: null equals null.
func (c Column) EqNullSafe(v any) Column { return c.binary("<=>", v) }

// Ne is c <> v.
func (c Column) Ne(v any) Column { return c.binary("<>", v) }

// Lt is c < v.
func (c Column) Lt(v any) Column { return c.binary("<", v) }

// Le is c <= v.
func (c Column) Le(v any) Column { return c.binary("<=", v) }

// Gt is c > v.
func (c Column) Gt(v any) Column { return c.binary(">", v) }

// Ge is c >= v.
func (c Column) Ge(v any) Column { return c.binary(">=", v) }

// Between is low <= c AND c <= high.
func (c Column) Between(low, high any) Column { return c.Ge(low).And(c.Le(high)) }

// And is c AND v.
func (c Column) And(v any) Column { return c.binary("and", v) }

// Or is c OR v.
func (c Column) Or(v any) Column { return c.binary("or", v) }

// Not is NOT c.
func (c Column) Not() Column { return call("not", c) }

// Plus is c + v.
func (c Column) Plus(v any) Column { return c.binary("+", v) }

// Minus is c - v.
func (c Column) Minus(v any) Column { return c.binary("-", v) }

// Times is c * v.
func (c Column) Times(v any) Column { return c.binary("*", v) }

// DividedBy is c / v, a double or a decimal.
func (c Column) DividedBy(v any) Column { return c.binary("/", v) }

// Mod is c % v.
func (c Column) Mod(v any) Column { return c.binary("%", v) }

// Neg is -c.
func (c Column) Neg() Column { return call("negative", c) }

// Like is c LIKE v: % stands for anything, _ for a character.
func (c Column) Like(v any) Column { return c.binary("like", v) }

// ILike is Like without case.
func (c Column) ILike(v any) Column { return c.binary("ilike", v) }

// RLike reports whether a regular expression matches somewhere.
func (c Column) RLike(v any) Column { return c.binary("rlike", v) }

// StartsWith reports whether a text begins with v.
func (c Column) StartsWith(v any) Column { return c.binary("startswith", v) }

// EndsWith reports whether a text ends with v.
func (c Column) EndsWith(v any) Column { return c.binary("endswith", v) }

// Contains reports whether v is a part of a text.
func (c Column) Contains(v any) Column { return c.binary("contains", v) }

// In reports whether c is one of the values.
func (c Column) In(values ...any) Column {
	args := []Column{c}
	for _, v := range values {
		args = append(args, Lit(v))
	}
	if len(values) == 0 {
		return Lit(false)
	}
	return call("in", args...)
}

// IsNull reports whether c is null.
func (c Column) IsNull() Column { return call("isnull", c) }

// IsNotNull reports whether c is not null.
func (c Column) IsNotNull() Column { return call("isnotnull", c) }

// Cast converts to a type, written as in SQL: "decimal(10,2)". A value that does
// not convert is an error.
func (c Column) Cast(typ string) Column { return c.cast(typ, false) }

// TryCast converts to a type; a value that does not convert becomes null.
func (c Column) TryCast(typ string) Column { return c.cast(typ, true) }

func (c Column) cast(typ string, try bool) Column {
	c = c.settled()
	t, err := sql.ParseType(typ)
	if err != nil && c.err == nil {
		c.err = at(caller(), err)
	}
	return Column{e: &expr.Cast{Arg: c.e, To: t, Try: try}, err: c.err}
}

// As names the column.
func (c Column) As(name string) Column {
	c = c.settled()
	return Column{e: &expr.Alias{Arg: c.e, Name: name}, err: c.err}
}

// Distinct makes an aggregate function count each value once: sum(DISTINCT c).
func (c Column) Distinct() Column {
	return c.changed("Distinct", func(x *expr.UnresolvedCall) { x.Distinct = true })
}

// Where makes an aggregate function see only rows for which a condition is true.
func (c Column) Where(condition Column) Column {
	condition = condition.settled()
	if c.err == nil {
		c.err = condition.err
	}
	return c.changed("Where", func(x *expr.UnresolvedCall) { x.Filter = condition.e })
}

// changed returns a copy of a call, changed by f.
func (c Column) changed(method string, f func(*expr.UnresolvedCall)) Column {
	c = c.settled()
	x, ok := c.e.(*expr.UnresolvedCall)
	if !ok {
		if c.err == nil {
			c.err = at(caller(), diag.New(diag.InvalidArgument, "%s needs the call of a function, not %s", method, c.e))
		}
		return c
	}
	d := *x
	f(&d)
	return Column{e: &d, err: c.err}
}

// When starts CASE: the value where the condition is true, else what further When
// and Otherwise say, else null.
func When(condition Column, value any) Column {
	return Column{e: &expr.Case{}}.When(condition, value)
}

// When adds a branch to a column that When started.
func (c Column) When(condition Column, value any) Column {
	return c.branch("When", Lit(value), &condition)
}

// Otherwise gives a column that When started its last branch.
func (c Column) Otherwise(value any) Column { return c.branch("Otherwise", Lit(value), nil) }

func (c Column) branch(method string, value Column, condition *Column) Column {
	c, value = c.settled(), value.settled()
	if condition != nil {
		filled := condition.settled()
		condition = &filled
	}
	x, ok := c.e.(*expr.Case)
	if (!ok || x.Else != nil) && c.err == nil {
		c.err = at(caller(), diag.New(diag.InvalidArgument, "%s continues a column that When started and Otherwise has not ended", method))
		return c
	}
	for _, o := range []*Column{condition, &value} {
		if c.err == nil && o != nil {
			c.err = o.err
		}
	}
	if c.err != nil {
		return c
	}
	d := &expr.Case{Whens: append([]expr.When{}, x.Whens...)}
	if condition == nil {
		d.Else = value.e
	} else {
		d.Whens = append(d.Whens, expr.When{Cond: condition.e, Then: value.e})
	}
	return Column{e: d}
}

// Asc orders upwards, nulls first.
func (c Column) Asc() Column { return c.ordered(expr.SortOrder{}) }

// AscNullsLast orders upwards, nulls last.
func (c Column) AscNullsLast() Column { return c.ordered(expr.SortOrder{NullsLast: true}) }

// Desc orders downwards, nulls last.
func (c Column) Desc() Column { return c.ordered(expr.SortOrder{Desc: true, NullsLast: true}) }

// DescNullsFirst orders downwards, nulls first.
func (c Column) DescNullsFirst() Column { return c.ordered(expr.SortOrder{Desc: true}) }

func (c Column) ordered(o expr.SortOrder) Column {
	c.order = &o
	return c
}

// String renders the expression as SQL.
func (c Column) String() string { return c.settled().e.String() }
