package analyze

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// expr resolves an expression.
func (a *analyzer) expr(e expr.Expr, s *scope) (expr.Expr, error) {
	if a.depth++; a.depth > maxExprDepth {
		return nil, diag.NewAt(e.Pos(), diag.InvalidQuery, "the expression is nested too deeply").WithRemedy("split it over subqueries")
	}
	defer func() { a.depth-- }()
	switch x := e.(type) {
	case *expr.Name:
		return a.name(x, s)
	case *expr.Literal, *expr.Attr:
		return e, nil
	case *expr.Star:
		return nil, diag.NewAt(x.Place, diag.InvalidQuery, "* is allowed in a select list and in count(*) only")
	case *expr.UnresolvedCall:
		return a.call(x, s)
	case *expr.Subquery:
		return a.subquery(x, s)
	}
	kids := e.Children()
	if len(kids) > 0 {
		fresh := make([]expr.Expr, len(kids))
		for i, k := range kids {
			r, err := a.expr(k, s)
			if err != nil {
				return nil, err
			}
			fresh[i] = r
		}
		e = e.WithChildren(fresh)
	}
	switch x := e.(type) {
	case *expr.Case:
		return a.caseWhen(x)
	case *expr.Cast:
		return a.cast(x)
	}
	return e, nil
}

// caseWhen brings the branches to a common type.
func (a *analyzer) caseWhen(c *expr.Case) (expr.Expr, error) {
	t := columnar.NullType
	values := make([]expr.Expr, 0, len(c.Whens)+1)
	for _, w := range c.Whens {
		values = append(values, w.Then)
	}
	if c.Else != nil {
		values = append(values, c.Else)
	}
	for _, v := range values {
		u, ok := expr.CommonType(t, v.Type())
		if !ok {
			return nil, diag.NewAt(v.Pos(), diag.TypeMismatch, "the branches of CASE have types %s and %s", t, v.Type()).
				WithRemedy("bring them to one type with CAST")
		}
		t = u
	}
	out := &expr.Case{Place: c.Place}
	for _, w := range c.Whens {
		cond, err := a.boolean(w.Cond, "WHEN")
		if err != nil {
			return nil, err
		}
		out.Whens = append(out.Whens, expr.When{Cond: cond, Then: a.castTo(w.Then, t)})
	}
	if c.Else != nil {
		out.Else = a.castTo(c.Else, t)
	}
	return out, nil
}

// cast checks that a written cast is one that exists.
func (a *analyzer) cast(c *expr.Cast) (expr.Expr, error) {
	from, to := c.Arg.Type(), c.To
	if from.Equal(to) {
		return c, nil
	}
	if from.IsNested() && to.Kind != columnar.String || to.IsNested() && from.Kind != columnar.Null {
		if from.Kind == to.Kind {
			return nil, diag.NewAt(c.Place, diag.Unsupported, "casts of %s to %s are not supported yet", from, to)
		}
		return nil, impossible(c)
	}
	if !castable(from, to) {
		return nil, impossible(c)
	}
	return c, nil
}

func impossible(c *expr.Cast) error {
	return diag.NewAt(c.Place, diag.TypeMismatch, "a value of type %s cannot be cast to %s", c.Arg.Type(), c.To)
}

// castable reports the casts of flat types that ANSI mode knows.
func castable(from, to columnar.Type) bool {
	number := func(t columnar.Type) bool { return t.IsNumeric() }
	moment := func(t columnar.Type) bool {
		return t.Kind == columnar.Date || t.Kind == columnar.Timestamp || t.Kind == columnar.TimestampNTZ
	}
	interval := func(t columnar.Type) bool {
		return t.Kind == columnar.DayTimeInterval || t.Kind == columnar.YearMonthInterval
	}
	text := func(t columnar.Type) bool { return t.Kind == columnar.String }
	switch {
	case from.Kind == columnar.Null, from.Kind == to.Kind, text(from), text(to):
		return true
	case from.Kind == columnar.Bool:
		return number(to)
	case number(from):
		return number(to) || to.Kind == columnar.Bool || to.Kind == columnar.Timestamp ||
			to.Kind == columnar.Binary && from.IsInteger() || interval(to)
	case from.Kind == columnar.Timestamp:
		return moment(to) || number(to)
	case moment(from):
		return moment(to)
	case interval(from):
		return number(to)
	case from.Kind == columnar.Time:
		return number(to)
	}
	return false
}

// castTo converts an expression to a type, if it has another. Literals become
// literals of that type, where they have a value of it.
func (a *analyzer) castTo(e expr.Expr, t columnar.Type) expr.Expr {
	if e.Type().Equal(t) {
		return e
	}
	l, ok := e.(*expr.Literal)
	if !ok {
		return &expr.Cast{Arg: e, To: t, Place: e.Pos()}
	}
	if l.Value == nil {
		return &expr.Literal{Typ: t, Place: l.Place}
	}
	if v, ok := l.Value.(int64); ok && l.Typ.IsSignedInteger() {
		switch {
		case t.Kind == columnar.Int64 || t.IsSignedInteger() && t.Kind > l.Typ.Kind:
			return &expr.Literal{Value: v, Typ: t, Place: l.Place}
		case t.Kind == columnar.Float64 && v > -1<<53 && v < 1<<53:
			return &expr.Literal{Value: float64(v), Typ: t, Place: l.Place}
		}
	}
	return eval.Fold(&expr.Cast{Arg: e, To: t, Place: e.Pos()}, eval.Options{Zone: a.opts.Zone})
}
