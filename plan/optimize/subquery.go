package optimize

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// subqueries turns every subquery into a join (after Neumann and Kemper,
// "Unnesting Arbitrary Queries", BTW 2015, restricted to correlation by
// conditions that can be pulled up: through filters, projections, aggregates and
// joins). EXISTS and IN become semi and anti joins, or mark joins where their
// value is used; scalar subqueries become single joins.
func (o *optimizer) subqueries(p logical.Plan) (logical.Plan, error) {
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		switch x := p.(type) {
		case *logical.Filter:
			return o.unnestFilter(x)
		case *logical.Project, *logical.Aggregate, *logical.Sort:
			return o.unnestInto(p)
		case *logical.Join:
			if x.Cond != nil && hasSubquery(x.Cond) {
				if x.Kind != logical.Inner && x.Kind != logical.Cross {
					return nil, diag.NewAt(x.Place, diag.Unsupported, "a subquery in the condition of a %s join is not supported yet", x.Kind).
						WithRemedy("compute it in a subquery in FROM")
				}
				d := *x
				d.Kind, d.Cond = logical.Cross, nil
				return o.unnestFilter(&logical.Filter{Cond: x.Cond, Child: &d})
			}
		}
		return p, nil
	})
}

func hasSubquery(e expr.Expr) bool {
	return expr.Any(e, func(e expr.Expr) bool { _, ok := e.(*expr.Subquery); return ok })
}

// unnestFilter joins for each conjunct that holds a subquery.
func (o *optimizer) unnestFilter(f *logical.Filter) (logical.Plan, error) {
	if !hasSubquery(f.Cond) {
		return f, nil
	}
	var plain, with []expr.Expr
	for _, c := range expr.Conjuncts(f.Cond) {
		if hasSubquery(c) {
			with = append(with, c)
		} else {
			plain = append(plain, c)
		}
	}
	child := f.Child
	if len(plain) > 0 {
		child = &logical.Filter{Cond: and(plain...), Child: child}
	}
	var later []expr.Expr
	for _, c := range with {
		q, negated := c, false
		if n, ok := q.(*expr.Call); ok && n.Fn.Name == "not" {
			q, negated = n.Args[0], true
		}
		if s, ok := q.(*expr.Subquery); ok && s.Kind != expr.Scalar {
			j, err := o.semi(child, s, negated)
			if err != nil {
				return nil, err
			}
			child = j
			continue
		}
		e, joined, err := o.replace(c, child)
		if err != nil {
			return nil, err
		}
		child = joined
		later = append(later, e)
	}
	if len(later) > 0 {
		child = &logical.Filter{Cond: and(later...), Child: child}
	}
	return o.only(child, f.Output()), nil
}

// only drops the columns that joins added.
func (o *optimizer) only(p logical.Plan, attrs []*expr.Attr) logical.Plan {
	if len(p.Output()) == len(attrs) {
		return p
	}
	var list []expr.Expr
	for _, a := range attrs {
		list = append(list, a)
	}
	return &logical.Project{List: list, Child: p}
}

// unnestInto replaces subqueries in a node's expressions by columns joined to
// its child.
func (o *optimizer) unnestInto(p logical.Plan) (logical.Plan, error) {
	child := p.Children()[0]
	out := p.Output()
	changed := false
	q, err := logical.MapExprs(p, func(e expr.Expr) (expr.Expr, error) {
		if !hasSubquery(e) {
			return e, nil
		}
		changed = true
		r, joined, err := o.replace(e, child)
		child = joined
		return r, err
	})
	if err != nil || !changed {
		return q, err
	}
	q = q.WithChildren([]logical.Plan{child})
	if _, ok := p.(*logical.Sort); ok {
		return o.only(q, out), nil
	}
	return q, nil
}

// replace joins every subquery of an expression to a plan and puts columns in
// their places.
func (o *optimizer) replace(e expr.Expr, p logical.Plan) (expr.Expr, logical.Plan, error) {
	out, err := expr.Transform(e, func(e expr.Expr) (expr.Expr, error) {
		s, ok := e.(*expr.Subquery)
		if !ok {
			return e, nil
		}
		if s.Kind == expr.Scalar {
			v, joined, err := o.scalar(p, s)
			p = joined
			return v, err
		}
		inner, cond, err := o.match(p, s)
		if err != nil {
			return nil, err
		}
		mark := &expr.Attr{ID: o.id(), Name: "mark", Typ: columnar.BoolType, Null: s.Kind == expr.In}
		p = &logical.Join{Kind: logical.LeftMark, Left: p, Right: inner, Cond: cond, Mark: mark, Place: s.Place}
		return mark, nil
	})
	return out, p, err
}

// plan returns a subquery's plan without subqueries of its own.
func (o *optimizer) inner(s *expr.Subquery) (logical.Plan, error) {
	return o.subqueries(s.Plan.(logical.Plan))
}

