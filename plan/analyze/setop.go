package analyze

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// setOp brings both sides to common types; UNION becomes logical.Union. The
// names are the left side's.
func (a *analyzer) setOp(s *logical.SetOp, outer *scope) (logical.Plan, []column, error) {
	if len(s.Attrs) > 0 {
		a.resolved = true
		return s, columnsOf(s.Attrs, ""), nil
	}
	l, lc, err := a.plan(s.Left, outer)
	if err != nil {
		return nil, nil, err
	}
	r, rc, err := a.plan(s.Right, outer)
	if err != nil {
		return nil, nil, err
	}
	if s.ByName {
		if l, lc, r, rc, err = a.byName(s, l, lc, r, rc); err != nil {
			return nil, nil, err
		}
	}
	r, rc = a.apart(l, r, rc)
	lc, rc = requalify(lc, "", nil), requalify(rc, "", nil)
	name := [...]string{"UNION", "INTERSECT", "EXCEPT"}[s.Op]
	if len(lc) != len(rc) {
		return nil, nil, diag.NewAt(s.Place, diag.InvalidQuery, "the sides of %s have %d and %d columns", name, len(lc), len(rc))
	}
	attrs := make([]*expr.Attr, len(lc))
	for i := range lc {
		t, ok := expr.CommonType(lc[i].Typ, rc[i].Typ)
		if !ok {
			return nil, nil, diag.NewAt(s.Place, diag.TypeMismatch, "column %d of %s, %s, is %s on the left and %s on the right", i+1, name, lc[i].Name, lc[i].Typ, rc[i].Typ).
				WithRemedy("bring them to one type with CAST")
		}
		if t.Kind == columnar.Map && !(s.Op == logical.UnionOp && s.All) {
			return nil, nil, diag.NewAt(s.Place, diag.TypeMismatch, "column %s of type %s cannot be compared, as %s does", lc[i].Name, t, name)
		}
		null := lc[i].Null || rc[i].Null
		switch s.Op {
		case logical.IntersectOp:
			null = lc[i].Null && rc[i].Null
		case logical.ExceptOp:
			null = lc[i].Null
		}
		attrs[i] = &expr.Attr{ID: a.id(), Name: lc[i].Name, Typ: t, Null: null}
	}
	l, r = a.align(l, lc, attrs), a.align(r, rc, attrs)
	if s.Op == logical.UnionOp {
		var out logical.Plan = &logical.Union{Inputs: []logical.Plan{l, r}, Attrs: attrs}
		if !s.All {
			out = &logical.Distinct{Child: out}
		}
		return out, columnsOf(attrs, ""), nil
	}
	return &logical.SetOp{Op: s.Op, All: s.All, Left: l, Right: r, Attrs: attrs, Place: s.Place}, columnsOf(attrs, ""), nil
}

// union is a resolved UNION ALL.
func (a *analyzer) union(u *logical.Union) (logical.Plan, []column, error) {
	if len(u.Attrs) == 0 {
		return nil, nil, diag.New(diag.Unsupported, "a union that is not resolved must be a SetOp")
	}
	a.resolved = true
	return u, columnsOf(u.Attrs, ""), nil
}

// align projects a plan to columns, cast to the types of others.
func (a *analyzer) align(p logical.Plan, cols []column, to []*expr.Attr) logical.Plan {
	out := p.Output()
	same := len(out) == len(cols)
	list := make([]expr.Expr, len(cols))
	for i, c := range cols {
		same = same && out[i].ID == c.ID && c.Typ.Equal(to[i].Typ)
		list[i] = c.Attr
		if !c.Typ.Equal(to[i].Typ) {
			list[i] = &expr.Alias{Arg: a.castTo(c.Attr, to[i].Typ), Name: c.Name, ID: a.id()}
		}
	}
	if same {
		return p
	}
	return &logical.Project{List: list, Child: p}
}
