package analyze

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

func (a *analyzer) join(j *logical.Join, outer *scope) (logical.Plan, []column, error) {
	if j.Lateral {
		return nil, nil, diag.NewAt(j.Place, diag.Unsupported, "LATERAL is not supported yet").WithRemedy("write a correlated subquery or a join")
	}
	l, lc, err := a.plan(j.Left, outer)
	if err != nil {
		return nil, nil, err
	}
	r, rc, err := a.plan(j.Right, outer)
	if err != nil {
		return nil, nil, err
	}
	out := &logical.Join{Kind: j.Kind, Left: l, Right: r, Place: j.Place, BuildLeft: j.BuildLeft}
	using := j.Using
	if j.Natural {
		for _, c := range lc {
			if !c.hidden && find(rc, []string{c.Name}) != nil {
				using = append(using, c.Name)
			}
		}
	}
	both := append(append([]column{}, lc...), rc...)
	if j.Cond != nil {
		if out.Cond, err = a.condition(j.Cond, &scope{columns: both, outer: outer}); err != nil {
			return nil, nil, err
		}
	}
	var merged []column
	var computed []expr.Expr
	for _, name := range using {
		x, err := a.expr(&expr.Name{Parts: []string{name}, Place: j.Place}, &scope{columns: lc})
		if err != nil {
			return nil, nil, err
		}
		y, err := a.expr(&expr.Name{Parts: []string{name}, Place: j.Place}, &scope{columns: rc})
		if err != nil {
			return nil, nil, err
		}
		eq, err := a.callResolved("=", []expr.Expr{x, y}, j.Place)
		if err != nil {
			return nil, nil, err
		}
		if out.Cond == nil {
			out.Cond = eq
		} else {
			out.Cond = expr.NewCall("and", columnar.BoolType, out.Cond, eq)
		}
		lx, ry := x.(*expr.Attr), y.(*expr.Attr)
		switch j.Kind {
		case logical.Right:
			merged = append(merged, column{Attr: ry})
		case logical.Full:
			c, err := a.callResolved("coalesce", []expr.Expr{x, y}, j.Place)
			if err != nil {
				return nil, nil, err
			}
			al := &expr.Alias{Arg: c, Name: name, ID: a.id()}
			computed = append(computed, al)
			merged = append(merged, column{Attr: al.Attr()})
		default:
			merged = append(merged, column{Attr: lx})
		}
		hide(lc, lx.ID)
		hide(rc, ry.ID)
	}
	if out.Kind == logical.Cross && out.Cond != nil {
		out.Kind = logical.Inner
	}
	cols := append(merged, lc...)
	if !j.Kind.LeftOnly() {
		cols = append(cols, rc...)
	}
	cols = nullability(cols, out.Output())
	if computed == nil {
		return out, cols, nil
	}
	list := computed
	for _, o := range out.Output() {
		list = append(list, o)
	}
	return &logical.Project{List: list, Child: out}, cols, nil
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
