package optimize

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// many is how many pairs a join must be expected to have per row that it reads
// for its sides to be grouped first. Only tests change it.
var many = 64.0

// multiply groups both sides of a join by its keys where an aggregate over very
// many pairs of few keys asks only for what groups can tell: then numbers are
// multiplied instead of rows (eager aggregation, Yan and Larson, VLDB 1995).
//
//	Aggregate(count(*), sum(l.x), min(r.y), L ⋈ R on l.k = r.k)
//	  ─►  Aggregate(sum(n·m), sum(s·m), min(y'),
//	          Aggregate(l.k; count(*) n, sum(l.x) s, L) ⋈ Aggregate(r.k; count(*) m, min(r.y) y', R))
func (o *optimizer) multiply(p logical.Plan) (logical.Plan, error) {
	est := NewEstimator()
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		if g, ok := p.(*logical.Aggregate); ok && g.Sets == nil {
			if j, ok := g.Child.(*logical.Join); ok && j.Kind == logical.Inner && est.Rows(j) > many*(est.Rows(j.Left)+est.Rows(j.Right)) {
				if out := o.multiplied(g, j, est); out != nil {
					return out, nil
				}
			}
		}
		return p, nil
	})
}

// half is a side of the join, grouped.
type half struct {
	in    logical.Plan
	out   *logical.Aggregate
	count *expr.Attr // rows of a group
}

// group adds a key that comes out under its own id.
func (h *half) group(a *expr.Attr) {
	if !contains(h.out.Keys, a) {
		h.out.Keys, h.out.List = append(h.out.Keys, a), append(h.out.List, a)
	}
}

// multiplied returns what stands for an aggregate over a join, nil where it
// cannot be told by groups.
func (o *optimizer) multiplied(g *logical.Aggregate, j *logical.Join, est *Estimator) logical.Plan {
	left, right := &half{in: j.Left, out: &logical.Aggregate{Child: j.Left}}, &half{in: j.Right, out: &logical.Aggregate{Child: j.Right}}
	side := func(e expr.Expr) (mine, other *half) {
		a, ok := e.(*expr.Attr)
		switch {
		case ok && ids(j.Left)[a.ID]:
			return left, right
		case ok && ids(j.Right)[a.ID]:
			return right, left
		}
		return nil, nil
	}
	for _, c := range expr.Conjuncts(j.Cond) {
		eq, ok := c.(*expr.Call)
		if !ok || eq.Fn.Name != "=" {
			return nil
		}
		a, _ := side(eq.Args[0])
		b, _ := side(eq.Args[1])
		if a == nil || b == nil || a == b {
			return nil
		}
		a.group(eq.Args[0].(*expr.Attr))
		b.group(eq.Args[1].(*expr.Attr))
	}
	for _, k := range g.Keys {
		h, _ := side(k)
		if h == nil {
			return nil
		}
		h.group(k.(*expr.Attr))
	}
	count, _ := expr.Builtins().Lookup("count")
	sum, _ := expr.Builtins().Lookup("sum")
	partial := func(h *half, a *expr.Agg) *expr.Attr {
		al := &expr.Alias{Arg: a, Name: a.Fn.Name, ID: o.id()}
		h.out.List = append(h.out.List, al)
		return al.Attr()
	}
	for _, h := range []*half{left, right} {
		h.count = partial(h, &expr.Agg{Fn: count, Args: []expr.Expr{expr.Lit(int64(1), columnar.Int64Type)}, Typ: columnar.Int64Type})
	}
	product := func(a, b *expr.Attr, like *expr.Agg) expr.Expr {
		return &expr.Agg{Fn: sum, Args: []expr.Expr{expr.NewCall("*", columnar.Int64Type, a, b)}, Typ: columnar.Int64Type, Null: true, Place: like.Place}
	}
	known := true
	whole := func(a *expr.Agg) expr.Expr {
		if a.Distinct || a.Filter != nil || a.OrderBy != nil || len(a.Args) > 1 {
			return nil
		}
		var h, other *half
		if len(a.Args) == 1 {
			if l, ok := a.Args[0].(*expr.Literal); !ok || l.Value == nil {
				if h, other = side(a.Args[0]); h == nil {
					return nil
				}
			}
		}
		switch {
		case a.Fn.Name == "count":
			n, m := left.count, right.count
			if h != nil {
				n, m = partial(h, a), other.count
			}
			return expr.NewCall("coalesce", columnar.Int64Type, product(n, m, a), expr.Lit(int64(0), columnar.Int64Type))
		case h == nil:
			return nil
		case a.Fn.Name == "min" || a.Fn.Name == "max":
			d := *a
			d.Args = []expr.Expr{partial(h, a)}
			return &d
		case a.Fn.Name == "sum" && a.Typ.Kind == columnar.Int64 && est.sumFits(h.in, other.in, a.Args[0].(*expr.Attr)):
			return product(partial(h, a), other.count, a)
		}
		return nil
	}
	out := &logical.Aggregate{Keys: g.Keys}
	for _, e := range g.List {
		r := expr.Rewrite(e, func(e expr.Expr) expr.Expr {
			a, ok := e.(*expr.Agg)
			if !ok {
				return e
			}
			if w := whole(a); w != nil {
				return w
			}
			known = false
			return e
		})
		out.List = append(out.List, r)
	}
	if !known {
		return nil
	}
	d := *j
	d.Left, d.Right, d.BuildLeft = left.out, right.out, false
	out.Child = &d
	return out
}

// sumFits reports whether no sum of a column of one side over any of the pairs
// with the other can exceed a bigint, so that it does not matter in which order
// they are added.
func (s *Estimator) sumFits(mine, other logical.Plan, a *expr.Attr) bool {
	x, y := s.of(mine), s.of(other)
	c, ok := x.cols[a.ID]
	if !ok || !c.bounded {
		return false
	}
	return math.Max(math.Abs(c.lo), math.Abs(c.hi))*math.Max(1, math.Max(x.base, x.rows))*math.Max(1, math.Max(y.base, y.rows)) < 1<<62
}
