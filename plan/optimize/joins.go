package optimize

import (
	"math"
	"math/bits"

	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// maxExact is the number of relations up to which every order is looked at.
const maxExact = 10

// maxRelations is the number of relations that a set of bits holds.
const maxRelations = 64

// semijoins moves semi and anti joins with a small right side to the relation
// that they reduce.
func (o *optimizer) semijoins(p logical.Plan) (logical.Plan, error) {
	est := NewEstimator()
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		j, ok := p.(*logical.Join)
		if !ok || j.Cond == nil {
			return p, nil
		}
		switch j.Kind {
		case logical.LeftSemi, logical.LeftAnti, logical.NullAwareAnti:
			return o.sink(j, j.Left, est), nil
		}
		return p, nil
	})
}

// sink puts a semi join as deep into p as its condition allows, if fewer rows are
// to be looked up there or it leaves few.
func (o *optimizer) sink(j *logical.Join, p logical.Plan, est *Estimator) logical.Plan {
	need := expr.Attrs(j.Cond)
	right := ids(j.Right)
	for id := range need {
		if right[id] {
			delete(need, id)
		}
	}
	place := func(p logical.Plan) logical.Plan {
		d := *j
		d.Left = p
		return &d
	}
	if len(need) == 0 {
		return place(p)
	}
	out, at := sinkTo(p, need, place)
	if rows := est.Rows(at); rows <= est.Rows(p) || est.Rows(j.Right) <= 0.2*rows {
		return out
	}
	return place(p)
}

// sinkTo replaces the deepest plan in p that has the needed columns and whose
// rows p keeps one by one; it returns that plan too.
func sinkTo(p logical.Plan, need expr.IDSet, place func(logical.Plan) logical.Plan) (out, at logical.Plan) {
	switch x := p.(type) {
	case *logical.Filter:
		if expr.Fallible(x.Cond) {
			break
		}
		child, at := sinkTo(x.Child, need, place)
		if at == x.Child { // the filter is the cheaper one
			break
		}
		return &logical.Filter{Cond: x.Cond, Child: child}, at
	case *logical.Join:
		inner := x.Kind == logical.Inner || x.Kind == logical.Cross
		d := *x
		switch {
		case ids(x.Left).Contains(need) && x.Kind != logical.Right && x.Kind != logical.Full:
			d.Left, at = sinkTo(x.Left, need, place)
			return &d, at
		case ids(x.Right).Contains(need) && (inner || x.Kind == logical.Right):
			d.Right, at = sinkTo(x.Right, need, place)
			return &d, at
		}
	}
	return place(p), p
}

// joins orders every region of inner joins by dynamic programming over its
// connected subsets (greedily when there are many relations), and chooses build
// sides.
func (o *optimizer) joins(p logical.Plan) (logical.Plan, error) {
	est := NewEstimator()
	var walk func(p logical.Plan) logical.Plan
	walk = func(p logical.Plan) logical.Plan {
		if j, ok := p.(*logical.Join); ok && isInner(j) {
			r := &region{est: est}
			r.collect(p)
			if len(r.rels) > maxRelations { // left in the written order
				d := *j
				d.Left, d.Right = walk(j.Left), walk(j.Right)
				return &d
			}
			for i := range r.rels {
				r.rels[i] = walk(r.rels[i])
			}
			if len(r.rels) > 1 {
				return o.only(r.order(), p.Output())
			}
		}
		kids := p.Children()
		if len(kids) == 0 {
			return p
		}
		fresh := make([]logical.Plan, len(kids))
		for i, k := range kids {
			fresh[i] = walk(k)
		}
		p = p.WithChildren(fresh)
		if j, ok := p.(*logical.Join); ok {
			return o.buildSide(j, est)
		}
		return p
	}
	return walk(p), nil
}

func isInner(j *logical.Join) bool { return j.Kind == logical.Inner || j.Kind == logical.Cross }

// buildSide marks joins whose left side is much the smaller.
func (o *optimizer) buildSide(j *logical.Join, est *Estimator) logical.Plan {
	switch j.Kind {
	case logical.Left, logical.LeftSemi, logical.LeftAnti:
		if est.Rows(j.Left)*2 < est.Rows(j.Right) {
			d := *j
			d.BuildLeft = true
			return &d
		}
	}
	return j
}

// region is a set of relations joined by inner joins, and the conditions among
// them.
type region struct {
	est   *Estimator
	rels  []logical.Plan
	conds []expr.Expr
	sets  []expr.IDSet
	uses  []uint64 // relations of each condition
	rows  map[uint64]float64
}

func (r *region) collect(p logical.Plan) {
	switch x := p.(type) {
	case *logical.Join:
		if isInner(x) {
			r.collect(x.Left)
			r.collect(x.Right)
			r.conds = append(r.conds, expr.Conjuncts(x.Cond)...)
			return
		}
	case *logical.Filter:
		if j, ok := x.Child.(*logical.Join); ok && isInner(j) && !expr.Fallible(x.Cond) {
			r.collect(j)
			r.conds = append(r.conds, expr.Conjuncts(x.Cond)...)
			return
		}
	}
	r.rels = append(r.rels, p)
}

// tree is a way to join a set of relations.
type tree struct {
	set         uint64
	left, right *tree
	rows, cost  float64
}

