package optimize

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// subqueries turns every subquery into a join (after Neumann and Kemper,
// "Unnesting Arbitrary Queries", BTW 2015): conditions on outer columns are
// pulled up through filters, projections, aggregates and joins where that can be
// done, else the domain of the outer values is pushed down. EXISTS and IN become semi and anti joins, or mark joins where their
// value is used; scalar subqueries become single joins.
func (o *optimizer) subqueries(p logical.Plan) (logical.Plan, error) {
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		switch x := p.(type) {
		case *logical.Filter:
			return o.unnestFilter(x)
		case *logical.Aggregate:
			return o.unnestAggregate(x)
		case *logical.Project, *logical.Sort:
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

// unnestAggregate computes subqueries of a select list that stand beside the
// aggregates, after the aggregation; those in keys and arguments before.
func (o *optimizer) unnestAggregate(g *logical.Aggregate) (logical.Plan, error) {
	beside := false
	for _, e := range g.List {
		beside = beside || hasSubquery(strip(e)) && !grouped(strip(e), g.Keys)
	}
	if !beside {
		return o.unnestInto(g)
	}
	inner := &logical.Aggregate{Keys: g.Keys, Sets: g.Sets, Child: g.Child}
	column := func(e expr.Expr) expr.Expr {
		for _, item := range inner.List {
			if expr.Equal(strip(item), e) {
				return outputOf(item)
			}
		}
		if a, ok := e.(*expr.Attr); ok { // subqueries know it by this id
			inner.List = append(inner.List, a)
			return a
		}
		al := &expr.Alias{Arg: e, Name: e.String(), ID: o.id()}
		inner.List = append(inner.List, al)
		return al.Attr()
	}
	for _, k := range g.Keys {
		column(k)
	}
	var split func(e expr.Expr) expr.Expr
	split = func(e expr.Expr) expr.Expr {
		if _, ok := e.(*expr.Agg); ok || contains(g.Keys, e) {
			return column(e)
		}
		kids := e.Children()
		if len(kids) == 0 {
			return e
		}
		fresh := make([]expr.Expr, len(kids))
		for i, k := range kids {
			fresh[i] = split(k)
		}
		return e.WithChildren(fresh)
	}
	outer := &logical.Project{Child: inner}
	for _, e := range g.List {
		outer.List = append(outer.List, split(e))
	}
	child, err := o.unnestInto(inner)
	if err != nil {
		return nil, err
	}
	outer.Child = child
	return o.unnestInto(outer)
}

// grouped reports whether subqueries of an expression are all within aggregates
// or keys.
func grouped(e expr.Expr, keys []expr.Expr) bool {
	if contains(keys, e) {
		return true
	}
	switch e.(type) {
	case *expr.Agg:
		return true
	case *expr.Subquery:
		return false
	}
	for _, k := range e.Children() {
		if !grouped(k, keys) {
			return false
		}
	}
	return true
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
		inner, preds, eqs, err := o.match(p, s)
		if err != nil {
			return nil, err
		}
		if s.Kind == expr.In {
			preds = definite(preds)
		}
		cond := and(append(preds, eqs...)...)
		mark := &expr.Attr{ID: o.id(), Name: "mark", Typ: columnar.BoolType, Null: s.Kind == expr.In}
		p = &logical.Join{Kind: logical.LeftMark, Left: p, Right: inner, Cond: cond, Mark: mark, Place: s.Place}
		return mark, nil
	})
	return out, p, err
}

// inner returns a subquery's plan without subqueries of its own, whose output
// columns are none of the outer query's.
func (o *optimizer) inner(s *expr.Subquery) (logical.Plan, error) {
	p, err := o.subqueries(s.Plan.(logical.Plan))
	if err != nil {
		return nil, err
	}
	return o.own(p), nil
}

// own gives outer columns in a select list ids of their own.
func (o *optimizer) own(p logical.Plan) logical.Plan {
	switch x := p.(type) {
	case *logical.Sort, *logical.Limit, *logical.Distinct:
		return p.WithChildren([]logical.Plan{o.own(p.Children()[0])})
	case *logical.Project:
		have := ids(x.Child)
		list := make([]expr.Expr, len(x.List))
		for i, e := range x.List {
			if a, ok := e.(*expr.Attr); ok && !have[a.ID] {
				e = &expr.Alias{Arg: a, Name: a.Name, ID: o.id()}
			}
			list[i] = e
		}
		return &logical.Project{List: list, Child: x.Child}
	}
	return p
}

