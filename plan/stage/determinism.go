package stage

import (
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

// classify computes a stage's determinism class from its inputs and operators.
//
//   - Reading a partition of an exchange yields the rows of its map outputs in
//     the order of arrival: at best Unordered, unless they are merged by an
//     order that ties rows arbitrarily (also Unordered).
//   - LIMIT without a total order, round robin, first/last and volatile functions
//     over input that is not Stable choose rows by arrival: Unstable. Volatile
//     functions are Unstable over any input.
//   - Runtime filters of other stages drop rows or come too late: at best Unordered
//     (await). What differs has no match in a join above, so it counts as the same.
//   - Floating-point sums depend on the order in their last digits: where such a
//     value decides which rows there are (a filter, a join key, a partition), the
//     stage is Unstable.
func (c *cutter) classify(s *Stage) Determinism {
	class := Stable
	for _, in := range s.Inputs {
		up := c.stages[in.Stage]
		if up.Class == Unstable {
			return Unstable
		}
		class = Unordered
	}
	var visit func(p physical.Plan)
	worse := func(d Determinism) { class = max(class, d) }
	visit = func(p physical.Plan) {
		for _, e := range decisive(p) {
			if class != Stable && e.Type().IsFloat() {
				worse(Unstable)
			}
		}
		for _, e := range all(p) {
			if expr.Any(e, isVolatile) {
				worse(Unstable)
			}
		}
		switch x := p.(type) {
		case *physical.Limit:
			if class != Stable {
				worse(Unstable)
			}
		case *physical.TopN: // ties are broken by arrival
			if class != Stable {
				worse(Unstable)
			}
		case *physical.Aggregate:
			for _, a := range x.Aggs {
				if class != Stable && (a.Fn == "first" || a.Fn == "last" || a.Fn == "any_value" || a.Fn == "collect_list") {
					worse(Unstable)
				}
			}
			worse(Unordered) // groups come out in table order, which depends on the input's
		case *physical.HashJoin, *physical.LoopJoin:
			worse(Unordered)
		case *physical.Generate:
			if x.Fn.Volatile {
				worse(Unstable)
			}
		case *physical.Apply: // it sees the order of rows
			if class != Stable {
				worse(Unstable)
			}
		case *physical.Window: // rows that are equal in order stand as they came
			if class != Stable {
				worse(Unstable)
			}
		}
		for _, k := range p.Children() {
			visit(k)
		}
	}
	visit(s.Root)
	if s.Out != nil && s.Out.Partitioning.Kind == physical.RoundRobin && class != Stable {
		class = Unstable
	}
	if s.Out != nil && s.Out.Partitioning.Kind == physical.HashPartitioning && class != Stable {
		for _, k := range s.Out.Partitioning.Keys {
			if s.Root.Schema().Fields[k].Type.IsFloat() {
				class = Unstable
			}
		}
	}
	return class
}

// decisive lists the parts of comparisons that decide which rows a node yields.
func decisive(p physical.Plan) []expr.Expr {
	var out []expr.Expr
	add := func(e expr.Expr) {
		expr.Walk(e, func(e expr.Expr) bool {
			out = append(out, e)
			return true
		})
	}
	switch x := p.(type) {
	case *physical.Filter:
		for _, e := range x.Conjuncts {
			add(e)
		}
	case *physical.HashJoin:
		for i := range x.LeftKeys {
			add(x.LeftKeys[i])
			add(x.RightKeys[i])
		}
		if x.Residual != nil {
			add(x.Residual)
		}
	case *physical.LoopJoin:
		if x.Cond != nil {
			add(x.Cond)
		}
	case *physical.Aggregate:
		for _, e := range x.Keys {
			add(e)
		}
	}
	return out
}

// all lists a node's expressions.
func all(p physical.Plan) []expr.Expr {
	switch x := p.(type) {
	case *physical.Scan:
		return x.Filters
	case *physical.Filter:
		return x.Conjuncts
	case *physical.Project:
		return x.Exprs
	case *physical.Aggregate:
		es := append([]expr.Expr{}, x.Keys...)
		for _, a := range x.Aggs {
			es = append(es, a.Args...)
			if a.Filter != nil {
				es = append(es, a.Filter)
			}
		}
		return es
	case *physical.Accumulate:
		return x.List
	case *physical.Apply:
		return x.List
	case *physical.Generate:
		return x.Args
	case *physical.HashJoin:
		es := append(append([]expr.Expr{}, x.LeftKeys...), x.RightKeys...)
		if x.Residual != nil {
			es = append(es, x.Residual)
		}
		return es
	case *physical.LoopJoin:
		if x.Cond != nil {
			return []expr.Expr{x.Cond}
		}
	}
	return nil
}

func isVolatile(e expr.Expr) bool {
	c, ok := e.(*expr.Call)
	return ok && c.Fn.Volatile
}
