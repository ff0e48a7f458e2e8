package analyze

import (
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Fresh copies a resolved plan with new ids for all columns that it defines, as
// another reference to the same rows needs. Columns of enclosing queries keep
// their ids. The second result maps old to new ids.
func Fresh(p logical.Plan, next *expr.ID) (logical.Plan, map[expr.ID]expr.ID) {
	ids := map[expr.ID]expr.ID{}
	for _, id := range defined(p) {
		*next++
		ids[id] = *next
	}
	return logical.Renumber(p, ids), ids
}

// defined lists the ids that a plan defines, its subqueries included, each once,
// in the order of the tree.
func defined(p logical.Plan) []expr.ID {
	var out []expr.ID
	seen := expr.IDSet{}
	add := func(id expr.ID) {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	var walk func(p logical.Plan)
	walk = func(p logical.Plan) {
		for _, k := range p.Children() {
			walk(k)
		}
		switch x := p.(type) {
		case *logical.Scan, *logical.Values, *logical.Union, *logical.SetOp, *logical.Shared:
			for _, at := range x.Output() {
				add(at.ID)
			}
		case *logical.Apply:
			for _, at := range x.Attrs {
				add(at.ID)
			}
		case *logical.Generate:
			for _, at := range x.Attrs {
				add(at.ID)
			}
		case *logical.Expand:
			for _, at := range x.Attrs {
				add(at.ID)
			}
			add(x.GID.ID)
		case *logical.Join:
			if x.Mark != nil {
				add(x.Mark.ID)
			}
		}
		for _, e := range p.Exprs() {
			expr.Walk(e, func(e expr.Expr) bool {
				switch x := e.(type) {
				case *expr.Alias:
					add(x.ID)
				case *expr.Subquery:
					walk(x.Plan.(logical.Plan))
				}
				return true
			})
		}
	}
	walk(p)
	return out
}

// replaceOuter replaces columns of the enclosing query in a subquery.
func replaceOuter(s *expr.Subquery, to map[expr.ID]*expr.Attr) *expr.Subquery {
	f := func(at *expr.Attr) *expr.Attr {
		if t, ok := to[at.ID]; ok {
			return t
		}
		return at
	}
	d := *s
	d.Plan = logical.MapAttrs(s.Plan.(logical.Plan), f, nil)
	d.Outer = nil
	for _, o := range s.Outer {
		use(&d.Outer, f(o))
	}
	return &d
}

// apart gives the right side of a join or set operation fresh ids where it
// shares any with the left, which happens to plans that came resolved only.
func (a *analyzer) apart(l, r logical.Plan, rc []column) (logical.Plan, []column) {
	if !a.resolved {
		return r, rc
	}
	left := expr.IDSet{}
	for _, id := range defined(l) {
		left[id] = true
	}
	shared := false
	for _, id := range defined(r) {
		shared = shared || left[id]
	}
	if !shared {
		return r, rc
	}
	p, ids := Fresh(r, a.opts.NextID)
	out := make([]column, len(rc))
	for i, c := range rc {
		if id, ok := ids[c.ID]; ok {
			d := *c.Attr
			d.ID = id
			c.Attr = &d
		}
		if id, ok := ids[c.twin]; ok {
			c.twin = id
		}
		out[i] = c
	}
	return p, out
}
