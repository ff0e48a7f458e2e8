package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

func (a *analyzer) isAggregateName(name string) bool {
	f, ok := a.opts.Functions.Lookup(name)
	return ok && f.Kind == expr.AggregateFunction
}

// aggregateIn returns the first call of an aggregate function in a written
// expression, outside subqueries and windows; nil if there is none.
func (a *analyzer) aggregateIn(e expr.Expr) *expr.UnresolvedCall {
	var found *expr.UnresolvedCall
	expr.Walk(e, func(e expr.Expr) bool {
		if c, ok := e.(*expr.UnresolvedCall); ok && c.Over == nil && found == nil && a.isAggregateName(c.Fn) {
			found = c
		}
		return found == nil
	})
	return found
}

func (a *analyzer) isAggregate(e expr.Expr) bool { return a.aggregateIn(e) != nil }

// aggregate resolves GROUP BY with its select list, or a list of aggregates
// without GROUP BY.
func (a *analyzer) aggregate(g *logical.Aggregate, outer *scope) (logical.Plan, []column, error) {
	if g.Sets != nil {
		return a.groupingSets(g, outer)
	}
	child, cols, err := a.plan(g.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	written, err := a.expand(g.List, cols)
	if err != nil {
		return nil, nil, err
	}
	keys, err := a.groupKeys(g.Keys, written, &scope{columns: cols, outer: outer})
	if err != nil {
		return nil, nil, err
	}
	l := a.newList(cols)
	in := &scope{columns: cols, outer: outer}
	for _, w := range written {
		e, err := a.expr(w, in)
		if err != nil {
			return nil, nil, err
		}
		if err := grouped(e, keys, cols); err != nil {
			return nil, nil, err
		}
		in.aliases = l.add(e, w)
	}
	out := &logical.Aggregate{Keys: keys, List: l.items, Child: child}
	for _, e := range l.items {
		if expr.Any(e, isOver) {
			return a.windowed(out, cols), l.columns, nil
		}
	}
	a.below[out] = cols
	return out, l.columns, nil
}

// groupKeys resolves GROUP BY; GROUP BY ALL are the items without aggregates.
// A key that is there already is left out.
func (a *analyzer) groupKeys(written, list []expr.Expr, in *scope) ([]expr.Expr, error) {
	if len(written) == 1 {
		n, ok := written[0].(*expr.Name)
		if ok && len(n.Parts) == 1 && strings.EqualFold(n.Parts[0], "all") && len(find(in.columns, n.Parts)) == 0 {
			written = nil
			for _, w := range list {
				if !a.isAggregate(w) {
					written = append(written, stripAlias(w))
				}
			}
		}
	}
	var keys []expr.Expr
next:
	for _, k := range written {
		e, err := a.groupKey(k, list, in)
		if err != nil {
			return nil, err
		}
		e = stripAlias(e)
		if e.Type().IsNested() {
			return nil, diag.NewAt(k.Pos(), diag.TypeMismatch, "values of type %s cannot be grouped by", e.Type())
		}
		for _, o := range keys {
			if expr.Equal(o, e) {
				continue next
			}
		}
		keys = append(keys, e)
	}
	return keys, nil
}

func stripAlias(e expr.Expr) expr.Expr {
	if al, ok := e.(*expr.Alias); ok {
		return al.Arg
	}
	return e
}

// groupKey resolves a GROUP BY item: an ordinal, a column, an alias of the list
// (where no column has the name), an expression of such.
func (a *analyzer) groupKey(k expr.Expr, list []expr.Expr, in *scope) (expr.Expr, error) {
	at := k.Pos()
	if l, ok := k.(*expr.Literal); ok && l.Typ.IsInteger() {
		n, _ := l.Value.(int64)
		if n < 1 || int(n) > len(list) {
			return nil, diag.NewAt(l.Place, diag.InvalidQuery, "GROUP BY position %d is not in the select list, which has %d items", n, len(list))
		}
		k = stripAlias(list[n-1])
	}
	k = aliased(k, list, in.columns, 0)
	if agg := a.aggregateIn(k); agg != nil {
		return nil, diag.NewAt(at, diag.InvalidQuery, "the aggregate function %s cannot be grouped by", agg.Fn).WithRemedy("group by columns, or aggregate in a subquery")
	}
	e, err := a.expr(k, in)
	if err != nil {
		return nil, err
	}
	return e, noWindows(e, "GROUP BY")
}

// aliased replaces names that no column has by the items of the list that have
// them as alias.
func aliased(k expr.Expr, list []expr.Expr, cols []column, depth int) expr.Expr {
	return expr.Rewrite(k, func(e expr.Expr) expr.Expr {
		n, ok := e.(*expr.Name)
		if !ok || len(n.Parts) != 1 || len(find(cols, n.Parts)) > 0 {
			return e
		}
		for i, w := range list {
			if al, ok := w.(*expr.Alias); ok && strings.EqualFold(al.Name, n.Parts[0]) && depth < len(list) {
				return aliased(al.Arg, list[:i], cols, depth+1) // it may itself use aliases before it
			}
		}
		return e
	})
}

// grouped checks that an item of the list is made of keys and aggregates.
func grouped(e expr.Expr, keys []expr.Expr, cols []column) error {
	for _, k := range keys {
		if expr.Equal(k, e) {
			return nil
		}
	}
	missing := func(x *expr.Attr) error {
		for _, c := range cols {
			if c.ID != x.ID {
				continue
			}
			err := diag.NewAt(x.Place, diag.MissingGroupBy, "column %s is neither grouped by nor inside an aggregate function", x.Name)
			if len(keys) == 0 {
				return err.WithRemedy("add GROUP BY %s, or take any_value(%s)", x.Name, x.Name)
			}
			return err.WithRemedy("add %s to GROUP BY, or take any_value(%s)", x.Name, x.Name)
		}
		return nil // of an enclosing query
	}
	switch x := e.(type) {
	case *expr.Agg:
		return nil
	case *expr.Attr:
		return missing(x)
	case *expr.Subquery:
		for _, o := range x.Outer {
			key := false
			for _, k := range keys {
				key = key || expr.Equal(k, o)
			}
			if key {
				continue
			}
			if err := missing(o); err != nil {
				return err
			}
		}
	}
	for _, k := range e.Children() {
		if err := grouped(k, keys, cols); err != nil {
			return err
		}
	}
	return nil
}
