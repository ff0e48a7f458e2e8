package planner

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// window brings each partition into one task, sorts there, and computes the
// functions over the sorted rows.
func (pl *planner) window(w *logical.Window, need expr.IDSet) (planned, error) {
	var list []*expr.Alias
	for _, e := range w.List {
		if al := e.(*expr.Alias); need[al.ID] {
			list = append(list, al)
		}
	}
	if len(list) == 0 {
		return pl.plan(w.Child, need)
	}
	below := with(need, w.PartitionBy...)
	below = with(below, orderExprs(w.OrderBy)...)
	for _, al := range list {
		below = with(below, al.Arg)
	}
	in, err := pl.plan(w.Child, below)
	if err != nil {
		return planned{}, err
	}
	in, at, err := pl.columns(in, w.PartitionBy)
	if err != nil {
		return planned{}, err
	}
	keys := expr.IDSet{}
	for _, c := range at {
		keys[in.attrs[c].ID] = true
	}
	rows := pl.rows(w.Child)
	switch {
	case len(at) == 0:
		in = pl.single(in, rows)
	case !in.dist.covers(keys):
		in = pl.hash(in, at, pl.partitions(rows), rows)
	}
	wanted := orderExprs(w.OrderBy) // they must be columns
	for _, al := range list {
		g := al.Arg.(*expr.Agg)
		if !physical.Windowed(g.Fn.Name) {
			return planned{}, diag.NewAt(g.Place, diag.Unsupported, "%s over a window is not supported yet", g.Fn.Name).WithRemedy("aggregate in a subquery and join it")
		}
		for i, e := range g.Args {
			if !physical.WindowConstant(g.Fn.Name, i) {
				wanted = append(wanted, e)
			} else if _, ok := e.(*expr.Literal); !ok {
				return planned{}, diag.NewAt(g.Place, diag.InvalidArgument, "argument %d of %s must be a constant", i+1, g.Fn.Name)
			}
		}
		if g.Filter != nil {
			wanted = append(wanted, g.Filter)
		}
	}
	in, columns, err := pl.columns(in, wanted)
	if err != nil {
		return planned{}, err
	}
	next := func() *expr.Column {
		c := column(in, columns[0])
		columns = columns[1:]
		return c
	}
	out := &physical.Window{PartitionBy: at}
	for _, o := range w.OrderBy {
		o.Expr = next()
		out.Order = append(out.Order, o)
	}
	attrs := append([]*expr.Attr{}, in.attrs...)
	fields := append([]columnar.Field{}, in.plan.Schema().Fields...)
	for _, al := range list {
		g := al.Arg.(*expr.Agg)
		call := physical.WindowCall{Fn: g.Fn.Name, IgnoreNulls: g.IgnoreNulls, Frame: g.Frame, Result: g.Typ, Null: g.Null, Place: g.Place}
		for i, e := range g.Args {
			if !physical.WindowConstant(g.Fn.Name, i) {
				e = next()
			}
			call.Args = append(call.Args, e)
		}
		if g.Filter != nil {
			call.Filter = next()
		}
		out.Calls = append(out.Calls, call)
		attrs = append(attrs, al.Attr())
		fields = append(fields, columnar.Field{Name: al.Name, Type: g.Typ, Nullable: g.Null})
	}
	out.Out = columnar.NewSchema(fields...)
	var order []expr.SortOrder
	for _, c := range at {
		order = append(order, expr.SortOrder{Expr: column(in, c)})
	}
	if order = append(order, out.Order...); len(order) > 0 {
		in.plan = &physical.Sort{Order: order, Child: in.plan}
	}
	out.Child = in.plan
	return planned{out, attrs, in.dist}, nil
}
