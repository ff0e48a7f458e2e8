package planner

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
)

// expand plans the repetition of rows for grouping sets. Rows stay where they are.
func (pl *planner) expand(x *logical.Expand, need expr.IDSet) (planned, error) {
	in, err := pl.plan(x.Child, with(need, x.Keys...))
	if err != nil {
		return planned{}, err
	}
	in, at, err := pl.columns(in, x.Keys)
	if err != nil {
		return planned{}, err
	}
	attrs := append([]*expr.Attr{}, in.attrs...)
	fields := append([]columnar.Field{}, in.plan.Schema().Fields...)
	for _, a := range append(append([]*expr.Attr{}, x.Attrs...), x.GID) {
		attrs = append(attrs, a)
		fields = append(fields, columnar.Field{Name: a.Name, Type: a.Typ, Nullable: a.Null})
	}
	return planned{&physical.Expand{Keys: at, Sets: x.Sets, IDs: x.IDs, Out: columnar.NewSchema(fields...), Child: in.plan}, attrs, in.dist}, nil
}
