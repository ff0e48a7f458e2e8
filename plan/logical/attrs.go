package logical

import "github.com/millrace-engine/millrace/plan/expr"

// Renumber replaces ids of columns, definitions and uses alike, subqueries included.
func Renumber(p Plan, ids map[expr.ID]expr.ID) Plan {
	return MapAttrs(p, func(at *expr.Attr) *expr.Attr {
		if id, ok := ids[at.ID]; ok {
			d := *at
			d.ID = id
			return &d
		}
		return at
	}, ids)
}

// MapAttrs rebuilds a plan with each attribute that it defines or uses replaced by f of
// it, and the ids of aliases by those of ids, subqueries included.
func MapAttrs(p Plan, f func(*expr.Attr) *expr.Attr, ids map[expr.ID]expr.ID) Plan {
	list := func(as []*expr.Attr) []*expr.Attr {
		out := make([]*expr.Attr, len(as))
		for i, at := range as {
			out[i] = f(at)
		}
		return out
	}
	rewrite := func(e expr.Expr) expr.Expr {
		return expr.Rewrite(e, func(e expr.Expr) expr.Expr {
			switch x := e.(type) {
			case *expr.Attr:
				return f(x)
			case *expr.Alias:
				if id, ok := ids[x.ID]; ok {
					d := *x
					d.ID = id
					return &d
				}
			case *expr.Subquery:
				d := *x
				d.Plan, d.Outer = MapAttrs(x.Plan.(Plan), f, ids), list(x.Outer)
				return &d
			}
			return e
		})
	}
	out, _ := Transform(p, func(p Plan) (Plan, error) {
		p, _ = MapExprs(p, func(e expr.Expr) (expr.Expr, error) { return rewrite(e), nil })
		switch x := p.(type) {
		case *Scan:
			d := *x
			d.Attrs = list(x.Attrs)
			return &d, nil
		case *Values:
			d := *x
			d.Attrs = list(x.Attrs)
			return &d, nil
		case *Union:
			return &Union{Inputs: x.Inputs, Attrs: list(x.Attrs)}, nil
		case *SetOp:
			d := *x
			d.Attrs = list(x.Attrs)
			return &d, nil
		case *Apply:
			d := *x
			d.Attrs = list(x.Attrs)
			return &d, nil
		case *Generate:
			d := *x
			d.Attrs = list(x.Attrs)
			return &d, nil
		case *Expand:
			d := *x
			d.Attrs, d.GID = list(x.Attrs), f(x.GID)
			return &d, nil
		case *Shared:
			return &Shared{ID: x.ID, Child: x.Child, Attrs: list(x.Attrs)}, nil
		case *Join:
			if x.Mark != nil {
				d := *x
				d.Mark = f(x.Mark)
				return &d, nil
			}
		}
		return p, nil
	})
	return out
}
