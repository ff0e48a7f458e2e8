package analyze

import (
	"cmp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// over resolves a call with an OVER clause. The result stands in the expression
// until windows moves it below the select list.
func (a *analyzer) over(f *expr.Function, c *expr.UnresolvedCall, args []expr.Expr, s *scope) (expr.Expr, error) {
	if f.Kind == expr.ScalarFunction {
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "%s is neither a window function nor an aggregate function, so it takes no OVER clause", f.Name)
	}
	if c.Distinct {
		return nil, diag.NewAt(c.Place, diag.Unsupported, "DISTINCT in a window is not supported")
	}
	if len(c.OrderBy) > 0 {
		return nil, diag.NewAt(c.Place, diag.Unsupported, "WITHIN GROUP is not supported yet")
	}
	o := &expr.Over{Place: c.Place}
	for _, k := range c.Over.PartitionBy {
		e, err := a.expr(k, s)
		if err != nil {
			return nil, err
		}
		if _, constant := e.(*expr.Literal); constant {
			continue
		}
		if e.Type().IsNested() {
			return nil, diag.NewAt(k.Pos(), diag.TypeMismatch, "values of type %s cannot be compared", e.Type())
		}
		o.PartitionBy = append(o.PartitionBy, e)
	}
	for _, k := range c.Over.OrderBy {
		e, err := a.expr(k.Expr, s)
		if err != nil {
			return nil, err
		}
		if e.Type().IsNested() || e.Type().Kind == columnar.Variant {
			return nil, diag.NewAt(k.Expr.Pos(), diag.TypeMismatch, "values of type %s cannot be ordered", e.Type())
		}
		k.Expr = e
		o.OrderBy = append(o.OrderBy, k)
	}
	for i, x := range args {
		args[i] = eval.Fold(x, eval.Options{Zone: a.zone()})
	}
	sig := expr.Signature{Result: columnar.Int64Type}
	if len(args) > 0 || f.Name != "count" {
		var err error
		if sig, err = f.Resolve(args); err != nil {
			return nil, place(err, c.Place)
		}
	}
	o.Call = &expr.Agg{Fn: f, IgnoreNulls: c.IgnoreNulls, Typ: sig.Result, Null: !f.NeverNull, Place: c.Place}
	if f.Name == "rank" || f.Name == "dense_rank" || f.Name == "percent_rank" {
		args = nil // they mean nothing
	}
	for i, x := range args {
		o.Call.Args = append(o.Call.Args, a.castTo(x, sig.Args[i]))
	}
	if f.Kind == expr.WindowFunction && len(o.OrderBy) == 0 {
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "the window function %s needs an ORDER BY in its window", f.Name)
	}
	if c.Filter != nil {
		if f.Kind == expr.WindowFunction {
			return nil, diag.NewAt(c.Place, diag.InvalidQuery, "FILTER belongs to aggregate functions; %s is none", f.Name)
		}
		e, err := a.expr(c.Filter, s)
		if err == nil {
			o.Call.Filter, err = a.boolean(e, "FILTER")
		}
		if err != nil {
			return nil, err
		}
	}
	for _, k := range o.Children() {
		if expr.Any(k, isOver) {
			return nil, diag.NewAt(c.Place, diag.InvalidQuery, "window functions cannot be nested").WithRemedy("compute the inner one in a subquery")
		}
	}
	var err error
	o.Call.Frame, err = a.frame(f, c, o)
	return o, err
}

func isOver(e expr.Expr) bool { _, ok := e.(*expr.Over); return ok }

// frameless are the window functions that look at the whole partition.
func frameless(f *expr.Function) bool {
	return f.Kind == expr.WindowFunction && f.Name != "nth_value"
}

