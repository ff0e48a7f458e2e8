package planner

import (
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// RuntimeFilters says whether joins tell scans which values they look for.
type RuntimeFilters uint8

// The choices.
const (
	FiltersOn RuntimeFilters = iota
	FiltersOff
)

// selective is the share of the probe side's values up to which a build side is
// believed to drop enough for its filter to be sent to another stage; maxSent is
// how many values such a filter may have.
const (
	selective = 0.5
	maxSent   = 2 << 20
)

// runtimeFilters connects the join's keys to where rows of its probe side come
// from: in the same stage the join itself publishes them; in another one those of
// the exchange do that the build side is read from.
func (pl *planner) runtimeFilters(j *joinPlan, x *physical.HashJoin) {
	if pl.opts.RuntimeFilters == FiltersOff {
		return
	}
	probe, build, probeKeys, buildKeys := &x.Left, &x.Right, x.LeftKeys, x.RightKeys
	probeSide, buildSide, keys, others := j.Left, j.Right, j.leftKeys, j.rightKeys
	if x.BuildLeft {
		probe, build, probeKeys, buildKeys = &x.Right, &x.Left, x.RightKeys, x.LeftKeys
		probeSide, buildSide, keys, others = j.Right, j.Left, j.rightKeys, j.leftKeys
	}
	ids := make([]int, len(keys))
	any := false
	for i := range keys {
		p, ok := probeKeys[i].(*expr.Column)
		if !ok || x.NullSafe[i] {
			continue
		}
		id := pl.filters + 1
		if q, ok := pl.attach(*probe, p.Index, id, false); ok {
			*probe, ids[i], any = q, id, true
			pl.filters++
			continue
		}
		made, b, ok := maker(*build, buildKeys[i])
		if !ok || pl.isShared(made) {
			continue
		}
		if share, n := pl.est.Coverage(probeSide, keys[i], buildSide, others[i]); share > selective || n > maxSent {
			continue
		}
		if q, ok := pl.attach(*probe, p.Index, id, true); ok {
			d := *made
			d.Filters = append(append([]physical.RuntimeFilter{}, made.Filters...), physical.RuntimeFilter{ID: id, Column: b})
			*probe, *build = q, &d
			pl.filters++
		}
	}
	if any {
		x.RuntimeFilters = ids
	}
}

// maker returns the exchange that a build side is read from, and the key's column
// of its rows.
func maker(build physical.Plan, key expr.Expr) (*physical.Exchange, int, bool) {
	e, ok := build.(*physical.Exchange)
	c, ok2 := key.(*expr.Column)
	if !ok || !ok2 {
		return nil, 0, false
	}
	return e, c.Index, true
}

// isShared reports whether several places read an exchange: its rows belong to
// all of them.
func (pl *planner) isShared(e *physical.Exchange) bool {
	for _, s := range pl.shared {
		if s.ID == e.ID {
			return true
		}
	}
	return false
}

// attach follows a column down to where its values come from and adds the filter
// there: to a scan, or, beyond the exchanges of other stages (far), to the last
// rows before an exchange that have the column. It goes only where rows pass
// or vanish by themselves, so that rows without a match above leave no trace.
func (pl *planner) attach(p physical.Plan, at, id int, far bool) (physical.Plan, bool) {
	descend := func(i, at int) (physical.Plan, bool) {
		kids := append([]physical.Plan{}, p.Children()...)
		k, ok := pl.attach(kids[i], at, id, far)
		if !ok {
			return p, false
		}
		kids[i] = k
		return p.WithChildren(kids), true
	}
	switch x := p.(type) {
	case *physical.Scan:
		d := *x
		d.RuntimeFilters = append(append([]physical.RuntimeFilter{}, x.RuntimeFilters...), physical.RuntimeFilter{ID: id, Column: x.Project[at]})
		return &d, true
	case *physical.Filter:
		return descend(0, at)
	case *physical.Project:
		if c, ok := x.Exprs[at].(*expr.Column); ok {
			return descend(0, c.Index)
		}
	case *physical.Aggregate: // whole groups vanish
		if at >= len(x.Keys) || !far && x.Mode != physical.AggEager {
			return p, false
		}
		if x.Mode == physical.AggFinal {
			return descend(0, at)
		}
		if c, ok := x.Keys[at].(*expr.Column); ok {
			return descend(0, c.Index)
		}
	case *physical.HashJoin:
		at = x.Output[at]
		n := x.Left.Schema().Len()
		switch {
		case at < n && x.Kind != logical.Full && x.Kind != logical.Right && (far || !x.BuildLeft):
			return descend(0, at)
		case at >= n && x.Kind == logical.Inner && (far || x.BuildLeft):
			return descend(1, at-n)
		}
	case *physical.LoopJoin:
		if at = x.Output[at]; at < x.Left.Schema().Len() && x.Kind != logical.Full && x.Kind != logical.Right {
			return descend(0, at)
		}
	case *physical.Exchange:
		if !far || pl.isShared(x) || x.Partitioning.Kind == physical.RoundRobin {
			return p, false
		}
		if q, ok := descend(0, at); ok {
			return q, true
		}
		d := *x
		d.Child = &physical.Filter{RuntimeFilters: []physical.RuntimeFilter{{ID: id, Column: at}}, Child: x.Child}
		return &d, true
	}
	return p, false
}
