package sql

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// dump renders a plan completely, one node a line: unlike logical.Tree it shows
// the plans inside subqueries and CTEs, types of literals and all clauses.
type dump struct {
	b     strings.Builder
	depth int
}

func dumpPlan(p logical.Plan) string {
	var d dump
	d.plan(p)
	return d.b.String()
}

func dumpExpr(e expr.Expr) string {
	var d dump
	s := d.expr(e)
	d.line("%s", s)
	d.subqueries(e)
	return d.b.String()
}

func (d *dump) line(format string, args ...any) {
	d.b.WriteString(strings.Repeat("  ", d.depth))
	fmt.Fprintf(&d.b, format, args...)
	d.b.WriteByte('\n')
}

func (d *dump) in(f func()) {
	d.depth++
	f()
	d.depth--
}

func (d *dump) exprs(es []expr.Expr) string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = d.expr(e)
	}
	return strings.Join(parts, ", ")
}

func (d *dump) order(os []expr.SortOrder) string {
	parts := make([]string, len(os))
	for i, o := range os {
		parts[i] = d.expr(o.Expr)
		if o.Desc {
			parts[i] += " desc"
		}
		if o.NullsLast != o.Desc {
			parts[i] += map[bool]string{true: " nulls last", false: " nulls first"}[o.NullsLast]
		}
	}
	return strings.Join(parts, ", ")
}

func (d *dump) plan(p logical.Plan) {
	switch x := p.(type) {
	case *logical.Relation:
		s := strings.Join(x.Ref.Parts, " . ")
		if x.Ref.Path != "" {
			s = x.Ref.Format + " path " + strconv.Quote(x.Ref.Path)
		}
		if x.Call {
			d.line("function %s(%s)", s, d.exprs(x.Args))
			break
		}
		d.line("relation %s%s", s, options(x.Ref.Options))
	case *logical.Values:
		if len(x.Rows) == 1 && len(x.Rows[0]) == 0 {
			d.line("nothing")
			return
		}
		d.line("values")
		for _, r := range x.Rows {
			d.in(func() { d.line("(%s)", d.exprs(r)) })
		}
	case *logical.Limit:
		s := "limit"
		if x.CountExpr != nil {
			s += " " + d.expr(x.CountExpr)
		}
		if x.OffsetExpr != nil {
			s += " offset " + d.expr(x.OffsetExpr)
		}
		d.line("%s", s)
	case *logical.Sort:
		d.line("sort %s", d.order(x.Order))
	case *logical.Project:
		d.line("project %s", d.exprs(x.List))
	case *logical.Filter:
		d.line("%s %s", map[bool]string{true: "having", false: "filter"}[x.Having], d.expr(x.Cond))
	case *logical.Aggregate:
		s := ""
		if x.Sets != nil {
			s = fmt.Sprintf(" sets %v", x.Sets)
		}
		d.line("aggregate [%s]%s %s", d.exprs(x.Keys), s, d.exprs(x.List))
	case *logical.Join:
		s := "join " + x.Kind.String()
		if x.Natural {
			s += " natural"
		}
		if x.Lateral {
			s += " lateral"
		}
		if x.Using != nil {
			s += " using " + strings.Join(x.Using, ", ")
		}
		if x.Cond != nil {
			s += " on " + d.expr(x.Cond)
		}
		d.line("%s", s)
	case *logical.SubqueryAlias:
		d.line("as %s %v", x.Name, x.Columns)
	case *logical.With:
		d.line("with")
		for _, c := range x.CTEs {
			d.in(func() {
				d.line("%s %v", c.Name, c.Columns)
				d.in(func() { d.plan(c.Plan) })
			})
		}
	case *logical.CreateView:
		d.line("create view %s %v replace=%v text=%q", x.Name, x.Columns, x.Replace, x.Text)
		if x.Query != nil {
			d.in(func() { d.plan(x.Query) })
		}
		if x.Ref != nil {
			d.in(func() {
				d.line("using %s path %q schema %v%s", x.Ref.Format, x.Ref.Path, x.Ref.Schema, options(x.Ref.Options))
			})
		}
	case *logical.DropView:
		d.line("drop view %s ifExists=%v", x.Name, x.IfExists)
	case *logical.Explain:
		d.line("explain %d", x.Mode)
		d.in(func() { d.plan(x.Query) })
	case *logical.Describe:
		d.line("describe")
		d.in(func() { d.plan(x.Query) })
	case *logical.Show:
		d.line("show %d pattern=%q", x.Kind, x.Pattern)
		if x.Table != nil {
			d.in(func() { d.plan(x.Table) })
		}
	case *logical.Set:
		d.line("set key=%q value=%q hasValue=%v reset=%v", x.Key, x.Value, x.HasValue, x.Reset)
	case *logical.Write:
		d.line("write %s %q mode=%d partition=%v%s", x.Format, x.Path, x.Mode, x.PartitionBy, options(x.Options))
	default:
		d.line("%s", p)
	}
	for _, e := range p.Exprs() {
		d.subqueries(e)
	}
	for _, k := range p.Children() {
		d.in(func() { d.plan(k) })
	}
}

