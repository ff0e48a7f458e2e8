package analyze

import (
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// call resolves a call: its arguments, the function, the types.
func (a *analyzer) call(c *expr.UnresolvedCall, s *scope) (expr.Expr, error) {
	name := strings.ToLower(c.Fn)
	args, err := a.arguments(c, name, s)
	if err != nil {
		return nil, err
	}
	if e, err := a.special(c, name, args, s.sets); e != nil || err != nil {
		return e, err
	}
	f, ok := a.opts.Functions.Lookup(name)
	if !ok {
		return nil, a.unknownFunction(c)
	}
	if c, args, err = nullTreatment(f, c, args); err != nil {
		return nil, err
	}
	if f.Kind == expr.TableFunction {
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "%s is a table function", f.Name).WithRemedy("call it in FROM, or behind LATERAL where its arguments are columns: FROM t, LATERAL %s(t.column)", f.Name)
	}
	if c.Over != nil {
		return a.over(f, c, args, s)
	}
	switch f.Kind {
	case expr.AggregateFunction:
		return a.aggregateCall(f, c, args, s)
	case expr.WindowFunction:
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "the window function %s needs an OVER clause", f.Name)
	}
	if c.Distinct || c.Filter != nil || len(c.OrderBy) > 0 {
		what := "DISTINCT"
		if c.Filter != nil {
			what = "FILTER"
		} else if !c.Distinct {
			what = "WITHIN GROUP"
		}
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "%s belongs to aggregate functions; %s is none", what, f.Name)
	}
	return a.scalarCall(f, args, c.Place)
}

// nullTreatment takes IGNORE NULLS in, also where it is written as a last argument
// that is true: first(x, true).
func nullTreatment(f *expr.Function, c *expr.UnresolvedCall, args []expr.Expr) (*expr.UnresolvedCall, []expr.Expr, error) {
	values := map[string]int{"first": 1, "last": 1, "any_value": 1, "nth_value": 2}[f.Name]
	if n := len(args); values > 0 && n == values+1 {
		l, ok := args[n-1].(*expr.Literal)
		ignore, isBool := false, false
		if ok {
			ignore, isBool = l.Value.(bool)
		}
		if !isBool {
			return nil, nil, diag.NewAt(c.Place, diag.TypeMismatch, "the last argument of %s, whether nulls are passed over, must be true or false", f.Name)
		}
		d := *c
		d.IgnoreNulls = d.IgnoreNulls || ignore
		c, args = &d, args[:n-1]
	}
	if c.IgnoreNulls && values == 0 && f.Name != "lag" && f.Name != "lead" {
		return nil, nil, diag.NewAt(c.Place, diag.InvalidQuery, "%s does not take IGNORE NULLS", f.Name)
	}
	return c, args, nil
}

// arguments resolves the arguments of a call; count(*) has none, a star in other
// calls stands for columns.
func (a *analyzer) arguments(c *expr.UnresolvedCall, name string, s *scope) ([]expr.Expr, error) {
	if countsRows(c) {
		return nil, nil
	}
	full, err := starArguments(c, s.columns)
	if err != nil {
		return nil, err
	}
	c = full.(*expr.UnresolvedCall)
	args := make([]expr.Expr, len(c.Args))
	for i, k := range c.Args {
		if args[i], err = a.expr(k, s); err != nil {
			return nil, err
		}
	}
	if name == "count" && len(args) == 0 {
		return nil, diag.NewAt(c.Place, diag.WrongArguments, "count takes at least 1 argument, not 0").WithRemedy("write count(*) to count rows")
	}
	return args, nil
}

func (a *analyzer) unknownFunction(c *expr.UnresolvedCall) error {
	switch c.Fn {
	case "struct", "named_struct", "array", "map":
		return diag.NewAt(c.Place, diag.Unsupported, "making values of type %s is not supported yet", strings.TrimPrefix(c.Fn, "named_"))
	}
	e := diag.NewAt(c.Place, diag.UnresolvedRoutine, "there is no function %s", c.Fn)
	if near := nearest(c.Fn, a.opts.Functions.Names()); near != "" {
		return e.WithRemedy("did you mean %s?", near)
	}
	return e.WithRemedy("SHOW FUNCTIONS lists them")
}

