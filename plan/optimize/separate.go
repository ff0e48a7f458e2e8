package optimize

import (
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// separate splits an aggregation that holds DISTINCT over several lists of
// arguments, or beside functions without partial results, into one aggregation
// per list and one for the others, joined on the keys.
func (o *optimizer) separate(g *logical.Aggregate) (logical.Plan, error) {
	list := make([]expr.Expr, len(g.List))
	var parts []*part
	for i, e := range g.List {
		list[i] = expr.Rewrite(e, func(e expr.Expr) expr.Expr {
			if a, ok := e.(*expr.Agg); ok {
				return withoutFilter(a)
			}
			return e
		})
		expr.Walk(list[i], func(e expr.Expr) bool {
			if a, ok := e.(*expr.Agg); ok {
				parts = place(parts, a)
			}
			return true
		})
	}
	if g.Sets != nil || len(parts) > 1 && volatile(g.Child) {
		return nil, diag.NewAt(parts[0].calls[0].Place, diag.Unsupported, "DISTINCT aggregates over different columns are not supported here").
			WithRemedy("compute each in a subquery of its own and join them")
	}
	var all logical.Plan
	var keys []*expr.Attr
	results := map[*expr.Agg]*expr.Attr{}
	for i, part := range parts {
		child, ids := g.Child, map[expr.ID]expr.ID(nil)
		if i > 0 {
			child, ids = o.fresh(g.Child)
		}
		move := func(e expr.Expr) expr.Expr {
			return expr.Rewrite(e, func(e expr.Expr) expr.Expr {
				if a, ok := e.(*expr.Attr); ok {
					if id, ok := ids[a.ID]; ok {
						c := *a
						c.ID = id
						return &c
					}
				}
				return e
			})
		}
		one := &logical.Aggregate{Child: child}
		var on []expr.Expr
		for k, key := range g.Keys {
			al := &expr.Alias{Arg: move(key), Name: "key", ID: o.id()}
			one.Keys, one.List = append(one.Keys, al.Arg), append(one.List, al)
			if i == 0 {
				keys = append(keys, al.Attr())
			} else {
				on = append(on, same(keys[k], al.Attr()))
			}
		}
		for _, a := range part.calls {
			al := &expr.Alias{Arg: move(a), Name: a.Fn.Name, ID: o.id()}
			one.List = append(one.List, al)
			results[a] = al.Attr()
		}
		p, err := o.distinctAggregate(one)
		if err != nil {
			return nil, err
		}
		switch {
		case i == 0:
			all = p
		case len(on) == 0:
			all = &logical.Join{Kind: logical.Cross, Left: all, Right: p}
		default:
			all = &logical.Join{Kind: logical.Inner, Left: all, Right: p, Cond: and(on...)}
		}
	}
	var rewrite func(e expr.Expr) expr.Expr
	rewrite = func(e expr.Expr) expr.Expr {
		for i, k := range g.Keys {
			if expr.Equal(k, e) {
				return keys[i]
			}
		}
		if a, ok := e.(*expr.Agg); ok {
			return results[find(parts, a)]
		}
		kids := e.Children()
		if len(kids) == 0 {
			return e
		}
		fresh := make([]expr.Expr, len(kids))
		for i, k := range kids {
			fresh[i] = rewrite(k)
		}
		return e.WithChildren(fresh)
	}
	out := &logical.Project{Child: all}
	for _, e := range list {
		r := rewrite(e)
		if a, ok := e.(*expr.Attr); ok { // a key keeps its id
			r = &expr.Alias{Arg: r, Name: a.Name, ID: a.ID}
		}
		out.List = append(out.List, r)
	}
	return out, nil
}

// part is the aggregates that one aggregation computes: those that are DISTINCT
// over args, or those that are not.
type part struct {
	distinct bool
	args     []expr.Expr
	calls    []*expr.Agg
}

func place(parts []*part, a *expr.Agg) []*part {
	if find(parts, a) != nil {
		return parts
	}
	for _, p := range parts {
		if p.distinct == a.Distinct && (!a.Distinct || sameAll(p.args, a.Args)) {
			p.calls = append(p.calls, a)
			return parts
		}
	}
	return append(parts, &part{a.Distinct, a.Args, []*expr.Agg{a}})
}

// find returns the call that stands for all calls equal to a.
func find(parts []*part, a *expr.Agg) *expr.Agg {
	for _, p := range parts {
		for _, c := range p.calls {
			if expr.Equal(c, a) {
				return c
			}
		}
	}
	return nil
}

// withoutFilter moves the filter of a DISTINCT aggregate into its arguments,
// which are null for the rows that do not count.
func withoutFilter(a *expr.Agg) expr.Expr {
	if !a.Distinct || a.Filter == nil {
		return a
	}
	d := *a
	d.Filter, d.Args = nil, nil
	for _, x := range a.Args {
		d.Args = append(d.Args, &expr.Case{Whens: []expr.When{{Cond: a.Filter, Then: x}}, Place: a.Place})
	}
	return &d
}
