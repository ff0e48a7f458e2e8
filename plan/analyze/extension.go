package analyze

import (
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// extension lets HAVING and ORDER BY refer to what lies below a select list:
// they are computed as further columns of the list and dropped again.
//
//	SELECT a FROM t ORDER BY b      Project [a]              drop
//	                                  Sort [b]               the clause
//	                                    Project [a, b]       the list, extended
type extension struct {
	a        *analyzer
	child    logical.Plan // what the clause stands on
	cols     []column
	project  *logical.Project // the list below, through filters; nil if there is none
	agg      *logical.Aggregate
	distinct bool // a DISTINCT between: nothing can be added
	rebuild  func(logical.Plan) logical.Plan
	input    *scope
	extra    []expr.Expr
}

func (a *analyzer) extension(child logical.Plan, cols []column, outer *scope) *extension {
	x := &extension{a: a, child: child, cols: cols, rebuild: func(p logical.Plan) logical.Plan { return p }, input: &scope{outer: outer}}
	p := child
	for {
		switch n := p.(type) {
		case *logical.Distinct:
			x.distinct = true
			p = n.Child
			continue
		case *logical.Filter: // HAVING below ORDER BY
			inner := x.rebuild
			x.rebuild = func(p logical.Plan) logical.Plan { return inner(&logical.Filter{Cond: n.Cond, Child: p}) }
			p = n.Child
			continue
		case *logical.Project:
			if f, ok := n.Child.(*logical.Filter); ok && plainList(n) { // what drop left behind
				if _, isAgg := f.Child.(*logical.Aggregate); isAgg {
					p = f
					continue
				}
			}
			x.project = n
			x.input.columns = a.below[p]
		case *logical.Aggregate:
			x.agg = n
			x.input.columns, x.input.sets = a.below[p], a.sets[p]
		}
		return x
	}
}

func plainList(p *logical.Project) bool {
	for _, e := range p.List {
		if _, ok := e.(*expr.Attr); !ok {
			return false
		}
	}
	return true
}

// resolve resolves an expression of the clause. having looks at the groups
// first, ORDER BY at the select list.
func (x *extension) resolve(e expr.Expr, having bool) (expr.Expr, error) {
	r, err := x.rewrite(e, having)
	if err != nil {
		return nil, err
	}
	return x.a.expr(r, &scope{columns: x.cols, outer: x.input.outer})
}

// rewrite replaces the parts of a written expression that only the input below
// the list can answer by its columns, new ones if need be.
func (x *extension) rewrite(e expr.Expr, having bool) (expr.Expr, error) {
	if x.project == nil && x.agg == nil {
		return e, nil
	}
	switch n := e.(type) {
	case *expr.Literal, *expr.Attr:
		return e, nil
	case *expr.Name:
		listed, _ := reach(x.cols, n.Parts)
		below, _ := reach(x.input.columns, n.Parts)
		if len(below) == 0 || len(listed) > 0 && !(having && x.agg != nil && len(below) == 1 && x.isKey(below[0].Attr)) {
			return e, nil
		}
		return x.add(e)
	case *expr.UnresolvedCall:
		if x.agg != nil && n.Over == nil && (x.a.isAggregateName(n.Fn) || isGrouping(n.Fn)) {
			return x.add(e)
		}
	case *expr.Subquery:
		return x.subquery(n, having)
	}
	if !x.mentions(e) { // a whole key or item: GROUP BY a + b ORDER BY a + b
		if r, err := x.below(e); err == nil {
			if at := x.existing(r); at != nil {
				return at, nil
			}
			if x.agg != nil && x.isKey(r) {
				return x.add(r)
			}
		}
	}
	kids := e.Children()
	if len(kids) == 0 {
		return e, nil
	}
	fresh := make([]expr.Expr, len(kids))
	for i, k := range kids {
		r, err := x.rewrite(k, having)
		if err != nil {
			return nil, err
		}
		fresh[i] = r
	}
	return e.WithChildren(fresh), nil
}

// mentions reports whether a written expression names a column of the list that
// is not just one of the input, or holds a subquery.
func (x *extension) mentions(e expr.Expr) bool {
	return expr.Any(e, func(e expr.Expr) bool {
		switch n := e.(type) {
		case *expr.Subquery:
			return true
		case *expr.Name:
			listed, _ := reach(x.cols, n.Parts)
			if len(listed) == 0 {
				return false
			}
			below, _ := reach(x.input.columns, n.Parts)
			return len(listed) > 1 || len(below) != 1 || below[0].ID != listed[0].ID
		}
		return false
	})
}

func (x *extension) isKey(e expr.Expr) bool {
	for _, k := range x.agg.Keys {
		if expr.Equal(k, e) {
			return true
		}
	}
	return false
}

// items are the list below and what was added.
func (x *extension) items() []expr.Expr {
	if x.agg != nil {
		return append(append([]expr.Expr{}, x.agg.List...), x.extra...)
	}
	return append(append([]expr.Expr{}, x.project.List...), x.extra...)
}

// existing returns the column of the list that computes r, nil if none does. It
// has the place of r.
func (x *extension) existing(r expr.Expr) expr.Expr {
	for _, item := range x.items() {
		var at expr.Attr
		switch o := item.(type) {
		case *expr.Alias:
			if !expr.Equal(o.Arg, r) {
				continue
			}
			at = *o.Attr()
		case *expr.Attr:
			if !expr.Equal(o, r) {
				continue
			}
			at = *o
		}
		at.Place = r.Pos()
		return &at
	}
	return nil
}

// below resolves an expression over the input below the list, where the keys of
// grouping sets have columns of their own.
func (x *extension) below(e expr.Expr) (expr.Expr, error) {
	r, err := x.a.expr(e, x.input)
	if err == nil && x.input.sets != nil {
		r = x.input.sets.moved(r)
	}
	return r, err
}

// add computes an expression over the input as a column of the list, unless it
// is one already.
func (x *extension) add(e expr.Expr) (expr.Expr, error) {
	r, err := x.below(e)
	if err != nil {
		return nil, err
	}
	if x.agg != nil {
		if err := grouped(r, x.agg.Keys, x.input.columns); err != nil {
			return nil, err
		}
	}
	if at := x.existing(r); at != nil {
		return at, nil
	}
	if x.distinct {
		return nil, diag.NewAt(e.Pos(), diag.InvalidQuery, "ORDER BY of SELECT DISTINCT cannot use %s, which is not in the select list", pretty(e)).
			WithRemedy("add it to the select list, or group instead")
	}
	if at, ok := r.(*expr.Attr); ok {
		x.extra = append(x.extra, at)
		return at, nil
	}
	al := &expr.Alias{Arg: r, Name: pretty(e), ID: x.a.id(), Place: e.Pos()}
	x.extra = append(x.extra, al)
	return al.Attr(), nil
}

// subquery resolves a subquery of the clause: its outer columns come from the
// list, or from below, then they are added to the list.
func (x *extension) subquery(q *expr.Subquery, having bool) (expr.Expr, error) {
	d := *q
	d.Left = make([]expr.Expr, len(q.Left))
	for i, l := range q.Left {
		r, err := x.rewrite(l, having)
		if err != nil {
			return nil, err
		}
		d.Left[i] = r
	}
	s, err := x.a.subquery(&d, &scope{columns: x.cols, outer: x.input})
	if err != nil {
		return nil, err
	}
	listed := expr.IDSet{}
	for _, c := range x.cols {
		listed[c.ID] = true
	}
	below := expr.IDSet{}
	for _, c := range x.input.columns {
		below[c.ID] = true
	}
	to := map[expr.ID]*expr.Attr{}
	for _, o := range s.Outer {
		if listed[o.ID] || !below[o.ID] {
			continue
		}
		r, err := x.add(o)
		if err != nil {
			return nil, err
		}
		if at := r.(*expr.Attr); at.ID != o.ID {
			to[o.ID] = at
		}
	}
	if len(to) > 0 {
		s = replaceOuter(s, to)
		x.a.done[s] = true
	}
	return s, nil
}

// plan is the child with the new columns.
func (x *extension) plan() logical.Plan {
	switch {
	case len(x.extra) == 0:
		return x.child
	case x.agg != nil:
		g := *x.agg
		g.List = x.items()
		x.a.below[&g], x.a.sets[&g] = x.input.columns, x.input.sets
		return x.rebuild(&g)
	}
	p := &logical.Project{}
	p.Child, p.List = x.a.windows(x.project.Child, x.items())
	x.a.below[p] = x.input.columns
	return x.rebuild(p)
}

// drop removes the new columns above the clause.
func (x *extension) drop(p logical.Plan) logical.Plan {
	if len(x.extra) == 0 {
		return p
	}
	out := x.child.Output()
	list := make([]expr.Expr, len(out))
	for i, o := range out {
		list[i] = o
	}
	return &logical.Project{List: list, Child: p}
}
