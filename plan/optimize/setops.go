package optimize

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// setops turns DISTINCT into an aggregation, INTERSECT and EXCEPT into semi and
// anti joins in which nulls are equal (with ALL, of rows that are numbered), and count(DISTINCT x) into two
// aggregations.
func (o *optimizer) setops(p logical.Plan) (logical.Plan, error) {
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		switch x := p.(type) {
		case *logical.Distinct:
			return distinct(x.Child), nil
		case *logical.SetOp:
			return o.setOp(x)
		case *logical.Aggregate:
			return o.distinctAggregate(x)
		}
		return p, nil
	})
}

func distinct(p logical.Plan) logical.Plan {
	g := &logical.Aggregate{Child: p}
	for _, a := range p.Output() {
		g.Keys, g.List = append(g.Keys, a), append(g.List, a)
	}
	return g
}

func (o *optimizer) setOp(s *logical.SetOp) (logical.Plan, error) {
	j := &logical.Join{Kind: logical.LeftSemi, Left: distinct(s.Left), Right: s.Right, Place: s.Place}
	if s.Op == logical.ExceptOp {
		j.Kind = logical.LeftAnti
	}
	var conds, list []expr.Expr
	if s.All { // the n-th of equal rows has a partner if the other side has n of them
		left, n := o.numbered(s.Left)
		right, m := o.numbered(s.Right)
		j.Left, j.Right = left, right
		conds = append(conds, expr.NewCall("=", columnar.BoolType, n, m))
	}
	r := s.Right.Output()
	for i, l := range s.Left.Output() {
		conds = append(conds, expr.NewCall("<=>", columnar.BoolType, l, r[i]))
		list = append(list, &expr.Alias{Arg: l, Name: s.Attrs[i].Name, ID: s.Attrs[i].ID})
	}
	j.Cond = and(conds...)
	return &logical.Project{List: list, Child: j}, nil
}

// numbered adds a column that numbers equal rows from 1.
func (o *optimizer) numbered(p logical.Plan) (logical.Plan, *expr.Attr) {
	f, _ := expr.Builtins().Lookup("row_number")
	n := &expr.Alias{Arg: &expr.Agg{Fn: f, Typ: columnar.Int32Type}, Name: "number", ID: o.id()}
	w := &logical.Window{List: []expr.Expr{n}, Child: p}
	for _, a := range p.Output() {
		w.PartitionBy = append(w.PartitionBy, a)
	}
	return w, n.Attr()
}

// again names the function that combines a function's partial results.
var again = map[string]string{"sum": "sum", "count": "sum", "count_if": "sum", "min": "min", "max": "max", "bool_and": "bool_and", "bool_or": "bool_or", "any_value": "any_value"}

// distinctAggregate rewrites DISTINCT aggregates over one list of arguments:
// first group by keys and arguments, computing the others partially, then by the
// keys.
func (o *optimizer) distinctAggregate(g *logical.Aggregate) (logical.Plan, error) {
	var args []expr.Expr
	found, apart := false, false
	visit := func(f func(a *expr.Agg)) {
		for _, e := range g.List {
			expr.Walk(e, func(e expr.Expr) bool {
				if a, ok := e.(*expr.Agg); ok {
					f(a)
					return false
				}
				return true
			})
		}
	}
	visit(func(a *expr.Agg) {
		if !a.Distinct {
			return
		}
		apart = apart || found && !sameAll(args, a.Args) || a.Filter != nil
		found, args = true, a.Args
	})
	if !found {
		return g, nil
	}
	visit(func(a *expr.Agg) {
		apart = apart || !a.Distinct && again[a.Fn.Name] == ""
	})
	if apart {
		return o.separate(g)
	}
	inner := &logical.Aggregate{Child: g.Child}
	outer := &logical.Aggregate{}
	column := func(e expr.Expr, name string) *expr.Attr {
		for _, item := range inner.List {
			if al, ok := item.(*expr.Alias); ok && expr.Equal(al.Arg, e) {
				return al.Attr()
			}
			if at, ok := item.(*expr.Attr); ok && expr.Equal(at, e) {
				return at
			}
		}
		if at, ok := e.(*expr.Attr); ok {
			inner.List = append(inner.List, at)
			return at
		}
		al := &expr.Alias{Arg: e, Name: name, ID: o.id()}
		inner.List = append(inner.List, al)
		return al.Attr()
	}
	keys := map[int]*expr.Attr{}
	for i, k := range g.Keys {
		inner.Keys = append(inner.Keys, k)
		keys[i] = column(k, "key")
		outer.Keys = append(outer.Keys, keys[i])
	}
	for _, a := range args {
		if !contains(inner.Keys, a) {
			inner.Keys = append(inner.Keys, a)
		}
		column(a, "arg")
	}
	var rewrite func(e expr.Expr) (expr.Expr, error)
	rewrite = func(e expr.Expr) (expr.Expr, error) {
		for i, k := range g.Keys {
			if expr.Equal(k, e) {
				return keys[i], nil
			}
		}
		a, ok := e.(*expr.Agg)
		if !ok {
			kids := e.Children()
			fresh := make([]expr.Expr, len(kids))
			for i, k := range kids {
				r, err := rewrite(k)
				if err != nil {
					return nil, err
				}
				fresh[i] = r
			}
			if len(kids) > 0 {
				e = e.WithChildren(fresh)
			}
			return e, nil
		}
		d := *a
		if a.Distinct {
			d.Distinct = false
			d.Args = nil
			for _, x := range a.Args {
				d.Args = append(d.Args, column(x, "arg"))
			}
			return &d, nil
		}
		part := column(a, a.Fn.Name)
		f, _ := expr.Builtins().Lookup(again[a.Fn.Name])
		d.Fn, d.Args, d.Filter = f, []expr.Expr{part}, nil
		d.Null = true
		if a.Fn.NeverNull { // a sum of counts over no rows is 0
			return expr.NewCall("coalesce", a.Typ, &d, expr.Lit(int64(0), a.Typ)), nil
		}
		return &d, nil
	}
	for _, e := range g.List {
		r, err := rewrite(e)
		if err != nil {
			return nil, err
		}
		if at, ok := e.(*expr.Attr); ok { // a key keeps its id
			if ra, ok := r.(*expr.Attr); ok && ra.ID != at.ID {
				r = &expr.Alias{Arg: ra, Name: at.Name, ID: at.ID}
			}
		}
		outer.List = append(outer.List, r)
	}
	outer.Child = inner
	return outer, nil
}

func sameAll(a, b []expr.Expr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !expr.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
