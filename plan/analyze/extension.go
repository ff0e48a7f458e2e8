package analyze

import (
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// extension lets HAVING and ORDER BY refer to what lies below a select list:
// they are computed as further columns of the list and dropped again.
type extension struct {
	a       *analyzer
	child   logical.Plan // what the clause stands on
	cols    []column
	project *logical.Project // the list below, through filters; nil if there is none
	agg     *logical.Aggregate
	rebuild func(logical.Plan) logical.Plan
	input   *scope
	extra   []expr.Expr
}

func (a *analyzer) extension(child logical.Plan, cols []column, outer *scope) *extension {
	x := &extension{a: a, child: child, cols: cols, rebuild: func(p logical.Plan) logical.Plan { return p }}
	p := child
	for {
		switch n := p.(type) {
		case *logical.Filter: // HAVING below ORDER BY
			inner := x.rebuild
			x.rebuild = func(p logical.Plan) logical.Plan { return inner(&logical.Filter{Cond: n.Cond, Child: p}) }
			p = n.Child
			continue
		case *logical.Project:
			if al, ok := n.Child.(*logical.Filter); ok && plainList(n) { // what drop left behind
				if _, isAgg := al.Child.(*logical.Aggregate); isAgg {
					inner := x.rebuild
					x.rebuild = inner
					p = al
					continue
				}
			}
			x.project = n
			x.input = &scope{columns: a.below[p], outer: outer}
		case *logical.Aggregate:
			x.agg = n
			x.input = &scope{columns: a.below[p], outer: outer}
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

// rewrite replaces the parts of a written expression that only the input below
// the list can answer by new columns. having looks at the input first, ORDER BY
// at the list first.
func (x *extension) rewrite(e expr.Expr, having bool) (expr.Expr, error) {
	if x.project == nil && x.agg == nil {
		return e, nil
	}
	switch n := e.(type) {
	case *expr.Name:
		if find(x.cols, n.Parts) != nil {
			if !having || find(x.input.columns, n.Parts) == nil || x.agg == nil {
				return e, nil
			}
		}
		if find(x.input.columns, n.Parts) == nil {
			return e, nil // the resolver says that there is none
		}
		return x.add(e)
	case *expr.UnresolvedCall:
		if isAggregate(n) && x.agg != nil {
			if f, ok := expr.Builtins().Lookup(n.Fn); ok && f.Kind == expr.AggregateFunction {
				return x.add(e)
			}
		}
	case *expr.Subquery:
		return e, nil
	}
	if x.agg != nil { // a whole key, GROUP BY a + b ORDER BY a + b
		if r, err := x.a.expr(e, x.input); err == nil {
			for _, k := range x.agg.Keys {
				if expr.Equal(k, r) {
					return x.add(e)
				}
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

// add computes an expression over the input as a column of the list, unless it
// is one already.
func (x *extension) add(e expr.Expr) (expr.Expr, error) {
	r, err := x.a.expr(e, x.input)
	if err != nil {
		return nil, err
	}
	list := x.extra
	if x.agg != nil {
		if err := grouped(r, x.agg.Keys, x.input.columns); err != nil {
			return nil, err
		}
		list = append(append([]expr.Expr{}, x.agg.List...), x.extra...)
	} else {
		list = append(append([]expr.Expr{}, x.project.List...), x.extra...)
	}
	for _, old := range list {
		switch o := old.(type) {
		case *expr.Alias:
			if expr.Equal(o.Arg, r) {
				return o.Attr(), nil
			}
		case *expr.Attr:
			if expr.Equal(o, r) {
				return o, nil
			}
		}
	}
	if at, ok := r.(*expr.Attr); ok {
		x.extra = append(x.extra, at)
		return at, nil
	}
	al := &expr.Alias{Arg: r, Name: r.String(), ID: x.a.id()}
	x.extra = append(x.extra, al)
	return al.Attr(), nil
}

func (x *extension) hidden() []*expr.Attr { return outputs(x.extra) }

// plan is the child with the new columns.
func (x *extension) plan() logical.Plan {
	switch {
	case len(x.extra) == 0:
		return x.child
	case x.agg != nil:
		g := *x.agg
		g.List = append(append([]expr.Expr{}, g.List...), x.extra...)
		return x.rebuild(&g)
	}
	return x.rebuild(&logical.Project{List: append(append([]expr.Expr{}, x.project.List...), x.extra...), Child: x.project.Child})
}

// drop removes the new columns above the clause.
func (x *extension) drop(p logical.Plan) logical.Plan {
	if len(x.extra) == 0 {
		return p
	}
	var list []expr.Expr
	for _, o := range x.child.Output() {
		list = append(list, o)
	}
	return &logical.Project{List: list, Child: p}
}
