package optimize

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// simplify folds constants and normalises conditions in every node.
func (o *optimizer) simplify(p logical.Plan) (logical.Plan, error) {
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		p, err := logical.MapExprs(p, func(e expr.Expr) (expr.Expr, error) {
			return expr.Rewrite(e, o.simpler), nil
		})
		if err != nil {
			return nil, err
		}
		switch x := p.(type) {
		case *logical.Filter:
			cond := factor(x.Cond)
			if l, ok := cond.(*expr.Literal); ok {
				if l.Value == true {
					return x.Child, nil
				}
				return &logical.Values{Attrs: x.Output()}, nil // no row passes
			}
			for _, c := range expr.Conjuncts(cond) {
				if isLiteral(c, false) || isLiteral(c, nil) {
					return &logical.Values{Attrs: x.Output()}, nil
				}
			}
			return &logical.Filter{Cond: cond, Child: x.Child}, nil
		case *logical.Join:
			if x.Cond != nil {
				d := *x
				d.Cond = factor(x.Cond)
				if l, ok := d.Cond.(*expr.Literal); ok && l.Value == true {
					d.Cond = nil
				}
				return &d, nil
			}
		}
		return p, nil
	})
}

func isLiteral(e expr.Expr, v any) bool {
	l, ok := e.(*expr.Literal)
	return ok && l.Value == v
}

