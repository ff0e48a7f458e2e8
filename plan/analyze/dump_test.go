package analyze

import (
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// dump renders a resolved plan with the plans of its subqueries, the columns it
// puts out with type and nullability, and scans without the columns they do not
// give away anyway.
func dump(p logical.Plan) string {
	var b strings.Builder
	var cols []string
	for _, a := range p.Output() {
		s := fmt.Sprintf("%s %s", a.Name, a.Typ)
		if !a.Null {
			s += " not null"
		}
		cols = append(cols, s)
	}
	fmt.Fprintf(&b, "columns: %s\n", strings.Join(cols, ", "))
	dumpPlan(&b, p, 0)
	return b.String()
}

func dumpPlan(b *strings.Builder, p logical.Plan, depth int) {
	line := p.String()
	switch x := p.(type) {
	case *logical.Scan:
		line = fmt.Sprintf("Scan %s [#%d…]", x.Table.Name(), x.Attrs[0].ID)
	case *logical.Values:
		line += " " + types(x.Attrs)
		for _, r := range x.Rows {
			line += " " + fmt.Sprint(r)
		}
	case *logical.Union:
		line += " " + types(x.Attrs)
	case *logical.SetOp:
		line += fmt.Sprint(" ", x.Attrs, " ", types(x.Attrs))
	case *logical.Project:
		line = "Project [" + items(x.List) + "]"
	case *logical.Aggregate:
		line = "Aggregate " + fmt.Sprint(x.Keys) + " [" + items(x.List) + "]"
	}
	fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth), line)
	for _, e := range p.Exprs() {
		expr.Walk(e, func(e expr.Expr) bool {
			if s, ok := e.(*expr.Subquery); ok {
				fmt.Fprintf(b, "%ssubquery outer %v\n", strings.Repeat("  ", depth+1), s.Outer)
				dumpPlan(b, s.Plan.(logical.Plan), depth+2)
			}
			return true
		})
	}
	for _, k := range p.Children() {
		dumpPlan(b, k, depth+1)
	}
}

// items renders a list with ids; literals with types where those are not plain.
func items(list []expr.Expr) string {
	parts := make([]string, len(list))
	for i, e := range list {
		if a, ok := e.(*expr.Alias); ok {
			parts[i] = fmt.Sprintf("%s AS %s#%d", a.Arg, a.Name, a.ID)
			if t := a.Type(); t.Kind == columnar.Decimal {
				parts[i] += " " + t.String()
			}
			continue
		}
		parts[i] = e.String()
	}
	return strings.Join(parts, ", ")
}

func types(attrs []*expr.Attr) string {
	parts := make([]string, len(attrs))
	for i, a := range attrs {
		parts[i] = a.Typ.String()
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
