package optimize

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// dependent evaluates a correlated plan for every combination of outer values at
// once: the domain, the distinct values of the outer columns, is pushed down to
// where they are used.
//
//	L ⋈dep R   ─►   L ⋈ (D ⋈dep R)  on L's columns <=> D's,   D = distinct(L's columns)
//
// It serves where conditions cannot simply be pulled up.
type dependent struct {
	o     *optimizer
	left  logical.Plan
	cols  []*expr.Attr // the outer columns in use
	outer expr.IDSet   // their ids
	at    diag.Pos
}

// columnsOf maps the outer columns to the domain's columns in a plan.
type columnsOf map[expr.ID]*expr.Attr

// domain makes a subquery's plan independent of the plan left that it refers to.
// The result has the columns of p and those of the domain; the conditions tie
// the latter to left's columns.
func (o *optimizer) domain(left, p logical.Plan, exists bool, at diag.Pos) (logical.Plan, []expr.Expr, error) {
	d := &dependent{o: o, left: left, outer: expr.IDSet{}, at: at}
	for _, a := range left.Output() {
		if refersTo(p, expr.IDSet{a.ID: true}) {
			d.cols, d.outer = append(d.cols, a), d.outer.Add(a)
		}
	}
	if volatile(left) {
		return nil, nil, d.refuse("its outer query is not deterministic")
	}
	if l, ok := p.(*logical.Limit); ok && exists && l.Count != 0 && l.Offset == 0 {
		p = l.Child
	}
	out, m, err := d.push(p)
	if err != nil {
		return nil, nil, err
	}
	var preds []expr.Expr
	for _, a := range d.cols {
		preds = append(preds, same(a, m[a.ID]))
	}
	return out, preds, nil
}

func (d *dependent) refuse(why string) error {
	return diag.NewAt(d.at, diag.Unsupported, "this form of correlated subquery is not supported: %s", why).
		WithRemedy("correlate by conditions in WHERE, or write a join")
}

// same compares columns, nulls being equal.
func same(a, b expr.Expr) expr.Expr {
	if !a.Nullable() && !b.Nullable() {
		return expr.NewCall("=", columnar.BoolType, a, b)
	}
	return expr.NewCall("<=>", columnar.BoolType, a, b)
}

func volatile(p logical.Plan) bool {
	found := false
	logical.Walk(p, func(p logical.Plan) bool {
		for _, e := range p.Exprs() {
			found = found || !expr.Deterministic(e)
		}
		return !found
	})
	return found
}

// values returns the domain with ids of its own.
func (d *dependent) values() (logical.Plan, columnsOf) {
	copied, ids := d.o.fresh(d.left)
	var list []expr.Expr
	m := columnsOf{}
	for _, a := range d.cols {
		c := *a
		c.ID = ids[a.ID]
		m[a.ID] = &c
		list = append(list, &c)
	}
	return distinct(&logical.Project{List: list, Child: copied}), m
}

// bind replaces outer columns by the domain's.
func (m columnsOf) bind(e expr.Expr) expr.Expr {
	return expr.Rewrite(e, func(e expr.Expr) expr.Expr {
		if a, ok := e.(*expr.Attr); ok {
			if b, ok := m[a.ID]; ok {
				return b
			}
		}
		return e
	})
}

func (m columnsOf) bindAll(es []expr.Expr) []expr.Expr {
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		out[i] = m.bind(e)
	}
	return out
}

// with appends the domain's columns to a list.
func (d *dependent) with(list []expr.Expr, m columnsOf) []expr.Expr {
	for _, a := range d.cols {
		list = append(list, m[a.ID])
	}
	return list
}

// tie requires two copies of the domain to agree.
func (d *dependent) tie(a, b columnsOf) []expr.Expr {
	var out []expr.Expr
	for _, c := range d.cols {
		out = append(out, same(a[c.ID], b[c.ID]))
	}
	return out
}

