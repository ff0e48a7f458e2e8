package analyze

import (
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/plan/expr"
)

// pretty names an output column after its written expression, as Spark does:
// columns without qualifiers, operators in parentheses, strings without quotes.
//
//	sum(t.x * 2)   sum((x * 2))        count(*)          count(1)
//	a = 'b'        (a = b)             (SELECT max(x) …) scalarsubquery()
func pretty(e expr.Expr) string {
	switch x := e.(type) {
	case *expr.Name:
		return last(x.Parts)
	case *expr.Attr:
		return x.Name
	case *expr.Alias:
		return pretty(x.Arg) + " AS " + x.Name
	case *expr.Literal:
		return prettyLiteral(x)
	case *expr.UnresolvedCall:
		return prettyCall(x)
	case *expr.Call:
		return prettyCall(&expr.UnresolvedCall{Fn: x.Fn.Name, Args: x.Args})
	case *expr.Agg:
		return prettyCall(&expr.UnresolvedCall{Fn: x.Fn.Name, Args: x.Args, Distinct: x.Distinct, Filter: x.Filter})
	case *expr.Cast:
		name := "CAST("
		if x.Try {
			name = "TRY_CAST("
		}
		return name + pretty(x.Arg) + " AS " + strings.ToUpper(x.To.String()) + ")"
	case *expr.Case:
		var b strings.Builder
		b.WriteString("CASE")
		for _, w := range x.Whens {
			b.WriteString(" WHEN " + pretty(w.Cond) + " THEN " + pretty(w.Then))
		}
		if x.Else != nil {
			b.WriteString(" ELSE " + pretty(x.Else))
		}
		return b.String() + " END"
	case *expr.Subquery:
		return prettySubquery(x)
	}
	return e.String()
}

func prettyAll(es []expr.Expr) []string {
	out := make([]string, len(es))
	for i, e := range es {
		if s, ok := e.(*expr.Star); ok {
			out[i] = s.String()
			continue
		}
		out[i] = pretty(e)
	}
	return out
}

func prettySubquery(s *expr.Subquery) string {
	outer := make([]string, len(s.Outer))
	for i, o := range s.Outer {
		outer[i] = o.Name
	}
	args := "(" + strings.Join(outer, ", ") + ")"
	switch s.Kind {
	case expr.Exists:
		return "exists" + args
	case expr.In:
		left := strings.Join(prettyAll(s.Left), ", ")
		if len(s.Left) > 1 {
			left = "named_struct(" + left + ")"
		}
		return "(" + left + " IN (listquery" + args + "))"
	}
	return "scalarsubquery" + args
}

func prettyLiteral(l *expr.Literal) string {
	switch v := l.Value.(type) {
	case float64:
		bits := 64
		if l.Typ.Kind == columnar.Float32 {
			bits = 32
		}
		return string(text.AppendFloat(nil, v, bits))
	case string:
		if l.Typ.Kind == columnar.String {
			return v
		}
	case int64:
		switch l.Typ.Kind {
		case columnar.DayTimeInterval, columnar.YearMonthInterval, columnar.Date, columnar.Timestamp, columnar.TimestampNTZ:
		default:
			return strconv.FormatInt(v, 10)
		}
	}
	return l.String()
}

// spelled are the functions whose operator form is the name of the column.
var spelled = map[string]string{
	"+": "+", "-": "-", "*": "*", "/": "/", "%": "%", "div": "div", "=": "=", "<=>": "<=>", "<": "<", "<=": "<=",
	">": ">", ">=": ">=", "and": "AND", "or": "OR", "&": "&", "|": "|", "^": "^", "<<": "<<", ">>": ">>",
}

func prettyCall(c *expr.UnresolvedCall) string {
	if low, high, value, ok := between(c); ok {
		return "between(" + strings.Join(prettyAll([]expr.Expr{value, low, high}), ", ") + ")"
	}
	args := prettyAll(c.Args)
	if op, ok := spelled[c.Fn]; ok && len(args) == 2 {
		return "(" + args[0] + " " + op + " " + args[1] + ")"
	}
	if f, ok := forms[c.Fn]; ok && strings.Count(f, "$") == len(args) {
		return fill(f, args)
	}
	switch {
	case (c.Fn == "getitem" || c.Fn == "getfield") && len(args) == 2:
		if name, ok := expr.FieldName(c.Args[1]); ok {
			return args[0] + "." + name
		}
		return args[0] + "[" + args[1] + "]"
	case c.Fn == "in" && len(args) > 1:
		return "(" + args[0] + " IN (" + strings.Join(args[1:], ", ") + "))"
	case c.Fn == "extract" && len(args) == 2:
		return "extract(" + args[0] + " FROM " + args[1] + ")"
	case c.Fn == "||" && len(args) == 2:
		return "concat(" + strings.Join(flat(c), ", ") + ")"
	case c.Fn == "count" && (len(args) == 0 || len(args) == 1 && args[0] == "*"):
		args = []string{"1"}
	}
	if more, ok := defaults[c.Fn]; ok && len(args) == more.after {
		args = append(args, more.text)
	}
	name := c.Fn
	if upper[name] {
		name = strings.ToUpper(name)
	}
	s := name + "(" + strings.Join(args, ", ") + ")"
	if c.Distinct {
		s = name + "(DISTINCT " + strings.Join(args, ", ") + ")"
	}
	if c.Filter != nil {
		s += " FILTER (WHERE " + pretty(c.Filter) + ")"
	}
	if c.Over != nil {
		s += " OVER " + prettyWindow(c.Over)
	}
	return s
}

