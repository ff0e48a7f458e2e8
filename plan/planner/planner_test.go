package planner_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/plan/analyze"
	"github.com/millrace-engine/millrace/plan/catalog/catalogtest"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/optimize"
	"github.com/millrace-engine/millrace/plan/planner"
	"github.com/millrace-engine/millrace/plan/sql"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// TestGolden plans queries for one executor and for four, and cuts them into
// stages. Every stage must survive its encoding.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no queries: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for _, executors := range []int{1, 4} {
			fmt.Fprintf(&out, "== %d executors ==\n%s", executors, plan(t, string(text), executors))
		}
		golden := strings.TrimSuffix(f, ".sql") + ".txt"
		if *rewrite {
			if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), out.String()); d != "" {
			t.Errorf("%s (run with -rewrite if that is right):\n%s", f, d)
		}
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
		back, err := wire.DecodeStage(b)
		if err != nil {
			t.Fatalf("stage %d: %v", s.ID, err)
		}
		if d := cmp.Diff(s.Root.String(), back.Plan.String()); d != "" {
			t.Error(d)
		}
	}
	return g.String()
}
