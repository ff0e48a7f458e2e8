package optimize

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/internal/golden"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// The files under testdata hold cases: a query over the TPC-H tables, a line
// ----, a plan, a line ====. A file named after a rule shows the plan before and
// after that rule; tpch.txt shows the outcome of all rules with estimates.
func TestGolden(t *testing.T) { golden.Cases(t, "testdata/*.txt", outcome) }

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