// match prepares EXISTS or IN: the subquery's plan, the conditions that correlate
// it and the equalities of IN.
func (o *optimizer) match(p logical.Plan, s *expr.Subquery) (inner logical.Plan, preds, eqs []expr.Expr, err error) {
	if inner, err = o.inner(s); err != nil {
		return nil, nil, nil, err
	}
	values := inner.Output()
	if l, ok := inner.(*logical.Limit); ok && s.Kind == expr.Exists && l.Count != 0 && l.Offset == 0 {
		inner = l.Child
	}
	mode := pullAny
	if s.Kind == expr.Exists {
		mode = pullExists
	}
	inner, preds, err = o.detach(p, inner, mode, s.Place)
	if err != nil {
		return nil, nil, nil, err
	}
	eqs = nil
	for i, l := range s.Left {
		eqs = append(eqs, expr.NewCall("=", columnar.BoolType, l, values[i]))
	}
	return inner, preds, eqs, nil
}

// detach makes a subquery's plan independent of the plan it is used in; the
// conditions tie their columns.
func (o *optimizer) detach(p, inner logical.Plan, mode pullMode, at diag.Pos) (logical.Plan, []expr.Expr, error) {
	pulled, preds, err := o.pull(inner, ids(p), mode, at)
	if diag.ClassOf(err) == diag.Unsupported {
		return o.domain(p, inner, mode == pullExists, at)
	}
	return pulled, preds, err
}

// definite replaces conditions that may be null by ones that are false then:
// what correlates a subquery removes its rows, it does not leave doubt.
func definite(preds []expr.Expr) []expr.Expr {
	out := make([]expr.Expr, len(preds))
	for i, c := range preds {
		if out[i] = c; c.Nullable() {
			out[i] = expr.NewCall("coalesce", columnar.BoolType, c, expr.False())
		}
	}
	return out
}

