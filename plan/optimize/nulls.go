package optimize

import (
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// notNull returns the output columns of a plan that are certainly never null:
// by declaration or because a filter rejects nulls. Statistics do not count: files
// may leave the number of nulls out.
func notNull(p logical.Plan) expr.IDSet {
	s := expr.IDSet{}
	for _, a := range p.Output() {
		if !a.Null {
			s[a.ID] = true
		}
	}
	add := func(o expr.IDSet) {
		for id := range o {
			s[id] = true
		}
	}
	reject := func(c expr.Expr) {
		if c == nil {
			return
		}
		for _, a := range p.Output() {
			if !s[a.ID] && rejectsNulls(c, expr.IDSet{a.ID: true}) {
				s[a.ID] = true
			}
		}
	}
	switch x := p.(type) {
	case *logical.Scan:
		reject(and(x.Filters...))
	case *logical.Filter:
		add(notNull(x.Child))
		reject(x.Cond)
	case *logical.Sort, *logical.Limit, *logical.Distinct, *logical.Repartition, *logical.Window, *logical.Generate:
		add(notNull(p.Children()[0]))
	case *logical.Project:
		passed(s, x.List, notNull(x.Child))
	case *logical.Aggregate:
		if x.Sets == nil {
			passed(s, x.List, notNull(x.Child))
		}
	case *logical.Join:
		switch x.Kind {
		case logical.Inner, logical.Cross:
			add(notNull(x.Left))
			add(notNull(x.Right))
			reject(x.Cond)
		case logical.Right:
			add(notNull(x.Right))
		case logical.Full:
		default:
			add(notNull(x.Left))
		}
	}
	return s
}

// passed marks the columns of a list that pass a column through.
func passed(s expr.IDSet, list []expr.Expr, below expr.IDSet) {
	for _, e := range list {
		if a, ok := strip(e).(*expr.Attr); ok && below[a.ID] {
			s[outputOf(e).ID] = true
		}
	}
}

// neverNull reports whether an expression is certainly not null, given columns
// that are not.
func neverNull(e expr.Expr, sure expr.IDSet) bool {
	switch x := e.(type) {
	case *expr.Attr:
		return !x.Null || sure[x.ID]
	case *expr.Cast:
		return !x.Try && neverNull(x.Arg, sure)
	}
	return !e.Nullable()
}
