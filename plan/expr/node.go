package expr

import (
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

var (
	_ Expr = (*Name)(nil)
	_ Expr = (*Star)(nil)
	_ Expr = (*UnresolvedCall)(nil)
	_ Expr = (*Subquery)(nil)
	_ Expr = (*Attr)(nil)
	_ Expr = (*Column)(nil)
	_ Expr = (*Literal)(nil)
	_ Expr = (*Call)(nil)
	_ Expr = (*Cast)(nil)
	_ Expr = (*Case)(nil)
	_ Expr = (*Alias)(nil)
	_ Expr = (*Agg)(nil)
	_ Expr = (*Over)(nil)
)

// Name

func (n *Name) Type() columnar.Type      { return columnar.NullType }
func (n *Name) Nullable() bool           { return true }
func (n *Name) Children() []Expr         { return nil }
func (n *Name) WithChildren([]Expr) Expr { return n }
func (n *Name) Pos() diag.Pos            { return n.Place }
func (n *Name) String() string           { return strings.Join(n.Parts, ".") }

// Star

func (s *Star) Type() columnar.Type      { return columnar.NullType }
func (s *Star) Nullable() bool           { return true }
func (s *Star) Children() []Expr         { return nil }
func (s *Star) WithChildren([]Expr) Expr { return s }
func (s *Star) Pos() diag.Pos            { return s.Place }
func (s *Star) String() string {
	return strings.Join(append(append([]string{}, s.Qualifier...), "*"), ".")
}

// UnresolvedCall: children are Args, then Filter, then OrderBy, then the
// window's partition and order expressions.

func (c *UnresolvedCall) Type() columnar.Type { return columnar.NullType }
func (c *UnresolvedCall) Nullable() bool      { return true }
func (c *UnresolvedCall) Pos() diag.Pos       { return c.Place }
func (c *UnresolvedCall) Children() []Expr {
	kids := append([]Expr{}, c.Args...)
	if c.Filter != nil {
		kids = append(kids, c.Filter)
	}
	for _, o := range c.OrderBy {
		kids = append(kids, o.Expr)
	}
	if c.Over != nil {
		kids = append(kids, c.Over.PartitionBy...)
		for _, o := range c.Over.OrderBy {
			kids = append(kids, o.Expr)
		}
	}
	return kids
}
func (c *UnresolvedCall) WithChildren(kids []Expr) Expr {
	d := *c
	d.Args, kids = kids[:len(c.Args):len(c.Args)], kids[len(c.Args):]
	if c.Filter != nil {
		d.Filter, kids = kids[0], kids[1:]
	}
	d.OrderBy, kids = reorder(c.OrderBy, kids)
	if c.Over != nil {
		w := *c.Over
		n := len(w.PartitionBy)
		w.PartitionBy, kids = kids[:n:n], kids[n:]
		w.OrderBy, _ = reorder(w.OrderBy, kids)
		d.Over = &w
	}
	return &d
}
func (c *UnresolvedCall) String() string { return callString(c.Fn, c.Args, c.Distinct, c.Filter) }

// reorder replaces the expressions of an ordering by the first of kids.
func reorder(order []SortOrder, kids []Expr) ([]SortOrder, []Expr) {
	if len(order) == 0 {
		return nil, kids
	}
	out := make([]SortOrder, len(order))
	for i, o := range order {
		o.Expr = kids[i]
		out[i] = o
	}
	return out, kids[len(order):]
}

// Subquery: children are the left side of IN; the plan is not a child.

func (s *Subquery) Type() columnar.Type {
	if s.Kind == Scalar && s.Plan != nil {
		if out := s.Plan.Output(); len(out) == 1 {
			return out[0].Typ
		}
	}
	if s.Kind == Scalar {
		return columnar.NullType
	}
	return columnar.BoolType
}
func (s *Subquery) Nullable() bool   { return s.Kind != Exists }
func (s *Subquery) Children() []Expr { return s.Left }
func (s *Subquery) WithChildren(kids []Expr) Expr {
	d := *s
	d.Left = kids
	return &d
}
func (s *Subquery) Pos() diag.Pos { return s.Place }
func (s *Subquery) String() string {
	switch s.Kind {
	case Exists:
		return "EXISTS (subquery)"
	case In:
		return "(" + joinExprs(s.Left) + ") IN (subquery)"
	}
	return "(scalar subquery)"
}

// Attr

func (a *Attr) Type() columnar.Type      { return a.Typ }
func (a *Attr) Nullable() bool           { return a.Null }
func (a *Attr) Children() []Expr         { return nil }
func (a *Attr) WithChildren([]Expr) Expr { return a }
func (a *Attr) Pos() diag.Pos            { return a.Place }
func (a *Attr) String() string           { return fmt.Sprintf("%s#%d", a.Name, a.ID) }

// Column

func (c *Column) Type() columnar.Type      { return c.Typ }
func (c *Column) Nullable() bool           { return c.Null }
func (c *Column) Children() []Expr         { return nil }
func (c *Column) WithChildren([]Expr) Expr { return c }
func (c *Column) Pos() diag.Pos            { return 0 }
func (c *Column) String() string {
	if c.Name != "" {
		return c.Name
	}
	return fmt.Sprintf("$%d", c.Index)
}

// Literal

func (l *Literal) Type() columnar.Type      { return l.Typ }
func (l *Literal) Nullable() bool           { return l.Value == nil }
func (l *Literal) Children() []Expr         { return nil }
func (l *Literal) WithChildren([]Expr) Expr { return l }
func (l *Literal) Pos() diag.Pos            { return l.Place }
func (l *Literal) String() string           { return literalString(l) }

// Call

func (c *Call) Type() columnar.Type { return c.Typ }
func (c *Call) Nullable() bool      { return c.Null }
func (c *Call) Children() []Expr    { return c.Args }
func (c *Call) WithChildren(kids []Expr) Expr {
	d := *c
	d.Args = kids
	return &d
}
func (c *Call) Pos() diag.Pos  { return c.Place }
func (c *Call) String() string { return callString(c.Fn.Name, c.Args, false, nil) }

// Cast

func (c *Cast) Type() columnar.Type { return c.To }
func (c *Cast) Nullable() bool      { return c.Try || c.Arg.Nullable() }
func (c *Cast) Children() []Expr    { return []Expr{c.Arg} }
func (c *Cast) WithChildren(kids []Expr) Expr {
	d := *c
	d.Arg = kids[0]
	return &d
}
func (c *Cast) Pos() diag.Pos { return c.Place }
func (c *Cast) String() string {
	name := "CAST("
	if c.Try {
		name = "TRY_CAST("
	}
	return name + c.Arg.String() + " AS " + strings.ToUpper(c.To.String()) + ")"
}

// Case: children are cond, then, cond, then, …, else.

func (c *Case) Type() columnar.Type {
	for _, w := range c.Whens {
		if t := w.Then.Type(); t.Kind != columnar.Null {
			return t
		}
	}
	if c.Else != nil {
		return c.Else.Type()
	}
	return columnar.NullType
}
func (c *Case) Nullable() bool {
	for _, w := range c.Whens {
		if w.Then.Nullable() {
			return true
		}
	}
	return c.Else == nil || c.Else.Nullable()
}
func (c *Case) Children() []Expr {
	kids := make([]Expr, 0, 2*len(c.Whens)+1)
	for _, w := range c.Whens {
		kids = append(kids, w.Cond, w.Then)
	}
	if c.Else != nil {
		kids = append(kids, c.Else)
	}
	return kids
}
func (c *Case) WithChildren(kids []Expr) Expr {
	d := &Case{Whens: make([]When, len(c.Whens)), Place: c.Place}
	for i := range d.Whens {
		d.Whens[i] = When{kids[2*i], kids[2*i+1]}
	}
	if c.Else != nil {
		d.Else = kids[2*len(c.Whens)]
	}
	return d
}
func (c *Case) Pos() diag.Pos { return c.Place }
func (c *Case) String() string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, w := range c.Whens {
		b.WriteString(" WHEN " + w.Cond.String() + " THEN " + w.Then.String())
	}
	if c.Else != nil {
		b.WriteString(" ELSE " + c.Else.String())
	}
	return b.String() + " END"
}

