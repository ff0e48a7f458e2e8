package optimize

import (
	"github.com/millrace-engine/millrace/plan/logical"
)

// empty removes what cannot yield rows, and limits that other limits imply.
func (o *optimizer) empty(p logical.Plan) (logical.Plan, error) {
	return logical.Transform(p, func(p logical.Plan) (logical.Plan, error) {
		none := func() (logical.Plan, error) { return &logical.Values{Attrs: p.Output()}, nil }
		switch x := p.(type) {
		case *logical.Project:
			if isEmpty(x.Child) {
				return none()
			}
		case *logical.Filter, *logical.Sort, *logical.Distinct, *logical.Repartition, *logical.Generate:
			if isEmpty(p.Children()[0]) {
				return none()
			}
		case *logical.Aggregate:
			if isEmpty(x.Child) && len(x.Keys) > 0 && x.Sets == nil {
				return none()
			}
		case *logical.Limit:
			if x.Count == 0 || isEmpty(x.Child) {
				return none()
			}
			if in, ok := x.Child.(*logical.Limit); ok && x.Offset == 0 && in.Count >= 0 && x.Count >= 0 {
				d := *in
				d.Count = min(in.Count, x.Count)
				return &d, nil
			}
		case *logical.Union:
			var inputs []logical.Plan
			for _, k := range x.Inputs {
				if !isEmpty(k) {
					inputs = append(inputs, k)
				}
			}
			if len(inputs) == 0 {
				return none()
			}
			if len(inputs) < len(x.Inputs) {
				return &logical.Union{Inputs: inputs, Attrs: x.Attrs}, nil
			}
		case *logical.Join:
			l, r := isEmpty(x.Left), isEmpty(x.Right)
			never := isLiteral(x.Cond, false) || isLiteral(x.Cond, nil)
			switch x.Kind {
			case logical.Inner, logical.Cross, logical.LeftSemi:
				if l || r || never {
					return none()
				}
			case logical.LeftAnti, logical.NullAwareAnti:
				if l {
					return none()
				}
				if r || isLiteral(x.Cond, false) {
					return x.Left, nil
				}
			case logical.Left, logical.LeftSingle, logical.LeftMark:
				if l {
					return none()
				}
			case logical.Right:
				if r {
					return none()
				}
			case logical.Full:
				if l && r {
					return none()
				}
			}
		}
		return p, nil
	})
}

// isEmpty reports a plan that is known to have no rows.
func isEmpty(p logical.Plan) bool {
	v, ok := p.(*logical.Values)
	return ok && len(v.Rows) == 0
}
