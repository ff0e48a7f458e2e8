package analyze

import (
	"context"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Options are what names may resolve to.
type Options struct {
	Resolver catalog.Resolver
	// Views are the session's views by lower-case name, unresolved.
	Views map[string]logical.Plan
	// Functions are what calls may name; nil stands for expr.Builtins.
	Functions *expr.FunctionTable
	// Zone is the session's time zone; nil means UTC.
	Zone *time.Location
	// Now is the time of the statement: what current_timestamp() is.
	Now time.Time
	// NextID is the counter that ids come from; nil starts one.
	NextID *expr.ID
}

// The bounds of nesting. Chains (a + b + …, UNION ALL …) count as nesting here;
// the parser bounds both far below.
const (
	maxPlanDepth = 5000
	maxExprDepth = 20000
)

// Analyze resolves a statement: a query becomes one whose output lists exactly
// its columns; a command holds analyzed queries. Parts that are resolved already
// stay as they are, except that they get fresh ids where they would meet
// themselves.
func Analyze(ctx context.Context, p logical.Plan, o Options) (logical.Plan, error) {
	if o.Functions == nil {
		o.Functions = expr.Builtins()
	}
	if o.NextID == nil {
		o.NextID = new(expr.ID)
	}
	a := &analyzer{ctx: ctx, opts: o, below: map[logical.Plan][]column{}, sets: map[logical.Plan]*groupingSets{}, done: map[*expr.Subquery]bool{}}
	return a.statement(p)
}

type analyzer struct {
	ctx   context.Context
	opts  Options
	ctes  []*cte
	views []string // the views being entered
	depth int
	below map[logical.Plan][]column // what a select list's names referred to
	sets  map[logical.Plan]*groupingSets
	done  map[*expr.Subquery]bool // resolved here
	// resolved is whether a part came resolved, so that ids may meet themselves.
	resolved bool
}

func (a *analyzer) id() expr.ID { *a.opts.NextID++; return *a.opts.NextID }

func (a *analyzer) zone() *time.Location {
	if a.opts.Zone == nil {
		return time.UTC
	}
	return a.opts.Zone
}

// statement resolves the root: a command or a query.
func (a *analyzer) statement(p logical.Plan) (logical.Plan, error) {
	switch x := p.(type) {
	case *logical.Explain:
		q, err := a.statement(x.Query)
		if err != nil {
			return nil, err
		}
		return &logical.Explain{Mode: x.Mode, Query: q}, nil
	case *logical.Describe:
		q, err := a.query(x.Query)
		if err != nil {
			return nil, err
		}
		return &logical.Describe{Query: q}, nil
	case *logical.Show:
		if x.Table == nil {
			return x, nil
		}
		out := *x
		var err error
		out.Table, err = a.query(x.Table)
		return &out, err
	case *logical.CreateView:
		return a.createView(x)
	case *logical.Write:
		return a.write(x)
	case *logical.DropView, *logical.Set, *logical.CreateFunction, *logical.DropFunction, *logical.Artifact:
		return x, nil
	}
	return a.query(p)
}

// query resolves a whole query; its plan puts out the visible columns only.
func (a *analyzer) query(p logical.Plan) (logical.Plan, error) {
	out, cols, err := a.plan(p, nil)
	if err != nil {
		return nil, err
	}
	return a.visible(out, cols), nil
}

// createView checks the view's query. The view keeps its unresolved query: each
// use resolves it afresh.
func (a *analyzer) createView(v *logical.CreateView) (logical.Plan, error) {
	q := v.Query
	if v.Ref != nil {
		q = &logical.Relation{Ref: *v.Ref, Place: v.Place}
	}
	a.views = append(a.views, lower(v.Name))
	p, err := a.query(q)
	if err != nil {
		return nil, err
	}
	if n := len(p.Output()); len(v.Columns) > 0 && len(v.Columns) != n {
		return nil, diag.NewAt(v.Place, diag.InvalidQuery, "view %s names %d columns, its query has %d", v.Name, len(v.Columns), n)
	}
	return v, nil
}

func (a *analyzer) write(w *logical.Write) (logical.Plan, error) {
	child, err := a.query(w.Child)
	if err != nil {
		return nil, err
	}
	cols := columnsOf(child.Output(), "")
	out := *w
	out.Child, out.PartitionBy = child, nil
	for _, name := range w.PartitionBy {
		n := &expr.Name{Parts: []string{name}, Place: w.Place}
		found := find(cols, n.Parts)
		switch {
		case len(found) == 0:
			return nil, unresolved(n, &scope{columns: cols})
		case len(found) > 1:
			return nil, ambiguous(n, found)
		case found[0].Typ.IsNested():
			return nil, diag.NewAt(w.Place, diag.TypeMismatch, "files cannot be partitioned by %s of type %s", name, found[0].Typ)
		case slices.Contains(out.PartitionBy, found[0].Name):
			return nil, diag.NewAt(w.Place, diag.InvalidQuery, "column %s is named twice in the partitioning", name)
		}
		out.PartitionBy = append(out.PartitionBy, found[0].Name)
	}
	if n := len(out.PartitionBy); n > 0 && n == len(cols) {
		return nil, diag.NewAt(w.Place, diag.InvalidQuery, "all columns are in the partitioning, so the files would have none")
	}
	return &out, nil
}

// plan resolves a node. The second result is what names may refer to above it,
// in the order of *; outer's columns are those of enclosing queries.
func (a *analyzer) plan(p logical.Plan, outer *scope) (logical.Plan, []column, error) {
	if a.depth++; a.depth > maxPlanDepth {
		return nil, nil, diag.New(diag.InvalidQuery, "the query is nested too deeply").WithRemedy("split it into views")
	}
	defer func() { a.depth-- }()
	switch x := p.(type) {
	case *logical.Scan, *logical.Window, *logical.Expand, *logical.Shared:
		a.resolved = true
		return p, columnsOf(p.Output(), ""), nil
	case *logical.Relation:
		return a.relation(x, outer)
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
		if x.On != nil {
			return a.distinctOn(x.On, child, cols)
		}
		return a.distinct(child, cols)
	case *logical.Edit:
		return a.edit(x, outer)
	case *logical.SetOp:
		return a.setOp(x, outer)
	case *logical.Union:
		return a.union(x)
	case *logical.Repartition:
		return a.repartition(x, outer)
	case *logical.Apply:
		return a.apply(x, outer)
	case *logical.Accumulate:
		return a.accumulate(x, outer)
	}
	return nil, nil, diag.New(diag.Unsupported, "%s cannot be part of a query", p)
}

// distinct compares rows: whole visible ones, of types that can be compared.
func (a *analyzer) distinct(child logical.Plan, cols []column) (logical.Plan, []column, error) {
	for _, c := range cols {
		if c.Typ.Kind == columnar.Map && !c.hidden {
			return nil, nil, diag.New(diag.TypeMismatch, "column %s of type %s cannot be compared, so DISTINCT is impossible", c.Name, c.Typ)
		}
	}
	kept := cols[:0:0]
	for _, c := range cols {
		if !c.hidden {
			kept = append(kept, c)
		}
	}
	return &logical.Distinct{Child: a.visible(child, cols)}, kept, nil
}

func (a *analyzer) repartition(r *logical.Repartition, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(r.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	out := &logical.Repartition{Partitions: r.Partitions, Child: child}
	for _, k := range r.Keys {
		e, err := a.scalar(k, &scope{columns: cols, outer: outer}, "the keys of a repartitioning")
		if err != nil {
			return nil, nil, err
		}
		out.Keys = append(out.Keys, e)
	}
	return out, cols, nil
}

// apply resolves what a function on partitions is given; its output is new.
func (a *analyzer) apply(x *logical.Apply, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(x.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	d := &logical.Apply{Fn: x.Fn, Args: x.Args, Child: child}
	for _, e := range x.List {
		r, err := a.scalar(e, &scope{columns: cols, outer: outer}, "what a function on partitions gets")
		if err != nil {
			return nil, nil, err
		}
		d.List = append(d.List, stripAlias(r))
	}
	for _, o := range x.Attrs {
		n := *o
		n.ID = a.id()
		d.Attrs = append(d.Attrs, &n)
	}
	return d, columnsOf(d.Attrs, ""), nil
}

// accumulate brings what is summed up to the accumulator's type.
func (a *analyzer) accumulate(x *logical.Accumulate, outer *scope) (logical.Plan, []column, error) {
	child, cols, err := a.plan(x.Child, outer)
	if err != nil {
		return nil, nil, err
	}
	d := *x
	d.Child, d.List = child, nil
	for _, e := range x.List {
		if al, ok := e.(*expr.Alias); ok {
			e = al.Arg
		}
		r, err := a.scalar(e, &scope{columns: cols, outer: outer}, "what is accumulated")
		if err != nil {
			return nil, nil, err
		}
		if x.Sum.Kind != columnar.Null {
			if len(x.List) != 1 || !r.Type().IsNumeric() {
				return nil, nil, diag.NewAt(r.Pos(), diag.TypeMismatch, "the accumulator %s adds one number, not values of type %s", x.Name, r.Type())
			}
			if !r.Type().Equal(x.Sum) {
				r = &expr.Cast{Arg: r, To: x.Sum, Place: r.Pos()}
			}
		}
		d.List = append(d.List, r)
	}
	return &d, cols, nil
}

// visible projects a plan to the columns that * stands for, under their names,
// unless it puts out just these.
func (a *analyzer) visible(p logical.Plan, cols []column) logical.Plan {
	shown := make([]column, 0, len(cols))
	for _, c := range cols {
		if !c.hidden {
			shown = append(shown, c)
		}
	}
	out := p.Output()
	same := len(out) == len(shown)
	for i := 0; same && i < len(out); i++ {
		same = out[i].ID == shown[i].ID && out[i].Name == shown[i].Name
	}
	if same {
		return p
	}
	list := make([]expr.Expr, len(shown))
	for i, c := range shown {
		list[i] = c.Attr
	}
	return &logical.Project{List: list, Child: p}
}
