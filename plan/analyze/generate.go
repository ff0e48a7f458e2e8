package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// generate resolves a call of a table function of the program: over one row without
// columns. Its arguments see the query around it, and, behind LATERAL, what stands
// before it: then lateral puts it over that.
func (a *analyzer) generate(f *expr.Function, r *logical.Relation, outer *scope) (logical.Plan, []column, error) {
	args := make([]expr.Expr, len(r.Args))
	for i, e := range r.Args {
		x, err := a.scalar(e, &scope{outer: outer}, "an argument of a table function")
		if err != nil {
			if d, ok := err.(*diag.Error); ok && d.Class == diag.UnresolvedColumn && d.Remedy == "" {
				return nil, nil, d.WithRemedy("columns of what stands before it in FROM are seen behind LATERAL")
			}
			return nil, nil, err
		}
		args[i] = stripAlias(x)
	}
	sig, err := f.Resolve(args)
	if err != nil {
		return nil, nil, place(err, r.Place)
	}
	g := &logical.Generate{Fn: f, Child: &logical.Values{Rows: [][]expr.Expr{{}}, Place: r.Place}, Place: r.Place}
	for i, x := range args {
		g.Args = append(g.Args, a.castTo(x, sig.Args[i]))
	}
	for _, c := range f.Table.Columns().Fields {
		g.Attrs = append(g.Attrs, &expr.Attr{ID: a.id(), Name: c.Name, Qualifier: f.Name, Typ: c.Type, Null: c.Nullable})
	}
	return g, columnsOf(g.Attrs, f.Name), nil
}

// lateral is a join with a call of a table function behind LATERAL: the function is
// called for each row of the left side. It is nil if the right side is something else.
func lateral(j *logical.Join) (logical.Plan, error) {
	g, ok := j.Right.(*logical.Generate)
	if !ok || !j.Lateral {
		return nil, nil
	}
	if v, ok := g.Child.(*logical.Values); !ok || len(v.Rows) != 1 || len(v.Attrs) != 0 {
		return nil, nil
	}
	d := *g
	d.Child = j.Left
	always := j.Cond == nil
	if l, ok := j.Cond.(*expr.Literal); ok {
		always = l.Value == true
	}
	switch {
	case j.Kind == logical.Left && always:
		d.Outer = true
		return &d, nil
	case j.Kind != logical.Inner && j.Kind != logical.Cross:
		return nil, diag.NewAt(j.Place, diag.Unsupported, "a %s join with a table function and a condition is not supported", strings.ToLower(strings.TrimSuffix(j.Kind.String(), "Outer"))).
			WithRemedy("write LEFT JOIN LATERAL %s(…) ON true, or an inner join", g.Fn.Name)
	case always:
		return &d, nil
	}
	return &logical.Filter{Cond: j.Cond, Child: &d}, nil
}