func (o *optimizer) semi(p logical.Plan, s *expr.Subquery, negated bool) (logical.Plan, error) {
	for _, l := range s.Left {
		if hasSubquery(l) {
			return nil, diag.NewAt(s.Place, diag.Unsupported, "a subquery on the left of IN is not supported yet")
		}
	}
	inner, preds, eqs, err := o.match(p, s)
	if err != nil {
		return nil, err
	}
	j := &logical.Join{Kind: logical.LeftSemi, Left: p, Right: inner, Cond: and(append(preds, eqs...)...), Place: s.Place}
	if !negated {
		return j, nil
	}
	j.Kind = logical.LeftAnti
	left, right := notNull(p), notNull(inner)
	doubt := false
	for i, e := range eqs {
		args := e.(*expr.Call).Args
		null := expr.False()
		var open expr.Expr = null
		for k, sure := range []expr.IDSet{left, right} {
			if !neverNull(args[k], sure) {
				open = or(open, expr.NewCall("isnull", columnar.BoolType, args[k]))
			}
		}
		if open != null {
			doubt = true
			eqs[i] = or(e, open)
		}
	}
	switch {
	case doubt && len(preds) == 0 && len(eqs) == 1:
		j.Kind = logical.NullAwareAnti
	case doubt: // a pair that may be equal counts as a match
		j.Cond = and(append(preds, eqs...)...)
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
	empty, hasEmpty, unique := o.emptyValue(inner)
	pulled, preds, err := o.pull(inner, ids(p), pullScalar, s.Place)
	if diag.ClassOf(err) == diag.Unsupported { // the domain keeps the row of an empty group
		hasEmpty = false
		pulled, preds, err = o.domain(p, inner, false, s.Place)
	}
	if err != nil {
		return nil, nil, err
	}
	kind := logical.LeftSingle
	switch {
	case unique && len(preds) > 0: // one row per key: no check needed
		kind = logical.Left
	case unique: // always one row
		kind = logical.Cross
	}
	out := *value
	out.Null = out.Null || kind != logical.Cross
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

// pullMode says what a plan is used for.
type pullMode uint8

const (
	pullRows   pullMode = iota // its rows, each of them
	pullScalar                 // its only row; what an empty group yields is cared for
	pullAny                    // its rows, however often each
	pullExists                 // whether it has a row
)

// pull removes the conditions that refer to outer columns from a plan and
// returns them, over columns that the plan then has.
func (o *optimizer) pull(p logical.Plan, outer expr.IDSet, mode pullMode, at diag.Pos) (logical.Plan, []expr.Expr, error) {
	if !refersTo(p, outer) {
		return p, nil, nil
	}
	refuse := func() (logical.Plan, []expr.Expr, error) {
		return nil, nil, diag.NewAt(at, diag.Unsupported, "this form of correlated subquery is not supported yet").
			WithRemedy("correlate by conditions in WHERE, or write a join")
	}
	below := pullRows // what the children are used for
	if mode == pullAny || mode == pullExists {
		below = pullAny
	}
	switch x := p.(type) {
	case *logical.Filter:
		child, preds, err := o.pull(x.Child, outer, below, at)
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
		child, preds, err := o.pull(x.Child, outer, mode, at)
		if err != nil {
			return nil, nil, err
		}
		list := append([]expr.Expr{}, x.List...)
		for _, e := range list {
			if expr.Attrs(e).Intersects(outer) {
				if mode != pullExists {
					return refuse()
				}
			}
		}
		if mode == pullExists { // nobody looks at the list
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
		if mode != pullScalar && len(x.Keys) == 0 || x.Sets != nil {
			return refuse() // an aggregate without keys always has a row
		}
		for _, e := range x.Exprs() {
			if expr.Attrs(e).Intersects(outer) {
				return refuse()
			}
		}
		child, preds, err := o.pull(x.Child, outer, pullRows, at)
		if err != nil {
			return nil, nil, err
		}
		g := &logical.Aggregate{Keys: append([]expr.Expr{}, x.Keys...), List: append([]expr.Expr{}, x.List...), Child: child}
		inside := ids(child)
		for i, c := range preds {
			a, b, ok := correlation(c, outer, inside)
			if !ok {
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
			preds[i] = expr.NewCall(c.(*expr.Call).Fn.Name, columnar.BoolType, key, b)
		}
		return g, preds, nil
	case *logical.Distinct:
		child, preds, err := o.pull(x.Child, outer, below, at)
		if err != nil {
			return nil, nil, err
		}
		if below == pullRows { // the columns added must not make equal rows differ
			for _, c := range preds {
				if _, _, ok := correlation(c, outer, ids(child)); !ok {
					return refuse()
				}
			}
		}
		return &logical.Distinct{Child: child}, preds, err
	case *logical.Sort:
		return o.pull(x.Child, outer, mode, at)
	case *logical.Join:
		if x.Cond != nil && expr.Attrs(x.Cond).Intersects(outer) && x.Kind != logical.Inner {
			return refuse()
		}
		if refersTo(x.Right, outer) && x.Kind != logical.Inner && x.Kind != logical.Cross ||
			refersTo(x.Left, outer) && (x.Kind == logical.Right || x.Kind == logical.Full) {
			return refuse()
		}
		if x.Kind == logical.LeftSingle {
			return refuse() // it would fail for rows that do not count
		}
		l, lp, err := o.pull(x.Left, outer, pullRows, at)
		if err != nil {
			return nil, nil, err
		}
		r, rp, err := o.pull(x.Right, outer, pullRows, at)
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

// correlation splits an equality between an inner and an outer expression.
func correlation(c expr.Expr, outer, inside expr.IDSet) (in, out expr.Expr, ok bool) {
	eq, is := c.(*expr.Call)
	if !is || eq.Fn.Name != "=" && eq.Fn.Name != "<=>" {
		return nil, nil, false
	}
	a, b := eq.Args[0], eq.Args[1]
	if expr.Attrs(a).Intersects(outer) {
		a, b = b, a
	}
	ra := expr.Attrs(a)
	return a, b, len(ra) > 0 && inside.Contains(ra) && !expr.Attrs(b).Intersects(inside)
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
