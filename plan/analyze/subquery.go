package analyze

import (
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// subquery resolves a query in an expression. Its outer attributes are those
// that its plan refers to and does not make.
func (a *analyzer) subquery(q *expr.Subquery, s *scope) (*expr.Subquery, error) {
	if a.done[q] {
		return q, nil
	}
	out := &expr.Subquery{Kind: q.Kind, Place: q.Place}
	p, cols, err := a.plan(q.Plan.(logical.Plan), &scope{columns: s.columns, outer: s.outer})
	if err != nil {
		return nil, err
	}
	collectOuter(p, expr.IDSet{}.Add(made(p)...), &out.Outer)
	cols = requalify(cols, "", nil)
	switch q.Kind {
	case expr.Scalar:
		if len(cols) != 1 {
			return nil, diag.NewAt(q.Place, diag.InvalidQuery, "a scalar subquery must have one column, this one has %d", len(cols))
		}
		p = a.visible(p, cols)
	case expr.In:
		if p, err = a.inSubquery(q, out, p, cols, s); err != nil {
			return nil, err
		}
	}
	out.Plan = p
	a.done[out] = true
	return out, nil
}

// inSubquery resolves the left side of IN and brings both sides to common types.
func (a *analyzer) inSubquery(q, out *expr.Subquery, p logical.Plan, cols []column, s *scope) (logical.Plan, error) {
	left := q.Left
	if len(left) != len(cols) {
		return nil, diag.NewAt(q.Place, diag.InvalidQuery, "IN compares %d values with a subquery of %d columns", len(left), len(cols))
	}
	to := make([]*expr.Attr, len(cols))
	for i, l := range left {
		e, err := a.expr(l, s)
		if err != nil {
			return nil, err
		}
		t, ok := expr.CommonType(e.Type(), cols[i].Typ)
		if !ok || t.IsNested() {
			return nil, diag.NewAt(l.Pos(), diag.TypeMismatch, "IN compares %s with %s", e.Type(), cols[i].Typ)
		}
		out.Left = append(out.Left, a.castTo(e, t))
		d := *cols[i].Attr
		d.Typ = t
		to[i] = &d
	}
	return a.align(p, cols, to), nil
}

// made lists the attributes that a plan and its parts put out.
func made(p logical.Plan) []*expr.Attr {
	var out []*expr.Attr
	logical.Walk(p, func(n logical.Plan) bool { out = append(out, n.Output()...); return true })
	return out
}

// collectOuter lists the attributes that a plan refers to without making them.
func collectOuter(p logical.Plan, made expr.IDSet, used *[]*expr.Attr) {
	logical.Walk(p, func(n logical.Plan) bool {
		for _, e := range n.Exprs() {
			expr.Walk(e, func(e expr.Expr) bool {
				switch x := e.(type) {
				case *expr.Attr:
					if !made[x.ID] {
						use(used, x)
					}
				case *expr.Subquery:
					for _, o := range x.Outer {
						if !made[o.ID] {
							use(used, o)
						}
					}
				}
				return true
			})
		}
		return true
	})
}

func use(list *[]*expr.Attr, a *expr.Attr) {
	for _, o := range *list {
		if o.ID == a.ID {
			return
		}
	}
	*list = append(*list, a)
}
