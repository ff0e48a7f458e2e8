package optimize

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// The files under testdata hold cases: a query over the TPC-H tables, a line
// ----, a plan, a line ====. A file named after a rule shows the plan before and
// after that rule; tpch.txt shows the outcome of all rules with estimates.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for _, c := range strings.Split(strings.TrimSpace(string(data)), "\n====") {
				if c = strings.TrimSpace(c); c == "" {
					continue
				}
				query, want, _ := strings.Cut(c, "\n----\n")
				got := outcome(t, name, query)
				if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" && !*rewrite {
					t.Errorf("%s\n%s", query, diff)
				}
				fmt.Fprintf(&out, "%s\n----\n%s\n====\n", query, got)
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func outcome(t *testing.T, rule, query string) string {
	var next expr.ID
	p, err := analyzed(query, tpch(), &next)
	if err != nil {
		t.Errorf("%s\n%v", query, err)
		return err.Error()
	}
	last, shown := p, ""
	o, err := Optimize(p, Options{NextID: &next, Trace: func(name string, q logical.Plan) {
		if name == rule && shown == "" {
			shown = logical.Tree(last) + "=>\n" + logical.Tree(q)
		}
		last = q
	}})
	if err != nil {
		return err.Error()
	}
	if err := check(o); err != nil {
		t.Errorf("%s\n%v", query, err)
	}
	if rule == "tpch" {
		shown = estimated(o)
	}
	return strings.TrimSpace(shown)
}

// estimated renders a plan with the estimated rows of each node.
func estimated(p logical.Plan) string {
	est := NewEstimator()
	var b strings.Builder
	var walk func(p logical.Plan, depth int)
	walk = func(p logical.Plan, depth int) {
		line := p.String()
		if s, ok := p.(*logical.Scan); ok { // the columns are not of interest
			line = "Scan " + s.Table.Name()
			if len(s.Filters) > 0 {
				line += " " + and(s.Filters...).String()
			}
		}
		if j, ok := p.(*logical.Join); ok && j.BuildLeft {
			line += " build left"
		}
		fmt.Fprintf(&b, "%s%s  (%.0f)\n", strings.Repeat("  ", depth), line, est.Rows(p))
		for _, k := range p.Children() {
			walk(k, depth+1)
		}
	}
	walk(p, 0)
	return b.String()
}
