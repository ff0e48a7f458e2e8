package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// join resolves a join. Above it, names see the left columns, then the right
// ones; of USING's columns, unqualified names and * see one, first of all.
func (a *analyzer) join(j *logical.Join, outer *scope) (logical.Plan, []column, error) {
	l, lc, err := a.plan(j.Left, outer)
	if err != nil {
		return nil, nil, err
	}
	around := outer
	if j.Lateral {
		if j.Kind == logical.Right || j.Kind == logical.Full {
			return nil, nil, diag.NewAt(j.Place, diag.InvalidQuery, "a LATERAL subquery cannot be the right side of a %s join", strings.ToLower(strings.TrimSuffix(j.Kind.String(), "Outer"))).
				WithRemedy("use INNER, CROSS or LEFT JOIN LATERAL")
		}
		around = &scope{columns: lc, outer: outer}
	}
	r, rc, err := a.plan(j.Right, around)
	if err != nil {
		return nil, nil, err
	}
	r, rc = a.apart(l, r, rc)
	out := &logical.Join{Kind: j.Kind, Left: l, Right: r, Lateral: j.Lateral, Mark: j.Mark, Place: j.Place, BuildLeft: j.BuildLeft}
	if j.Cond != nil {
		both := append(append([]column{}, lc...), rc...)
		if out.Cond, err = a.condition(j.Cond, &scope{columns: both, outer: outer}, "ON"); err != nil {
			return nil, nil, err
		}
	}
	u, err := a.using(j, out, lc, rc)
	if err != nil {
		return nil, nil, err
	}
	if out.Kind == logical.Cross && out.Cond != nil {
		out.Kind = logical.Inner
	}
	cols := append(u.merged, lc...)
	if !j.Kind.LeftOnly() {
		cols = append(cols, rc...)
	}
	if j.Mark != nil {
		cols = append(cols, column{Attr: j.Mark})
	}
	over, err := lateral(out)
	if err != nil {
		return nil, nil, err
	}
	if over != nil {
		return over, nullability(cols, over.Output()), nil
	}
	cols = nullability(cols, out.Output())
	if u.computed == nil {
		return out, cols, nil
	}
	list := u.computed
	for _, o := range out.Output() {
		list = append(list, o)
	}
	return &logical.Project{List: list, Child: out}, cols, nil
}

// usingColumns is what USING and NATURAL make: the columns that stand for both
// sides, and those of them that must be computed.
type usingColumns struct {
	merged   []column
	computed []expr.Expr
}

// using adds the equalities of USING or NATURAL to a join's condition and hides
// the columns of lc and rc that they merge.
func (a *analyzer) using(j, out *logical.Join, lc, rc []column) (u usingColumns, err error) {
	using := j.Using
	if j.Natural {
		for _, c := range lc {
			if !c.hidden && len(find(rc, []string{c.Name})) > 0 {
				using = append(using, c.Name)
			}
		}
	}
	for i, name := range using {
		for _, before := range using[:i] {
			if strings.EqualFold(before, name) {
				return u, diag.NewAt(j.Place, diag.InvalidQuery, "USING names column %s twice", name)
			}
		}
		x, err := a.side(name, lc, "left", j)
		if err != nil {
			return u, err
		}
		y, err := a.side(name, rc, "right", j)
		if err != nil {
			return u, err
		}
		eq, err := a.callResolved("=", []expr.Expr{x, y}, j.Place)
		if err != nil {
			return u, err
		}
		if out.Cond == nil {
			out.Cond = eq
		} else {
			out.Cond = expr.NewCall("and", columnar.BoolType, out.Cond, eq)
		}
		switch j.Kind {
		case logical.Right:
			u.merged = append(u.merged, column{Attr: y})
		case logical.Full:
			c, err := a.callResolved("coalesce", []expr.Expr{maybeNull(x), maybeNull(y)}, j.Place)
			if err != nil {
				return u, err
			}
			al := &expr.Alias{Arg: c, Name: x.Name, ID: a.id(), Place: j.Place}
			u.computed = append(u.computed, al)
			u.merged = append(u.merged, column{Attr: al.Attr()})
		default:
			u.merged = append(u.merged, column{Attr: x})
		}
		hide(lc, x.ID)
		hide(rc, y.ID)
	}
	return u, nil
}

// side finds a column of USING on one side.
func (a *analyzer) side(name string, cols []column, side string, j *logical.Join) (*expr.Attr, error) {
	n := &expr.Name{Parts: []string{name}, Place: j.Place}
	e, err := a.name(n, &scope{columns: cols})
	if err != nil {
		if d, ok := err.(*diag.Error); ok && d.Class == diag.UnresolvedColumn {
			d.Message += " on the " + side + " side of the join"
		}
		return nil, err
	}
	return e.(*expr.Attr), nil
}

// maybeNull is an attribute as it comes out of an outer join.
func maybeNull(a *expr.Attr) *expr.Attr {
	d := *a
	d.Null = true
	return &d
}

// nullability takes over what an outer join did to its columns.
func nullability(cols []column, out []*expr.Attr) []column {
	null := map[expr.ID]bool{}
	for _, o := range out {
		null[o.ID] = o.Null
	}
	fresh := make([]column, len(cols))
	for i, c := range cols {
		if n, ok := null[c.ID]; ok && n != c.Null {
			d := *c.Attr
			d.Null = n
			c.Attr = &d
		}
		fresh[i] = c
	}
	return fresh
}

func hide(cols []column, id expr.ID) {
	for i := range cols {
		if cols[i].ID == id {
			cols[i].hidden = true
		}
	}
}