// push returns p evaluated for every value of the domain, and the domain's
// columns in its output.
func (d *dependent) push(p logical.Plan) (logical.Plan, columnsOf, error) {
	if !refersTo(p, d.outer) {
		v, m := d.values()
		return &logical.Join{Kind: logical.Cross, Left: v, Right: p}, m, nil
	}
	switch x := p.(type) {
	case *logical.Filter:
		child, m, err := d.push(x.Child)
		if err != nil {
			return nil, nil, err
		}
		return &logical.Filter{Cond: m.bind(x.Cond), Child: child}, m, nil
	case *logical.Project:
		child, m, err := d.push(x.Child)
		if err != nil {
			return nil, nil, err
		}
		return &logical.Project{List: d.with(m.bindAll(x.List), m), Child: child}, m, nil
	case *logical.Aggregate:
		return d.aggregate(x)
	case *logical.Distinct:
		child, m, err := d.push(x.Child)
		return &logical.Distinct{Child: child}, m, err
	case *logical.Sort: // nothing above depends on the order of rows
		return d.push(x.Child)
	case *logical.Repartition:
		return d.push(x.Child)
	case *logical.Union:
		return d.union(x)
	case *logical.Values:
		return d.rows(x)
	case *logical.Generate:
		child, m, err := d.push(x.Child)
		if err != nil {
			return nil, nil, err
		}
		g := *x
		g.Args, g.Child = m.bindAll(x.Args), child
		return &g, m, nil
	case *logical.Join:
		return d.join(x)
	case *logical.SetOp:
		q, err := d.o.setOp(x)
		if err != nil {
			return nil, nil, err
		}
		return d.push(q)
	case *logical.Limit:
		return nil, nil, d.refuse("LIMIT applies to each outer row")
	}
	return nil, nil, d.refuse("outer columns are used in " + p.String())
}

// aggregate groups by the domain's columns too. Without keys a value of the
// domain that has no rows still has a group: the domain is joined again.
func (d *dependent) aggregate(x *logical.Aggregate) (logical.Plan, columnsOf, error) {
	if x.Sets != nil {
		return nil, nil, d.refuse("grouping sets")
	}
	child, m, err := d.push(x.Child)
	if err != nil {
		return nil, nil, err
	}
	keys := d.with(m.bindAll(x.Keys), m)
	list := m.bindAll(x.List)
	if len(x.Keys) > 0 {
		return &logical.Aggregate{Keys: keys, List: d.with(list, m), Child: child}, m, nil
	}
	g := &logical.Aggregate{Keys: keys, Child: child}
	g.List = d.with(nil, m)
	here := &expr.Alias{Arg: expr.True(), Name: "present", ID: d.o.id()}
	v, outer := d.values()
	j := &logical.Join{Kind: logical.Left, Left: v, Place: d.at}
	present := *here.Attr()
	present.Null = true
	var out []expr.Expr
	for i, e := range list {
		a := outputOf(e)
		inner := &expr.Alias{Arg: strip(e), Name: a.Name, ID: d.o.id()}
		g.List = append(g.List, inner)
		got := *inner.Attr()
		got.Null = true
		var val expr.Expr = &got
		// The list may use outer columns beside aggregates: of no rows they are the domain's.
		none := d.o.fold(outer.bind(overNothing(strip(x.List[i]))))
		if l, ok := none.(*expr.Literal); !ok || l.Value != nil {
			val = &expr.Case{Whens: []expr.When{{Cond: expr.NewCall("isnull", columnar.BoolType, &present), Then: none}}, Else: &got}
		}
		out = append(out, &expr.Alias{Arg: val, Name: a.Name, ID: a.ID})
	}
	j.Right = &logical.Project{List: append(exprsOf(g.Output()), here), Child: g}
	j.Cond = and(d.tie(outer, m)...)
	return &logical.Project{List: d.with(out, outer), Child: j}, outer, nil
}

func exprsOf(as []*expr.Attr) []expr.Expr {
	out := make([]expr.Expr, len(as))
	for i, a := range as {
		out[i] = a
	}
	return out
}