func (r *region) order() logical.Plan {
	for _, p := range r.rels {
		r.sets = append(r.sets, ids(p))
	}
	for _, c := range r.conds {
		var u uint64
		for i, s := range r.sets {
			if s.Intersects(expr.Attrs(c)) {
				u |= 1 << i
			}
		}
		r.uses = append(r.uses, u)
	}
	r.rows = map[uint64]float64{}
	var t *tree
	if len(r.rels) <= maxExact {
		t = r.exact()
	} else {
		t = r.greedy()
	}
	used := make([]bool, len(r.conds))
	p := r.build(t, used)
	var rest []expr.Expr
	for i, c := range r.conds {
		if !used[i] {
			rest = append(rest, c)
		}
	}
	if len(rest) > 0 {
		return &logical.Filter{Cond: and(rest...), Child: p}
	}
	return p
}

// card estimates the rows of a set of relations, whatever the order: the product
// of their rows, divided by the distinct keys of each pair that is joined.
func (r *region) card(set uint64) float64 {
	if n, ok := r.rows[set]; ok {
		return n
	}
	n := 1.0
	for i := range r.rels {
		if set>>i&1 != 0 {
			n *= math.Max(1, r.est.Rows(r.rels[i]))
		}
	}
	pairs := map[uint64]float64{}
	var order []uint64
	for i, c := range r.conds {
		u := r.uses[i]
		if u&^set != 0 || bits.OnesCount64(u) < 2 {
			continue
		}
		call, ok := c.(*expr.Call)
		if bits.OnesCount64(u) != 2 || !ok || call.Fn.Name != "=" {
			n *= 0.3
			continue
		}
		d := 1.0
		for _, a := range call.Args {
			for k, s := range r.sets {
				if u>>k&1 != 0 && s.Contains(expr.Attrs(a)) && len(expr.Attrs(a)) > 0 {
					d = math.Max(d, full(r.est.of(r.rels[k]), a))
				}
			}
		}
		if _, seen := pairs[u]; !seen {
			pairs[u] = 1
			order = append(order, u)
		}
		pairs[u] *= d
	}
	for _, u := range order {
		limit := math.Inf(1)
		for k := range r.rels {
			if u>>k&1 != 0 {
				limit = math.Min(limit, math.Max(1, r.est.of(r.rels[k]).base))
			}
		}
		n /= math.Min(pairs[u], limit)
	}
	n = math.Max(n, 1)
	r.rows[set] = n
	return n
}

func (r *region) connected(a, b uint64) bool {
	for _, u := range r.uses {
		if u&a != 0 && u&b != 0 && u&^(a|b) == 0 {
			return true
		}
	}
	return false
}

// combine joins two trees: the larger side probes, the smaller is built.
func (r *region) combine(a, b *tree) *tree {
	if a.rows < b.rows {
		a, b = b, a
	}
	t := &tree{set: a.set | b.set, left: a, right: b}
	t.rows = r.card(t.set)
	// Rows are built, probed and produced; building costs most.
	t.cost = a.cost + b.cost + 2*b.rows + a.rows + t.rows
	return t
}

func (r *region) exact() *tree {
	n := len(r.rels)
	best := make([]*tree, 1<<n)
	for i := range r.rels {
		best[1<<i] = &tree{set: 1 << i, rows: math.Max(1, r.est.Rows(r.rels[i]))}
	}
	for pass := range 2 { // products of unconnected relations only if they must be
		for set := uint64(1); set < 1<<n; set++ {
			if bits.OnesCount64(set) < 2 || pass == 1 && best[set] != nil {
				continue
			}
			for a := (set - 1) & set; a > 0; a = (a - 1) & set {
				b := set &^ a
				if a < b || best[a] == nil || best[b] == nil || pass == 0 && !r.connected(a, b) {
					continue
				}
				if t := r.combine(best[a], best[b]); best[set] == nil || t.cost < best[set].cost {
					best[set] = t
				}
			}
		}
		if best[1<<n-1] != nil {
			break
		}
	}
	return best[1<<n-1]
}

func (r *region) greedy() *tree {
	var ts []*tree
	for i := range r.rels {
		ts = append(ts, &tree{set: 1 << i, rows: math.Max(1, r.est.Rows(r.rels[i]))})
	}
	for len(ts) > 1 {
		var best *tree
		bi, bj := 0, 1
		for _, must := range []bool{true, false} {
			for i := range ts {
				for j := i + 1; j < len(ts); j++ {
					if must && !r.connected(ts[i].set, ts[j].set) {
						continue
					}
					if t := r.combine(ts[i], ts[j]); best == nil || t.rows < best.rows {
						best, bi, bj = t, i, j
					}
				}
			}
			if best != nil {
				break
			}
		}
		ts[bi] = best
		ts = append(ts[:bj], ts[bj+1:]...)
	}
	return ts[0]
}

func (r *region) build(t *tree, used []bool) logical.Plan {
	if t.left == nil {
		return r.rels[bits.TrailingZeros64(t.set)]
	}
	l, rr := r.build(t.left, used), r.build(t.right, used)
	j := &logical.Join{Kind: logical.Inner, Left: l, Right: rr}
	var on []expr.Expr
	for i, c := range r.conds {
		if !used[i] && r.uses[i]&^t.set == 0 && r.uses[i] != 0 {
			used[i] = true
			on = append(on, c)
		}
	}
	if j.Cond = and(on...); j.Cond == nil {
		j.Kind = logical.Cross
	}
	return j
}
