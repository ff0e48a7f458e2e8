package analyze

import (
	"context"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Options are what names may resolve to.
type Options struct {
	Resolver catalog.Resolver
	// Views are the session's views by lower-case name, unresolved.
	Views map[string]logical.Plan
	Zone  *time.Location
	Now   time.Time
	// NextID is the counter that ids come from.
	NextID *expr.ID
}

// Analyze resolves a query.
func Analyze(ctx context.Context, p logical.Plan, o Options) (logical.Plan, error) {
	if o.NextID == nil {
		o.NextID = new(expr.ID)
	}
	a := &analyzer{ctx: ctx, opts: o, below: map[logical.Plan][]column{}}
	if w, ok := p.(*logical.Write); ok {
		child, _, err := a.plan(w.Child, &scope{})
		if err != nil {
			return nil, err
		}
		return w.WithChildren([]logical.Plan{child}), nil
	}
	out, _, err := a.plan(p, &scope{})
	return out, err
}

type analyzer struct {
	ctx   context.Context
	opts  Options
	ctes  []map[string]*cte
	depth int
	below map[logical.Plan][]column // what a select list's names referred to
}

// cte is a common table expression and the definitions it sees.
type cte struct {
	logical.CTE
	sees int // how many maps of ctes were in force
}

func (a *analyzer) id() expr.ID { *a.opts.NextID++; return *a.opts.NextID }

// column is something a name can refer to.
type column struct {
	*expr.Attr
	qualifier string
	hidden    bool // reachable by qualifier only (the other side of USING)
}

// scope is the columns that names may refer to, and those of enclosing queries.
type scope struct {
	columns []column
	outer   *scope
	used    *[]*expr.Attr // outer attributes referred to, for the subquery
}

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

// plan resolves a node. The second result is what names may refer to above it;
// outer's columns are those of enclosing queries.
func (a *analyzer) plan(p logical.Plan, outer *scope) (logical.Plan, []column, error) {
	if a.depth++; a.depth > 500 {
		return nil, nil, diag.New(diag.InvalidQuery, "the query is nested too deeply")
	}
	defer func() { a.depth-- }()
	switch x := p.(type) {
	case *logical.Relation:
		return a.relation(x)
	case *logical.Scan:
		return x, columnsOf(x.Attrs, ""), nil
	case *logical.Values:
		return a.values(x, outer)
	case *logical.With:
		return a.with(x, outer)
	case *logical.SubqueryAlias:
		return a.alias(x, outer)
	case *logical.Project:
		return a.project(x, outer)
	case *logical.Aggregate:
		return a.aggregate(x, outer)
	case *logical.Filter:
		return a.filter(x, outer)
	case *logical.Join:
		return a.join(x, outer)
	case *logical.Sort:
		return a.sort(x, outer)
	case *logical.Limit:
		return a.limit(x, outer)
	case *logical.Distinct:
		child, cols, err := a.plan(x.Child, outer)
		if err != nil {
			return nil, nil, err
		}
		return &logical.Distinct{Child: child}, cols, nil
	case *logical.SetOp:
		return a.setOp(x, outer)
	case *logical.Repartition:
		child, cols, err := a.plan(x.Child, outer)
		if err != nil {
			return nil, nil, err
		}
		out := *x
		out.Child = child
		for i, k := range x.Keys {
			if i == 0 {
				out.Keys = nil
			}
			e, err := a.expr(k, &scope{columns: cols, outer: outer})
			if err != nil {
				return nil, nil, err
			}
			out.Keys = append(out.Keys, e)
		}
		return &out, cols, nil
	}
	return nil, nil, diag.New(diag.Unsupported, "%s cannot be part of a query", p)
}

func (a *analyzer) relation(r *logical.Relation) (logical.Plan, []column, error) {
	name := strings.ToLower(strings.Join(r.Ref.Parts, "."))
	if r.Ref.Format == "" && r.Ref.Path == "" {
		for i := len(a.ctes) - 1; i >= 0; i-- {
			if c, ok := a.ctes[i][name]; ok {
				return a.cte(c)
			}
		}
		if v, ok := a.opts.Views[name]; ok {
			saved := a.ctes
			a.ctes = nil
			p, cols, err := a.plan(v, &scope{})
			a.ctes = saved
			if err != nil {
				return nil, nil, err
			}
			return p, requalify(cols, last(r.Ref.Parts), nil), nil
		}
	}
	t, err := a.opts.Resolver.ResolveTable(a.ctx, r.Ref)
	if err != nil {
		if diag.ClassOf(err) == diag.TableNotFound {
			e := diag.NewAt(r.Place, diag.TableNotFound, "there is no table or view named %s", strings.Join(r.Ref.Parts, "."))
			if near := nearest(name, a.tableNames()); near != "" {
				return nil, nil, e.WithRemedy("did you mean %s?", near)
			}
			return nil, nil, e.WithRemedy("name a file as parquet.`path`, or create a view with CREATE TEMP VIEW")
		}
		return nil, nil, place(err, r.Place)
	}
	s := &logical.Scan{Table: t}
	q := ""
	if len(r.Ref.Parts) > 0 {
		q = last(r.Ref.Parts)
	}
	for i, f := range t.Schema().Fields {
		s.Attrs = append(s.Attrs, &expr.Attr{ID: a.id(), Name: f.Name, Qualifier: q, Typ: f.Type, Null: f.Nullable})
		s.Columns = append(s.Columns, i)
	}
	return s, columnsOf(s.Attrs, q), nil
}

// place gives an error without a place one.
func place(err error, at diag.Pos) error {
	if e, ok := err.(*diag.Error); ok && e.Pos == 0 {
		d := *e
		d.Pos = at
		return &d
	}
	return err
}

func last(s []string) string { return s[len(s)-1] }

func (a *analyzer) tableNames() []string {
	names := a.opts.Resolver.TableNames()
	for n := range a.opts.Views {
		names = append(names, n)
	}
	for _, m := range a.ctes {
		for n := range m {
			names = append(names, n)
		}
	}
	return names
}

func (a *analyzer) cte(c *cte) (logical.Plan, []column, error) {
	saved := a.ctes
	a.ctes = a.ctes[:c.sees:c.sees]
	p, cols, err := a.plan(c.Plan, &scope{})
	a.ctes = saved
	if err != nil {
		return nil, nil, err
	}
	if len(c.Columns) > 0 && len(c.Columns) != len(cols) {
		return nil, nil, diag.NewAt(c.Place, diag.InvalidQuery, "%s names %d columns, its query has %d", c.Name, len(c.Columns), len(cols))
	}
	return p, requalify(cols, c.Name, c.Columns), nil
}

// requalify renames columns: a new qualifier, and names if given.
func requalify(cols []column, qualifier string, names []string) []column {
	var out []column
	for _, c := range cols {
		if c.hidden {
			continue
		}
		d := *c.Attr
		d.Qualifier = qualifier
		if names != nil {
			d.Name = names[len(out)]
		}
		out = append(out, column{Attr: &d, qualifier: qualifier})
	}
	return out
}

func (a *analyzer) with(w *logical.With, outer *scope) (logical.Plan, []column, error) {
	saved := a.ctes
	defer func() { a.ctes = saved }()
	for _, c := range w.CTEs { // each sees those before it
		name := strings.ToLower(c.Name)
		a.ctes = append(a.ctes[:len(a.ctes):len(a.ctes)], map[string]*cte{name: {c, len(a.ctes)}})
	}
	return a.plan(w.Child, outer)
}

func (a *analyzer) alias(s *logical.SubqueryAlias, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(s.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	visible := requalify(cols, s.Name, nil)
	if len(s.Columns) > 0 && len(s.Columns) != len(visible) {
		return nil, nil, diag.New(diag.InvalidQuery, "%s names %d columns, its query has %d", s.Name, len(s.Columns), len(visible))
	}
	return child, requalify(cols, s.Name, s.Columns), nil
}

func (a *analyzer) values(v *logical.Values, outer *scope) (logical.Plan, []column, error) {
	if len(v.Attrs) > 0 || len(v.Rows) == 0 || len(v.Rows[0]) == 0 {
		return v, columnsOf(v.Attrs, ""), nil
	}
	out := &logical.Values{Place: v.Place}
	types := make([]columnar.Type, len(v.Rows[0]))
	nulls := make([]bool, len(types))
	for _, r := range v.Rows {
		if len(r) != len(types) {
			return nil, nil, diag.NewAt(v.Place, diag.InvalidQuery, "a row of VALUES has %d columns, the first has %d", len(r), len(types))
		}
		row := make([]expr.Expr, len(r))
		for i, e := range r {
			e, err := a.expr(e, &scope{outer: outer})
			if err != nil {
				return nil, nil, err
			}
			row[i] = e
			t, ok := expr.CommonType(types[i], e.Type())
			if !ok {
				return nil, nil, diag.NewAt(e.Pos(), diag.TypeMismatch, "column %d of VALUES has values of types %s and %s", i+1, types[i], e.Type())
			}
			types[i], nulls[i] = t, nulls[i] || e.Nullable()
		}
		out.Rows = append(out.Rows, row)
	}
	for _, r := range out.Rows {
		for i := range r {
			r[i] = eval.Fold(castTo(r[i], types[i]), eval.Options{Zone: a.opts.Zone})
		}
	}
	for i, t := range types {
		out.Attrs = append(out.Attrs, &expr.Attr{ID: a.id(), Name: "col" + itoa(i+1), Typ: t, Null: nulls[i]})
	}
	return out, columnsOf(out.Attrs, ""), nil
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// expand replaces stars by columns.
func (a *analyzer) expand(list []expr.Expr, cols []column) ([]expr.Expr, error) {
	var out []expr.Expr
	for _, e := range list {
		s, ok := e.(*expr.Star)
		if !ok {
			out = append(out, e)
			continue
		}
		n := 0
		for _, c := range cols {
			if len(s.Qualifier) == 0 && c.hidden || len(s.Qualifier) > 0 && !strings.EqualFold(c.qualifier, last(s.Qualifier)) {
				continue
			}
			n++
			skip := false
			for _, x := range s.Except {
				skip = skip || strings.EqualFold(x, c.Name)
			}
			if !skip {
				out = append(out, c.Attr)
			}
		}
		if n == 0 {
			if len(s.Qualifier) > 0 {
				return nil, diag.NewAt(s.Place, diag.UnresolvedColumn, "there is no table %s in FROM", strings.Join(s.Qualifier, "."))
			}
			return nil, diag.NewAt(s.Place, diag.InvalidQuery, "* needs a table in FROM")
		}
	}
	return out, nil
}

// named makes an output column of a resolved expression: an attribute as it is,
// anything else under an alias.
func (a *analyzer) named(e, written expr.Expr) expr.Expr {
	switch x := e.(type) {
	case *expr.Attr:
		if n, ok := written.(*expr.Name); ok && last(n.Parts) != x.Name { // keep the spelling of the table
			return x
		}
		return x
	case *expr.Alias:
		d := *x
		d.ID = a.id()
		return &d
	}
	name := written.String()
	if n, ok := written.(*expr.Name); ok {
		name = last(n.Parts)
	}
	return &expr.Alias{Arg: e, Name: name, ID: a.id(), Place: e.Pos()}
}

func outputs(list []expr.Expr) []*expr.Attr {
	out := make([]*expr.Attr, len(list))
	for i, e := range list {
		switch x := e.(type) {
		case *expr.Attr:
			out[i] = x
		case *expr.Alias:
			out[i] = x.Attr()
		}
	}
	return out
}

func (a *analyzer) project(p *logical.Project, outer *scope) (logical.Plan, []column, error) {
	for _, e := range p.List {
		if isAggregate(e) {
			return a.aggregate(&logical.Aggregate{List: p.List, Child: p.Child}, outer)
		}
	}
	child, cols, err := a.plan(p.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	list, err := a.list(p.List, cols, outer)
	if err != nil {
		return nil, nil, err
	}
	out := &logical.Project{List: list, Child: child}
	a.below[out] = cols
	return out, listColumns(list, cols), nil
}

func (a *analyzer) list(written []expr.Expr, cols []column, outer *scope) ([]expr.Expr, error) {
	written, err := a.expand(written, cols)
	if err != nil {
		return nil, err
	}
	var list []expr.Expr
	for _, w := range written {
		e, err := a.expr(w, &scope{columns: cols, outer: outer})
		if err != nil {
			return nil, err
		}
		list = append(list, a.named(e, w))
	}
	return list, nil
}

func (a *analyzer) filter(f *logical.Filter, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(f.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	if f.Having {
		return a.having(f, child, cols, outer)
	}
	if isAggregate(f.Cond) {
		return nil, nil, diag.NewAt(f.Cond.Pos(), diag.InvalidQuery, "aggregate functions are not allowed in WHERE").WithRemedy("use HAVING")
	}
	cond, err := a.condition(f.Cond, &scope{columns: cols, outer: outer})
	if err != nil {
		return nil, nil, err
	}
	return &logical.Filter{Cond: cond, Child: child}, cols, nil
}

func (a *analyzer) condition(e expr.Expr, s *scope) (expr.Expr, error) {
	c, err := a.expr(e, s)
	if err != nil {
		return nil, err
	}
	if k := c.Type().Kind; k != columnar.Bool && k != columnar.Null {
		return nil, diag.NewAt(e.Pos(), diag.TypeMismatch, "a condition must be boolean, not %s", c.Type())
	}
	return castTo(c, columnar.BoolType), nil
}

func (a *analyzer) having(f *logical.Filter, child logical.Plan, cols []column, outer *scope) (logical.Plan, []column, error) {
	x := a.extension(child, cols, outer)
	cond, err := x.rewrite(f.Cond, true)
	if err != nil {
		return nil, nil, err
	}
	if cond, err = a.condition(cond, &scope{columns: append(columnsOf(x.hidden(), ""), cols...), outer: outer}); err != nil {
		return nil, nil, err
	}
	return x.drop(&logical.Filter{Cond: cond, Child: x.plan()}), cols, nil
}

func (a *analyzer) sort(s *logical.Sort, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(s.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	x := a.extension(child, cols, outer)
	out := &logical.Sort{}
	for _, o := range s.Order {
		if l, ok := o.Expr.(*expr.Literal); ok && l.Typ.IsInteger() {
			n, _ := l.Value.(int64)
			if n < 1 || int(n) > len(cols) {
				return nil, nil, diag.NewAt(l.Place, diag.InvalidQuery, "ORDER BY position %d is not in the select list, which has %d items", n, len(cols))
			}
			o.Expr = cols[n-1].Attr
			out.Order = append(out.Order, o)
			continue
		}
		e, err := x.rewrite(o.Expr, false)
		if err == nil {
			e, err = a.expr(e, &scope{columns: append(columnsOf(x.hidden(), ""), cols...), outer: outer})
		}
		if err != nil {
			return nil, nil, err
		}
		if e.Type().IsNested() {
			return nil, nil, diag.NewAt(o.Expr.Pos(), diag.TypeMismatch, "values of type %s cannot be ordered", e.Type())
		}
		o.Expr = e
		out.Order = append(out.Order, o)
	}
	out.Child = x.plan()
	return x.drop(out), cols, nil
}

func (a *analyzer) limit(l *logical.Limit, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(l.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	out := &logical.Limit{Count: l.Count, Offset: l.Offset, Child: child}
	number := func(e expr.Expr, what string, into *int64) error {
		if e == nil {
			return nil
		}
		r, err := a.expr(e, &scope{})
		if err != nil {
			return err
		}
		lit, ok := eval.Fold(r, eval.Options{}).(*expr.Literal)
		n, isInt := int64(0), false
		if ok {
			n, isInt = lit.Value.(int64)
		}
		if !isInt || n < 0 || !lit.Typ.IsInteger() {
			return diag.NewAt(e.Pos(), diag.InvalidQuery, "%s needs a constant whole number that is not negative", what)
		}
		*into = n
		return nil
	}
	if err := number(l.CountExpr, "LIMIT", &out.Count); err != nil {
		return nil, nil, err
	}
	if err := number(l.OffsetExpr, "OFFSET", &out.Offset); err != nil {
		return nil, nil, err
	}
	return out, cols, nil
}

// setOp brings both sides to common types; UNION becomes logical.Union.
func (a *analyzer) setOp(s *logical.SetOp, outer *scope) (logical.Plan, []column, error) {
	l, lc, err := a.plan(s.Left, outer)
	if err != nil {
		return nil, nil, err
	}
	r, rc, err := a.plan(s.Right, outer)
	if err != nil {
		return nil, nil, err
	}
	lc, rc = requalify(lc, "", nil), requalify(rc, "", nil)
	if len(lc) != len(rc) {
		return nil, nil, diag.NewAt(s.Place, diag.InvalidQuery, "the sides of a set operation have %d and %d columns", len(lc), len(rc))
	}
	attrs := make([]*expr.Attr, len(lc))
	for i := range lc {
		t, ok := expr.CommonType(lc[i].Typ, rc[i].Typ)
		if !ok {
			return nil, nil, diag.NewAt(s.Place, diag.TypeMismatch, "column %d of a set operation is %s on one side and %s on the other", i+1, lc[i].Typ, rc[i].Typ)
		}
		attrs[i] = &expr.Attr{ID: a.id(), Name: lc[i].Name, Typ: t, Null: lc[i].Null || rc[i].Null}
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

// align projects a side of a set operation to its columns, cast to the common
// types.
func (a *analyzer) align(p logical.Plan, cols []column, to []*expr.Attr) logical.Plan {
	out := p.Output()
	same := len(out) == len(cols)
	list := make([]expr.Expr, len(cols))
	for i, c := range cols {
		same = same && out[i].ID == c.ID && c.Typ.Equal(to[i].Typ)
		list[i] = c.Attr
		if !c.Typ.Equal(to[i].Typ) {
			list[i] = &expr.Alias{Arg: castTo(c.Attr, to[i].Typ), Name: c.Name, ID: a.id()}
		}
	}
	if same {
		return p
	}
	return &logical.Project{List: list, Child: p}
}

func (a *analyzer) zone() *time.Location {
	if a.opts.Zone == nil {
		return time.UTC
	}
	return a.opts.Zone
}

// listColumns is what a select list offers: its columns, those passed on still
// under their qualifier.
func listColumns(list []expr.Expr, below []column) []column {
	out := columnsOf(outputs(list), "")
	for i := range out {
		out[i].qualifier = ""
		for _, c := range below {
			if c.ID == out[i].ID {
				out[i].qualifier = c.qualifier
			}
		}
	}
	return out
}
