package wire

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// check verifies one decoded node over already checked children: everything
// that operators take for granted about positions and lengths.
func check(p physical.Plan) error {
	for _, k := range p.Children() {
		if k == nil {
			return malformed("%T without a child", p)
		}
	}
	switch x := p.(type) {
	case *physical.Scan:
		if x.Read == nil || len(x.Columns) != x.Read.Len() {
			return malformed("columns of a scan")
		}
		if d := x.Dataset; d != nil {
			origin := d.Origin.Schema()
			if err := positions(x.Columns, origin.Len()); err != nil {
				return err
			}
			for i, c := range x.Columns {
				if !x.Read.Fields[i].Type.Equal(origin.Fields[c].Type) {
					return malformed("columns of a dataset")
				}
			}
		}
		return firstError(positions(x.Project, x.Read.Len()), bound(x.Read, x.Filters...), runtimeFilters(x.RuntimeFilters, x.Read.Len()))
	case *physical.Values:
		if x.Out == nil {
			return malformed("values without a schema")
		}
		for _, r := range x.Rows {
			if len(r) != x.Out.Len() {
				return malformed("row of %d values for %d columns", len(r), x.Out.Len())
			}
		}
	case *physical.Source:
		if x.Out == nil {
			return malformed("source without a schema")
		}
		return boundOrder(x.Out, x.Order)
	case *physical.Filter:
		return firstError(bound(x.Child.Schema(), x.Conjuncts...), runtimeFilters(x.RuntimeFilters, x.Child.Schema().Len()))
	case *physical.Project:
		if x.Out == nil || len(x.Exprs) != x.Out.Len() {
			return malformed("columns of a projection")
		}
		return bound(x.Child.Schema(), x.Exprs...)
	case *physical.Aggregate:
		return checkAggregate(x)
	case *physical.Apply:
		if x.Out == nil || x.Out.Len() == 0 || len(x.List) == 0 || x.Foreign == nil {
			return malformed("shape of a function on partitions")
		}
		return bound(x.Child.Schema(), x.List...)
	case *physical.Generate:
		return checkGenerate(x)
	case *physical.Accumulate:
		if x.Sum && (len(x.List) != 1 || !x.List[0].Type().Equal(columnar.Int64Type) && !x.List[0].Type().Equal(columnar.Float64Type)) {
			return malformed("what an accumulator sums up")
		}
		return bound(x.Child.Schema(), x.List...)
	case *physical.HashJoin:
		if x.Out == nil || len(x.Output) != x.Out.Len() || len(x.LeftKeys) == 0 || len(x.LeftKeys) != len(x.RightKeys) ||
			len(x.NullSafe) != len(x.LeftKeys) || len(x.RuntimeFilters) != 0 && len(x.RuntimeFilters) != len(x.LeftKeys) {
			return malformed("shape of a hash join")
		}
		both := concat(x.Left.Schema(), x.Right.Schema())
		err := firstError(bound(x.Left.Schema(), x.LeftKeys...), bound(x.Right.Schema(), x.RightKeys...), positions(x.Output, both.Len()+1))
		if err == nil && x.Residual != nil {
			err = bound(both, x.Residual)
		}
		return err
	case *physical.LoopJoin:
		if x.Out == nil || len(x.Output) != x.Out.Len() {
			return malformed("shape of a loop join")
		}
		both := concat(x.Left.Schema(), x.Right.Schema())
		err := positions(x.Output, both.Len()+1)
		if err == nil && x.Cond != nil {
			err = bound(both, x.Cond)
		}
		return err
	case *physical.Sort:
		return boundOrder(x.Child.Schema(), x.Order)
	case *physical.TopN:
		if x.Count < 0 || x.Offset < 0 {
			return malformed("counts of a TopN")
		}
		if x.Filter != 0 {
			if len(x.Order) == 0 {
				return malformed("filter of a TopN")
			}
			if c, ok := x.Order[0].Expr.(*expr.Column); !ok || !c.Typ.Wordable() {
				return malformed("filter of a TopN")
			}
		}
		return boundOrder(x.Child.Schema(), x.Order)
	case *physical.Limit:
		if x.Count < -1 || x.Offset < 0 {
			return malformed("counts of a limit")
		}
	case *physical.Union:
		if x.Out == nil || len(x.Inputs) == 0 {
			return malformed("shape of a union")
		}
		for _, k := range x.Inputs {
			if k.Schema().Len() != x.Out.Len() {
				return malformed("inputs of a union")
			}
		}
	case *physical.Window:
		return checkWindow(x)
	case *physical.Expand:
		return checkExpand(x)
	case *physical.Write:
		return positions(x.PartitionBy, x.Child.Schema().Len())
	}
	return nil
}

func checkAggregate(x *physical.Aggregate) error {
	in := x.Child.Schema()
	if x.Out == nil {
		return malformed("aggregate without a schema")
	}
	states := 0
	for _, a := range x.Aggs {
		n := 1
		if x.Mode.ToStates() || x.Mode.FromStates() {
			types, ok := physical.StateTypes(a)
			if !ok {
				return malformed("%s has no partial form", a.Fn)
			}
			n = len(types)
		}
		states += n
	}
	want := len(x.Keys) + len(x.Aggs)
	if x.Mode.ToStates() {
		want = len(x.Keys) + states
	}
	if x.Mode.FromStates() {
		if in.Len() != len(x.Keys)+states || x.Out.Len() != want {
			return malformed("columns of an aggregate of states")
		}
		return nil
	}
	if x.Mode == physical.AggEager && len(x.Keys) == 0 {
		return malformed("an eager aggregate without keys")
	}
	if x.Out.Len() != want {
		return malformed("columns of an aggregate")
	}
	err := bound(in, x.Keys...)
	for _, a := range x.Aggs {
		if err == nil {
			err = bound(in, a.Args...)
		}
		if err == nil && a.Filter != nil {
			err = bound(in, a.Filter)
		}
	}
	return err
}

func firstError(errs ...error) error {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

func concat(a, b *columnar.Schema) *columnar.Schema {
	return columnar.NewSchema(append(append([]columnar.Field{}, a.Fields...), b.Fields...)...)
}

// bound checks that every column exists in the input with the type it claims.
func bound(in *columnar.Schema, es ...expr.Expr) (err error) {
	for _, e := range es {
		expr.Walk(e, func(e expr.Expr) bool {
			if c, ok := e.(*expr.Column); ok && err == nil {
				if c.Index < 0 || c.Index >= in.Len() {
					err = malformed("column %d of %d", c.Index, in.Len())
				} else if !c.Typ.Equal(in.Fields[c.Index].Type) {
					err = malformed("column %d is %s, not %s", c.Index, in.Fields[c.Index].Type, c.Typ)
				}
			}
			return err == nil
		})
	}
	return err
}

func boundOrder(in *columnar.Schema, order []expr.SortOrder) error {
	for _, o := range order {
		if err := bound(in, o.Expr); err != nil {
			return err
		}
	}
	return nil
}

func positions(at []int, n int) error {
	for _, i := range at {
		if i < 0 || i >= n {
			return malformed("position %d of %d", i, n)
		}
	}
	return nil
}
