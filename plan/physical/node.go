package physical

import (
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
)

func join[T fmt.Stringer](xs []T) string {
	parts := make([]string, len(xs))
	for i, x := range xs {
		parts[i] = x.String()
	}
	return strings.Join(parts, ", ")
}

func names(s *columnar.Schema) string {
	parts := make([]string, s.Len())
	for i, f := range s.Fields {
		parts[i] = f.Name
	}
	return strings.Join(parts, ", ")
}

func (s *Scan) Schema() *columnar.Schema { return s.Read.Project(s.Project) }
func (s *Scan) Children() []Plan {
	if s.Dataset == nil {
		return nil
	}
	return []Plan{s.Dataset.Origin}
}
func (s *Scan) WithChildren(k []Plan) Plan {
	if s.Dataset == nil {
		return s
	}
	d, x := *s, *s.Dataset
	x.Origin = k[0]
	d.Dataset = &x
	return &d
}
func (s *Scan) String() string {
	t := "Scan " + s.Name
	if s.Dataset != nil {
		t = "InMemory" + t
	}
	t += " [" + names(s.Schema()) + "]"
	if len(s.Filters) > 0 {
		t += " filters: [" + join(s.Filters) + "]"
	}
	return t + applied(s.RuntimeFilters, s.Read)
}

func (v *Values) Schema() *columnar.Schema { return v.Out }
func (v *Values) Children() []Plan         { return nil }
func (v *Values) WithChildren([]Plan) Plan { return v }
func (v *Values) String() string {
	return fmt.Sprintf("Values [%s] %d rows", names(v.Out), len(v.Rows))
}

func (s *Source) Schema() *columnar.Schema { return s.Out }
func (s *Source) Children() []Plan         { return nil }
func (s *Source) WithChildren([]Plan) Plan { return s }
func (s *Source) String() string {
	return fmt.Sprintf("%s exchange %d [%s]", [...]string{"Read", "ReadAll", "Merge"}[s.Mode], s.Exchange, names(s.Out))
}

func (f *Filter) Schema() *columnar.Schema   { return f.Child.Schema() }
func (f *Filter) Children() []Plan           { return []Plan{f.Child} }
func (f *Filter) WithChildren(k []Plan) Plan { return &Filter{f.Conjuncts, f.RuntimeFilters, k[0]} }
func (f *Filter) String() string {
	return "Filter [" + join(f.Conjuncts) + "]" + applied(f.RuntimeFilters, f.Schema())
}

// applied renders the runtime filters that a node applies to columns.
func applied(fs []RuntimeFilter, s *columnar.Schema) string {
	t := ""
	for _, f := range fs {
		t += fmt.Sprintf(" runtime filter %d on %s", f.ID, s.Fields[f.Column].Name)
	}
	return t
}

func (p *Project) Schema() *columnar.Schema   { return p.Out }
func (p *Project) Children() []Plan           { return []Plan{p.Child} }
func (p *Project) WithChildren(k []Plan) Plan { return &Project{p.Exprs, p.Out, k[0]} }
func (p *Project) String() string {
	parts := make([]string, len(p.Exprs))
	for i, e := range p.Exprs {
		parts[i] = e.String()
		if n := p.Out.Fields[i].Name; n != parts[i] {
			parts[i] += " AS " + n
		}
	}
	return "Project [" + strings.Join(parts, ", ") + "]"
}

func (a *Apply) Schema() *columnar.Schema { return a.Out }
func (a *Apply) Children() []Plan         { return []Plan{a.Child} }
func (a *Apply) WithChildren(k []Plan) Plan {
	d := *a
	d.Child = k[0]
	return &d
}
func (a *Apply) String() string { return "Apply " + a.Fn + " [" + join(a.List) + "]" }

func (g *Generate) Schema() *columnar.Schema { return g.Out }
func (g *Generate) Children() []Plan         { return []Plan{g.Child} }
func (g *Generate) WithChildren(k []Plan) Plan {
	d := *g
	d.Child = k[0]
	return &d
}
func (g *Generate) String() string {
	s := "Generate " + g.Fn.Name + "(" + join(g.Args) + ")"
	if g.Outer {
		s += " outer"
	}
	return s
}

func (a *Accumulate) Schema() *columnar.Schema { return a.Child.Schema() }
func (a *Accumulate) Children() []Plan         { return []Plan{a.Child} }
func (a *Accumulate) WithChildren(k []Plan) Plan {
	d := *a
	d.Child = k[0]
	return &d
}
func (a *Accumulate) String() string { return "Accumulate " + a.Name + " [" + join(a.List) + "]" }

