package planner

import (
	"sort"

	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func orderExprs(order []expr.SortOrder) []expr.Expr {
	out := make([]expr.Expr, len(order))
	for i, o := range order {
		out[i] = o.Expr
	}
	return out
}

// sort sorts each task's rows, then merges them in one.
func (pl *planner) sort(s *logical.Sort, need expr.IDSet) (planned, error) {
	in, err := pl.plan(s.Child, with(need, orderExprs(s.Order)...))
	if err != nil {
		return planned{}, err
	}
	order, err := bindOrder(s.Order, in.attrs)
	if err != nil {
		return planned{}, err
	}
	out := planned{&physical.Sort{Order: order, Child: in.plan}, in.attrs, in.dist}
	if in.dist.single {
		return out, nil
	}
	out = pl.exchange(out, physical.Partitioning{Kind: physical.SinglePartition, Count: 1}, distribution{single: true}, pl.rows(s))
	out.plan.(*physical.Exchange).Order = order
	return out, nil
}

// limit keeps the first rows: of an order by TopN, of any rows by Limit; in
// every task first, then in one.
func (pl *planner) limit(l *logical.Limit, need expr.IDSet) (planned, error) {
	if p, ok := l.Child.(*logical.Project); ok { // compute only what is kept
		inner := *l
		inner.Child = p.Child
		return pl.project(&logical.Project{List: p.List, Child: &inner}, need)
	}
	if s, ok := l.Child.(*logical.Sort); ok && l.Count >= 0 && l.Count+l.Offset <= maxTopN {
		in, err := pl.plan(s.Child, with(need, orderExprs(s.Order)...))
		if err != nil {
			return planned{}, err
		}
		order, err := bindOrder(s.Order, in.attrs)
		if err != nil {
			return planned{}, err
		}
		if !in.dist.single {
			in.plan = pl.threshold(&physical.TopN{Order: order, Count: l.Count, Offset: l.Offset, Partial: true, Child: in.plan})
			in = pl.single(in, float64(l.Count+l.Offset))
		}
		last := &physical.TopN{Order: order, Count: l.Count, Offset: l.Offset, Child: in.plan}
		return planned{pl.threshold(last), in.attrs, in.dist}, nil
	}
	in, err := pl.plan(l.Child, need)
	if err != nil {
		return planned{}, err
	}
	if !in.dist.single {
		if l.Count >= 0 {
			in.plan = &physical.Limit{Count: l.Count, Offset: l.Offset, Partial: true, Child: in.plan}
		}
		in = pl.single(in, pl.rows(l))
	}
	return planned{&physical.Limit{Count: l.Count, Offset: l.Offset, Child: in.plan}, in.attrs, in.dist}, nil
}

// threshold connects the first key of a TopN to the scan of the same stage that
// its column comes from, so that rows are skipped that come too late in the
// order. Nulls must come last, since no filter lets them through.
func (pl *planner) threshold(t *physical.TopN) physical.Plan {
	first := t.Order[0]
	c, ok := first.Expr.(*expr.Column)
	if !ok || !c.Typ.Wordable() || c.Null && !first.NullsLast || t.Count+t.Offset == 0 {
		return t
	}
	if p, ok := pl.attach(t.Child, c.Index, pl.filters+1, false); ok {
		pl.filters++
		t.Child, t.Filter = p, pl.filters
	}
	return t
}
