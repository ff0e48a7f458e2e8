package wire

import (
	"fmt"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Field numbers of the expression message: exactly one of these is present.
const (
	exprColumn = iota + 1
	exprLiteral
	exprCall
	exprCast
	exprCase
	exprAlias
)

func (e *encoder) expr(f int, x expr.Expr) {
	e.message(f, func(e *encoder) {
		switch x := x.(type) {
		case *expr.Column:
			e.message(exprColumn, func(e *encoder) {
				e.uint(1, uint64(x.Index))
				e.string(2, x.Name)
				e.typ(3, x.Typ)
				e.bool(4, x.Null)
			})
		case *expr.Literal:
			e.message(exprLiteral, func(e *encoder) { e.literal(x) })
		case *expr.Call:
			e.message(exprCall, func(e *encoder) {
				e.string(1, x.Fn.Key())
				for _, a := range x.Args {
					e.expr(2, a)
				}
				e.typ(3, x.Typ)
				e.bool(4, x.Null)
				e.place(5, x.Place)
			})
		case *expr.Cast:
			e.message(exprCast, func(e *encoder) {
				e.expr(1, x.Arg)
				e.typ(2, x.To)
				e.bool(3, x.Try)
				e.place(4, x.Place)
			})
		case *expr.Case:
			e.message(exprCase, func(e *encoder) {
				for _, w := range x.Whens {
					e.expr(1, w.Cond)
					e.expr(2, w.Then)
				}
				if x.Else != nil {
					e.expr(3, x.Else)
				}
				e.place(4, x.Place)
			})
		case *expr.Alias: // names have no meaning once columns are positions
			e.message(exprAlias, func(e *encoder) { e.expr(1, x.Arg) })
		default:
			panic("wire: expression not bound: " + x.String())
		}
	})
}

func (e *encoder) literal(x *expr.Literal) {
	e.typ(1, x.Typ)
	switch v := x.Value.(type) {
	case bool:
		e.uint(2, 1)
		e.bool(3, v)
	case int64:
		e.uint(2, 2)
		e.int(3, v)
	case float64:
		e.uint(2, 3)
		e.float(3, v)
	case string:
		e.uint(2, 4)
		e.bytes(4, []byte(v))
	case columnar.Int128:
		e.uint(2, 5)
		e.int(3, v.Hi)
		e.fixed64(5, v.Lo)
	}
	e.place(6, x.Place)
}

func (d *decoder) exprs(b []byte, out *[]expr.Expr) error {
	x, err := d.expr(b)
	*out = append(*out, x)
	return err
}

func (d *decoder) expr(b []byte) (x expr.Expr, err error) {
	if err = d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	err = fields(b, func(f field) (err error) {
		switch f.num {
		case exprColumn:
			x, err = d.columnRef(f.data)
		case exprLiteral:
			x, err = d.literal(f.data)
		case exprCall:
			x, err = d.call(f.data)
		case exprCast:
			x, err = d.cast(f.data)
		case exprCase:
			x, err = d.caseWhen(f.data)
		case exprAlias:
			return fields(f.data, func(f field) (err error) {
				x, err = d.expr(f.data)
				return err
			})
		default:
			err = malformed("expression field %d", f.num)
		}
		return err
	})
	if err == nil && x == nil {
		err = malformed("empty expression")
	}
	return x, err
}

func (d *decoder) columnRef(b []byte) (*expr.Column, error) {
	c := &expr.Column{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			if f.value > 1<<20 {
				return malformed("column %d", f.value)
			}
			c.Index = int(f.value)
		case 2:
			c.Name = f.string()
		case 3:
			c.Typ, err = d.typ(f.data)
		case 4:
			c.Null = f.bool()
		}
		return err
	})
	return c, err
}

