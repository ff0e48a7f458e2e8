package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

func (a *analyzer) project(p *logical.Project, outer *scope) (logical.Plan, []column, error) {
	for _, e := range p.List {
		if a.isAggregate(e) {
			return a.aggregate(&logical.Aggregate{List: p.List, Child: p.Child}, outer)
		}
	}
	child, cols, err := a.plan(p.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	written, err := a.expand(p.List, cols)
	if err != nil {
		return nil, nil, err
	}
	return a.selected(written, child, cols, outer)
}

// selected resolves the items of a list without groups over a resolved child.
func (a *analyzer) selected(written []expr.Expr, child logical.Plan, cols []column, outer *scope) (logical.Plan, []column, error) {
	l := a.newList(cols)
	in := &scope{columns: cols, outer: outer}
	for _, w := range written {
		e, err := a.expr(w, in)
		if err != nil {
			return nil, nil, err
		}
		in.aliases = l.add(e, w)
	}
	out := &logical.Project{}
	out.Child, out.List = a.windows(child, l.items)
	a.below[out] = cols
	return out, l.columns, nil
}

// list collects the items of a select list and the columns that they make.
type list struct {
	a       *analyzer
	below   []column
	items   []expr.Expr
	columns []column
	aliases []*expr.Alias // those written, which later items may refer to
}

func (a *analyzer) newList(below []column) *list { return &list{a: a, below: below} }

// add makes an output column of a resolved item: a column of the input as it is
// unless the list has it already, anything else under an alias. It returns the
// aliases so far.
func (l *list) add(e, written expr.Expr) []*expr.Alias {
	switch x := e.(type) {
	case *expr.Attr:
		c, ok := l.input(x)
		for _, o := range l.columns {
			ok = ok && o.ID != x.ID
		}
		if !ok { // a column of an enclosing query, or one more time
			al := &expr.Alias{Arg: x, Name: x.Name, ID: l.a.id(), Place: x.Place}
			if n, isName := written.(*expr.Name); isName {
				al.Name = last(n.Parts)
			}
			l.items = append(l.items, al)
			l.columns = append(l.columns, column{Attr: al.Attr(), qualifier: c.qualifier, twin: c.origin0()})
			return l.aliases
		}
		if n, isName := written.(*expr.Name); isName && last(n.Parts) != x.Name {
			d := *x // the query's spelling
			d.Name = last(n.Parts)
			x = &d
		}
		l.items = append(l.items, x)
		l.columns = append(l.columns, column{Attr: x, qualifier: c.qualifier, twin: c.twin})
	case *expr.Alias:
		d := *x
		if d.ID == 0 {
			d.ID = l.a.id()
		}
		l.items = append(l.items, &d)
		l.columns = append(l.columns, column{Attr: d.Attr()})
		l.aliases = append(l.aliases, &d)
	default:
		al := &expr.Alias{Arg: e, Name: pretty(written), ID: l.a.id(), Place: e.Pos()}
		l.items = append(l.items, al)
		l.columns = append(l.columns, column{Attr: al.Attr()})
	}
	return l.aliases
}

// input finds the column of the input that an attribute refers to.
func (l *list) input(x *expr.Attr) (column, bool) {
	for _, c := range l.below {
		if c.ID == x.ID {
			return c, true
		}
	}
	return column{}, false
}

// origin0 is origin, 0 for no column.
func (c column) origin0() expr.ID {
	if c.Attr == nil {
		return 0
	}
	return c.origin()
}

// expand replaces stars by columns, each as an attribute; also those among the
// arguments of calls, count(*) excepted.
func (a *analyzer) expand(written []expr.Expr, cols []column) ([]expr.Expr, error) {
	var out []expr.Expr
	for _, e := range written {
		s, ok := e.(*expr.Star)
		if !ok {
			e, err := expr.Transform(e, func(e expr.Expr) (expr.Expr, error) { return starArguments(e, cols) })
			if err != nil {
				return nil, err
			}
			out = append(out, e)
			continue
		}
		list, err := star(s, cols)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// starArguments replaces the stars among the arguments of a call.
func starArguments(e expr.Expr, cols []column) (expr.Expr, error) {
	c, ok := e.(*expr.UnresolvedCall)
	if !ok || !expr.Any(e, func(e expr.Expr) bool { _, ok := e.(*expr.Star); return ok }) || countsRows(c) {
		return e, nil
	}
	d := *c
	d.Args = nil
	for _, x := range c.Args {
		s, ok := x.(*expr.Star)
		if !ok {
			d.Args = append(d.Args, x)
			continue
		}
		list, err := star(s, cols)
		if err != nil {
			return nil, err
		}
		d.Args = append(d.Args, list...)
	}
	return &d, nil
}

// countsRows reports count(*).
func countsRows(c *expr.UnresolvedCall) bool {
	if len(c.Args) != 1 || c.Distinct || !strings.EqualFold(c.Fn, "count") {
		return false
	}
	s, ok := c.Args[0].(*expr.Star)
	return ok && len(s.Qualifier) == 0 && len(s.Except) == 0
}

// star returns the columns that * or t.* stands for.
func star(s *expr.Star, cols []column) ([]expr.Expr, error) {
	var out []expr.Expr
	left := append([]string{}, s.Except...)
	n := 0
	for _, c := range cols {
		if len(s.Qualifier) == 0 && c.hidden || len(s.Qualifier) > 0 && !strings.EqualFold(c.qualifier, last(s.Qualifier)) {
			continue
		}
		n++
		skip := false
		for i, x := range s.Except {
			if strings.EqualFold(x, c.Name) {
				skip, left[i] = true, ""
			}
		}
		if !skip {
			attr := *c.Attr
			attr.Place = s.Place
			out = append(out, &attr)
		}
	}
	if n == 0 && len(s.Qualifier) > 0 {
		e := diag.NewAt(s.Place, diag.UnresolvedColumn, "there is no table %s in FROM", strings.Join(s.Qualifier, "."))
		var names []string
		for _, c := range cols {
			if c.qualifier != "" {
				names = append(names, c.qualifier)
			}
		}
		if near := nearest(last(s.Qualifier), names); near != "" {
			return nil, e.WithRemedy("did you mean %s.*?", near)
		}
		return nil, e
	}
	if n == 0 {
		return nil, diag.NewAt(s.Place, diag.InvalidQuery, "* needs a table in FROM")
	}
	for _, x := range left {
		if x != "" {
			return nil, unresolved(&expr.Name{Parts: []string{x}, Place: s.Place}, &scope{columns: cols})
		}
	}
	if len(out) == 0 {
		return nil, diag.NewAt(s.Place, diag.InvalidQuery, "EXCEPT leaves no column of *")
	}
	return out, nil
}