// match prepares EXISTS or IN: the subquery's plan and the condition of the
// join.
func (o *optimizer) match(p logical.Plan, s *expr.Subquery) (logical.Plan, expr.Expr, error) {
	inner, err := o.inner(s)
	if err != nil {
		return nil, nil, err
	}
	values := inner.Output()
	if l, ok := inner.(*logical.Limit); ok && s.Kind == expr.Exists && l.Count != 0 && l.Offset == 0 {
		inner = l.Child
	}
	inner, preds, err := o.pull(inner, ids(p), s.Kind == expr.Exists, s.Place)
	if err != nil {
		return nil, nil, err
	}
	for i, l := range s.Left {
		eq := expr.NewCall("=", columnar.BoolType, l, values[i])
		preds = append(preds, eq)
	}
	return inner, and(preds...), nil
}

func (o *optimizer) semi(p logical.Plan, s *expr.Subquery, negated bool) (logical.Plan, error) {
	inner, cond, err := o.match(p, s)
	if err != nil {
		return nil, err
	}
	for _, l := range s.Left {
		if hasSubquery(l) {
			return nil, diag.NewAt(s.Place, diag.Unsupported, "a subquery on the left of IN is not supported yet")
		}
	}
	j := &logical.Join{Kind: logical.LeftSemi, Left: p, Right: inner, Cond: cond, Place: s.Place}
	if negated {
		j.Kind = logical.LeftAnti
		if s.Kind == expr.In {
			for i, l := range s.Left {
				if l.Nullable() || s.Plan.Output()[i].Null {
					j.Kind = logical.NullAwareAnti
				}
			}
		}
	}
	return j, nil
}

// scalar joins a scalar subquery and returns the column of its value.
func (o *optimizer) scalar(p logical.Plan, s *expr.Subquery) (expr.Expr, logical.Plan, error) {
	inner, err := o.inner(s)
	if err != nil {
		return nil, nil, err
	}
	value := inner.Output()[0]
	outer := ids(p)
	empty, hasEmpty, unique := o.emptyValue(inner)
	pulled, preds, err := o.pull(inner, outer, false, s.Place)
	if err != nil {
		return nil, nil, err
	}
	kind := logical.LeftSingle
	if unique && len(preds) > 0 { // one row per key: no check needed
		kind = logical.Left
	}
	out := *value
	out.Null = true
	var result expr.Expr = &out
	if hasEmpty && len(preds) > 0 { // no row for a key means the aggregate of no rows
		flag := &expr.Alias{Arg: expr.True(), Name: "present", ID: o.id()}
		list := []expr.Expr{flag}
		for _, a := range pulled.Output() {
			list = append(list, a)
		}
		pulled = &logical.Project{List: list, Child: pulled}
		present := *flag.Attr()
		present.Null = true
		result = &expr.Case{Whens: []expr.When{{Cond: expr.NewCall("isnull", columnar.BoolType, &present), Then: empty}}, Else: &out, Place: s.Place}
	}
	return result, &logical.Join{Kind: kind, Left: p, Right: pulled, Cond: and(preds...), Place: s.Place}, nil
}

// emptyValue returns the value that an aggregate without keys has over no rows,
// if that is not null, and whether the plan is such an aggregate.
func (o *optimizer) emptyValue(p logical.Plan) (value expr.Expr, notNull, aggregate bool) {
	want := p.Output()[0].ID
	var lists [][]expr.Expr
	for {
		switch x := p.(type) {
		case *logical.Project:
			lists = append(lists, x.List)
			p = x.Child
			continue
		case *logical.Aggregate:
			if len(x.Keys) > 0 {
				return nil, false, false
			}
			lists = append(lists, x.List)
			var e expr.Expr = &expr.Attr{ID: want}
			for _, list := range lists {
				e = expr.Rewrite(e, func(e expr.Expr) expr.Expr {
					if a, ok := e.(*expr.Attr); ok {
						for _, item := range list {
							if al, ok := item.(*expr.Alias); ok && al.ID == a.ID {
								return al.Arg
							}
						}
					}
					return e
				})
			}
			e = expr.Rewrite(e, func(e expr.Expr) expr.Expr {
				g, ok := e.(*expr.Agg)
				if !ok {
					return e
				}
				if g.Fn.NeverNull {
					return expr.Lit(int64(0), g.Typ)
				}
				return expr.Null(g.Typ)
			})
			e = o.fold(e)
			l, ok := e.(*expr.Literal)
			return e, !ok || l.Value != nil, true
		}
		return nil, false, false
	}
}

