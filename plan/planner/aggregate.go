package planner

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// aggregate plans GROUP BY: partial aggregation where the rows are, an exchange
// of the states by the keys, final aggregation. Where the rows already lie by
// the keys, or a function has no partial form, rows are aggregated at once.
func (pl *planner) aggregate(a *logical.Aggregate, need expr.IDSet) (planned, error) {
	g := &grouping{pl: pl, eager: a.Eager}
	for _, k := range a.Keys {
		g.key(k)
	}
	outs := a.Output()
	var list []expr.Expr
	var attrs []*expr.Attr
	for i, e := range a.List {
		if !need[outs[i].ID] {
			continue
		}
		e, err := g.rewrite(e)
		if err != nil {
			return planned{}, err
		}
		list, attrs = append(list, e), append(attrs, outs[i])
	}
	var inputs []expr.Expr
	inputs = append(inputs, g.keys...)
	for _, c := range g.calls {
		if c.Distinct {
			return planned{}, diag.NewAt(c.Place, diag.Unsupported, "%s(DISTINCT …) cannot be combined with the other aggregates here", c.Fn.Name)
		}
		inputs = append(inputs, c.Children()...)
	}
	in, err := pl.plan(a.Child, with(nil, inputs...))
	if err != nil {
		return planned{}, err
	}
	agg, err := g.run(in, pl.rows(a))
	if err != nil {
		return planned{}, err
	}
	return pl.post(agg, list, attrs)
}

// post computes a list over an aggregate's output, unless it is that output.
func (pl *planner) post(in planned, list []expr.Expr, attrs []*expr.Attr) (planned, error) {
	dist := in.dist
	plain := true
	seen := map[expr.ID]bool{}
	for i, e := range list {
		if al, ok := e.(*expr.Alias); ok {
			e = al.Arg
		}
		src, ok := e.(*expr.Attr)
		if !ok || seen[src.ID] {
			plain = false
			continue
		}
		seen[src.ID] = true
		dist = dist.alias(src.ID, attrs[i].ID)
	}
	if plain {
		renamed := make([]*expr.Attr, len(in.attrs))
		for i, a := range in.attrs {
			d := *a
			d.ID = pl.newID()
			renamed[i] = &d
		}
		for i, e := range list {
			if al, ok := e.(*expr.Alias); ok {
				e = al.Arg
			}
			at := index(in.attrs, e.(*expr.Attr).ID)
			d := *attrs[i]
			d.Typ, d.Null = in.attrs[at].Typ, in.attrs[at].Null
			renamed[at] = &d
		}
		return planned{in.plan, renamed, dist}, nil
	}
	exprs, err := bindAll(list, in.attrs)
	if err != nil {
		return planned{}, err
	}
	return pl.newProject(in, exprs, attrs, dist), nil
}

// grouping collects the keys and the distinct calls of an aggregation, each with
// an attribute for its result.
type grouping struct {
	pl       *planner
	eager    bool // see logical.Aggregate
	keys     []expr.Expr
	keyAttrs []*expr.Attr
	calls    []*expr.Agg
	results  []*expr.Attr
}

func (g *grouping) key(k expr.Expr) *expr.Attr {
	for i, old := range g.keys {
		if expr.Equal(old, k) {
			return g.keyAttrs[i]
		}
	}
	a, ok := k.(*expr.Attr)
	if !ok {
		a = &expr.Attr{ID: g.pl.newID(), Name: k.String(), Typ: k.Type(), Null: k.Nullable()}
	}
	g.keys, g.keyAttrs = append(g.keys, k), append(g.keyAttrs, a)
	return a
}

func (g *grouping) call(c *expr.Agg) *expr.Attr {
	for i, old := range g.calls {
		if expr.Equal(old, c) {
			return g.results[i]
		}
	}
	a := &expr.Attr{ID: g.pl.newID(), Name: c.String(), Typ: c.Typ, Null: c.Null}
	g.calls, g.results = append(g.calls, c), append(g.results, a)
	return a
}

// rewrite replaces keys and calls in an expression of the list by their results.
func (g *grouping) rewrite(e expr.Expr) (expr.Expr, error) {
	for i, k := range g.keys {
		if expr.Equal(k, e) {
			return g.keyAttrs[i], nil
		}
	}
	switch x := e.(type) {
	case *expr.Agg:
		return g.call(x), nil
	case *expr.Attr:
		return nil, diag.NewAt(x.Place, diag.MissingGroupBy, "column %s is neither grouped by nor aggregated", x.Name)
	}
	kids := e.Children()
	if len(kids) == 0 {
		return e, nil
	}
	fresh := make([]expr.Expr, len(kids))
	for i, k := range kids {
		n, err := g.rewrite(k)
		if err != nil {
			return nil, err
		}
		fresh[i] = n
	}
	return e.WithChildren(fresh), nil
}