var negated = map[string]string{"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<", "isnull": "isnotnull", "isnotnull": "isnull"}
var mirrored = map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// simpler rewrites one node whose children are simple already.
func (o *optimizer) simpler(e expr.Expr) expr.Expr {
	c, ok := e.(*expr.Call)
	if !ok {
		switch x := e.(type) {
		case *expr.Cast:
			return o.fold(e)
		case *expr.Case:
			return decided(x)
		}
		return e
	}
	switch c.Fn.Name {
	case "if":
		if l, ok := c.Args[0].(*expr.Literal); ok {
			if l.Value == true {
				return c.Args[1]
			}
			return c.Args[2]
		}
	case "coalesce":
		if !c.Args[0].Nullable() || len(c.Args) == 1 {
			return c.Args[0]
		}
	case "in":
		if len(c.Args) == 2 {
			d := expr.NewCall("=", columnar.BoolType, c.Args...)
			d.Place = c.Place
			return o.simpler(d)
		}
	case "like":
		if l, ok := c.Args[1].(*expr.Literal); ok && len(c.Args) == 2 {
			if text, ok := l.Value.(string); ok && !strings.ContainsAny(text, `%_\`) {
				d := expr.NewCall("=", columnar.BoolType, c.Args...)
				d.Place = c.Place
				return d
			}
		}
	case "and":
		switch {
		case isLiteral(c.Args[0], true):
			return c.Args[1]
		case isLiteral(c.Args[1], true):
			return c.Args[0]
		case isLiteral(c.Args[0], false) || isLiteral(c.Args[1], false) && !expr.Fallible(c.Args[0]):
			return expr.False()
		}
	case "or":
		switch {
		case isLiteral(c.Args[0], false):
			return c.Args[1]
		case isLiteral(c.Args[1], false):
			return c.Args[0]
		case isLiteral(c.Args[0], true) || isLiteral(c.Args[1], true) && !expr.Fallible(c.Args[0]):
			return expr.True()
		}
	case "not":
		if in, ok := c.Args[0].(*expr.Call); ok {
			if n, ok := negated[in.Fn.Name]; ok {
				d := expr.NewCall(n, columnar.BoolType, in.Args...)
				d.Place = in.Place
				return d
			}
			switch in.Fn.Name {
			case "not":
				return in.Args[0]
			case "and", "or":
				other := map[string]string{"and": "or", "or": "and"}[in.Fn.Name]
				a := o.simpler(expr.NewCall("not", columnar.BoolType, in.Args[0]))
				b := o.simpler(expr.NewCall("not", columnar.BoolType, in.Args[1]))
				return o.simpler(expr.NewCall(other, columnar.BoolType, a, b))
			}
		}
	case "isnotnull":
		if !c.Args[0].Nullable() {
			return expr.True()
		}
	case "isnull":
		if !c.Args[0].Nullable() {
			return expr.False()
		}
	case "between":
		lo := expr.NewCall(">=", columnar.BoolType, c.Args[0], c.Args[1])
		hi := expr.NewCall("<=", columnar.BoolType, c.Args[0], c.Args[2])
		return expr.NewCall("and", columnar.BoolType, lo, hi)
	}
	if m, ok := mirrored[c.Fn.Name]; ok { // the literal stands on the right
		_, l := c.Args[0].(*expr.Literal)
		_, r := c.Args[1].(*expr.Literal)
		if l && !r {
			d := expr.NewCall(m, columnar.BoolType, c.Args[1], c.Args[0])
			d.Place = c.Place
			e = o.unwrap(d)
		} else if r && !l {
			e = o.unwrap(c)
		}
	}
	return o.fold(e)
}

// decided drops the branches of a CASE that constants rule out.
func decided(c *expr.Case) expr.Expr {
	var whens []expr.When
	for i, w := range c.Whens {
		l, ok := w.Cond.(*expr.Literal)
		switch {
		case !ok:
			whens = append(whens, w)
		case l.Value != true: // never taken
		case len(whens) == 0:
			return w.Then
		default:
			return &expr.Case{Whens: whens, Else: c.Whens[i].Then, Place: c.Place}
		}
	}
	switch {
	case len(whens) == len(c.Whens):
		return c
	case len(whens) > 0:
		return &expr.Case{Whens: whens, Else: c.Else, Place: c.Place}
	case c.Else != nil:
		return c.Else
	}
	return expr.Null(c.Type())
}

// unwrap moves an exact cast of a column in a comparison to the literal:
// CAST(a AS decimal(12,2)) < 24.00 becomes a < CAST(24.00 AS type of a) if the
// literal is a value of that type.
func (o *optimizer) unwrap(c *expr.Call) expr.Expr {
	cast, ok := c.Args[0].(*expr.Cast)
	lit, ok2 := c.Args[1].(*expr.Literal)
	if !ok || !ok2 || cast.Try || lit.Value == nil || expr.Fallible(cast) {
		return c
	}
	from, to := cast.Arg.Type(), cast.To
	exact := from.Kind == columnar.Decimal && to.Kind == columnar.Decimal || from.IsSignedInteger() && (to.IsSignedInteger() || to.Kind == columnar.Decimal)
	if !exact {
		return c
	}
	down, ok := o.fold(&expr.Cast{Arg: lit, To: from, Try: true}).(*expr.Literal)
	if !ok || down.Value == nil {
		return c
	}
	if back, ok := o.fold(&expr.Cast{Arg: down, To: to, Try: true}).(*expr.Literal); !ok || back.Value != lit.Value {
		return c
	}
	down.Place = lit.Place
	d := expr.NewCall(c.Fn.Name, columnar.BoolType, cast.Arg, down)
	d.Place = c.Place
	return d
}

func disjuncts(e expr.Expr) []expr.Expr {
	if c, ok := e.(*expr.Call); ok && c.Fn.Name == "or" {
		return append(disjuncts(c.Args[0]), disjuncts(c.Args[1])...)
	}
	return []expr.Expr{e}
}

func and(es ...expr.Expr) expr.Expr {
	var out expr.Expr
	for _, e := range es {
		switch {
		case e == nil:
		case out == nil:
			out = e
		default:
			out = expr.NewCall("and", columnar.BoolType, out, e)
		}
	}
	return out
}

func or(es ...expr.Expr) expr.Expr {
	out := es[0]
	for _, e := range es[1:] {
		out = expr.NewCall("or", columnar.BoolType, out, e)
	}
	return out
}

// factor takes conjuncts that all branches of an OR share out of it:
// (a AND b) OR (a AND c) becomes a AND (b OR c).
func factor(e expr.Expr) expr.Expr {
	var out []expr.Expr
	for _, c := range expr.Conjuncts(e) {
		out = append(out, factorOr(c)...)
	}
	return and(out...)
}

func factorOr(e expr.Expr) []expr.Expr {
	branches := disjuncts(e)
	if len(branches) < 2 {
		return []expr.Expr{e}
	}
	var common []expr.Expr
	for _, c := range expr.Conjuncts(branches[0]) {
		everywhere := !expr.Fallible(c)
		for _, b := range branches[1:] {
			everywhere = everywhere && contains(expr.Conjuncts(b), c)
		}
		if everywhere {
			common = append(common, c)
		}
	}
	if len(common) == 0 {
		return []expr.Expr{e}
	}
	var rest []expr.Expr
	for _, b := range branches {
		var left []expr.Expr
		for _, c := range expr.Conjuncts(b) {
			if !contains(common, c) {
				left = append(left, c)
			}
		}
		if len(left) == 0 {
			return common // one branch says no more than the others share
		}
		rest = append(rest, and(left...))
	}
	return append(common, or(rest...))
}

func contains(es []expr.Expr, e expr.Expr) bool {
	for _, x := range es {
		if expr.Equal(x, e) {
			return true
		}
	}
	return false
}