// pull removes the conditions that refer to outer columns from a plan and
// returns them, over columns that the plan then has.
func (o *optimizer) pull(p logical.Plan, outer expr.IDSet, exists bool, at diag.Pos) (logical.Plan, []expr.Expr, error) {
	if !refersTo(p, outer) {
		return p, nil, nil
	}
	refuse := func() (logical.Plan, []expr.Expr, error) {
		return nil, nil, diag.NewAt(at, diag.Unsupported, "this form of correlated subquery is not supported yet").
			WithRemedy("correlate by conditions in WHERE, or write a join")
	}
	switch x := p.(type) {
	case *logical.Filter:
		child, preds, err := o.pull(x.Child, outer, exists, at)
		if err != nil {
			return nil, nil, err
		}
		var keep []expr.Expr
		for _, c := range expr.Conjuncts(x.Cond) {
			if expr.Attrs(c).Intersects(outer) {
				preds = append(preds, c)
			} else {
				keep = append(keep, c)
			}
		}
		if len(keep) > 0 {
			child = &logical.Filter{Cond: and(keep...), Child: child}
		}
		return child, preds, nil
	case *logical.Project:
		child, preds, err := o.pull(x.Child, outer, exists, at)
		if err != nil {
			return nil, nil, err
		}
		list := append([]expr.Expr{}, x.List...)
		for _, e := range list {
			if expr.Attrs(e).Intersects(outer) {
				if !exists {
					return refuse()
				}
			}
		}
		if exists { // nobody looks at the list
			list = nil
		}
		have := expr.IDSet{}
		for _, a := range (&logical.Project{List: list}).Output() {
			have[a.ID] = true
		}
		for _, a := range child.Output() {
			if !have[a.ID] && mentioned(preds, a.ID) {
				list = append(list, a)
			}
		}
		return &logical.Project{List: list, Child: child}, preds, nil
	case *logical.Aggregate:
		if exists && len(x.Keys) == 0 {
			return refuse() // an aggregate without keys always has a row
		}
		for _, e := range x.Exprs() {
			if expr.Attrs(e).Intersects(outer) {
				return refuse()
			}
		}
		child, preds, err := o.pull(x.Child, outer, false, at)
		if err != nil {
			return nil, nil, err
		}
		g := &logical.Aggregate{Keys: append([]expr.Expr{}, x.Keys...), List: append([]expr.Expr{}, x.List...), Child: child}
		inside := ids(child)
		for i, c := range preds {
			eq, ok := c.(*expr.Call)
			if !ok || eq.Fn.Name != "=" {
				return refuse()
			}
			a, b := eq.Args[0], eq.Args[1]
			if expr.Attrs(a).Intersects(outer) {
				a, b = b, a
			}
			if expr.Attrs(a).Intersects(outer) || !inside.Contains(expr.Attrs(a)) || expr.Attrs(b).Intersects(inside) {
				return refuse()
			}
			key, isAttr := a.(*expr.Attr)
			if !isAttr {
				al := &expr.Alias{Arg: a, Name: "key", ID: o.id()}
				g.List = append(g.List, al)
				key = al.Attr()
			} else if !ids(g)[key.ID] {
				g.List = append(g.List, key)
			}
			if !contains(g.Keys, a) {
				g.Keys = append(g.Keys, a)
			}
			preds[i] = expr.NewCall("=", columnar.BoolType, key, b)
		}
		return g, preds, nil
	case *logical.Distinct:
		child, preds, err := o.pull(x.Child, outer, exists, at)
		return &logical.Distinct{Child: child}, preds, err
	case *logical.Sort:
		return o.pull(x.Child, outer, exists, at)
	case *logical.Join:
		if x.Cond != nil && expr.Attrs(x.Cond).Intersects(outer) && x.Kind != logical.Inner {
			return refuse()
		}
		if refersTo(x.Right, outer) && x.Kind != logical.Inner && x.Kind != logical.Cross ||
			refersTo(x.Left, outer) && (x.Kind == logical.Right || x.Kind == logical.Full) {
			return refuse()
		}
		l, lp, err := o.pull(x.Left, outer, false, at)
		if err != nil {
			return nil, nil, err
		}
		r, rp, err := o.pull(x.Right, outer, false, at)
		if err != nil {
			return nil, nil, err
		}
		d := *x
		d.Left, d.Right = l, r
		preds := append(lp, rp...)
		if x.Cond != nil {
			var keep []expr.Expr
			for _, c := range expr.Conjuncts(x.Cond) {
				if expr.Attrs(c).Intersects(outer) {
					preds = append(preds, c)
				} else {
					keep = append(keep, c)
				}
			}
			d.Cond = and(keep...)
		}
		return &d, preds, nil
	}
	return refuse()
}

func mentioned(es []expr.Expr, id expr.ID) bool {
	for _, e := range es {
		if expr.Attrs(e)[id] {
			return true
		}
	}
	return false
}

// refersTo reports whether a plan uses any of the given columns.
func refersTo(p logical.Plan, outer expr.IDSet) bool {
	found := false
	logical.Walk(p, func(n logical.Plan) bool {
		for _, e := range n.Exprs() {
			found = found || expr.Attrs(e).Intersects(outer)
		}
		return !found
	})
	return found
}
