package optimize

import (
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// pushdown moves conditions towards where their columns come from, into scans
// where it can, and turns outer joins whose nulls a condition rejects into inner
// ones.
func (o *optimizer) pushdown(p logical.Plan) (logical.Plan, error) {
	return o.push(p, nil), nil
}

// push returns p filtered by conds, which refer to p's columns.
func (o *optimizer) push(p logical.Plan, conds []expr.Expr) logical.Plan {
	rest := func(p logical.Plan, conds []expr.Expr) logical.Plan {
		if len(conds) == 0 {
			return p
		}
		return &logical.Filter{Cond: and(conds...), Child: p}
	}
	switch x := p.(type) {
	case *logical.Filter:
		var all []expr.Expr
		for _, c := range append(expr.Conjuncts(x.Cond), conds...) {
			if !contains(all, c) || !expr.Deterministic(c) {
				all = append(all, c)
			}
		}
		guarded := false // what can fail stays above what guards it (R2)
		for _, c := range all {
			guarded = guarded || expr.Fallible(c)
		}
		if guarded && len(all) > 1 {
			var safe, unsafe []expr.Expr
			for _, c := range all {
				if len(unsafe) == 0 && !expr.Fallible(c) || !expr.Fallible(c) {
					safe = append(safe, c)
				} else {
					unsafe = append(unsafe, c)
				}
			}
			return rest(o.push(x.Child, safe), unsafe)
		}
		return o.push(x.Child, all)
	case *logical.Scan:
		if len(conds) == 0 {
			return x
		}
		d := *x
		d.Filters = append([]expr.Expr{}, x.Filters...)
		var keep []expr.Expr
		for _, c := range conds {
			if !expr.Deterministic(c) {
				keep = append(keep, c)
			} else if !contains(d.Filters, c) {
				d.Filters = append(d.Filters, c)
			}
		}
		return rest(&d, keep)
	case *logical.Project:
		var down, keep []expr.Expr
		for _, c := range conds {
			inner, ok := through(c, x.List)
			if ok && !expr.Fallible(inner) && expr.Deterministic(inner) {
				down = append(down, inner)
			} else {
				keep = append(keep, c)
			}
		}
		return rest(&logical.Project{List: x.List, Child: o.push(x.Child, down)}, keep)
	case *logical.Aggregate:
		var down, keep []expr.Expr
		keys := expr.IDSet{}
		for _, e := range x.List {
			a := outputOf(e)
			for _, k := range x.Keys {
				if e == k || expr.Equal(strip(e), k) {
					keys[a.ID] = true
				}
			}
		}
		for _, c := range conds {
			if inner, ok := through(c, x.List); ok && len(x.Keys) > 0 && keys.Contains(expr.Attrs(c)) && !expr.Fallible(inner) && expr.Deterministic(inner) {
				down = append(down, inner)
			} else {
				keep = append(keep, c)
			}
		}
		d := *x
		d.Child = o.push(x.Child, down)
		return rest(&d, keep)
	case *logical.Join:
		return o.pushJoin(x, conds)
	case *logical.Union:
		d := *x
		d.Inputs = make([]logical.Plan, len(x.Inputs))
		for i, in := range x.Inputs {
			out := in.Output()
			var down []expr.Expr
			for _, c := range conds {
				down = append(down, expr.Rewrite(c, func(e expr.Expr) expr.Expr {
					if a, ok := e.(*expr.Attr); ok {
						for k, u := range x.Attrs {
							if u.ID == a.ID {
								return out[k]
							}
						}
					}
					return e
				}))
			}
			d.Inputs[i] = o.push(in, down)
		}
		return &d
	case *logical.Sort:
		return &logical.Sort{Order: x.Order, Child: o.push(x.Child, conds)}
	case *logical.Generate: // what says nothing of the function's rows drops rows before it is called
		below := expr.IDSet{}.Add(x.Child.Output()...)
		var down, keep []expr.Expr
		for _, c := range conds {
			if below.Contains(expr.Attrs(c)) && !expr.Fallible(c) && expr.Deterministic(c) {
				down = append(down, c)
			} else {
				keep = append(keep, c)
			}
		}
		return rest(x.WithChildren([]logical.Plan{o.push(x.Child, down)}), keep)
	case *logical.Window: // what drops whole partitions may do so before
		keys := expr.IDSet{}
		for _, k := range x.PartitionBy {
			if a, ok := k.(*expr.Attr); ok {
				keys[a.ID] = true
			}
		}
		var down, keep []expr.Expr
		for _, c := range conds {
			if len(expr.Attrs(c)) > 0 && keys.Contains(expr.Attrs(c)) && !expr.Fallible(c) && expr.Deterministic(c) {
				down = append(down, c)
			} else {
				keep = append(keep, c)
			}
		}
		return rest(x.WithChildren([]logical.Plan{o.push(x.Child, down)}), keep)
	}
	kids := p.Children()
	if len(kids) > 0 {
		fresh := make([]logical.Plan, len(kids))
		for i, k := range kids {
			fresh[i] = o.push(k, nil)
		}
		p = p.WithChildren(fresh)
	}
	return rest(p, conds)
}

func outputOf(e expr.Expr) *expr.Attr {
	if a, ok := e.(*expr.Alias); ok {
		return a.Attr()
	}
	return e.(*expr.Attr)
}

func strip(e expr.Expr) expr.Expr {
	if a, ok := e.(*expr.Alias); ok {
		return a.Arg
	}
	return e
}

// through rewrites a condition over a list's columns to one over the list's
// inputs.
func through(c expr.Expr, list []expr.Expr) (expr.Expr, bool) {
	ok := true
	out := expr.Rewrite(c, func(e expr.Expr) expr.Expr {
		a, is := e.(*expr.Attr)
		if !is {
			return e
		}
		for _, item := range list {
			if outputOf(item).ID == a.ID {
				in := strip(item)
				if expr.Any(in, func(e expr.Expr) bool { _, agg := e.(*expr.Agg); return agg }) {
					ok = false
				}
				return in
			}
		}
		ok = false
		return e
	})
	return out, ok
}

// rejectsNulls reports whether a condition is never true when all the given
// columns are null.
func rejectsNulls(c expr.Expr, cols expr.IDSet) bool {
	call, ok := c.(*expr.Call)
	if !ok {
		a, isAttr := c.(*expr.Attr)
		return isAttr && cols[a.ID]
	}
	switch call.Fn.Name {
	case "and":
		return rejectsNulls(call.Args[0], cols) || rejectsNulls(call.Args[1], cols)
	case "or":
		return rejectsNulls(call.Args[0], cols) && rejectsNulls(call.Args[1], cols)
	case "isnotnull", "=", "<>", "<", "<=", ">", ">=", "like", "in":
		for i, a := range call.Args {
			if i > 0 && call.Fn.Name == "in" {
				break
			}
			if nullIfNull(a, cols) {
				return true
			}
		}
	}
	return false
}

// nullIfNull reports whether an expression is null when the columns are.
func nullIfNull(e expr.Expr, cols expr.IDSet) bool {
	switch x := e.(type) {
	case *expr.Attr:
		return cols[x.ID]
	case *expr.Cast:
		return nullIfNull(x.Arg, cols)
	case *expr.Call:
		if x.Fn.NullOnNull {
			for _, a := range x.Args {
				if nullIfNull(a, cols) {
					return true
				}
			}
		}
	}
	return false
}

func (o *optimizer) pushJoin(j *logical.Join, conds []expr.Expr) logical.Plan {
	d := *j
	l, r := ids(j.Left), ids(j.Right)
	for _, c := range conds {
		switch {
		case d.Kind == logical.Left && rejectsNulls(c, r):
			d.Kind = logical.Inner
		case d.Kind == logical.Right && rejectsNulls(c, l):
			d.Kind = logical.Inner
		case d.Kind == logical.Full && rejectsNulls(c, r):
			d.Kind = logical.Right
		case d.Kind == logical.Full && rejectsNulls(c, l):
			d.Kind = logical.Left
		}
	}
	inner := d.Kind == logical.Inner || d.Kind == logical.Cross
	var left, right, on, above []expr.Expr
	own := expr.Conjuncts(d.Cond)
	if inner {
		conds = append(append([]expr.Expr{}, own...), conds...)
		own = nil
	}
	for _, c := range conds { // conditions above the join
		a := expr.Attrs(c)
		safe := !expr.Fallible(c) && expr.Deterministic(c)
		switch {
		case safe && l.Contains(a) && (inner || d.Kind != logical.Right && d.Kind != logical.Full):
			left = append(left, c)
		case safe && r.Contains(a) && (inner || d.Kind == logical.Right):
			right = append(right, c)
		case inner:
			on = append(on, c)
			for _, x := range implied(c, l, r) {
				if l.Contains(expr.Attrs(x)) {
					left = append(left, x)
				} else {
					right = append(right, x)
				}
			}
		default:
			above = append(above, c)
		}
	}
	for _, c := range own { // conditions of an outer, semi or anti join itself
		a := expr.Attrs(c)
		safe := !expr.Fallible(c) && expr.Deterministic(c)
		switch {
		case safe && len(a) > 0 && r.Contains(a) && d.Kind != logical.Right && d.Kind != logical.Full && d.Kind != logical.NullAwareAnti && !(d.Kind == logical.LeftMark && d.Mark.Null):
			right = append(right, c)
		case safe && len(a) > 0 && l.Contains(a) && (d.Kind == logical.LeftSemi || d.Kind == logical.Right):
			left = append(left, c)
		default:
			on = append(on, c)
		}
	}
	left, right = transfer(d.Kind, on, l, r, left, right)
	d.Cond = and(on...)
	if d.Kind == logical.Cross && d.Cond != nil {
		d.Kind = logical.Inner
	}
	d.Left, d.Right = o.push(j.Left, left), o.push(j.Right, right)
	if len(above) > 0 {
		return &logical.Filter{Cond: and(above...), Child: &d}
	}
	return &d
}

// transfer copies conditions on one column to the column that the join equates
// with it, on the sides where rows without a partner vanish or do not matter.
func transfer(kind logical.JoinKind, on []expr.Expr, l, r expr.IDSet, left, right []expr.Expr) ([]expr.Expr, []expr.Expr) {
	toLeft := kind == logical.Inner || kind == logical.LeftSemi || kind == logical.Right
	toRight := kind == logical.Inner || kind == logical.LeftSemi || kind == logical.Left || kind == logical.LeftAnti || kind == logical.LeftSingle
	copied := func(from, to []expr.Expr, a, b *expr.Attr) []expr.Expr {
		for _, c := range from {
			if refs := expr.Attrs(c); len(refs) != 1 || !refs[a.ID] {
				continue
			}
			d := expr.Rewrite(c, func(e expr.Expr) expr.Expr {
				if x, ok := e.(*expr.Attr); ok && x.ID == a.ID {
					return b
				}
				return e
			})
			if rejectsNulls(d, expr.IDSet{b.ID: true}) && !contains(to, d) {
				to = append(to[:len(to):len(to)], d)
			}
		}
		return to
	}
	for _, c := range on {
		eq, ok := c.(*expr.Call)
		if !ok || eq.Fn.Name != "=" {
			continue
		}
		a, ok := eq.Args[0].(*expr.Attr)
		b, ok2 := eq.Args[1].(*expr.Attr)
		if !ok || !ok2 {
			continue
		}
		if l[b.ID] && r[a.ID] {
			a, b = b, a
		}
		if !l[a.ID] || !r[b.ID] {
			continue
		}
		if toRight {
			right = copied(left, right, a, b)
		}
		if toLeft {
			left = copied(right, left, b, a)
		}
	}
	return left, right
}

// implied returns what an OR over both sides says about one side alone:
// (a AND x) OR (b AND y) implies a OR b.
func implied(c expr.Expr, l, r expr.IDSet) []expr.Expr {
	branches := disjuncts(c)
	if len(branches) < 2 || expr.Fallible(c) {
		return nil
	}
	var out []expr.Expr
	for _, side := range []expr.IDSet{l, r} {
		var parts []expr.Expr
		for _, b := range branches {
			var mine []expr.Expr
			for _, x := range expr.Conjuncts(b) {
				if a := expr.Attrs(x); len(a) > 0 && side.Contains(a) {
					mine = append(mine, x)
				}
			}
			if len(mine) == 0 {
				parts = nil
				break
			}
			parts = append(parts, and(mine...))
		}
		if len(parts) == len(branches) {
			out = append(out, or(parts...))
		}
	}
	return out
}