// Values returns the schema of the list.
func (a *Accumulate) Values() *columnar.Schema {
	s := &columnar.Schema{}
	for _, e := range a.List {
		s.Fields = append(s.Fields, columnar.Field{Name: e.String(), Type: e.Type(), Nullable: e.Nullable()})
	}
	return s
}

func (m AggMode) String() string {
	return [...]string{"partial", "final", "complete", "merge", "eager"}[m]
}

// String renders the call as SQL.
func (c AggCall) String() string {
	s := c.Fn + "("
	if c.Distinct {
		s += "DISTINCT "
	}
	if len(c.Args) == 0 {
		s += "*"
	}
	s += join(c.Args) + ")"
	if c.Filter != nil {
		s += " FILTER (WHERE " + c.Filter.String() + ")"
	}
	return s
}

func (a *Aggregate) Schema() *columnar.Schema { return a.Out }
func (a *Aggregate) Children() []Plan         { return []Plan{a.Child} }
func (a *Aggregate) WithChildren(k []Plan) Plan {
	d := *a
	d.Child = k[0]
	return &d
}
func (a *Aggregate) String() string {
	return "HashAggregate " + a.Mode.String() + " keys: [" + join(a.Keys) + "] [" + join(a.Aggs) + "]"
}

// String renders the call as SQL.
func (c WindowCall) String() string {
	s := AggCall{Fn: c.Fn, Args: c.Args, Filter: c.Filter}.String()
	if len(c.Args) == 0 && c.Fn != "count" {
		s = c.Fn + "()"
	}
	if c.IgnoreNulls {
		s += " IGNORE NULLS"
	}
	if c.Frame != nil {
		s += " " + c.Frame.String()
	}
	return s
}

func (x *Expand) Schema() *columnar.Schema { return x.Out }
func (x *Expand) Children() []Plan         { return []Plan{x.Child} }
func (x *Expand) WithChildren(k []Plan) Plan {
	d := *x
	d.Child = k[0]
	return &d
}
func (x *Expand) String() string {
	sets := make([]string, len(x.Sets))
	for i, set := range x.Sets {
		keys := make([]string, len(set))
		for k, at := range set {
			keys[k] = x.Child.Schema().Fields[x.Keys[at]].Name
		}
		sets[i] = "(" + strings.Join(keys, ", ") + ")"
	}
	return "Expand " + strings.Join(sets, " ")
}

func (w *Window) Schema() *columnar.Schema { return w.Out }
func (w *Window) Children() []Plan         { return []Plan{w.Child} }
func (w *Window) WithChildren(k []Plan) Plan {
	d := *w
	d.Child = k[0]
	return &d
}
func (w *Window) String() string {
	keys := make([]string, len(w.PartitionBy))
	for i, c := range w.PartitionBy {
		keys[i] = w.Child.Schema().Fields[c].Name
	}
	return "Window [" + join(w.Calls) + "] partition by [" + strings.Join(keys, ", ") + "] order by [" + join(w.Order) + "]"
}

func (j *HashJoin) Schema() *columnar.Schema { return j.Out }
func (j *HashJoin) Children() []Plan         { return []Plan{j.Left, j.Right} }
func (j *HashJoin) WithChildren(k []Plan) Plan {
	d := *j
	d.Left, d.Right = k[0], k[1]
	return &d
}
func (j *HashJoin) String() string {
	s := "HashJoin " + j.Kind.String()
	if j.Shared {
		s += " shared"
	}
	if j.BuildLeft {
		s += " build left"
	} else {
		s += " build right"
	}
	s += " [" + join(j.LeftKeys) + "] = [" + join(j.RightKeys) + "]"
	if j.Residual != nil {
		s += " and " + j.Residual.String()
	}
	return s + " → [" + names(j.Out) + "]"
}

func (j *LoopJoin) Schema() *columnar.Schema { return j.Out }
func (j *LoopJoin) Children() []Plan         { return []Plan{j.Left, j.Right} }
func (j *LoopJoin) WithChildren(k []Plan) Plan {
	d := *j
	d.Left, d.Right = k[0], k[1]
	return &d
}
func (j *LoopJoin) String() string {
	s := "LoopJoin " + j.Kind.String()
	if j.Cond != nil {
		s += " on " + j.Cond.String()
	}
	return s
}

