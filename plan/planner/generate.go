package planner

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// generate plans the call of a table function. Rows stay where they are; columns that
// only its arguments need go no further.
func (pl *planner) generate(x *logical.Generate, need expr.IDSet) (planned, error) {
	in, err := pl.plan(x.Child, with(need, x.Args...))
	if err != nil {
		return planned{}, err
	}
	args, err := bindAll(x.Args, in.attrs)
	if err != nil {
		return planned{}, err
	}
	g := &physical.Generate{Fn: x.Fn, Args: args, Outer: x.Outer, Out: &columnar.Schema{}, Child: in.plan}
	var attrs []*expr.Attr
	fields := in.plan.Schema().Fields
	for i, a := range in.attrs {
		if need[a.ID] {
			g.Keep, attrs, g.Out.Fields = append(g.Keep, i), append(attrs, a), append(g.Out.Fields, fields[i])
		}
	}
	out := x.Output()
	for _, a := range out[len(out)-len(x.Attrs):] {
		attrs, g.Out.Fields = append(attrs, a), append(g.Out.Fields, columnar.Field{Name: a.Name, Type: a.Typ, Nullable: a.Null})
	}
	return planned{g, attrs, in.dist}, nil
}