// Alias

func (a *Alias) Type() columnar.Type { return a.Arg.Type() }
func (a *Alias) Nullable() bool      { return a.Arg.Nullable() }
func (a *Alias) Children() []Expr    { return []Expr{a.Arg} }
func (a *Alias) WithChildren(kids []Expr) Expr {
	d := *a
	d.Arg = kids[0]
	return &d
}
func (a *Alias) Pos() diag.Pos  { return a.Place }
func (a *Alias) String() string { return a.Arg.String() + " AS " + a.Name }

// Attr returns the attribute that the alias defines.
func (a *Alias) Attr() *Attr {
	return &Attr{ID: a.ID, Name: a.Name, Typ: a.Arg.Type(), Null: a.Arg.Nullable()}
}

// Agg: children are Args, then Filter, then OrderBy.

func (a *Agg) Type() columnar.Type { return a.Typ }
func (a *Agg) Nullable() bool      { return a.Null }
func (a *Agg) Children() []Expr {
	kids := append([]Expr{}, a.Args...)
	if a.Filter != nil {
		kids = append(kids, a.Filter)
	}
	for _, o := range a.OrderBy {
		kids = append(kids, o.Expr)
	}
	return kids
}
func (a *Agg) WithChildren(kids []Expr) Expr {
	d := *a
	d.Args, kids = kids[:len(a.Args):len(a.Args)], kids[len(a.Args):]
	if a.Filter != nil {
		d.Filter, kids = kids[0], kids[1:]
	}
	d.OrderBy, _ = reorder(a.OrderBy, kids)
	return &d
}
func (a *Agg) Pos() diag.Pos { return a.Place }
func (a *Agg) String() string {
	s := callString(a.Fn.Name, a.Args, a.Distinct, a.Filter)
	if a.IgnoreNulls {
		s += " IGNORE NULLS"
	}
	if a.Frame != nil {
		s += " " + a.Frame.String()
	}
	return s
}