// prettyWindow renders a window with the frame that it has without being told.
func prettyWindow(w *expr.WindowSpec) string {
	var parts []string
	if len(w.PartitionBy) > 0 {
		parts = append(parts, "PARTITION BY "+strings.Join(prettyAll(w.PartitionBy), ", "))
	}
	var keys []string
	for _, o := range w.OrderBy {
		k := pretty(o.Expr) + " ASC"
		if o.Desc {
			k = pretty(o.Expr) + " DESC"
		}
		if o.NullsLast {
			k += " NULLS LAST"
		} else {
			k += " NULLS FIRST"
		}
		keys = append(keys, k)
	}
	if len(keys) > 0 {
		parts = append(parts, "ORDER BY "+strings.Join(keys, ", "))
	}
	if w.Frame != nil {
		parts = append(parts, w.Frame.String())
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// upper are the functions that Spark shows in capitals.
var upper = map[string]bool{
	"acos": true, "acosh": true, "asin": true, "asinh": true, "atan": true, "atan2": true, "atanh": true, "cbrt": true,
	"cos": true, "cosh": true, "cot": true, "csc": true, "degrees": true, "e": true, "exp": true, "expm1": true,
	"hypot": true, "log": true, "log10": true, "log1p": true, "log2": true, "pi": true, "pow": true, "power": true,
	"radians": true, "rint": true, "sec": true, "signum": true, "sin": true, "sinh": true, "sqrt": true, "tan": true, "tanh": true,
	"regexp": true, "regexp_like": true,
}

// defaults are the optional last arguments that Spark shows where they are left
// out, after so many written ones.
var defaults = map[string]struct {
	after int
	text  string
}{
	"substring": {2, "2147483647"}, "substr": {2, "2147483647"}, "locate": {2, "1"}, "lpad": {2, " "}, "rpad": {2, " "},
}

// forms are the renderings of calls that look neither like functions nor like
// binary operators; $ is an argument.
var forms = map[string]string{
	"not": "(NOT $)", "negative": "(- $)", "positive": "(+ $)", "~": "~$", "<>": "(NOT ($ = $))",
	"isnull": "($ IS NULL)", "isnotnull": "($ IS NOT NULL)", "isunknown": "($ IS NULL)",
	"istrue": "($ <=> true)", "isfalse": "($ <=> false)",
	"date": "$", "position": "locate($, $, 1)", "dateadd": "date_add($, $)",
	"like": "$ LIKE $", "rlike": "RLIKE($, $)", "ilike": "ilike($, $)", "if": "(IF($, $, $))",
}

// fill puts arguments, which may contain anything, in the places of a form.
func fill(form string, args []string) string {
	var b strings.Builder
	for i, part := range strings.Split(form, "$") {
		if i > 0 {
			b.WriteString(args[i-1])
		}
		b.WriteString(part)
	}
	return b.String()
}

// between recognises x BETWEEN low AND high, which the parser takes apart: both
// comparisons are of the same node.
func between(c *expr.UnresolvedCall) (low, high, value expr.Expr, ok bool) {
	if c.Fn != "and" || len(c.Args) != 2 {
		return nil, nil, nil, false
	}
	l, ok1 := c.Args[0].(*expr.UnresolvedCall)
	h, ok2 := c.Args[1].(*expr.UnresolvedCall)
	if !ok1 || !ok2 || l.Fn != ">=" || h.Fn != "<=" || l.Place != c.Place || h.Place != c.Place || l.Args[0] != h.Args[0] {
		return nil, nil, nil, false
	}
	return l.Args[1], h.Args[1], l.Args[0], true
}

// flat lists the operands of a chain of ||.
func flat(c *expr.UnresolvedCall) []string {
	var out []string
	for _, a := range c.Args {
		if k, ok := a.(*expr.UnresolvedCall); ok && k.Fn == "||" {
			out = append(out, flat(k)...)
			continue
		}
		out = append(out, pretty(a))
	}
	return out
}