// frame resolves the frame of a call. Without one it reaches from the partition's
// start to the row and its equals in order, without an order over everything.
func (a *analyzer) frame(f *expr.Function, c *expr.UnresolvedCall, o *expr.Over) (*expr.Frame, error) {
	w := c.Over.Frame
	current := expr.Lit(int64(0), columnar.Int64Type)
	running := &expr.Frame{Rows: true, End: current}
	switch {
	case frameless(f):
		if w != nil && w.Start == nil && w.Rows && isZero(w.End) {
			w = nil
		}
		if w != nil {
			return nil, diag.NewAt(c.Place, diag.InvalidQuery, "the window function %s takes no frame", f.Name).WithRemedy("leave ROWS or RANGE out")
		}
		return nil, nil
	case w == nil && len(o.OrderBy) > 0:
		running.Rows = false
		return running, nil
	case w == nil:
		return &expr.Frame{}, nil
	}
	out := &expr.Frame{Rows: w.Rows, StartFollow: w.StartFollow, EndFollow: w.EndFollow}
	if !w.Rows && len(o.OrderBy) == 0 && (w.Start != nil || w.End != nil) {
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "a RANGE frame needs an ORDER BY in its window")
	}
	var err error
	if out.Start, err = a.bound(w.Start, w.Rows, o); err != nil {
		return nil, err
	}
	if out.End, err = a.bound(w.End, w.Rows, o); err != nil {
		return nil, err
	}
	if out.Start != nil && out.End != nil && compareBounds(out) > 0 {
		return nil, diag.NewAt(c.Place, diag.InvalidQuery, "the frame %s ends before it starts", out)
	}
	return out, nil
}

func isZero(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	return ok && (l.Value == int64(0) || l.Value == float64(0))
}

// bound resolves an end of a frame to a literal: a number of rows, or a distance
// in the unit of the one key that the window is ordered by.
func (a *analyzer) bound(e expr.Expr, rows bool, o *expr.Over) (expr.Expr, error) {
	if e == nil {
		return nil, nil
	}
	at := e.Pos()
	r, err := a.scalar(e, &scope{}, "a frame")
	if err != nil {
		return nil, err
	}
	if isZero(r) {
		return expr.Lit(int64(0), columnar.Int64Type), nil
	}
	wrong := func(want string) error {
		return diag.NewAt(at, diag.InvalidQuery, "the bound of this frame needs %s", want)
	}
	unit, want := columnar.Int64Type, "a constant whole number of rows"
	micros := int64(1)
	if !rows {
		if len(o.OrderBy) != 1 {
			return nil, diag.NewAt(at, diag.InvalidQuery, "a RANGE frame with a distance needs one ORDER BY key, not %d", len(o.OrderBy)).WithRemedy("use ROWS, or order by one key")
		}
		unit = o.OrderBy[0].Expr.Type()
		want = "a constant distance of type " + unit.String()
		switch k := unit.Kind; {
		case k == columnar.Date && r.Type().IsInteger():
			unit, want = columnar.Int64Type, "a constant number of days"
		case (k == columnar.Date || k == columnar.Timestamp || k == columnar.TimestampNTZ) && r.Type().Kind == columnar.DayTimeInterval:
			if unit, want = r.Type(), "a constant interval"; k == columnar.Date {
				micros = 86400e6
			}
		case k == columnar.Decimal && unit.Precision > 18:
			return nil, diag.NewAt(at, diag.Unsupported, "RANGE over %s is not supported yet", unit).WithRemedy("order by CAST(… AS DECIMAL(18,%d))", min(unit.Scale, 18))
		case !unit.IsNumeric():
			return nil, diag.NewAt(at, diag.TypeMismatch, "RANGE cannot add %s to a key of type %s", r.Type(), unit)
		}
	}
	if !expr.ImplicitCast(r.Type(), unit) && !(r.Type().IsNumeric() && unit.IsNumeric()) {
		return nil, wrong(want)
	}
	l, ok := eval.Fold(a.castTo(r, unit), eval.Options{Zone: a.zone()}).(*expr.Literal)
	if !ok || l.Value == nil {
		return nil, wrong(want)
	}
	switch v := l.Value.(type) {
	case int64:
		if v < 0 || v%micros != 0 {
			return nil, wrong(want + ", not negative")
		}
		return expr.Lit(v/micros, columnar.Int64Type), nil
	case columnar.Int128:
		if v.Hi < 0 || !v.FitsInt64() {
			return nil, wrong(want + ", not negative")
		}
		return expr.Lit(int64(v.Lo), columnar.Int64Type), nil
	case float64:
		if !(v >= 0) {
			return nil, wrong(want + ", not negative")
		}
		return expr.Lit(v, columnar.Float64Type), nil
	}
	return nil, wrong(want)
}

