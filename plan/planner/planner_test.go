package planner_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/internal/golden"
	"github.com/millrace-engine/millrace/plan/analyze"
	"github.com/millrace-engine/millrace/plan/catalog/catalogtest"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/optimize"
	"github.com/millrace-engine/millrace/plan/planner"
	"github.com/millrace-engine/millrace/plan/sql"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
)

// TestGolden plans queries for one executor and for four, and cuts them into
// stages. Every stage must survive its encoding.
func TestGolden(t *testing.T) {
	for _, f := range golden.Names(t, "testdata/*.sql") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for _, executors := range []int{1, 4} {
			fmt.Fprintf(&out, "== %d executors ==\n%s", executors, plan(t, string(text), executors))
		}
		golden.File(t, strings.TrimSuffix(f, ".sql")+".txt", out.String())
	}
}

func plan(t *testing.T, text string, executors int) string {
	t.Helper()
	p, err := sql.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	next := new(expr.ID)
	if p, err = analyze.Analyze(context.Background(), p, analyze.Options{Resolver: catalogtest.TPCH(), NextID: next}); err != nil {
		t.Fatal(err)
	}
	if p, err = optimize.Optimize(p, optimize.Options{NextID: next}); err != nil {
		t.Fatal(err)
	}
	ph, err := planner.Plan(p, planner.Options{Executors: executors, Slots: 2 * executors})
	if err != nil {
		t.Fatal(err)
	}
	g, err := stage.Cut(ph)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range g.Stages {
		b, err := wire.EncodeStage(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := wire.DecodeStage(b, nil)
		if err != nil {
			t.Fatalf("stage %d: %v", s.ID, err)
		}
		if d := cmp.Diff(s.Root.String(), back.Plan.String()); d != "" {
			t.Error(d)
		}
	}
	return g.String()
}
