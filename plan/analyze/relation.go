package analyze

import (
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// cte is a common table expression and what it sees: the expressions before it
// and the columns around its WITH.
type cte struct {
	logical.CTE
	name  string // lower case
	sees  int    // how many ctes were in force
	outer *scope
}

func lower(s string) string { return strings.ToLower(s) }

// relation resolves a table reference: a CTE, else a view, else the resolver's.
func (a *analyzer) relation(r *logical.Relation, outer *scope) (logical.Plan, []column, error) {
	name := lower(strings.Join(r.Ref.Parts, "."))
	if r.Call {
		if f, ok := a.opts.Functions.Lookup(name); ok && f.Kind == expr.TableFunction {
			return a.generate(f, r, outer)
		}
		call, err := a.tableFunction(name, r)
		if err != nil {
			return nil, nil, err
		}
		r = call
	}
	if r.Ref.Format == "" && r.Ref.Path == "" {
		for i := len(a.ctes) - 1; i >= 0; i-- {
			if a.ctes[i].name == name {
				return a.cte(a.ctes[i])
			}
		}
		if v, ok := a.opts.Views[name]; ok {
			return a.view(name, v, r)
		}
	}
	t, err := a.opts.Resolver.ResolveTable(a.ctx, r.Ref)
	if err != nil {
		if diag.ClassOf(err) == diag.TableNotFound && len(r.Ref.Parts) > 0 {
			return nil, nil, a.notFound(r)
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

// tableFunction is the table that a call of the engine's own function stands for.
// There is one, range, whose arguments are constant whole numbers.
func (a *analyzer) tableFunction(name string, r *logical.Relation) (*logical.Relation, error) {
	if name != "range" {
		if f, ok := a.opts.Functions.Lookup(name); ok {
			return nil, diag.NewAt(r.Place, diag.InvalidQuery, "%s is not a table function, so it cannot stand in FROM", f.Name)
		}
		var names []string
		for _, n := range a.opts.Functions.Names() {
			if f, _ := a.opts.Functions.Lookup(n); f.Kind == expr.TableFunction {
				names = append(names, n)
			}
		}
		e := diag.NewAt(r.Place, diag.UnresolvedRoutine, "there is no table function %s()", name)
		if near := nearest(name, names); near != "" {
			return nil, e.WithRemedy("did you mean %s?", near)
		}
		return nil, e.WithRemedy("range(start, end, step, partitions) is one; explode and its like stand in the select list or behind LATERAL VIEW")
	}
	if len(r.Args) < 1 || len(r.Args) > 4 {
		return nil, diag.NewAt(r.Place, diag.WrongArguments, "range() takes 1 to 4 arguments, not %d", len(r.Args)).WithRemedy("range(end), range(start, end), range(start, end, step) or range(start, end, step, partitions)")
	}
	args := []int64{0, 0, 1, 0} // start, end, step, partitions
	into := []*int64{&args[0], &args[1], &args[2], &args[3]}
	if len(r.Args) == 1 {
		into = into[1:]
	}
	for i, e := range r.Args {
		n, ok, err := a.constant(e, "range()")
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, diag.NewAt(e.Pos(), diag.InvalidArgument, "range() needs constant whole numbers")
		}
		*into[i] = n
	}
	options := map[string]string{}
	for i, key := range []string{"start", "end", "step", "partitions"} {
		options[key] = strconv.FormatInt(args[i], 10)
	}
	return &logical.Relation{Ref: catalog.TableRef{Parts: r.Ref.Parts, Format: "range", Path: "range", Options: options, Place: r.Place}, Place: r.Place}, nil
}

func (a *analyzer) notFound(r *logical.Relation) error {
	e := diag.NewAt(r.Place, diag.TableNotFound, "there is no table or view named %s", strings.Join(r.Ref.Parts, "."))
	names := append([]string{}, a.opts.Resolver.TableNames()...)
	for n := range a.opts.Views {
		names = append(names, n)
	}
	slices.Sort(names) // views come in the order of a map
	for _, c := range a.ctes {
		names = append(names, c.Name)
	}
	if near := nearest(strings.Join(r.Ref.Parts, "."), names); near != "" {
		return e.WithRemedy("did you mean %s?", near)
	}
	return e.WithRemedy("name a file as parquet.`path`, or create a view with CREATE TEMP VIEW")
}

// view resolves a view's query afresh. It sees nothing of the query around it.
func (a *analyzer) view(name string, v logical.Plan, r *logical.Relation) (logical.Plan, []column, error) {
	if slices.Contains(a.views, name) {
		return nil, nil, diag.NewAt(r.Place, diag.InvalidQuery, "view %s refers to itself", name).WithRemedy("create it under another name")
	}
	ctes := a.ctes
	a.ctes, a.views = nil, append(a.views, name)
	p, cols, err := a.plan(v, nil)
	a.ctes, a.views = ctes, a.views[:len(a.views)-1]
	if err != nil {
		return nil, nil, inView(err, r)
	}
	return p, requalify(cols, last(r.Ref.Parts), nil), nil
}

// inView moves an error within a view's query, whose text is another, to the
// reference.
func inView(err error, r *logical.Relation) error {
	if e, ok := err.(*diag.Error); ok && e.Pos != 0 {
		d := *e
		d.Pos = r.Place
		d.Message = "in view " + last(r.Ref.Parts) + ": " + e.Message
		return &d
	}
	return err
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

// cte resolves a common table expression afresh, with what it sees.
func (a *analyzer) cte(c *cte) (logical.Plan, []column, error) {
	saved := a.ctes
	a.ctes = a.ctes[:c.sees:c.sees]
	p, cols, err := a.plan(c.Plan, c.outer)
	a.ctes = saved
	if err != nil {
		return nil, nil, err
	}
	return renamed(p, cols, c.Name, c.Columns, c.Place)
}

// renamed puts columns under a name, and new names if there are any.
func renamed(p logical.Plan, cols []column, name string, names []string, at diag.Pos) (logical.Plan, []column, error) {
	n := 0
	for _, c := range cols {
		if !c.hidden {
			n++
		}
	}
	if len(names) > 0 && len(names) != n {
		return nil, nil, diag.NewAt(at, diag.InvalidQuery, "%s names %d columns, its query has %d", name, len(names), n)
	}
	return p, requalify(cols, name, names), nil
}

// with brings expressions into force for its child; each sees those before it,
// not itself.
func (a *analyzer) with(w *logical.With, outer *scope) (logical.Plan, []column, error) {
	saved := a.ctes
	defer func() { a.ctes = saved }()
	for i, c := range w.CTEs {
		name := lower(c.Name)
		for _, before := range w.CTEs[:i] {
			if lower(before.Name) == name {
				return nil, nil, diag.NewAt(c.Place, diag.InvalidQuery, "WITH defines %s twice", c.Name)
			}
		}
		n := len(a.ctes)
		a.ctes = append(a.ctes[:n:n], &cte{c, name, n, outer})
	}
	for _, c := range w.CTEs { // one that nobody uses must be right as well
		if !uses(w, c.Name) {
			for _, known := range a.ctes[len(saved):] {
				if known.Name == c.Name {
					if _, _, err := a.cte(known); err != nil {
						return nil, nil, err
					}
				}
			}
		}
	}
	return a.plan(w.Child, outer)
}

// uses reports whether a name may be referred to in a WITH: a mention anywhere.
func uses(w *logical.With, name string) bool {
	found := false
	var walk func(p logical.Plan)
	walk = func(p logical.Plan) {
		logical.Walk(p, func(p logical.Plan) bool {
			switch x := p.(type) {
			case *logical.Relation:
				found = found || len(x.Ref.Parts) == 1 && strings.EqualFold(x.Ref.Parts[0], name)
			case *logical.With:
				for _, c := range x.CTEs {
					walk(c.Plan)
				}
			}
			for _, e := range p.Exprs() {
				expr.Walk(e, func(e expr.Expr) bool {
					if s, ok := e.(*expr.Subquery); ok && !found {
						walk(s.Plan.(logical.Plan))
					}
					return !found
				})
			}
			return !found
		})
	}
	walk(w)
	return found
}

func (a *analyzer) alias(s *logical.SubqueryAlias, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(s.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	return renamed(child, cols, s.Name, s.Columns, 0)
}

// values resolves rows and brings each column to one type.
func (a *analyzer) values(v *logical.Values, outer *scope) (logical.Plan, []column, error) {
	if a.resolved = a.resolved || len(v.Attrs) > 0; len(v.Attrs) > 0 || len(v.Rows) == 0 || len(v.Rows[0]) == 0 {
		return v, columnsOf(v.Attrs, ""), nil
	}
	out := &logical.Values{Place: v.Place}
	types := make([]columnar.Type, len(v.Rows[0]))
	nulls := make([]bool, len(types))
	for n, r := range v.Rows {
		if len(r) != len(types) {
			return nil, nil, diag.NewAt(v.Place, diag.InvalidQuery, "row %d of VALUES has %d columns, the first has %d", n+1, len(r), len(types))
		}
		row := make([]expr.Expr, len(r))
		for i, e := range r {
			e, err := a.scalar(e, &scope{outer: outer}, "VALUES")
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
			r[i] = eval.Fold(a.castTo(r[i], types[i]), eval.Options{Zone: a.opts.Zone})
		}
	}
	for i, t := range types {
		out.Attrs = append(out.Attrs, &expr.Attr{ID: a.id(), Name: "col" + strconv.Itoa(i+1), Typ: t, Null: nulls[i]})
	}
	return out, columnsOf(out.Attrs, ""), nil
}