// compareBounds compares the start of a frame with its end, both given.
func compareBounds(f *expr.Frame) int {
	value := func(e expr.Expr, follow bool) float64 {
		v := 0.0
		switch x := e.(*expr.Literal).Value.(type) {
		case int64:
			v = float64(x)
		case float64:
			v = x
		}
		if !follow {
			return -v
		}
		return v
	}
	return cmp.Compare(value(f.Start, f.StartFollow), value(f.End, f.EndFollow))
}

// windows computes the window calls of resolved expressions below them: a Window
// per partitioning and order above the child, and the expressions over its columns.
func (a *analyzer) windows(child logical.Plan, es []expr.Expr) (logical.Plan, []expr.Expr) {
	var ws []*logical.Window
	var calls []*expr.Over
	var results []*expr.Attr
	same := func(w *logical.Window, o *expr.Over) bool {
		return expr.Equal(&expr.Over{Call: o.Call, PartitionBy: w.PartitionBy, OrderBy: w.OrderBy}, o)
	}
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		out[i] = expr.Rewrite(e, func(e expr.Expr) expr.Expr {
			o, ok := e.(*expr.Over)
			if !ok {
				return e
			}
			for k, c := range calls {
				if expr.Equal(c, o) {
					return results[k]
				}
			}
			al := &expr.Alias{Arg: o.Call, Name: pretty(o.Call), ID: a.id(), Place: o.Place}
			calls, results = append(calls, o), append(results, al.Attr())
			for _, w := range ws {
				if same(w, o) {
					w.List = append(w.List, al)
					return al.Attr()
				}
			}
			ws = append(ws, &logical.Window{List: []expr.Expr{al}, PartitionBy: o.PartitionBy, OrderBy: o.OrderBy})
			return al.Attr()
		})
	}
	for _, w := range ws {
		w.Child = child
		child = w
	}
	return child, out
}

// windowed plans a select list over groups that has window calls: the groups with
// what the list needs of them, the windows over those, the list.
func (a *analyzer) windowed(g *logical.Aggregate, cols []column) *logical.Project {
	inner := &logical.Aggregate{Keys: g.Keys, Sets: g.Sets, Child: g.Child}
	piece := func(e expr.Expr, name string) expr.Expr {
		for _, item := range inner.List {
			switch x := item.(type) {
			case *expr.Attr:
				if expr.Equal(x, e) {
					return x
				}
			case *expr.Alias:
				if expr.Equal(x.Arg, e) {
					return x.Attr()
				}
			}
		}
		if at, ok := e.(*expr.Attr); ok {
			inner.List = append(inner.List, at)
			return at
		}
		al := &expr.Alias{Arg: e, Name: name, ID: a.id(), Place: e.Pos()}
		inner.List = append(inner.List, al)
		return al.Attr()
	}
	var split func(e expr.Expr) expr.Expr
	split = func(e expr.Expr) expr.Expr {
		for _, k := range g.Keys {
			if expr.Equal(k, e) {
				return piece(e, "key")
			}
		}
		if x, ok := e.(*expr.Agg); ok {
			return piece(e, x.Fn.Name)
		}
		kids := e.Children()
		if len(kids) == 0 {
			return e
		}
		fresh := make([]expr.Expr, len(kids))
		for i, k := range kids {
			fresh[i] = split(k)
		}
		return e.WithChildren(fresh)
	}
	list := make([]expr.Expr, len(g.List))
	for i, e := range g.List {
		if list[i] = split(e); list[i] != e {
			if at, ok := e.(*expr.Attr); ok { // a key keeps its id
				list[i] = &expr.Alias{Arg: list[i], Name: at.Name, ID: at.ID}
			}
		}
	}
	out := &logical.Project{}
	out.Child, out.List = a.windows(inner, list)
	var below []column
	for _, c := range cols {
		for _, at := range inner.Output() {
			if at.ID == c.ID {
				below = append(below, c)
			}
		}
	}
	a.below[out] = below
	return out
}

// noWindows refuses window calls in a clause that is computed before them.
func noWindows(e expr.Expr, clause string) error {
	var at diag.Pos
	if !expr.Any(e, func(e expr.Expr) bool {
		o, ok := e.(*expr.Over)
		if ok {
			at = o.Place
		}
		return ok
	}) {
		return nil
	}
	return diag.NewAt(at, diag.InvalidQuery, "window functions are not allowed in %s", clause).WithRemedy("compute it in a subquery and use its column")
}