// overNothing replaces aggregates by their value over no rows.
func overNothing(e expr.Expr) expr.Expr {
	return expr.Rewrite(e, func(e expr.Expr) expr.Expr {
		g, ok := e.(*expr.Agg)
		if !ok {
			return e
		}
		if g.Fn.NeverNull {
			return expr.Lit(int64(0), g.Typ)
		}
		return expr.Null(g.Typ)
	})
}

func (d *dependent) union(x *logical.Union) (logical.Plan, columnsOf, error) {
	u := &logical.Union{Attrs: append([]*expr.Attr{}, x.Attrs...)}
	m := columnsOf{}
	for _, c := range d.cols {
		a := *c
		a.ID = d.o.id()
		m[c.ID] = &a
		u.Attrs = append(u.Attrs, &a)
	}
	for _, in := range x.Inputs {
		out := in.Output()
		p, im, err := d.push(in)
		if err != nil {
			return nil, nil, err
		}
		u.Inputs = append(u.Inputs, &logical.Project{List: d.with(exprsOf(out), im), Child: p})
	}
	return u, m, nil
}

// rows turns rows of expressions over outer columns into a projection of the
// domain each.
func (d *dependent) rows(x *logical.Values) (logical.Plan, columnsOf, error) {
	u := &logical.Union{}
	for _, r := range x.Rows {
		v, m := d.values()
		p := &logical.Project{Child: v}
		for i, e := range m.bindAll(r) {
			a := x.Attrs[i]
			p.List = append(p.List, &expr.Alias{Arg: e, Name: a.Name, ID: d.o.id()})
		}
		p.List = d.with(p.List, m)
		u.Inputs = append(u.Inputs, p)
	}
	u.Attrs = append(u.Attrs, x.Attrs...)
	m := columnsOf{}
	for _, c := range d.cols {
		a := *c
		a.ID = d.o.id()
		m[c.ID] = &a
		u.Attrs = append(u.Attrs, &a)
	}
	return u, m, nil
}

// join pushes the domain into the sides that need it.
func (d *dependent) join(x *logical.Join) (logical.Plan, columnsOf, error) {
	if x.Lateral {
		return nil, nil, d.refuse("LATERAL")
	}
	cond := x.Cond != nil && expr.Attrs(x.Cond).Intersects(d.outer)
	left, right := refersTo(x.Left, d.outer), refersTo(x.Right, d.outer)
	switch x.Kind {
	case logical.Full:
		return nil, nil, d.refuse("a full outer join")
	case logical.Right:
		right, left = true, left || cond
	case logical.Inner, logical.Cross:
		left = left || !right
	default:
		left = true
	}
	j := *x
	var lm, rm columnsOf
	var err error
	if left {
		if j.Left, lm, err = d.push(x.Left); err != nil {
			return nil, nil, err
		}
	}
	if right {
		if j.Right, rm, err = d.push(x.Right); err != nil {
			return nil, nil, err
		}
	}
	m := lm
	if m == nil || x.Kind == logical.Right {
		m = rm
	}
	var on []expr.Expr
	if left && right {
		on = d.tie(lm, rm)
	}
	for _, c := range expr.Conjuncts(x.Cond) {
		on = append(on, m.bind(c))
	}
	if j.Cond = and(on...); j.Cond != nil && j.Kind == logical.Cross {
		j.Kind = logical.Inner
	}
	out := x.Output()
	return &logical.Project{List: d.with(exprsOf(out), m), Child: &j}, m, nil
}

// fresh copies a plan with new ids for all columns that it defines and returns
// the new ids by the old.
func (o *optimizer) fresh(p logical.Plan) (logical.Plan, map[expr.ID]expr.ID) {
	ids := map[expr.ID]expr.ID{}
	define := func(as []*expr.Attr) {
		for _, a := range as {
			if _, ok := ids[a.ID]; !ok {
				ids[a.ID] = o.id()
			}
		}
	}
	logical.Walk(p, func(p logical.Plan) bool { define(p.Output()); return true })
	return logical.Renumber(p, ids), ids
}
