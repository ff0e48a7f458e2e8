package optimize

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// reduce keeps an aggregate that is joined on its keys with few rows from
// computing groups that the join drops: its input is semi-joined with a copy of
// those rows.
//
//	Aggregate(k, big) ⋈ small on k = s  ─►  Aggregate(k, big ⋉ small' on k = s') ⋈ small
func (o *optimizer) reduce(p logical.Plan) (logical.Plan, error) {
	est := NewEstimator()
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		j, ok := p.(*logical.Join)
		if !ok || j.Kind != logical.Inner {
			return p, nil
		}
		d := *j
		if g, ok := j.Left.(*logical.Aggregate); ok {
			d.Left = o.reduced(g, j.Right, j.Cond, est)
		} else if g, ok := j.Right.(*logical.Aggregate); ok {
			d.Right = o.reduced(g, j.Left, j.Cond, est)
		}
		if d.Left == j.Left && d.Right == j.Right {
			return p, nil
		}
		return &d, nil
	})
}

// reduced returns the aggregate over the rows that have a partner, or the
// aggregate as it is if that is not worth it.
func (o *optimizer) reduced(g *logical.Aggregate, small logical.Plan, cond expr.Expr, est *Estimator) logical.Plan {
	read, ok := cheap(small, est)
	in := est.Rows(g.Child)
	if !ok || g.Sets != nil || in < 100_000 || est.Rows(small)*10 > est.Rows(g) || read > 2*in {
		return g
	}
	keys := map[expr.ID]expr.Expr{}
	for _, e := range g.List {
		if contains(g.Keys, strip(e)) {
			keys[outputOf(e).ID] = strip(e)
		}
	}
	theirs := ids(small)
	var mine, other []expr.Expr
	for _, c := range expr.Conjuncts(cond) {
		eq, ok := c.(*expr.Call)
		if !ok || eq.Fn.Name != "=" || expr.Fallible(eq) {
			continue
		}
		a, b := eq.Args[0], eq.Args[1]
		if theirs.Contains(expr.Attrs(a)) {
			a, b = b, a
		}
		x, ok := a.(*expr.Attr)
		if !ok || keys[x.ID] == nil || len(expr.Attrs(b)) == 0 || !theirs.Contains(expr.Attrs(b)) {
			continue
		}
		mine, other = append(mine, keys[x.ID]), append(other, b)
	}
	if len(mine) == 0 {
		return g
	}
	list := make([]expr.Expr, len(other))
	for i, e := range other {
		list[i] = &expr.Alias{Arg: e, Name: "key", ID: o.id()}
	}
	right, renamed := o.fresh(&logical.Project{List: list, Child: small})
	var on []expr.Expr
	for i, e := range list {
		a := *outputOf(e)
		a.ID = renamed[a.ID]
		on = append(on, expr.NewCall("=", columnar.BoolType, mine[i], &a))
	}
	semi := &logical.Join{Kind: logical.LeftSemi, Left: g.Child, Right: right, Cond: and(on...)}
	return &logical.Aggregate{Keys: g.Keys, List: g.List, Child: o.sink(semi, g.Child, est)}
}

// cheap reports whether a plan may be computed twice, and how many rows it reads.
func cheap(p logical.Plan, est *Estimator) (read float64, ok bool) {
	ok = true
	logical.Walk(p, func(p logical.Plan) bool {
		switch x := p.(type) {
		case *logical.Scan:
			if rows := x.Table.Statistics().Rows; rows >= 0 {
				read += rows
			} else {
				read = math.Inf(1)
			}
		case *logical.Project, *logical.Filter, *logical.Values:
		case *logical.Join:
			ok = ok && (x.Kind == logical.LeftSemi || x.Kind == logical.Inner)
		default:
			ok = false
		}
		return ok
	})
	return read, ok && !volatile(p)
}