var infix = map[string]string{
	"+": "+", "-": "-", "*": "*", "/": "/", "%": "%", "div": "div", "=": "=", "<=>": "<=>", "<": "<", "<=": "<=",
	">": ">", ">=": ">=", "and": "AND", "or": "OR", "||": "||", "&": "&", "|": "|", "^": "^", "like": "LIKE",
	"ilike": "ILIKE", "rlike": "RLIKE", "<<": "<<", ">>": ">>",
}

// callString renders a call as SQL, operators in infix form.
func callString(fn string, args []Expr, distinct bool, filter Expr) string {
	var s string
	switch op, ok := infix[fn]; {
	case ok && len(args) == 2:
		return "(" + args[0].String() + " " + op + " " + args[1].String() + ")"
	case fn == "not" && len(args) == 1:
		return "(NOT " + args[0].String() + ")"
	case fn == "negative" && len(args) == 1:
		return "(- " + args[0].String() + ")"
	case fn == "isnull" && len(args) == 1:
		return "(" + args[0].String() + " IS NULL)"
	case fn == "isnotnull" && len(args) == 1:
		return "(" + args[0].String() + " IS NOT NULL)"
	case fn == "in" && len(args) > 1:
		return "(" + args[0].String() + " IN (" + joinExprs(args[1:]) + "))"
	case fn == "count" && len(args) == 0:
		s = "count(1)"
	case distinct:
		s = fn + "(DISTINCT " + joinExprs(args) + ")"
	default:
		s = fn + "(" + joinExprs(args) + ")"
	}
	if filter != nil {
		s += " FILTER (WHERE " + filter.String() + ")"
	}
	return s
}

// Over: children are those of the call, then the partition, then the order.

func (o *Over) Type() columnar.Type { return o.Call.Typ }
func (o *Over) Nullable() bool      { return o.Call.Null }
func (o *Over) Pos() diag.Pos       { return o.Place }
func (o *Over) Children() []Expr {
	kids := append(append([]Expr{}, o.Call.Children()...), o.PartitionBy...)
	for _, x := range o.OrderBy {
		kids = append(kids, x.Expr)
	}
	return kids
}
func (o *Over) WithChildren(kids []Expr) Expr {
	d := *o
	n, m := len(o.Call.Children()), len(o.PartitionBy)
	d.Call = o.Call.WithChildren(kids[:n:n]).(*Agg)
	d.PartitionBy = kids[n : n+m : n+m]
	d.OrderBy, _ = reorder(o.OrderBy, kids[n+m:])
	return &d
}
func (o *Over) String() string {
	return o.Call.String() + " OVER " + WindowText(o.PartitionBy, o.OrderBy, nil)
}

// WindowText renders a window in parentheses.
func WindowText(partition []Expr, order []SortOrder, f *Frame) string {
	var parts []string
	if len(partition) > 0 {
		parts = append(parts, "PARTITION BY "+joinExprs(partition))
	}
	if len(order) > 0 {
		keys := make([]string, len(order))
		for i, o := range order {
			keys[i] = o.String()
		}
		parts = append(parts, "ORDER BY "+strings.Join(keys, ", "))
	}
	if f != nil {
		parts = append(parts, f.String())
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// String renders a frame as SQL.
func (f *Frame) String() string {
	bound := func(e Expr, follow, start bool) string {
		way := " PRECEDING"
		if follow || e == nil && !start {
			way = " FOLLOWING"
		}
		l, ok := e.(*Literal)
		switch {
		case e == nil:
			return "UNBOUNDED" + way
		case ok && (l.Value == int64(0) || l.Value == float64(0)):
			return "CURRENT ROW"
		}
		return e.String() + way
	}
	kind := "RANGE"
	if f.Rows {
		kind = "ROWS"
	}
	return kind + " BETWEEN " + bound(f.Start, f.StartFollow, true) + " AND " + bound(f.End, f.EndFollow, false)
}