// special resolves the calls that are not functions of rows: constants of the
// statement, and those that stand for others.
func (a *analyzer) special(c *expr.UnresolvedCall, name string, args []expr.Expr, sets *groupingSets) (expr.Expr, error) {
	constant := func(v any, t columnar.Type) (expr.Expr, error) {
		if len(args) > 0 {
			return nil, diag.NewAt(c.Place, diag.WrongArguments, "%s takes no arguments, not %d", c.Fn, len(args))
		}
		return &expr.Literal{Value: v, Typ: t, Place: c.Place}, nil
	}
	switch name {
	case "current_date", "curdate":
		return constant(floorDiv(a.wallClock(), 86400e6), columnar.DateType)
	case "current_timestamp", "now":
		return constant(a.opts.Now.UnixMicro(), columnar.TimestampType)
	case "localtimestamp":
		return constant(a.wallClock(), columnar.TimestampNTZType)
	case "current_timezone":
		return constant(a.zone().String(), columnar.StringType)
	case "current_database", "current_schema":
		return constant("default", columnar.StringType)
	case "current_catalog":
		return constant("spark_catalog", columnar.StringType)
	case "isunknown":
		return a.callResolved("isnull", args, c.Place)
	case "nvl2":
		if len(args) != 3 {
			return nil, diag.NewAt(c.Place, diag.WrongArguments, "nvl2 takes 3 arguments, not %d", len(args))
		}
		test, err := a.callResolved("isnotnull", args[:1], c.Place)
		if err != nil {
			return nil, err
		}
		return a.callResolved("if", []expr.Expr{test, args[1], args[2]}, c.Place)
	case "grouping", "grouping_id":
		return a.groupingCall(name, args, c.Place, sets)
	case "getitem":
		return a.subscript(args, c.Place)
	case "extract", "date_part", "datepart":
		return a.extract(args, c.Place)
	}
	return nil, nil
}

// subscript resolves x[i] and x.name: an element of an array, the value of a map's
// key, or a field of a struct.
func (a *analyzer) subscript(args []expr.Expr, at diag.Pos) (expr.Expr, error) {
	if len(args) != 2 {
		return nil, diag.NewAt(at, diag.WrongArguments, "getitem takes 2 arguments, not %d", len(args))
	}
	t := args[0].Type()
	switch _, name := expr.FieldName(args[1]); {
	case t.Kind == columnar.Map:
		return a.callResolved("element_at", args, at)
	case t.Kind == columnar.Struct, t.Kind == columnar.List && name && t.Nested.Fields[0].Type.Kind == columnar.Struct:
		return a.callResolved("getfield", args, at)
	}
	return a.callResolved("getitem", args, at)
}

