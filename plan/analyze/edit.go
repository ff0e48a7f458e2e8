package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// edit makes a select list of a child's columns: those that are dropped left out,
// those renamed and set in their places, new ones behind. A name stands for every
// column that has it. Dropping or renaming what is not there does nothing, as in
// Spark.
func (a *analyzer) edit(e *logical.Edit, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(e.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range e.Set {
		if at := a.aggregateIn(s.Arg); at != nil {
			return nil, nil, diag.NewAt(at.Place, diag.InvalidQuery, "the aggregate function %s is not allowed in a column of each row", at.Fn).
				WithRemedy("use GroupBy and Agg, or a window")
		}
	}
	set := make([]bool, len(e.Set))
	var list []expr.Expr
next:
	for _, c := range cols {
		if c.hidden {
			continue
		}
		for _, name := range e.Drop {
			if strings.EqualFold(name, c.Name) {
				continue next
			}
		}
		for i, s := range e.Set {
			if strings.EqualFold(s.Name, c.Name) {
				set[i] = true
				list = append(list, s)
				continue next
			}
		}
		var item expr.Expr = c.Attr
		for _, r := range e.Rename {
			if strings.EqualFold(r[0], c.Name) {
				item = &expr.Alias{Arg: c.Attr, Name: r[1]}
			}
		}
		list = append(list, item)
	}
	for i, s := range e.Set {
		if !set[i] {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, nil, diag.New(diag.InvalidQuery, "no column is left").WithRemedy("keep one")
	}
	return a.selected(list, child, cols, outer)
}

// distinctOn keeps one row of those that agree in some columns.
func (a *analyzer) distinctOn(names []string, child logical.Plan, cols []column) (logical.Plan, []column, error) {
	shown := make([]column, 0, len(cols))
	for _, c := range cols {
		if !c.hidden {
			shown = append(shown, c)
		}
	}
	out := &logical.Aggregate{Child: child}
	keys := expr.IDSet{}
	for _, name := range names {
		found := find(shown, []string{name})
		if len(found) == 0 {
			return nil, nil, unresolved(&expr.Name{Parts: []string{name}}, &scope{columns: shown})
		}
		for _, c := range found {
			if t := c.Typ; t.IsNested() {
				return nil, nil, diag.New(diag.TypeMismatch, "column %s of type %s cannot be compared", c.Name, t)
			}
			if !keys[c.ID] {
				keys[c.ID] = true
				out.Keys = append(out.Keys, c.Attr)
			}
		}
	}
	first, _ := expr.Builtins().Lookup("first")
	for _, c := range shown {
		if keys[c.ID] {
			out.List = append(out.List, c.Attr)
			continue
		}
		g := &expr.Agg{Fn: first, Args: []expr.Expr{c.Attr}, Typ: c.Typ, Null: true}
		out.List = append(out.List, &expr.Alias{Arg: g, Name: c.Name, ID: a.id()})
	}
	return out, columnsOf(out.Output(), ""), nil
}

// byName brings the right side of a union into the order of the left one's names.
// With Missing, what one side does not have is null there.
func (a *analyzer) byName(s *logical.SetOp, l logical.Plan, lc []column, r logical.Plan, rc []column) (logical.Plan, []column, logical.Plan, []column, error) {
	l, r = a.visible(l, lc), a.visible(r, rc)
	lc, rc = columnsOf(l.Output(), ""), columnsOf(r.Output(), "")
	pick := func(from []column, name string) (expr.Expr, error) {
		n := &expr.Name{Parts: []string{name}, Place: s.Place}
		switch found := find(from, n.Parts); {
		case len(found) > 1:
			return nil, ambiguous(n, found)
		case len(found) == 1:
			return found[0].Attr, nil
		case s.Missing:
			return nil, nil
		}
		return nil, unresolved(n, &scope{columns: from})
	}
	var left, right []expr.Expr
	for _, c := range lc {
		e, err := pick(rc, c.Name)
		if err != nil {
			return nil, nil, nil, nil, err
		}
		if e == nil {
			e = &expr.Alias{Arg: expr.Null(columnar.NullType), Name: c.Name}
		}
		left, right = append(left, c.Attr), append(right, e)
	}
	for _, c := range rc {
		e, err := pick(lc, c.Name)
		if err != nil {
			return nil, nil, nil, nil, err
		}
		if e == nil {
			left, right = append(left, &expr.Alias{Arg: expr.Null(columnar.NullType), Name: c.Name}), append(right, c.Attr)
		}
	}
	l, lc, err := a.selected(left, l, lc, nil)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	r, rc, err = a.selected(right, r, rc, nil)
	return l, lc, r, rc, err
}
