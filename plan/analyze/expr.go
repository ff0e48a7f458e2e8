package analyze

import (
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// find returns the columns that a name may mean: those of the last part's name
// whose qualifier agrees with the part before.
func find(cols []column, parts []string) []column {
	var out []column
	name := last(parts)
	for _, c := range cols {
		if !strings.EqualFold(c.Name, name) {
			continue
		}
		if len(parts) == 1 {
			if c.hidden {
				continue
			}
		} else if !strings.EqualFold(c.qualifier, parts[len(parts)-2]) {
			continue
		}
		same := false
		for _, o := range out {
			same = same || o.ID == c.ID
		}
		if !same {
			out = append(out, c)
		}
	}
	return out
}

func (a *analyzer) name(n *expr.Name, s *scope) (expr.Expr, error) {
	for at := s; at != nil; at = at.outer {
		found := find(at.columns, n.Parts)
		if len(found) > 1 {
			var names []string
			for _, f := range found {
				q := f.Name
				if f.qualifier != "" {
					q = f.qualifier + "." + q
				}
				names = append(names, q)
			}
			return nil, diag.NewAt(n.Place, diag.AmbiguousReference, "column %s is ambiguous: it may be %s", n, strings.Join(names, " or ")).
				WithRemedy("write the table's name before it")
		}
		if len(found) == 1 {
			attr := *found[0].Attr
			attr.Place = n.Place
			for in := s; in != at; in = in.outer { // every query on the way depends on it
				if in.used != nil {
					use(in.used, &attr)
				}
			}
			return &attr, nil
		}
	}
	e := diag.NewAt(n.Place, diag.UnresolvedColumn, "there is no column %s", n)
	var names []string
	for at := s; at != nil; at = at.outer {
		for _, c := range at.columns {
			if !c.hidden {
				names = append(names, c.Name)
			}
		}
	}
	if near := nearest(strings.ToLower(last(n.Parts)), names); near != "" {
		return nil, e.WithRemedy("did you mean %s?", near)
	}
	if len(names) > 0 {
		return nil, e.WithRemedy("the columns are %s", strings.Join(names[:min(len(names), 20)], ", "))
	}
	return nil, e
}

func use(list *[]*expr.Attr, a *expr.Attr) {
	for _, o := range *list {
		if o.ID == a.ID {
			return
		}
	}
	*list = append(*list, a)
}

// nearest returns the name with the least edit distance, if it is small.
func nearest(name string, names []string) string {
	best, limit := "", 1+len(name)/3
	for _, n := range names {
		if d := distance(name, strings.ToLower(n)); d <= limit && (best == "" || d < limit) {
			best, limit = n, d
		}
	}
	return best
}

func distance(a, b string) int {
	if len(a) > 128 || len(b) > 128 {
		return 128
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}

// castTo converts an expression to a type, if it has another.
func castTo(e expr.Expr, t columnar.Type) expr.Expr {
	if e.Type().Equal(t) {
		return e
	}
	if l, ok := e.(*expr.Literal); ok && l.Value == nil {
		return &expr.Literal{Typ: t, Place: l.Place}
	}
	return &expr.Cast{Arg: e, To: t, Place: e.Pos()}
}

// expr resolves an expression.
func (a *analyzer) expr(e expr.Expr, s *scope) (expr.Expr, error) {
	if a.depth++; a.depth > 2000 {
		return nil, diag.NewAt(e.Pos(), diag.InvalidQuery, "the expression is nested too deeply")
	}
	defer func() { a.depth-- }()
	switch x := e.(type) {
	case *expr.Name:
		return a.name(x, s)
	case *expr.Literal, *expr.Attr:
		return e, nil
	case *expr.Star:
		return nil, diag.NewAt(x.Place, diag.InvalidQuery, "* is allowed in a select list and in count(*) only")
	case *expr.UnresolvedCall:
		return a.call(x, s)
	case *expr.Subquery:
		return a.subquery(x, s)
	}
	kids := e.Children()
	fresh := make([]expr.Expr, len(kids))
	for i, k := range kids {
		r, err := a.expr(k, s)
		if err != nil {
			return nil, err
		}
		fresh[i] = r
	}
	if len(kids) > 0 {
		e = e.WithChildren(fresh)
	}
	switch x := e.(type) {
	case *expr.Case:
		return a.caseWhen(x)
	case *expr.Cast:
		from := x.Arg.Type()
		if from.IsNested() != x.To.IsNested() && !(x.To.Kind == columnar.String) && from.Kind != columnar.Null {
			return nil, diag.NewAt(x.Place, diag.TypeMismatch, "a value of type %s cannot be cast to %s", from, x.To)
		}
		if from.IsNested() && !from.Equal(x.To) {
			return nil, diag.NewAt(x.Place, diag.Unsupported, "casts of %s are not supported yet", from)
		}
	}
	return e, nil
}

func (a *analyzer) caseWhen(c *expr.Case) (expr.Expr, error) {
	t := columnar.NullType
	values := make([]expr.Expr, 0, len(c.Whens)+1)
	for _, w := range c.Whens {
		if k := w.Cond.Type().Kind; k != columnar.Bool && k != columnar.Null {
			return nil, diag.NewAt(w.Cond.Pos(), diag.TypeMismatch, "a condition of CASE must be boolean, not %s", w.Cond.Type())
		}
		values = append(values, w.Then)
	}
	if c.Else != nil {
		values = append(values, c.Else)
	}
	for _, v := range values {
		u, ok := expr.CommonType(t, v.Type())
		if !ok {
			return nil, diag.NewAt(v.Pos(), diag.TypeMismatch, "the branches of CASE have types %s and %s", t, v.Type())
		}
		t = u
	}
	out := &expr.Case{Place: c.Place}
	for _, w := range c.Whens {
		out.Whens = append(out.Whens, expr.When{Cond: castTo(w.Cond, columnar.BoolType), Then: castTo(w.Then, t)})
	}
	if c.Else != nil {
		out.Else = castTo(c.Else, t)
	}
	return out, nil
}

func (a *analyzer) call(c *expr.UnresolvedCall, s *scope) (expr.Expr, error) {
	if c.Over != nil {
		return nil, diag.NewAt(c.Place, diag.Unsupported, "window functions are not supported yet")
	}
	name := strings.ToLower(c.Fn)
	if name == "count" && len(c.Args) == 1 {
		if _, ok := c.Args[0].(*expr.Star); ok {
			d := *c
			d.Args = nil
			c = &d
		}
	}
	args := make([]expr.Expr, len(c.Args))
	for i, k := range c.Args {
		r, err := a.expr(k, s)
		if err != nil {
			return nil, err
		}
		args[i] = r
	}
	switch name {
	case "current_date", "curdate":
		return expr.Lit(a.opts.Now.In(a.zone()).Unix()/86400, columnar.DateType), nil
	case "current_timestamp", "now":
		return expr.Lit(a.opts.Now.UnixMicro(), columnar.TimestampType), nil
	case "isunknown":
		name = "isnull"
	case "nvl2":
		if len(args) == 3 {
			test, err := a.callResolved("isnotnull", args[:1], c.Place)
			if err != nil {
				return nil, err
			}
			name, args = "if", []expr.Expr{test, args[1], args[2]}
		}
	case "extract", "date_part", "datepart":
		return a.extract(args, c.Place)
	}
	f, ok := expr.Builtins().Lookup(name)
	if !ok {
		e := diag.NewAt(c.Place, diag.UnresolvedRoutine, "there is no function %s", c.Fn)
		if near := nearest(name, expr.Builtins().Names()); near != "" {
			return nil, e.WithRemedy("did you mean %s?", near)
		}
		return nil, e.WithRemedy("SHOW FUNCTIONS lists them")
	}
	if f.Kind == expr.AggregateFunction {
		return a.aggregateCall(f, c, args, s)
	}
	if c.Distinct || c.Filter != nil {
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "DISTINCT and FILTER belong to aggregate functions; %s is none", f.Name)
	}
	return a.callResolved(f.Name, args, c.Place)
}

// callResolved makes a call of a scalar function on resolved arguments.
func (a *analyzer) callResolved(name string, args []expr.Expr, at diag.Pos) (expr.Expr, error) {
	f, _ := expr.Builtins().Lookup(name)
	sig, err := f.Resolve(args)
	if err != nil {
		return nil, place(err, at)
	}
	cast := make([]expr.Expr, len(args))
	for i, x := range args {
		cast[i] = castTo(x, sig.Args[i])
	}
	if name == "positive" {
		return cast[0], nil
	}
	return &expr.Call{Fn: f, Args: cast, Typ: sig.Result, Null: expr.CallNullable(f, cast, sig), Place: at}, nil
}

func (a *analyzer) aggregateCall(f *expr.Function, c *expr.UnresolvedCall, args []expr.Expr, s *scope) (expr.Expr, error) {
	for _, x := range args {
		if expr.Any(x, func(e expr.Expr) bool { _, ok := e.(*expr.Agg); return ok }) {
			return nil, diag.NewAt(c.Place, diag.InvalidQuery, "aggregate functions cannot be nested").WithRemedy("aggregate in a subquery first")
		}
	}
	sig, err := f.Resolve(args)
	if err != nil {
		return nil, place(err, c.Place)
	}
	g := &expr.Agg{Fn: f, Distinct: c.Distinct, Typ: sig.Result, Null: !f.NeverNull, Place: c.Place}
	for i, x := range args {
		g.Args = append(g.Args, castTo(x, sig.Args[i]))
	}
	if f.Name == "count" && !c.Distinct && len(g.Args) > 0 { // count(1), count(column without nulls)
		some := false
		for _, x := range g.Args {
			some = some || x.Nullable()
		}
		if !some {
			g.Args = nil
		}
	}
	if c.Filter != nil {
		if g.Filter, err = a.condition(c.Filter, s); err != nil {
			return nil, err
		}
	}
	if len(c.OrderBy) > 0 {
		return nil, diag.NewAt(c.Place, diag.Unsupported, "WITHIN GROUP is not supported yet")
	}
	if g.Distinct && (f.Name == "min" || f.Name == "max" || f.Name == "bool_and" || f.Name == "bool_or") {
		g.Distinct = false
	}
	return g, nil
}

// extract is EXTRACT(field FROM x): the field's own function.
func (a *analyzer) extract(args []expr.Expr, at diag.Pos) (expr.Expr, error) {
	if len(args) != 2 {
		return nil, diag.NewAt(at, diag.WrongArguments, "EXTRACT takes a field and a date or timestamp")
	}
	l, ok := args[0].(*expr.Literal)
	text, isText := "", false
	if ok {
		text, isText = l.Value.(string)
	}
	fields := map[string]string{
		"year": "year", "years": "year", "y": "year", "yr": "year", "month": "month", "months": "month", "mon": "month",
		"day": "day", "days": "day", "d": "day", "quarter": "quarter", "qtr": "quarter", "week": "weekofyear", "w": "weekofyear",
		"doy": "dayofyear", "dow": "dayofweek", "dayofweek": "dayofweek", "hour": "hour", "hours": "hour", "h": "hour",
		"minute": "minute", "minutes": "minute", "min": "minute", "m": "minute", "second": "second", "seconds": "second", "s": "second",
	}
	name, known := fields[strings.ToLower(text)]
	if !isText || !known {
		return nil, diag.NewAt(at, diag.InvalidArgument, "EXTRACT knows no field %q", text).WithRemedy("use YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND")
	}
	return a.callResolved(name, args[1:], at)
}

func (a *analyzer) subquery(q *expr.Subquery, s *scope) (expr.Expr, error) {
	out := &expr.Subquery{Kind: q.Kind, Place: q.Place}
	var used []*expr.Attr
	p, cols, err := a.plan(q.Plan.(logical.Plan), &scope{columns: s.columns, outer: s.outer, used: s.used})
	if err != nil {
		return nil, err
	}
	// Outer attributes: those that the plan refers to and does not make.
	made := expr.IDSet{}
	logical.Walk(p, func(n logical.Plan) bool { made.Add(n.Output()...); return true })
	collectOuter(p, made, &used)
	out.Outer = used
	cols = requalify(cols, "", nil)
	switch q.Kind {
	case expr.Scalar:
		if len(cols) != 1 {
			return nil, diag.NewAt(q.Place, diag.InvalidQuery, "a scalar subquery must have one column, this one has %d", len(cols))
		}
		p = a.align(p, cols, []*expr.Attr{cols[0].Attr})
	case expr.In:
		left := q.Left
		if c, ok := left[0].(*expr.UnresolvedCall); ok && len(left) == 1 && c.Fn == "struct" {
			left = c.Args
		}
		if len(left) != len(cols) {
			return nil, diag.NewAt(q.Place, diag.InvalidQuery, "IN compares %d values with a subquery of %d columns", len(left), len(cols))
		}
		to := make([]*expr.Attr, len(cols))
		for i, l := range left {
			e, err := a.expr(l, s)
			if err != nil {
				return nil, err
			}
			t, ok := expr.CommonType(e.Type(), cols[i].Typ)
			if !ok {
				return nil, diag.NewAt(l.Pos(), diag.TypeMismatch, "IN compares %s with %s", e.Type(), cols[i].Typ)
			}
			out.Left = append(out.Left, castTo(e, t))
			d := *cols[i].Attr
			d.Typ = t
			to[i] = &d
		}
		p = a.align(p, cols, to)
	}
	out.Plan = p
	return out, nil
}

// collectOuter lists the attributes that a plan refers to without making them.
func collectOuter(p logical.Plan, made expr.IDSet, used *[]*expr.Attr) {
	logical.Walk(p, func(n logical.Plan) bool {
		for _, e := range n.Exprs() {
			expr.Walk(e, func(e expr.Expr) bool {
				switch x := e.(type) {
				case *expr.Attr:
					if !made[x.ID] {
						use(used, x)
					}
				case *expr.Subquery:
					for _, o := range x.Outer {
						if !made[o.ID] {
							use(used, o)
						}
					}
				}
				return true
			})
		}
		return true
	})
}