// subqueries renders the plans inside an expression below its node.
func (d *dump) subqueries(e expr.Expr) {
	expr.Walk(e, func(e expr.Expr) bool {
		if s, ok := e.(*expr.Subquery); ok {
			d.in(func() {
				d.line("subquery:")
				d.in(func() { d.plan(s.Plan.(logical.Plan)) })
			})
		}
		return true
	})
}

func options(m map[string]string) string {
	if m == nil {
		return ""
	}
	keys := make([]string, 0, len(m))
	for k, v := range m {
		keys = append(keys, fmt.Sprintf("%s=%q", k, v))
	}
	sort.Strings(keys)
	return " options " + strings.Join(keys, " ")
}

func (d *dump) expr(e expr.Expr) string {
	switch x := e.(type) {
	case *expr.Name:
		return strings.Join(x.Parts, ".")
	case *expr.Star:
		s := strings.Join(append(append([]string{}, x.Qualifier...), "*"), ".")
		if x.Except != nil {
			s += " except " + strings.Join(x.Except, ",")
		}
		return s
	case *expr.Literal:
		switch v := x.Value.(type) {
		case nil:
			return "null"
		case string:
			if x.Typ.Kind == columnar.Binary {
				return x.String()
			}
			return strconv.Quote(v)
		}
		switch x.Typ.Kind {
		case columnar.Int32, columnar.Bool, columnar.Date, columnar.Timestamp, columnar.TimestampNTZ:
			return x.String()
		case columnar.DayTimeInterval, columnar.YearMonthInterval:
			return fmt.Sprintf("%v:%s", x.Value, x.Typ)
		}
		return x.String() + ":" + x.Typ.String()
	case *expr.UnresolvedCall:
		s := x.Fn + "("
		if x.Distinct {
			s += "distinct "
		}
		s += d.exprs(x.Args) + ")"
		if x.OrderBy != nil {
			s += " within " + d.order(x.OrderBy)
		}
		if x.Filter != nil {
			s += " filter " + d.expr(x.Filter)
		}
		if x.IgnoreNulls {
			s += " ignore nulls"
		}
		if w := x.Over; w != nil {
			s += " over (partition " + d.exprs(w.PartitionBy) + " order " + d.order(w.OrderBy)
			if f := w.Frame; f != nil {
				bound := func(e expr.Expr, follow bool) string {
					if e == nil {
						return "unbounded"
					}
					return d.expr(e) + map[bool]string{true: " following", false: " preceding"}[follow]
				}
				s += map[bool]string{true: " rows ", false: " range "}[f.Rows] + bound(f.Start, f.StartFollow) + " .. " + bound(f.End, f.EndFollow)
			}
			s += ")"
		}
		return s
	case *expr.Cast:
		return map[bool]string{true: "try_cast(", false: "cast("}[x.Try] + d.expr(x.Arg) + " as " + x.To.String() + ")"
	case *expr.Case:
		s := "case"
		for _, w := range x.Whens {
			s += " when " + d.expr(w.Cond) + " then " + d.expr(w.Then)
		}
		if x.Else != nil {
			s += " else " + d.expr(x.Else)
		}
		return s + " end"
	case *expr.Alias:
		return d.expr(x.Arg) + " as " + x.Name
	case *expr.Subquery:
		return map[expr.SubqueryKind]string{expr.Scalar: "<query>", expr.Exists: "<exists>", expr.In: "<" + d.exprs(x.Left) + " in>"}[x.Kind]
	}
	return fmt.Sprintf("?%T", e)
}
