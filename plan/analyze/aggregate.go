package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

func isAggregate(e expr.Expr) bool {
	return expr.Any(e, func(e expr.Expr) bool {
		c, ok := e.(*expr.UnresolvedCall)
		if !ok || c.Over != nil {
			return false
		}
		f, ok := expr.Builtins().Lookup(c.Fn)
		return ok && f.Kind == expr.AggregateFunction
	})
}

func (a *analyzer) aggregate(g *logical.Aggregate, outer *scope) (logical.Plan, []column, error) {
	if g.Sets != nil {
		return nil, nil, diag.New(diag.Unsupported, "GROUPING SETS, ROLLUP and CUBE are not supported yet").
			WithRemedy("write one GROUP BY query per set and combine them with UNION ALL")
	}
	child, cols, err := a.plan(g.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	written, err := a.expand(g.List, cols)
	if err != nil {
		return nil, nil, err
	}
	in := &scope{columns: cols, outer: outer}
	var keys []expr.Expr
	for _, k := range g.Keys {
		if n, ok := k.(*expr.Name); ok && len(g.Keys) == 1 && len(n.Parts) == 1 && strings.EqualFold(n.Parts[0], "ALL") && find(cols, n.Parts) == nil {
			for _, w := range written {
				if !isAggregate(w) {
					if al, ok := w.(*expr.Alias); ok {
						w = al.Arg
					}
					e, err := a.expr(w, in)
					if err != nil {
						return nil, nil, err
					}
					keys = append(keys, e)
				}
			}
			break
		}
		e, err := a.groupKey(k, written, in)
		if err != nil {
			return nil, nil, err
		}
		if al, ok := e.(*expr.Alias); ok {
			e = al.Arg
		}
		keys = append(keys, e)
	}
	var list []expr.Expr
	for _, w := range written {
		e, err := a.expr(w, in)
		if err != nil {
			return nil, nil, err
		}
		if err := grouped(e, keys, cols); err != nil {
			return nil, nil, err
		}
		list = append(list, a.named(e, w))
	}
	out := &logical.Aggregate{Keys: keys, List: list, Child: child}
	a.below[out] = cols
	return out, listColumns(list, cols), nil
}

// groupKey resolves a GROUP BY item: an ordinal, a column, an alias of the list.
func (a *analyzer) groupKey(k expr.Expr, written []expr.Expr, in *scope) (expr.Expr, error) {
	if l, ok := k.(*expr.Literal); ok && l.Typ.IsInteger() {
		n, _ := l.Value.(int64)
		if n < 1 || int(n) > len(written) {
			return nil, diag.NewAt(l.Place, diag.InvalidQuery, "GROUP BY position %d is not in the select list, which has %d items", n, len(written))
		}
		k = written[n-1]
	} else if n, ok := k.(*expr.Name); ok && len(n.Parts) == 1 && find(in.columns, n.Parts) == nil {
		for _, w := range written {
			if al, ok := w.(*expr.Alias); ok && strings.EqualFold(al.Name, n.Parts[0]) {
				k = al.Arg
				break
			}
		}
	}
	if isAggregate(k) {
		return nil, diag.NewAt(k.Pos(), diag.InvalidQuery, "an aggregate function cannot be grouped by")
	}
	return a.expr(k, in)
}

// grouped checks that an item of the list is made of keys and aggregates.
func grouped(e expr.Expr, keys []expr.Expr, cols []column) error {
	for _, k := range keys {
		if expr.Equal(k, e) {
			return nil
		}
	}
	switch x := e.(type) {
	case *expr.Agg:
		return nil
	case *expr.Attr:
		for _, c := range cols {
			if c.ID == x.ID {
				return diag.NewAt(x.Place, diag.MissingGroupBy, "column %s is neither grouped by nor inside an aggregate function", x.Name).
					WithRemedy("add %s to GROUP BY, or take any_value(%s)", x.Name, x.Name)
			}
		}
		return nil
	}
	for _, k := range e.Children() {
		if err := grouped(k, keys, cols); err != nil {
			return err
		}
	}
	return nil
}
