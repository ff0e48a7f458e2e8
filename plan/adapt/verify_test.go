package adapt

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// sizes is an exchange of which each map task wrote as much to each partition.
type sizes [][]int64

func (s sizes) Maps() int            { return len(s) }
func (s sizes) Executor(int) string  { return "x" }
func (s sizes) Bytes(m, p int) int64 { return s[m][p] }
func (s sizes) Exact() bool          { return true }
func (s sizes) Total() (rows, bytes int64) {
	for _, m := range s {
		for _, b := range m {
			bytes += b
		}
	}
	return bytes, bytes
}

// joined is a join of two scans by their first columns, exchanged into 4 partitions.
func joined(t *testing.T, kind logical.JoinKind) *stage.Graph {
	t.Helper()
	s := columnar.NewSchema(columnar.Field{Name: "k", Type: columnar.Int64Type}, columnar.Field{Name: "v", Type: columnar.Int64Type})
	side := func(id int) physical.Plan {
		return &physical.Exchange{ID: id, Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: 4, Keys: []int{0}},
			Child: &physical.Scan{Columns: []int{0, 1}, Read: s, Project: []int{0, 1}}}
	}
	key := &expr.Column{Index: 0, Name: "k", Typ: columnar.Int64Type}
	g, err := stage.Cut(&physical.HashJoin{Kind: kind, Left: side(1), Right: side(2), LeftKeys: []expr.Expr{key}, RightKeys: []expr.Expr{key}, NullSafe: []bool{false},
		Output: []int{0, 3}, Out: s})
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(g, nil); err != nil {
		t.Fatal(err)
	}
	return g
}

// What a task must not be without is noticed, whoever took it away.
func TestVerify(t *testing.T) {
	part := func(from, to int, maps ...int) stage.Part { return stage.Part{From: from, To: to, Maps: maps} }
	parts := func(list ...[]stage.Part) func(*stage.Graph) {
		return func(g *stage.Graph) { g.Stages[2].Drivers[0].Parts = list }
	}
	both := func(p stage.Part) []stage.Part { return []stage.Part{p, p} }
	for name, c := range map[string]struct {
		kind   logical.JoinKind
		break_ func(*stage.Graph)
		want   string
	}{
		"together":            {logical.Full, parts(both(part(0, 3)), both(part(3, 4))), ""},
		"in parts":            {logical.Left, parts(both(part(0, 3)), []stage.Part{part(3, 4, 0), part(3, 4)}, []stage.Part{part(3, 4, 1), part(3, 4)}), ""},
		"a partition missing": {logical.Inner, parts(both(part(0, 3))), "3 of 4 partitions"},
		"a partition twice":   {logical.Inner, parts(both(part(0, 3)), both(part(2, 4))), "after partition 2 come 2"},
		"an output missing":   {logical.Inner, parts(both(part(0, 3)), []stage.Part{part(3, 4, 0), part(3, 4)}), "1 of 2 map tasks"},
		"an output twice":     {logical.Inner, parts(both(part(0, 3)), []stage.Part{part(3, 4, 0, 1), part(3, 4)}, []stage.Part{part(3, 4, 1), part(3, 4)}), "not read once"},
		"sides apart":         {logical.Inner, parts([]stage.Part{part(0, 4), part(0, 3)}), "beside"},
		"a side that must be whole": {logical.Left, parts(both(part(0, 3)), []stage.Part{part(3, 4), part(3, 4, 0)}, []stage.Part{part(3, 4), part(3, 4, 1)}),
			"all rows must meet"},
		"other keys": {logical.Inner, func(g *stage.Graph) { g.Stages[0].Out.Partitioning.Keys = []int{1} }, "not partitioned alike"},
		"other columns": {logical.Inner, func(g *stage.Graph) {
			g.Stages[0].Root.(*physical.Scan).Project = []int{0}
		}, "has 1 columns"},
	} {
		t.Run(name, func(t *testing.T) {
			g := joined(t, c.kind)
			c.break_(g)
			err := Verify(g, map[int]Output{1: sizes{{1, 1, 1, 1}, {1, 1, 1, 1}}})
			var b *BrokenError
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &b) || b.Stage != 2 || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, not …%s…", err, c.want)
			}
		})
	}
}

// A stage that is not open stays as it is, and so does a graph without sizes (A1, A2).
func TestOnlyOpenStagesChange(t *testing.T) {
	g := joined(t, logical.Inner)
	o := Options{Executors: 2, Slots: 2, Coalesce: true, Advisory: 100, Least: 100, Skew: true, SkewFactor: 2, SkewThreshold: 10, Broadcast: 1000, LocalRead: true, Empty: true}
	small := sizes{{1, 1, 1, 1}, {1, 1, 1, 1}}
	for name, open := range map[string][]int{"none": nil, "one without sizes": {0, 1, 2}} {
		outs := map[int]Output{1: small, 2: small}
		if name != "none" {
			outs = nil
		}
		if got, err := Rewrite(g, open, outs, o); err != nil || got != g {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	before := g.String()
	got, err := Rewrite(g, []int{2}, map[int]Output{1: small, 2: small}, o)
	if err != nil || got == g || g.String() != before || got.Stages[0] != g.Stages[0] || len(got.Stages[2].Rewrites) == 0 {
		t.Errorf("%v\n%s", err, got)
	}
}