func (g *grouping) run(in planned, groups float64) (planned, error) {
	keys, err := bindAll(g.keys, in.attrs)
	if err != nil {
		return planned{}, err
	}
	partial := true
	aggs := make([]physical.AggCall, len(g.calls))
	for i, c := range g.calls {
		a := physical.AggCall{Fn: c.Fn.Key(), Foreign: c.Fn.Aggregate, Result: c.Typ, Null: c.Null, Place: c.Place}
		if a.Args, err = bindAll(c.Args, in.attrs); err != nil {
			return planned{}, err
		}
		for _, x := range a.Args {
			a.ArgTypes = append(a.ArgTypes, x.Type())
		}
		if c.Filter != nil {
			if a.Filter, err = bind(c.Filter, in.attrs); err != nil {
				return planned{}, err
			}
		}
		_, ok := physical.StateTypes(a)
		partial = partial && ok
		aggs[i] = a
	}
	ids := expr.IDSet{}
	for _, k := range g.keys {
		if a, ok := k.(*expr.Attr); ok {
			ids[a.ID] = true
		}
	}
	if g.eager {
		return g.finish(&physical.Aggregate{Mode: physical.AggEager, Keys: keys, Aggs: aggs, Child: in.plan, Groups: groups}, in.dist), nil
	}
	if in.dist.covers(ids) {
		return g.complete(in, keys, aggs, groups), nil
	}
	n := g.pl.partitions(groups)
	if len(keys) == 0 {
		n = 1
	}
	if !partial {
		in, at, err := g.pl.columns(in, g.keys)
		if err != nil {
			return planned{}, err
		}
		in = g.pl.hash(in, at, n, -1)
		for i, c := range at {
			keys[i] = column(in, c)
		}
		return g.complete(in, keys, aggs, groups), nil
	}
	p := &physical.Aggregate{Mode: physical.AggPartial, Keys: keys, Aggs: aggs, Out: &columnar.Schema{}, Child: in.plan, Groups: groups}
	var attrs []*expr.Attr
	for i, k := range keys {
		p.Out.Fields = append(p.Out.Fields, columnar.Field{Name: g.keyAttrs[i].Name, Type: k.Type(), Nullable: k.Nullable()})
		attrs = append(attrs, g.keyAttrs[i])
	}
	for i, a := range aggs {
		types, _ := physical.StateTypes(a)
		for _, t := range types {
			p.Out.Fields = append(p.Out.Fields, columnar.Field{Name: g.results[i].Name, Type: t, Nullable: true})
			attrs = append(attrs, &expr.Attr{ID: g.pl.newID(), Name: g.results[i].Name, Typ: t, Null: true})
		}
	}
	at := make([]int, len(keys))
	for i := range at {
		at[i] = i
	}
	mid := g.pl.hash(planned{plan: p, attrs: attrs}, at, n, groups)
	f := &physical.Aggregate{Mode: physical.AggFinal, Aggs: aggs, Child: mid.plan, Groups: groups}
	for i := range keys {
		f.Keys = append(f.Keys, column(mid, i))
	}
	return g.finish(f, mid.dist), nil
}

func (g *grouping) complete(in planned, keys []expr.Expr, aggs []physical.AggCall, groups float64) planned {
	a := &physical.Aggregate{Mode: physical.AggComplete, Keys: keys, Aggs: aggs, Child: in.plan, Groups: groups}
	return g.finish(a, in.dist)
}

// finish gives an aggregate that yields results its schema.
func (g *grouping) finish(a *physical.Aggregate, dist distribution) planned {
	a.Out = &columnar.Schema{}
	var attrs []*expr.Attr
	add := func(at *expr.Attr, t columnar.Type, null bool) {
		d := *at
		d.Typ, d.Null = t, null
		attrs = append(attrs, &d)
		a.Out.Fields = append(a.Out.Fields, columnar.Field{Name: at.Name, Type: t, Nullable: null})
	}
	for i, k := range a.Keys {
		add(g.keyAttrs[i], k.Type(), k.Nullable())
	}
	for i, c := range a.Aggs {
		add(g.results[i], c.Result, c.Null)
	}
	return planned{a, attrs, dist}
}
