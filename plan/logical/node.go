package logical

import (
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// join renders a list of nodes, separated by commas.
func join[T fmt.Stringer](xs []T) string {
	parts := make([]string, len(xs))
	for i, x := range xs {
		parts[i] = x.String()
	}
	return strings.Join(parts, ", ")
}

// outputOf returns the attributes that a list of aliases and attributes defines.
func outputOf(list []expr.Expr) []*expr.Attr {
	out := make([]*expr.Attr, 0, len(list))
	for _, e := range list {
		switch x := e.(type) {
		case *expr.Alias:
			out = append(out, x.Attr())
		case *expr.Attr:
			out = append(out, x)
		}
	}
	return out
}

// nullable returns copies of attributes that may be null: the outer side of a join.
func nullable(attrs []*expr.Attr) []*expr.Attr {
	out := make([]*expr.Attr, len(attrs))
	for i, a := range attrs {
		if !a.Null {
			c := *a
			c.Null = true
			a = &c
		}
		out[i] = a
	}
	return out
}

func (r *Relation) Output() []*expr.Attr       { return nil }
func (r *Relation) Children() []Plan           { return nil }
func (r *Relation) WithChildren([]Plan) Plan   { return r }
func (r *Relation) Exprs() []expr.Expr         { return nil }
func (r *Relation) WithExprs([]expr.Expr) Plan { return r }
func (r *Relation) String() string {
	if r.Ref.Path != "" {
		return "Relation " + r.Ref.Format + ".`" + r.Ref.Path + "`"
	}
	if r.Call {
		args := make([]string, len(r.Args))
		for i, a := range r.Args {
			args[i] = a.String()
		}
		return "Relation " + strings.Join(r.Ref.Parts, ".") + "(" + strings.Join(args, ", ") + ")"
	}
	return "Relation " + strings.Join(r.Ref.Parts, ".")
}

func (s *Scan) Output() []*expr.Attr     { return s.Attrs }
func (s *Scan) Children() []Plan         { return nil }
func (s *Scan) WithChildren([]Plan) Plan { return s }
func (s *Scan) Exprs() []expr.Expr       { return s.Filters }
func (s *Scan) WithExprs(es []expr.Expr) Plan {
	d := *s
	d.Filters = es
	return &d
}
func (s *Scan) String() string {
	t := "Scan " + s.Table.Name() + " [" + join(s.Attrs) + "]"
	if len(s.Filters) > 0 {
		t += " filters: [" + join(s.Filters) + "]"
	}
	return t
}

func (v *Values) Output() []*expr.Attr     { return v.Attrs }
func (v *Values) Children() []Plan         { return nil }
func (v *Values) WithChildren([]Plan) Plan { return v }
func (v *Values) Exprs() []expr.Expr {
	var es []expr.Expr
	for _, r := range v.Rows {
		es = append(es, r...)
	}
	return es
}
func (v *Values) WithExprs(es []expr.Expr) Plan {
	d := *v
	d.Rows = make([][]expr.Expr, len(v.Rows))
	for i, r := range v.Rows {
		d.Rows[i], es = es[:len(r):len(r)], es[len(r):]
	}
	return &d
}
func (v *Values) String() string {
	return fmt.Sprintf("Values %d rows [%s]", len(v.Rows), join(v.Attrs))
}

func (p *Project) Output() []*expr.Attr { return outputOf(p.List) }
func (p *Project) Children() []Plan     { return []Plan{p.Child} }
func (p *Project) WithChildren(k []Plan) Plan {
	return &Project{p.List, k[0]}
}
func (p *Project) Exprs() []expr.Expr            { return p.List }
func (p *Project) WithExprs(es []expr.Expr) Plan { return &Project{es, p.Child} }
func (p *Project) String() string                { return "Project [" + join(p.List) + "]" }

func (f *Filter) Output() []*expr.Attr { return f.Child.Output() }
func (f *Filter) Children() []Plan     { return []Plan{f.Child} }
func (f *Filter) WithChildren(k []Plan) Plan {
	return &Filter{f.Cond, k[0], f.Having}
}
func (f *Filter) Exprs() []expr.Expr            { return []expr.Expr{f.Cond} }
func (f *Filter) WithExprs(es []expr.Expr) Plan { return &Filter{es[0], f.Child, f.Having} }
func (f *Filter) String() string                { return "Filter " + f.Cond.String() }

func (a *Aggregate) Output() []*expr.Attr { return outputOf(a.List) }
func (a *Aggregate) Children() []Plan     { return []Plan{a.Child} }
func (a *Aggregate) WithChildren(k []Plan) Plan {
	return &Aggregate{a.Keys, a.Sets, a.List, k[0], a.Eager}
}
func (a *Aggregate) Exprs() []expr.Expr {
	return append(append([]expr.Expr{}, a.Keys...), a.List...)
}
func (a *Aggregate) WithExprs(es []expr.Expr) Plan {
	n := len(a.Keys)
	return &Aggregate{es[:n:n], a.Sets, es[n:], a.Child, a.Eager}
}
func (a *Aggregate) String() string {
	eager := ""
	if a.Eager {
		eager = "eager "
	}
	return "Aggregate " + eager + "[" + join(a.Keys) + "] [" + join(a.List) + "]"
}

func (x *Expand) Output() []*expr.Attr {
	return append(append(append([]*expr.Attr{}, x.Child.Output()...), x.Attrs...), x.GID)
}
func (x *Expand) Children() []Plan { return []Plan{x.Child} }
func (x *Expand) WithChildren(k []Plan) Plan {
	d := *x
	d.Child = k[0]
	return &d
}
func (x *Expand) Exprs() []expr.Expr { return x.Keys }
func (x *Expand) WithExprs(es []expr.Expr) Plan {
	d := *x
	d.Keys = es
	return &d
}
func (x *Expand) String() string {
	return fmt.Sprintf("Expand [%s] as [%s] sets %v by %s", join(x.Keys), join(x.Attrs), x.Sets, x.GID)
}

func (j *Join) Output() []*expr.Attr {
	l, r := j.Left.Output(), j.Right.Output()
	switch j.Kind {
	case LeftSemi, LeftAnti, NullAwareAnti:
		return l
	case LeftMark:
		return append(append([]*expr.Attr{}, l...), j.Mark)
	case Left, LeftSingle:
		r = nullable(r)
	case Right:
		l = nullable(l)
	case Full:
		l, r = nullable(l), nullable(r)
	}
	return append(append([]*expr.Attr{}, l...), r...)
}
func (j *Join) Children() []Plan { return []Plan{j.Left, j.Right} }
func (j *Join) WithChildren(k []Plan) Plan {
	d := *j
	d.Left, d.Right = k[0], k[1]
	return &d
}
func (j *Join) Exprs() []expr.Expr {
	if j.Cond == nil {
		return nil
	}
	return []expr.Expr{j.Cond}
}
func (j *Join) WithExprs(es []expr.Expr) Plan {
	d := *j
	if j.Cond != nil {
		d.Cond = es[0]
	}
	return &d
}
func (j *Join) String() string {
	s := "Join " + j.Kind.String()
	if j.Lateral {
		s += " lateral"
	}
	if j.Mark != nil {
		s += " mark " + j.Mark.String()
	}
	if j.Cond != nil {
		s += " on " + j.Cond.String()
	}
	return s
}

func (s *Sort) Output() []*expr.Attr       { return s.Child.Output() }
func (s *Sort) Children() []Plan           { return []Plan{s.Child} }
func (s *Sort) WithChildren(k []Plan) Plan { return &Sort{s.Order, k[0]} }
func (s *Sort) Exprs() []expr.Expr {
	es := make([]expr.Expr, len(s.Order))
	for i, o := range s.Order {
		es[i] = o.Expr
	}
	return es
}
func (s *Sort) WithExprs(es []expr.Expr) Plan { return &Sort{withOrder(s.Order, es), s.Child} }
func (s *Sort) String() string                { return "Sort [" + join(s.Order) + "]" }

func withOrder(order []expr.SortOrder, es []expr.Expr) []expr.SortOrder {
	out := make([]expr.SortOrder, len(order))
	for i, o := range order {
		o.Expr = es[i]
		out[i] = o
	}
	return out
}

func (l *Limit) Output() []*expr.Attr { return l.Child.Output() }
func (l *Limit) Children() []Plan     { return []Plan{l.Child} }
func (l *Limit) WithChildren(k []Plan) Plan {
	d := *l
	d.Child = k[0]
	return &d
}
func (l *Limit) Exprs() []expr.Expr {
	var es []expr.Expr
	if l.CountExpr != nil {
		es = append(es, l.CountExpr)
	}
	if l.OffsetExpr != nil {
		es = append(es, l.OffsetExpr)
	}
	return es
}
func (l *Limit) WithExprs(es []expr.Expr) Plan {
	d := *l
	if l.CountExpr != nil {
		d.CountExpr, es = es[0], es[1:]
	}
	if l.OffsetExpr != nil {
		d.OffsetExpr = es[0]
	}
	return &d
}
func (l *Limit) String() string {
	s := "Limit"
	if l.Count >= 0 {
		s += fmt.Sprintf(" %d", l.Count)
	}
	if l.Offset > 0 {
		s += fmt.Sprintf(" offset %d", l.Offset)
	}
	return s
}

func (e *Edit) Output() []*expr.Attr { return nil }
func (e *Edit) Children() []Plan     { return []Plan{e.Child} }
func (e *Edit) WithChildren(k []Plan) Plan {
	d := *e
	d.Child = k[0]
	return &d
}
func (e *Edit) Exprs() []expr.Expr         { return nil }
func (e *Edit) WithExprs([]expr.Expr) Plan { return e }
func (e *Edit) String() string {
	return fmt.Sprintf("Edit drop %v rename %v set [%s]", e.Drop, e.Rename, join(e.Set))
}

func (d *Distinct) Output() []*expr.Attr       { return d.Child.Output() }
func (d *Distinct) Children() []Plan           { return []Plan{d.Child} }
func (d *Distinct) WithChildren(k []Plan) Plan { return &Distinct{k[0], d.On} }
func (d *Distinct) Exprs() []expr.Expr         { return nil }
func (d *Distinct) WithExprs([]expr.Expr) Plan { return d }
func (d *Distinct) String() string             { return "Distinct" }

func (s *SetOp) Output() []*expr.Attr { return s.Attrs }
func (s *SetOp) Children() []Plan     { return []Plan{s.Left, s.Right} }
func (s *SetOp) WithChildren(k []Plan) Plan {
	d := *s
	d.Left, d.Right = k[0], k[1]
	return &d
}
func (s *SetOp) Exprs() []expr.Expr         { return nil }
func (s *SetOp) WithExprs([]expr.Expr) Plan { return s }
func (s *SetOp) String() string {
	t := [...]string{"Union", "Intersect", "Except"}[s.Op]
	if s.All {
		t += " all"
	}
	return t
}

func (u *Union) Output() []*expr.Attr       { return u.Attrs }
func (u *Union) Children() []Plan           { return u.Inputs }
func (u *Union) WithChildren(k []Plan) Plan { return &Union{k, u.Attrs} }
func (u *Union) Exprs() []expr.Expr         { return nil }
func (u *Union) WithExprs([]expr.Expr) Plan { return u }
func (u *Union) String() string             { return "Union [" + join(u.Attrs) + "]" }

func (a *SubqueryAlias) Output() []*expr.Attr { return a.Child.Output() }
func (a *SubqueryAlias) Children() []Plan     { return []Plan{a.Child} }
func (a *SubqueryAlias) WithChildren(k []Plan) Plan {
	return &SubqueryAlias{a.Name, a.Columns, k[0]}
}
func (a *SubqueryAlias) Exprs() []expr.Expr         { return nil }
func (a *SubqueryAlias) WithExprs([]expr.Expr) Plan { return a }
func (a *SubqueryAlias) String() string {
	s := "SubqueryAlias " + a.Name
	if len(a.Columns) > 0 {
		s += "(" + strings.Join(a.Columns, ", ") + ")"
	}
	return s
}

// With: the CTEs' plans are not children; the analyzer enters them itself.
func (w *With) Output() []*expr.Attr       { return w.Child.Output() }
func (w *With) Children() []Plan           { return []Plan{w.Child} }
func (w *With) WithChildren(k []Plan) Plan { return &With{w.CTEs, k[0]} }
func (w *With) Exprs() []expr.Expr         { return nil }
func (w *With) WithExprs([]expr.Expr) Plan { return w }
func (w *With) String() string {
	names := make([]string, len(w.CTEs))
	for i, c := range w.CTEs {
		names[i] = c.Name
	}
	return "With " + strings.Join(names, ", ")
}

func (a *Apply) Output() []*expr.Attr { return a.Attrs }
func (a *Apply) Children() []Plan     { return []Plan{a.Child} }
func (a *Apply) WithChildren(k []Plan) Plan {
	d := *a
	d.Child = k[0]
	return &d
}
func (a *Apply) Exprs() []expr.Expr { return a.List }
func (a *Apply) WithExprs(es []expr.Expr) Plan {
	d := *a
	d.List = es
	return &d
}
func (a *Apply) String() string { return fmt.Sprintf("Apply %s [%s]", a.Fn, join(a.List)) }

func (g *Generate) Output() []*expr.Attr {
	made := g.Attrs
	if g.Outer {
		made = nullable(made)
	}
	return append(append([]*expr.Attr{}, g.Child.Output()...), made...)
}
func (g *Generate) Children() []Plan { return []Plan{g.Child} }
func (g *Generate) WithChildren(k []Plan) Plan {
	d := *g
	d.Child = k[0]
	return &d
}
func (g *Generate) Exprs() []expr.Expr { return g.Args }
func (g *Generate) WithExprs(es []expr.Expr) Plan {
	d := *g
	d.Args = es
	return &d
}
func (g *Generate) String() string {
	s := fmt.Sprintf("Generate %s(%s) as [%s]", g.Fn.Name, join(g.Args), join(g.Attrs))
	if g.Outer {
		s += " outer"
	}
	return s
}

func (a *Accumulate) Output() []*expr.Attr { return a.Child.Output() }
func (a *Accumulate) Children() []Plan     { return []Plan{a.Child} }
func (a *Accumulate) WithChildren(k []Plan) Plan {
	d := *a
	d.Child = k[0]
	return &d
}
func (a *Accumulate) Exprs() []expr.Expr { return a.List }
func (a *Accumulate) WithExprs(es []expr.Expr) Plan {
	d := *a
	d.List = es
	return &d
}
func (a *Accumulate) String() string {
	return fmt.Sprintf("Accumulate %s [%s]", a.Name, join(a.List))
}

func (r *Repartition) Output() []*expr.Attr { return r.Child.Output() }
func (r *Repartition) Children() []Plan     { return []Plan{r.Child} }
func (r *Repartition) WithChildren(k []Plan) Plan {
	return &Repartition{r.Partitions, r.Keys, k[0]}
}
func (r *Repartition) Exprs() []expr.Expr { return r.Keys }
func (r *Repartition) WithExprs(es []expr.Expr) Plan {
	return &Repartition{r.Partitions, es, r.Child}
}
func (r *Repartition) String() string {
	return fmt.Sprintf("Repartition %d [%s]", r.Partitions, join(r.Keys))
}

func (w *Window) Output() []*expr.Attr {
	return append(append([]*expr.Attr{}, w.Child.Output()...), outputOf(w.List)...)
}
func (w *Window) Children() []Plan { return []Plan{w.Child} }
func (w *Window) WithChildren(k []Plan) Plan {
	d := *w
	d.Child = k[0]
	return &d
}
func (w *Window) Exprs() []expr.Expr {
	es := append(append([]expr.Expr{}, w.List...), w.PartitionBy...)
	for _, o := range w.OrderBy {
		es = append(es, o.Expr)
	}
	return es
}
func (w *Window) WithExprs(es []expr.Expr) Plan {
	d := *w
	n, m := len(w.List), len(w.PartitionBy)
	d.List, d.PartitionBy, d.OrderBy = es[:n:n], es[n:n+m:n+m], withOrder(w.OrderBy, es[n+m:])
	return &d
}
func (w *Window) String() string {
	return "Window [" + join(w.List) + "] partition by [" + join(w.PartitionBy) + "] order by [" + join(w.OrderBy) + "]"
}

// ---- commands ----

func (c *CreateView) Output() []*expr.Attr       { return nil }
func (c *CreateView) Children() []Plan           { return nil }
func (c *CreateView) WithChildren([]Plan) Plan   { return c }
func (c *CreateView) Exprs() []expr.Expr         { return nil }
func (c *CreateView) WithExprs([]expr.Expr) Plan { return c }
func (c *CreateView) String() string             { return "CreateView " + c.Name }

func (c *CacheTable) Output() []*expr.Attr       { return nil }
func (c *CacheTable) Children() []Plan           { return nil }
func (c *CacheTable) WithChildren([]Plan) Plan   { return c }
func (c *CacheTable) Exprs() []expr.Expr         { return nil }
func (c *CacheTable) WithExprs([]expr.Expr) Plan { return c }
func (c *CacheTable) String() string {
	s := "CacheTable " + c.Name
	if c.Lazy {
		s += " lazy"
	}
	if len(c.Options) > 0 {
		s += fmt.Sprintf(" %v", c.Options) // sorted by key
	}
	if c.Query != nil {
		s += " as\n" + Tree(c.Query)
	}
	return s
}

func (u *UncacheTable) Output() []*expr.Attr       { return nil }
func (u *UncacheTable) Children() []Plan           { return nil }
func (u *UncacheTable) WithChildren([]Plan) Plan   { return u }
func (u *UncacheTable) Exprs() []expr.Expr         { return nil }
func (u *UncacheTable) WithExprs([]expr.Expr) Plan { return u }
func (u *UncacheTable) String() string             { return "UncacheTable " + u.Name }

func (c *ClearCache) Output() []*expr.Attr       { return nil }
func (c *ClearCache) Children() []Plan           { return nil }
func (c *ClearCache) WithChildren([]Plan) Plan   { return c }
func (c *ClearCache) Exprs() []expr.Expr         { return nil }
func (c *ClearCache) WithExprs([]expr.Expr) Plan { return c }
func (c *ClearCache) String() string             { return "ClearCache" }

func (d *DropView) Output() []*expr.Attr       { return nil }
func (d *DropView) Children() []Plan           { return nil }
func (d *DropView) WithChildren([]Plan) Plan   { return d }
func (d *DropView) Exprs() []expr.Expr         { return nil }
func (d *DropView) WithExprs([]expr.Expr) Plan { return d }
func (d *DropView) String() string             { return "DropView " + d.Name }

func (e *Explain) Output() []*expr.Attr { return textColumn("plan") }
func (e *Explain) Children() []Plan     { return nil }
func (s *Shared) Output() []*expr.Attr  { return s.Attrs }
func (s *Shared) Children() []Plan      { return []Plan{s.Child} }
func (s *Shared) WithChildren(k []Plan) Plan {
	return &Shared{s.ID, k[0], s.Attrs}
}
func (s *Shared) Exprs() []expr.Expr         { return nil }
func (s *Shared) WithExprs([]expr.Expr) Plan { return s }
func (s *Shared) String() string             { return fmt.Sprintf("Shared %d", s.ID) }

func (e *Explain) WithChildren([]Plan) Plan   { return e }
func (e *Explain) Exprs() []expr.Expr         { return nil }
func (e *Explain) WithExprs([]expr.Expr) Plan { return e }
func (e *Explain) String() string             { return "Explain" }

func (d *Describe) Output() []*expr.Attr {
	return []*expr.Attr{
		{Name: "col_name", Typ: columnar.StringType},
		{Name: "data_type", Typ: columnar.StringType},
		{Name: "comment", Typ: columnar.StringType, Null: true},
	}
}
func (d *Describe) Children() []Plan           { return nil }
func (d *Describe) WithChildren([]Plan) Plan   { return d }
func (d *Describe) Exprs() []expr.Expr         { return nil }
func (d *Describe) WithExprs([]expr.Expr) Plan { return d }
func (d *Describe) String() string             { return "Describe" }

func (s *Show) Output() []*expr.Attr       { return textColumn("name") }
func (s *Show) Children() []Plan           { return nil }
func (s *Show) WithChildren([]Plan) Plan   { return s }
func (s *Show) Exprs() []expr.Expr         { return nil }
func (s *Show) WithExprs([]expr.Expr) Plan { return s }
func (s *Show) String() string             { return "Show" }

func (s *Set) Output() []*expr.Attr {
	return append(textColumn("key"), textColumn("value")...)
}
func (s *Set) Children() []Plan           { return nil }
func (s *Set) WithChildren([]Plan) Plan   { return s }
func (s *Set) Exprs() []expr.Expr         { return nil }
func (s *Set) WithExprs([]expr.Expr) Plan { return s }
func (s *Set) String() string             { return "Set " + s.Key }

func (a *Artifact) Output() []*expr.Attr {
	return append(textColumn("name"), append(textColumn("size"), textColumn("sha256")...)...)
}
func (a *Artifact) Children() []Plan           { return nil }
func (a *Artifact) WithChildren([]Plan) Plan   { return a }
func (a *Artifact) Exprs() []expr.Expr         { return nil }
func (a *Artifact) WithExprs([]expr.Expr) Plan { return a }
func (a *Artifact) String() string             { return "Artifact " + a.Path }

func (f *CreateFunction) Output() []*expr.Attr       { return nil }
func (f *CreateFunction) Children() []Plan           { return nil }
func (f *CreateFunction) WithChildren([]Plan) Plan   { return f }
func (f *CreateFunction) Exprs() []expr.Expr         { return nil }
func (f *CreateFunction) WithExprs([]expr.Expr) Plan { return f }
func (f *CreateFunction) String() string             { return "CreateFunction " + f.Name }

func (f *DropFunction) Output() []*expr.Attr       { return nil }
func (f *DropFunction) Children() []Plan           { return nil }
func (f *DropFunction) WithChildren([]Plan) Plan   { return f }
func (f *DropFunction) Exprs() []expr.Expr         { return nil }
func (f *DropFunction) WithExprs([]expr.Expr) Plan { return f }
func (f *DropFunction) String() string             { return "DropFunction " + f.Name }

func (w *Write) Output() []*expr.Attr { return nil }
func (w *Write) Children() []Plan     { return []Plan{w.Child} }
func (w *Write) WithChildren(k []Plan) Plan {
	d := *w
	d.Child = k[0]
	return &d
}
func (w *Write) Exprs() []expr.Expr         { return nil }
func (w *Write) WithExprs([]expr.Expr) Plan { return w }
func (w *Write) String() string             { return "Write " + w.Format + " " + w.Path }
