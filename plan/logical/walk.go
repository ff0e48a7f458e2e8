package logical

import (
	"strings"

	"github.com/millrace-engine/millrace/plan/expr"
)

// Transform rebuilds a plan bottom-up: f sees each node after its children were
// replaced. Nodes whose children do not change are not copied.
func Transform(p Plan, f func(Plan) (Plan, error)) (Plan, error) {
	kids := p.Children()
	var fresh []Plan
	for i, k := range kids {
		n, err := Transform(k, f)
		if err != nil {
			return nil, err
		}
		if n != k && fresh == nil {
			fresh = append([]Plan{}, kids...)
		}
		if fresh != nil {
			fresh[i] = n
		}
	}
	if fresh != nil {
		p = p.WithChildren(fresh)
	}
	return f(p)
}

// MapExprs replaces each expression of one node by f of it.
func MapExprs(p Plan, f func(expr.Expr) (expr.Expr, error)) (Plan, error) {
	es := p.Exprs()
	var fresh []expr.Expr
	for i, e := range es {
		n, err := f(e)
		if err != nil {
			return nil, err
		}
		if n != e && fresh == nil {
			fresh = append([]expr.Expr{}, es...)
		}
		if fresh != nil {
			fresh[i] = n
		}
	}
	if fresh == nil {
		return p, nil
	}
	return p.WithExprs(fresh), nil
}

// Walk visits a plan top-down; f returns whether to enter the node's children.
func Walk(p Plan, f func(Plan) bool) {
	if !f(p) {
		return
	}
	for _, k := range p.Children() {
		Walk(k, f)
	}
}

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