func (d *decoder) literal(b []byte) (*expr.Literal, error) {
	l := &expr.Literal{}
	var kind, num, lo uint64
	var text string
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			l.Typ, err = d.typ(f.data)
		case 2:
			kind = f.value
		case 3:
			num = f.value
		case 4:
			text = f.string()
		case 5:
			lo = f.value
		case 6:
			l.Place = diag.Pos(f.value)
		}
		return err
	})
	v := field{value: num}
	switch kind {
	case 0:
	case 1:
		l.Value = v.bool()
	case 2:
		l.Value = v.int64()
	case 3:
		l.Value = v.float()
	case 4:
		l.Value = text
	case 5:
		l.Value = columnar.Int128{Lo: lo, Hi: v.int64()}
	default:
		return nil, malformed("literal of kind %d", kind)
	}
	if err == nil && l.Value != nil && !literalFits(l) {
		err = malformed("literal value does not fit %s", l.Typ)
	}
	return l, err
}

// literalFits reports whether the value's Go type is the one that expr.Literal
// documents for its type.
func literalFits(l *expr.Literal) bool {
	switch t := l.Typ; l.Value.(type) {
	case bool:
		return t.Kind == columnar.Bool
	case float64:
		return t.IsFloat()
	case string:
		return t.IsBytes()
	case columnar.Int128:
		return t.Kind == columnar.Decimal
	case int64:
		return t.IsInteger() || t.Kind >= columnar.Date && t.Kind <= columnar.YearMonthInterval
	}
	return false
}

func (d *decoder) call(b []byte) (*expr.Call, error) {
	c := &expr.Call{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			c.Fn, err = d.function(f.string())
		case 2:
			err = d.exprs(f.data, &c.Args)
		case 3:
			c.Typ, err = d.typ(f.data)
		case 4:
			c.Null = f.bool()
		case 5:
			c.Place = diag.Pos(f.value)
		}
		return err
	})
	if err == nil && c.Fn == nil {
		err = malformed("call without a function")
	}
	return c, err
}

// function finds what a call names. That there is none is the plan's fault, or that
// of who started the executor: both are told.
func (d *decoder) function(name string) (*expr.Function, error) {
	f, err := d.functions.Find(name)
	if err != nil {
		return nil, fmt.Errorf("%w: unknown function %q: %w", ErrMalformed, name, err)
	}
	return f, nil
}

func (d *decoder) cast(b []byte) (*expr.Cast, error) {
	c := &expr.Cast{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			c.Arg, err = d.expr(f.data)
		case 2:
			c.To, err = d.typ(f.data)
		case 3:
			c.Try = f.bool()
		case 4:
			c.Place = diag.Pos(f.value)
		}
		return err
	})
	if err == nil && c.Arg == nil {
		err = malformed("cast of nothing")
	}
	return c, err
}

func (d *decoder) caseWhen(b []byte) (*expr.Case, error) {
	c := &expr.Case{}
	var conds, thens []expr.Expr
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = d.exprs(f.data, &conds)
		case 2:
			err = d.exprs(f.data, &thens)
		case 3:
			c.Else, err = d.expr(f.data)
		case 4:
			c.Place = diag.Pos(f.value)
		}
		return err
	})
	if err == nil && (len(conds) == 0 || len(conds) != len(thens)) {
		err = malformed("branches of CASE")
	}
	if err != nil {
		return nil, err
	}
	for i := range conds {
		c.Whens = append(c.Whens, expr.When{Cond: conds[i], Then: thens[i]})
	}
	return c, nil
}

func (e *encoder) order(f int, order []expr.SortOrder) {
	for _, o := range order {
		e.message(f, func(e *encoder) {
			e.expr(1, o.Expr)
			e.bool(2, o.Desc)
			e.bool(3, o.NullsLast)
		})
	}
}

func (d *decoder) order(b []byte, out *[]expr.SortOrder) error {
	var o expr.SortOrder
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			o.Expr, err = d.expr(f.data)
		case 2:
			o.Desc = f.bool()
		case 3:
			o.NullsLast = f.bool()
		}
		return err
	})
	if err == nil && o.Expr == nil {
		err = malformed("sort key without an expression")
	}
	*out = append(*out, o)
	return err
}