// wallClock is the time of the statement as clocks in the zone show it, in µs.
func (a *analyzer) wallClock() int64 {
	t := a.opts.Now.In(a.zone())
	_, offset := t.Zone()
	return t.UnixMicro() + int64(offset)*int64(time.Second/time.Microsecond)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// callResolved makes a call of one of the engine's scalar functions on resolved arguments.
func (a *analyzer) callResolved(name string, args []expr.Expr, at diag.Pos) (expr.Expr, error) {
	f, _ := expr.Builtins().Lookup(name)
	return a.scalarCall(f, args, at)
}

func (a *analyzer) scalarCall(f *expr.Function, args []expr.Expr, at diag.Pos) (expr.Expr, error) {
	sig, err := f.Resolve(args)
	if err != nil {
		return nil, place(err, at)
	}
	cast := make([]expr.Expr, len(args))
	for i, x := range args {
		cast[i] = a.castTo(x, sig.Args[i])
	}
	if f.Name == "positive" {
		return cast[0], nil
	}
	return &expr.Call{Fn: f, Args: cast, Typ: sig.Result, Null: expr.CallNullable(f, cast, sig), Place: at}, nil
}

// aggregateCall resolves a call of an aggregate function.
func (a *analyzer) aggregateCall(f *expr.Function, c *expr.UnresolvedCall, args []expr.Expr, s *scope) (expr.Expr, error) {
	nested := func(e expr.Expr) bool { _, ok := e.(*expr.Agg); return ok }
	for _, x := range args {
		if expr.Any(x, nested) {
			return nil, diag.NewAt(c.Place, diag.InvalidQuery, "aggregate functions cannot be nested").WithRemedy("aggregate in a subquery first")
		}
	}
	sig := expr.Signature{Result: columnar.Int64Type}
	if len(args) > 0 || f.Name != "count" {
		var err error
		if sig, err = f.Resolve(args); err != nil {
			return nil, place(err, c.Place)
		}
	}
	g := &expr.Agg{Fn: f, Distinct: c.Distinct, Typ: sig.Result, Null: !f.NeverNull, Place: c.Place}
	for i, x := range args {
		g.Args = append(g.Args, a.castTo(x, sig.Args[i]))
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
	if f.Name == "collect_set" { // it is the list of the different values
		g.Fn, _ = expr.Builtins().Lookup("collect_list")
		g.Distinct = true
	}
	if g.Distinct {
		for _, x := range g.Args {
			if x.Type().IsNested() {
				return nil, diag.NewAt(c.Place, diag.TypeMismatch, "DISTINCT cannot compare values of type %s", x.Type())
			}
		}
	}
	for _, x := range args {
		if err := noWindows(x, "aggregate functions"); err != nil {
			return nil, err
		}
	}
	if c.Filter != nil {
		var err error
		if g.Filter, err = a.condition(c.Filter, s, "FILTER"); err != nil {
			return nil, err
		}
		if expr.Any(g.Filter, nested) {
			return nil, diag.NewAt(c.Place, diag.InvalidQuery, "FILTER cannot use aggregate functions").WithRemedy("aggregate in a subquery first")
		}
	}
	if c.IgnoreNulls {
		some, err := a.callResolved("isnotnull", g.Args[:1], c.Place)
		if err != nil {
			return nil, err
		}
		if g.Filter != nil {
			some = expr.NewCall("and", columnar.BoolType, g.Filter, some)
		}
		g.Filter = some
	}
	if len(c.OrderBy) > 0 {
		return nil, diag.NewAt(c.Place, diag.Unsupported, "WITHIN GROUP is not supported yet")
	}
	if g.Distinct && (f.Name == "min" || f.Name == "max" || f.Name == "bool_and" || f.Name == "bool_or") {
		g.Distinct = false
	}
	return g, nil
}

// extractFields are the fields of EXTRACT by name, each with its function.
var extractFields = map[string]string{
	"year": "year", "years": "year", "y": "year", "yr": "year", "yrs": "year",
	"quarter": "quarter", "qtr": "quarter", "month": "month", "months": "month", "mon": "month", "mons": "month",
	"week": "weekofyear", "weeks": "weekofyear", "w": "weekofyear", "day": "day", "days": "day", "d": "day",
	"doy": "dayofyear", "dow": "dayofweek", "dayofweek": "dayofweek", "hour": "hour", "hours": "hour", "h": "hour", "hr": "hour", "hrs": "hour",
	"minute": "minute", "minutes": "minute", "min": "minute", "mins": "minute", "m": "minute",
	"second": "extract_second", "seconds": "extract_second", "sec": "extract_second", "secs": "extract_second", "s": "extract_second",
}

// extract is EXTRACT(field FROM x): the field's own function.
func (a *analyzer) extract(args []expr.Expr, at diag.Pos) (expr.Expr, error) {
	if len(args) != 2 {
		return nil, diag.NewAt(at, diag.WrongArguments, "EXTRACT takes a field and a date or timestamp")
	}
	l, ok := args[0].(*expr.Literal)
	field, isText := "", false
	if ok {
		field, isText = l.Value.(string)
	}
	if !isText {
		return nil, diag.NewAt(at, diag.InvalidArgument, "the field of EXTRACT must be a name or a string literal")
	}
	name, known := extractFields[strings.ToLower(field)]
	if !known {
		return nil, diag.NewAt(at, diag.InvalidArgument, "EXTRACT knows no field %q", field).WithRemedy("use YEAR, QUARTER, MONTH, WEEK, DAY, DOY, DOW, HOUR, MINUTE or SECOND")
	}
	return a.callResolved(name, args[1:], at)
}