func (s *Sort) Schema() *columnar.Schema   { return s.Child.Schema() }
func (s *Sort) Children() []Plan           { return []Plan{s.Child} }
func (s *Sort) WithChildren(k []Plan) Plan { return &Sort{s.Order, k[0]} }
func (s *Sort) String() string             { return "Sort [" + join(s.Order) + "]" }

func (t *TopN) Schema() *columnar.Schema { return t.Child.Schema() }
func (t *TopN) Children() []Plan         { return []Plan{t.Child} }
func (t *TopN) WithChildren(k []Plan) Plan {
	d := *t
	d.Child = k[0]
	return &d
}
func (t *TopN) String() string {
	return fmt.Sprintf("TopN%s %d offset %d [%s]", partial(t.Partial), t.Count, t.Offset, join(t.Order))
}

func partial(p bool) string {
	if p {
		return " partial"
	}
	return ""
}

func (l *Limit) Schema() *columnar.Schema { return l.Child.Schema() }
func (l *Limit) Children() []Plan         { return []Plan{l.Child} }
func (l *Limit) WithChildren(k []Plan) Plan {
	d := *l
	d.Child = k[0]
	return &d
}
func (l *Limit) String() string {
	return fmt.Sprintf("Limit%s %d offset %d", partial(l.Partial), l.Count, l.Offset)
}

func (u *Union) Schema() *columnar.Schema   { return u.Out }
func (u *Union) Children() []Plan           { return u.Inputs }
func (u *Union) WithChildren(k []Plan) Plan { return &Union{k, u.Out} }
func (u *Union) String() string             { return fmt.Sprintf("Union %d inputs", len(u.Inputs)) }

// String renders the partitioning for EXPLAIN.
func (p Partitioning) String() string {
	switch p.Kind {
	case SinglePartition:
		return "single"
	case HashPartitioning:
		return fmt.Sprintf("hash%v into %d", p.Keys, p.Count)
	case RoundRobin:
		return fmt.Sprintf("round robin into %d", p.Count)
	}
	return "broadcast"
}

func (e *Exchange) Schema() *columnar.Schema { return e.Child.Schema() }
func (e *Exchange) Children() []Plan         { return []Plan{e.Child} }
func (e *Exchange) WithChildren(k []Plan) Plan {
	d := *e
	d.Child = k[0]
	return &d
}
func (e *Exchange) String() string {
	s := fmt.Sprintf("Exchange %d %s", e.ID, e.Partitioning)
	if len(e.Order) > 0 {
		s += " merge [" + join(e.Order) + "]"
	}
	for _, f := range e.Filters {
		s += fmt.Sprintf(" makes runtime filter %d of %s", f.ID, e.Schema().Fields[f.Column].Name)
	}
	return s
}

// WriteSchema is the output of a Write node.
var WriteSchema = columnar.NewSchema(
	columnar.Field{Name: "path", Type: columnar.StringType},
	columnar.Field{Name: "rows", Type: columnar.Int64Type},
	columnar.Field{Name: "bytes", Type: columnar.Int64Type},
)

func (w *Write) Schema() *columnar.Schema { return WriteSchema }
func (w *Write) Children() []Plan         { return []Plan{w.Child} }
func (w *Write) WithChildren(k []Plan) Plan {
	d := *w
	d.Child = k[0]
	return &d
}
func (w *Write) String() string { return "Write " + w.Format + " " + w.Path }

// Tree renders a plan with one indented line per node.
func Tree(p Plan) string {
	var b strings.Builder
	var walk func(Plan, int)
	walk = func(p Plan, depth int) {
		b.WriteString(strings.Repeat("  ", depth) + p.String() + "\n")
		for _, k := range p.Children() {
			walk(k, depth+1)
		}
	}
	walk(p, 0)
	return b.String()
}

var (
	_ Plan = (*Scan)(nil)
	_ Plan = (*Values)(nil)
	_ Plan = (*Source)(nil)
	_ Plan = (*Filter)(nil)
	_ Plan = (*Project)(nil)
	_ Plan = (*Aggregate)(nil)
	_ Plan = (*Accumulate)(nil)
	_ Plan = (*Apply)(nil)
	_ Plan = (*Generate)(nil)
	_ Plan = (*HashJoin)(nil)
	_ Plan = (*LoopJoin)(nil)
	_ Plan = (*Sort)(nil)
	_ Plan = (*TopN)(nil)
	_ Plan = (*Limit)(nil)
	_ Plan = (*Union)(nil)
	_ Plan = (*Exchange)(nil)
	_ Plan = (*Write)(nil)
)
