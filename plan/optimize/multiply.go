package optimize

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// many is how many pairs a join must be expected to have per row that it reads
// for its sides to be grouped first; sizable how many rows both sides must have for
// them to be grouped where that turns out to pay. Only tests change them.
var (
	many    = 64.0
	sizable = 500e3
)

// multiply groups both sides of a join by its keys where an aggregate over its pairs
// asks only for what groups can tell: then numbers are multiplied instead of rows
// (eager aggregation, Yan and Larson, VLDB 1995). Where very many pairs of few keys are
// expected, sides are grouped wholly. How uneven keys are, statistics do not tell, so
// that other sides of some size are grouped eagerly, that is while their keys repeat.
//
//	Aggregate(count(*), sum(l.x), min(r.y), L ⋈ R on l.k = r.k)
//	  ─►  Aggregate(sum(n·m), sum(s·m), min(y'),
//	          Aggregate(l.k; count(*) n, sum(l.x) s, L) ⋈ Aggregate(r.k; count(*) m, min(r.y) y', R))
func (o *optimizer) multiply(p logical.Plan) (logical.Plan, error) {
	est := NewEstimator()
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		if g, ok := p.(*logical.Aggregate); ok && g.Sets == nil {
			if j, ok := g.Child.(*logical.Join); ok && j.Kind <= logical.Full {
				l, r := est.Rows(j.Left), est.Rows(j.Right)
				wholly := est.Rows(j) > many*(l+r)
				if wholly || j.Kind == logical.Inner && min(l, r) >= sizable {
					if out := o.multiplied(g, j, est, !wholly); out != nil {
						return out, nil
					}
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
	// absent sides have no group for some of the other's rows: the join is outer.
	absent bool
}

// above returns a column of a half as it is above the join.
func (h *half) above(a *expr.Attr) *expr.Attr {
	b := *a
	b.Null = a.Null || h.absent
	return &b
}

// tells reports whether an expression over a half's rows is the same above the join,
// where a row of nulls may stand for them.
func (h *half) tells(e expr.Expr) bool {
	switch x := e.(type) {
	case *expr.Cast:
		return h.tells(x.Arg)
	case *expr.Call:
		name := x.Fn.Name
		for _, a := range x.Args {
			if _, ok := a.(*expr.Literal); !ok && !h.tells(a) {
				return false
			}
		}
		return !h.absent || name == "+" || name == "-" || name == "*"
	}
	return !h.absent || plain(e)
}

// group adds a key to a half, if it is not there, and returns what it comes out as.
func (o *optimizer) group(h *half, k expr.Expr) *expr.Attr {
	for i, old := range h.out.Keys {
		if expr.Equal(old, k) {
			return h.out.Output()[i]
		}
	}
	e := k
	if _, ok := k.(*expr.Attr); !ok {
		e = &expr.Alias{Arg: k, Name: k.String(), ID: o.id()}
	}
	h.out.Keys, h.out.List = append(h.out.Keys, k), append(h.out.List, e)
	return h.out.Output()[len(h.out.Keys)-1]
}

// once reports whether the keys of the join, which the half has alone so far, are
// known to be those that its rows are grouped by already.
func (h *half) once() bool {
	g, ok := h.in.(*logical.Aggregate)
	if !ok || g.Eager {
		return false
	}
	for _, k := range g.Keys {
		found := false
		for i, e := range g.List {
			found = found || expr.Equal(strip(e), k) && contains(h.out.Keys, g.Output()[i])
		}
		if !found {
			return false
		}
	}
	return true
}

// multiplied returns what stands for an aggregate over a join, nil where it
// cannot be told by groups, or, if it is only eager, one side has each key once.
func (o *optimizer) multiplied(g *logical.Aggregate, j *logical.Join, est *Estimator, eager bool) logical.Plan {
	left := &half{in: j.Left, out: &logical.Aggregate{Child: j.Left, Eager: eager}, absent: j.Kind == logical.Right || j.Kind == logical.Full}
	right := &half{in: j.Right, out: &logical.Aggregate{Child: j.Right, Eager: eager}, absent: j.Kind == logical.Left || j.Kind == logical.Full}
	lefts, rights := ids(j.Left), ids(j.Right)
	side := func(e expr.Expr) (mine, other *half) {
		switch of := expr.Attrs(e); {
		case len(of) == 0 || !expr.Deterministic(e):
		case lefts.Contains(of):
			return left, right
		case rights.Contains(of):
			return right, left
		}
		return nil, nil
	}
	var conds []expr.Expr
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
		conds = append(conds, eq.WithChildren([]expr.Expr{o.group(a, eq.Args[0]), o.group(b, eq.Args[1])}))
	}
	if eager && (len(left.out.Keys) == 0 || left.once() || right.once()) {
		return nil
	}
	out := &logical.Aggregate{}
	for _, k := range g.Keys {
		h, _ := side(k)
		if h == nil || !h.tells(k) || !plain(k) && expr.Fallible(k) {
			return nil // also for rows that no other matches
		}
		out.Keys = append(out.Keys, h.above(o.group(h, k)))
	}
	count, _ := expr.Builtins().Lookup("count")
	sum, _ := expr.Builtins().Lookup("sum")
	partial := func(h *half, a *expr.Agg) *expr.Attr {
		for _, e := range h.out.List { // a sum and an average ask for the same
			if al, ok := e.(*expr.Alias); ok && expr.Equal(al.Arg, a) {
				return h.above(al.Attr())
			}
		}
		al := &expr.Alias{Arg: a, Name: a.Fn.Name, ID: o.id()}
		h.out.List = append(h.out.List, al)
		return h.above(al.Attr())
	}
	t := &terms{est: est, left: left, right: right, side: side, partial: partial, adder: sum, counter: count, wide: !eager}
	for _, h := range []*half{left, right} {
		h.count = partial(h, t.counts(expr.Lit(int64(1), columnar.Int64Type)))
	}
	known := true
	whole := func(a *expr.Agg) expr.Expr {
		if a.Distinct || a.Filter != nil || a.OrderBy != nil || len(a.Args) > 1 {
			return nil
		}
		added := func(term expr.Expr) expr.Expr {
			return &expr.Agg{Fn: sum, Args: []expr.Expr{term}, Typ: term.Type(), Null: true, Place: a.Place}
		}
		switch a.Fn.Name {
		case "count":
			if n := t.pairs(a.Args); n != nil {
				return expr.NewCall("coalesce", columnar.Int64Type, added(n), expr.Lit(int64(0), columnar.Int64Type))
			}
		case "min", "max":
			if h, _ := side(a.Args[0]); h != nil && h.tells(a.Args[0]) && !expr.Fallible(a.Args[0]) {
				d := *a
				d.Args = []expr.Expr{partial(h, a)}
				return &d
			}
		case "sum", "avg":
			s := t.sum(a.Args[0])
			if s == nil {
				return nil
			}
			if a.Fn.Name == "sum" {
				return cast(added(s), a.Typ)
			}
			n := t.pairs(a.Args)
			switch {
			case n == nil:
				return nil
			case a.Typ.Kind == columnar.Decimal:
				return expr.NewCall("/", a.Typ, added(s), cast(added(n), counted))
			}
			return expr.NewCall("/", a.Typ, cast(added(s), a.Typ), cast(added(n), a.Typ))
		}
		return nil
	}
	var tell func(e expr.Expr) expr.Expr
	tell = func(e expr.Expr) expr.Expr {
		for i, k := range g.Keys {
			if expr.Equal(e, k) {
				return out.Keys[i]
			}
		}
		if a, ok := e.(*expr.Agg); ok {
			if w := whole(a); w != nil {
				return w
			}
			known = false
			return e
		}
		kids := append([]expr.Expr{}, e.Children()...)
		for i := range kids {
			kids[i] = tell(kids[i])
		}
		if len(kids) == 0 {
			return e
		}
		return e.WithChildren(kids)
	}
	for _, e := range g.List {
		out.List = append(out.List, tell(e))
	}
	if !known {
		return nil
	}
	d := *j
	if len(conds) > 0 {
		d.Cond = and(conds...)
	}
	d.Left, d.Right, d.BuildLeft = left.out, right.out, d.BuildLeft && eager
	out.Child = &d
	return out
}
