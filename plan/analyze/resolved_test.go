package analyze

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
)

func mustAnalyze(t *testing.T, p logical.Plan, o Options) logical.Plan {
	t.Helper()
	q, err := Analyze(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(q); err != nil {
		t.Fatalf("%v\n%s", err, logical.Tree(q))
	}
	return q
}

func parse(t *testing.T, text string) logical.Plan {
	t.Helper()
	p, err := sql.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func as(name string, p logical.Plan) logical.Plan {
	return &logical.SubqueryAlias{Name: name, Child: p}
}

func name(parts ...string) expr.Expr { return &expr.Name{Parts: parts} }

// A DataFrame may put resolved plans under unresolved nodes, also the same one
// on both sides of a join.
func TestResolvedParts(t *testing.T) {
	o := options(t)
	o.NextID = new(expr.ID)
	for _, text := range []string{
		"select a, sum(b) as s from t group by a having count(*) > 1 order by avg(d)",
		"select * from t left join u using (a)",
		"select a from t union all select a from u",
		"select a from t where exists (select 1 from u where u.a = t.a) and b in (select a from u)",
		"select a, a as b from (values (1), (2)) v(a)",
	} {
		part := mustAnalyze(t, parse(t, text), o)
		again := mustAnalyze(t, part, o)
		if logical.Tree(again) != logical.Tree(part) {
			t.Errorf("%s changes when it is analyzed again:\n%s\n%s", text, logical.Tree(part), logical.Tree(again))
		}
		joined := mustAnalyze(t, &logical.Join{Left: as("x", part), Right: as("y", part), Cond: &expr.UnresolvedCall{
			Fn: "=", Args: []expr.Expr{name("x", "a"), name("y", "a")},
		}}, o)
		if n := len(part.Output()); len(joined.Output()) != 2*n {
			t.Errorf("%s joined with itself has %d columns, not %d", text, len(joined.Output()), 2*n)
		}
		mustAnalyze(t, &logical.SetOp{All: true, Left: part, Right: part}, o)
		mustAnalyze(t, &logical.Project{
			List:  []expr.Expr{&expr.Alias{Arg: &expr.UnresolvedCall{Fn: "+", Args: []expr.Expr{name("a"), expr.Lit(int64(1), columnar.Int32Type)}}, Name: "z"}},
			Child: part,
		}, o)
	}
}

// A root without a select list puts out what * stands for.
func TestRootOutput(t *testing.T) {
	o := options(t)
	using := &logical.Join{Kind: logical.Right, Left: relation("t"), Right: relation("u"), Using: []string{"a"}}
	for want, p := range map[string]logical.Plan{
		"a b c d f day at ok c Mixed": using,
		"x y z":                       &logical.SubqueryAlias{Name: "s", Columns: []string{"x", "y", "z"}, Child: relation("u")},
		"a c Mixed":                   &logical.Distinct{Child: &logical.Join{Left: relation("u"), Right: as("v", relation("u")), Using: []string{"a", "c", "mixed"}}},
	} {
		var names []string
		for _, a := range mustAnalyze(t, p, o).Output() {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func relation(name string) logical.Plan {
	r := &logical.Relation{}
	r.Ref.Parts = []string{name}
	return r
}

// Fresh shares no id with the original and keeps the columns of enclosing
// queries.
func TestFresh(t *testing.T) {
	o := options(t)
	o.NextID = new(expr.ID)
	for _, text := range []string{
		"select a, (select max(u.a) from u where u.a = t.a) m from t where b in (select a from u) order by c",
		"with x as (select a from t) select * from x, x y",
		"select c from t intersect select c from u",
		"select x.a, y.mixed from u x, lateral (select mixed from u where u.a = x.a) y",
	} {
		p := mustAnalyze(t, parse(t, text), o)
		q, ids := Fresh(p, o.NextID)
		if err := Check(q); err != nil {
			t.Errorf("%s\n%v\n%s", text, err, logical.Tree(q))
		}
		old := expr.IDSet{}
		for _, id := range defined(p) {
			old[id] = true
		}
		for _, id := range defined(q) {
			if old[id] {
				t.Errorf("%s: #%d is in both", text, id)
			}
		}
		for i, a := range p.Output() {
			if b := q.Output()[i]; ids[a.ID] != b.ID || a.Name != b.Name {
				t.Errorf("%s: %s became %s", text, a, b)
			}
		}
	}
}

// Check finds what a wrong rule does to a plan.
func TestCheckFinds(t *testing.T) {
	o := options(t)
	p := mustAnalyze(t, parse(t, "select a, b from t where a > 1"), o).(*logical.Project)
	a, b := p.List[0].(*expr.Attr), p.List[1].(*expr.Attr)
	f := p.Child.(*logical.Filter)
	stray := *a
	stray.ID = 999
	wrong := *a
	wrong.Typ = columnar.StringType
	sure := *b
	sure.Null = false
	for want, q := range map[string]logical.Plan{
		"is not defined below":    &logical.Project{List: []expr.Expr{&stray}, Child: p.Child},
		"is used as string":       &logical.Project{List: []expr.Expr{&wrong}, Child: p.Child},
		"is used as not nullable": &logical.Project{List: []expr.Expr{&sure}, Child: p.Child},
		"have the id of":          &logical.Distinct{Child: &logical.Project{List: []expr.Expr{a, a}, Child: p.Child}},
		"defined a second time":   &logical.Union{Inputs: []logical.Plan{f.Child, f.Child}, Attrs: f.Child.Output()},
		"is not resolved":         &logical.Filter{Cond: name("a"), Child: f.Child},
		"has no name":             &logical.Project{List: []expr.Expr{expr.Lit(int64(1), columnar.Int32Type)}, Child: f.Child},
		"has no id":               &logical.Project{List: []expr.Expr{&expr.Alias{Arg: a, Name: "x"}}, Child: f.Child},
		"neither keys nor aggr":   &logical.Aggregate{Keys: []expr.Expr{a}, List: []expr.Expr{a, b}, Child: f.Child},
		"still has USING":         &logical.Join{Left: f.Child, Right: &logical.Values{}, Using: []string{"a"}},
		"columns for":             &logical.Union{Inputs: []logical.Plan{p}, Attrs: []*expr.Attr{&stray}},
	} {
		err := Check(q)
		if diag.ClassOf(err) != diag.Internal || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Long chains are resolved, absurd ones refused, without a stack overflow.
func TestDepth(t *testing.T) {
	o := options(t)
	mustAnalyze(t, parse(t, "select a from t"+strings.Repeat(" union all select a from t", 900)), o)
	mustAnalyze(t, parse(t, "select a"+strings.Repeat(" + 1", 900)+" from t where a = 1"+strings.Repeat(" or a = 2", 900)), o)
	p := relation("t")
	for range 3 * maxPlanDepth {
		p = &logical.Distinct{Child: p}
	}
	if _, err := Analyze(context.Background(), p, o); diag.ClassOf(err) != diag.InvalidQuery {
		t.Errorf("got %v", err)
	}
}

// Partition columns of files are checked and take the query's spelling.
func TestWrite(t *testing.T) {
	o := options(t)
	for text, c := range map[string]struct {
		by    []string
		class diag.Class
	}{
		"select a, c from u":       {by: []string{"A"}},
		"select a, c from t, v":    {class: diag.AmbiguousReference},
		"select a, c as cc from u": {by: []string{"mixed"}, class: diag.UnresolvedColumn},
		"select c, a from u":       {by: []string{"a", "A"}, class: diag.InvalidQuery},
		"select a from u":          {by: []string{"a"}, class: diag.InvalidQuery},
		"select a, a, c from u":    {by: []string{"a"}, class: diag.AmbiguousReference},
		"select s, l from n":       {by: []string{"s"}, class: diag.TypeMismatch},
	} {
		w, err := Analyze(context.Background(), &logical.Write{Format: "parquet", PartitionBy: c.by, Child: parse(t, text)}, o)
		if diag.ClassOf(err) != c.class {
			t.Errorf("%s by %v: %v", text, c.by, err)
		}
		if err == nil && strings.Join(w.(*logical.Write).PartitionBy, " ") != "a" {
			t.Errorf("%s: partitioned by %v", text, w.(*logical.Write).PartitionBy)
		}
	}
}
