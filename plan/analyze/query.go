package analyze

import (
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

func (a *analyzer) filter(f *logical.Filter, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(f.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	if f.Having {
		return a.having(f, child, cols, outer)
	}
	cond, err := a.condition(f.Cond, &scope{columns: cols, outer: outer}, "WHERE")
	if err != nil {
		return nil, nil, err
	}
	return &logical.Filter{Cond: cond, Child: child}, cols, nil
}

// scalar resolves an expression of a clause that has no groups.
func (a *analyzer) scalar(e expr.Expr, s *scope, clause string) (expr.Expr, error) {
	if at := a.aggregateIn(e); at != nil {
		err := diag.NewAt(at.Place, diag.InvalidQuery, "the aggregate function %s is not allowed in %s", at.Fn, clause)
		if clause == "WHERE" {
			return nil, err.WithRemedy("use HAVING, or aggregate in a subquery")
		}
		return nil, err.WithRemedy("aggregate in a subquery")
	}
	r, err := a.expr(e, s)
	if err != nil {
		return nil, err
	}
	return r, noWindows(r, clause)
}

// condition resolves a boolean expression of a clause without groups.
func (a *analyzer) condition(e expr.Expr, s *scope, clause string) (expr.Expr, error) {
	c, err := a.scalar(e, s, clause)
	if err != nil {
		return nil, err
	}
	return a.boolean(c, clause)
}

// boolean checks that a resolved expression can be a condition.
func (a *analyzer) boolean(c expr.Expr, clause string) (expr.Expr, error) {
	if k := c.Type().Kind; k != columnar.Bool && k != columnar.Null {
		return nil, diag.NewAt(c.Pos(), diag.TypeMismatch, "%s needs a boolean condition, not %s", clause, c.Type()).
			WithRemedy("compare it with something")
	}
	return a.castTo(c, columnar.BoolType), nil
}

func (a *analyzer) having(f *logical.Filter, child logical.Plan, cols []column, outer *scope) (logical.Plan, []column, error) {
	x := a.extension(child, cols, outer)
	cond, err := x.resolve(f.Cond, true)
	if err != nil {
		return nil, nil, err
	}
	if err := noWindows(cond, "HAVING"); err != nil {
		return nil, nil, err
	}
	if cond, err = a.boolean(cond, "HAVING"); err != nil {
		return nil, nil, err
	}
	return x.drop(&logical.Filter{Cond: cond, Child: x.plan()}), cols, nil
}

func (a *analyzer) sort(s *logical.Sort, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(s.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	x := a.extension(child, cols, outer)
	order, err := a.orderAll(s.Order, cols)
	if err != nil {
		return nil, nil, err
	}
	out := &logical.Sort{}
	for _, o := range order {
		e, err := a.sortKey(o.Expr, x)
		if err != nil {
			return nil, nil, err
		}
		if k := e.Type().Kind; e.Type().IsNested() || k == columnar.Variant {
			return nil, nil, diag.NewAt(o.Expr.Pos(), diag.TypeMismatch, "values of type %s cannot be ordered", e.Type())
		}
		o.Expr = e
		out.Order = append(out.Order, o)
	}
	out.Child = x.plan()
	keys := make([]expr.Expr, len(out.Order))
	for i, o := range out.Order {
		keys[i] = o.Expr
	}
	below := out.Child
	out.Child, keys = a.windows(below, keys)
	for i := range out.Order {
		out.Order[i].Expr = keys[i]
	}
	if out.Child != below && len(x.extra) == 0 { // the windows' columns go again
		list := make([]expr.Expr, len(below.Output()))
		for i, o := range below.Output() {
			list[i] = o
		}
		return &logical.Project{List: list, Child: out}, cols, nil
	}
	return x.drop(out), cols, nil
}

// orderAll expands ORDER BY ALL to the columns of the select list.
func (a *analyzer) orderAll(order []expr.SortOrder, cols []column) ([]expr.SortOrder, error) {
	if len(order) != 1 {
		return order, nil
	}
	n, ok := order[0].Expr.(*expr.Name)
	if !ok || len(n.Parts) != 1 || lower(n.Parts[0]) != "all" || len(find(cols, n.Parts)) > 0 {
		return order, nil
	}
	var out []expr.SortOrder
	for _, c := range cols {
		if !c.hidden {
			o := order[0]
			o.Expr = c.Attr
			out = append(out, o)
		}
	}
	return out, nil
}

// sortKey resolves an item of ORDER BY: a position, a column of the list, or an
// expression over what lies below the list.
func (a *analyzer) sortKey(e expr.Expr, x *extension) (expr.Expr, error) {
	if l, ok := e.(*expr.Literal); ok && l.Typ.IsInteger() {
		shown := slices.DeleteFunc(slices.Clone(x.cols), func(c column) bool { return c.hidden })
		n, _ := l.Value.(int64)
		if n < 1 || int(n) > len(shown) {
			return nil, diag.NewAt(l.Place, diag.InvalidQuery, "ORDER BY position %d is not in the select list, which has %d items", n, len(shown))
		}
		attr := *shown[n-1].Attr
		attr.Place = l.Place
		return &attr, nil
	}
	if at := a.aggregateIn(e); at != nil && x.agg == nil {
		return nil, diag.NewAt(at.Place, diag.InvalidQuery, "the aggregate function %s in ORDER BY needs GROUP BY or an aggregate in the select list", at.Fn)
	}
	return x.resolve(e, false)
}

func (a *analyzer) limit(l *logical.Limit, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(l.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	out := &logical.Limit{Count: l.Count, Offset: l.Offset, Child: child}
	if err := a.number(l.CountExpr, "LIMIT", &out.Count); err != nil {
		return nil, nil, err
	}
	if err := a.number(l.OffsetExpr, "OFFSET", &out.Offset); err != nil {
		return nil, nil, err
	}
	return out, cols, nil
}

// number folds the expression of LIMIT or OFFSET.
func (a *analyzer) number(e expr.Expr, clause string, into *int64) error {
	if e == nil {
		return nil
	}
	n, ok, err := a.constant(e, clause)
	if err != nil {
		return err
	}
	if !ok || n < 0 {
		return diag.NewAt(e.Pos(), diag.InvalidQuery, "%s needs a constant whole number that is not negative", clause)
	}
	*into = n
	return nil
}

// constant folds an expression without columns; ok tells whether it is a whole
// number.
func (a *analyzer) constant(e expr.Expr, clause string) (n int64, ok bool, err error) {
	if expr.Any(e, func(e expr.Expr) bool {
		switch e.(type) {
		case *expr.Name, *expr.Attr, *expr.Subquery:
			return true
		}
		return false
	}) {
		return 0, false, nil
	}
	r, err := a.scalar(e, &scope{}, clause)
	if err != nil {
		return 0, false, err
	}
	if lit, is := eval.Fold(r, eval.Options{Zone: a.opts.Zone}).(*expr.Literal); is && lit.Typ.IsInteger() {
		n, ok = lit.Value.(int64)
	}
	return n, ok, nil
}
