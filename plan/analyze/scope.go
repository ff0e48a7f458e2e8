package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// column is something a name can refer to.
type column struct {
	*expr.Attr
	qualifier string
	hidden    bool // reachable by qualifier only (the other side of USING)
	// twin is the id of the column that this one repeats (SELECT a, a), else 0.
	// A name that fits both is not ambiguous.
	twin expr.ID
}

// origin identifies the column that a reference means, whichever copy it takes.
func (c column) origin() expr.ID {
	if c.twin != 0 {
		return c.twin
	}
	return c.ID
}

// String is the column as a message names it.
func (c column) String() string {
	if c.qualifier != "" {
		return c.qualifier + "." + c.Name
	}
	return c.Name
}

// scope is the columns that names may refer to, and those of enclosing queries.
//
//	SELECT (SELECT max(x) FROM u WHERE u.k = t.k) FROM t
//	               columns: u.x, u.k ─┘    └─ outer: columns t.k, …
type scope struct {
	columns []column
	outer   *scope
	// aliases are the items of the select list before the one being resolved:
	// they may be referred to where no column has the name.
	aliases []*expr.Alias
	// sets are the grouping sets that grouping() and grouping_id() tell of.
	sets *groupingSets
}

// columnsOf makes columns of attributes, under a qualifier or, without one, the
// attributes' own.
func columnsOf(attrs []*expr.Attr, qualifier string) []column {
	out := make([]column, len(attrs))
	for i, a := range attrs {
		q := qualifier
		if q == "" {
			q = a.Qualifier
		}
		out[i] = column{Attr: a, qualifier: q}
	}
	return out
}

// requalify renames columns: a new qualifier, and names if given. Hidden columns
// end here.
func requalify(cols []column, qualifier string, names []string) []column {
	out := make([]column, 0, len(cols))
	for _, c := range cols {
		if c.hidden {
			continue
		}
		d := *c.Attr
		d.Qualifier = qualifier
		if names != nil {
			d.Name = names[len(out)]
		}
		out = append(out, column{Attr: &d, qualifier: qualifier, twin: c.twin})
	}
	return out
}

// find returns the columns that a name may mean: those of the last part's name
// whose qualifier agrees with the part before.
func find(cols []column, parts []string) []column {
	var out []column
	name := last(parts)
	for _, c := range cols {
		if !strings.EqualFold(c.Name, name) {
			continue
		}
		if len(parts) == 1 {
			if c.hidden {
				continue
			}
		} else if !strings.EqualFold(c.qualifier, parts[len(parts)-2]) {
			continue
		}
		same := false
		for _, o := range out {
			same = same || o.origin() == c.origin()
		}
		if !same {
			out = append(out, c)
		}
	}
	return out
}

// reach returns the columns that a name, or the longest part of it from the front,
// may mean, and what follows: fields.
func reach(cols []column, parts []string) (found []column, fields []string) {
	for k := len(parts); k > 0; k-- {
		if f := find(cols, parts[:k]); len(f) > 0 {
			return f, parts[k:]
		}
	}
	return nil, nil
}

func last(s []string) string { return s[len(s)-1] }

// name resolves a reference: to a column of the query, else to an alias before
// it in the list, else to a column of an enclosing query.
func (a *analyzer) name(n *expr.Name, s *scope) (expr.Expr, error) {
	for at := s; at != nil; at = at.outer {
		found, fields := reach(at.columns, n.Parts)
		switch {
		case len(found) > 1:
			return nil, ambiguous(n, found)
		case len(fields) > 0:
			return a.fields(n, found[0], fields)
		case len(found) == 1:
			attr := *found[0].Attr
			attr.Place = n.Place
			return &attr, nil
		}
		if len(n.Parts) > 1 {
			continue
		}
		if e, err := at.alias(n); e != nil || err != nil {
			return e, err
		}
	}
	return nil, unresolved(n, s)
}

// alias finds a name among the items of the list so far.
func (s *scope) alias(n *expr.Name) (expr.Expr, error) {
	var found *expr.Alias
	for _, al := range s.aliases {
		if !strings.EqualFold(al.Name, n.Parts[0]) {
			continue
		}
		if found != nil {
			return nil, diag.NewAt(n.Place, diag.AmbiguousReference, "%s is ambiguous: the select list has several items of this name", n).
				WithRemedy("give them different names")
		}
		found = al
	}
	if found == nil {
		return nil, nil
	}
	return found.Arg, nil
}

func ambiguous(n *expr.Name, found []column) error {
	names := make([]string, len(found))
	distinct := false
	for i, f := range found {
		names[i] = f.String()
		distinct = distinct || i > 0 && !strings.EqualFold(names[i], names[0])
	}
	e := diag.NewAt(n.Place, diag.AmbiguousReference, "column %s is ambiguous: it may be %s", n, strings.Join(names, " or "))
	if !distinct {
		return e.WithRemedy("give the columns different names where they are made")
	}
	return e.WithRemedy("write the table's name before it")
}

// fields resolves a.b.c where a is a column: fields of structs, or keys of maps.
func (a *analyzer) fields(n *expr.Name, c column, path []string) (expr.Expr, error) {
	attr := *c.Attr
	attr.Place = n.Place
	var e expr.Expr = &attr
	for _, name := range path {
		if t := e.Type(); !t.IsNested() {
			return nil, diag.NewAt(n.Place, diag.UnresolvedColumn, "there is no column %s: %s is of type %s and has no fields", n, pretty(e), t)
		}
		var err error
		if e, err = a.subscript([]expr.Expr{e, expr.Lit(name, columnar.StringType)}, n.Place); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func unresolved(n *expr.Name, s *scope) error {
	e := diag.NewAt(n.Place, diag.UnresolvedColumn, "there is no column %s", n)
	var names []string
	for at := s; at != nil; at = at.outer {
		for _, c := range at.columns {
			if len(n.Parts) > 1 {
				names = append(names, c.String())
			} else if !c.hidden {
				names = append(names, c.Name)
			}
		}
		for _, al := range at.aliases {
			names = append(names, al.Name)
		}
	}
	if near := nearest(strings.Join(n.Parts, "."), names); near != "" {
		return e.WithRemedy("did you mean %s?", near)
	}
	if len(names) > 0 {
		list := names[:min(len(names), 20)]
		more := ""
		if len(names) > len(list) {
			more = ", …"
		}
		return e.WithRemedy("the columns are %s%s", strings.Join(list, ", "), more)
	}
	return e.WithRemedy("the query has no FROM")
}

// nearest returns the known name that a misspelt one was probably meant to be, or
// "": a third of its letters may be wrong.
func nearest(name string, names []string) string {
	return diag.Nearest(name, names, 1+len(name)/3)
}
