package optimize

import (
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// worthSharing is the number of input rows from which an aggregate is computed
// once rather than at each place.
const worthSharing = 50_000

// share replaces aggregates that occur several times by references to one.
func (o *optimizer) share(p logical.Plan) (logical.Plan, error) {
	est := NewEstimator()
	count := map[string]int{}
	prints := map[logical.Plan]string{}
	logical.Walk(p, func(p logical.Plan) bool {
		if g, ok := p.(*logical.Aggregate); ok && est.Rows(g.Child) >= worthSharing && !volatile(g) {
			prints[p] = Fingerprint(p)
			count[prints[p]]++
		}
		return true
	})
	first := map[string]*logical.Shared{}
	var walk func(p logical.Plan) logical.Plan
	walk = func(p logical.Plan) logical.Plan {
		if f := prints[p]; count[f] > 1 && f != "" {
			s := first[f]
			if s == nil {
				child, _ := o.fresh(p) // the references define the ids that are in use
				s = &logical.Shared{ID: len(first) + 1, Child: child}
				first[f] = s
			}
			return &logical.Shared{ID: s.ID, Child: s.Child, Attrs: p.Output()}
		}
		kids := p.Children()
		changed := false
		fresh := make([]logical.Plan, len(kids))
		for i, k := range kids {
			fresh[i] = walk(k)
			changed = changed || fresh[i] != k
		}
		if !changed {
			return p
		}
		return p.WithChildren(fresh)
	}
	return walk(p), nil
}

// Fingerprint renders a plan so that two plans have equal fingerprints if they
// compute the same rows in the same way: ids are numbered in the order of their
// definition.
func Fingerprint(p logical.Plan) string {
	f := &printer{number: map[expr.ID]expr.ID{}}
	f.plan(p)
	return f.b.String()
}

type printer struct {
	b      strings.Builder
	number map[expr.ID]expr.ID
}

func (f *printer) define(as []*expr.Attr) {
	for _, a := range as {
		if _, ok := f.number[a.ID]; !ok {
			f.number[a.ID] = expr.ID(len(f.number) + 1)
		}
	}
}

func (f *printer) expr(e expr.Expr) {
	e = expr.Rewrite(e, func(e expr.Expr) expr.Expr {
		if a, ok := e.(*expr.Attr); ok {
			if n, ok := f.number[a.ID]; ok {
				c := *a
				c.ID, c.Name = n, "c"
				return &c
			}
		}
		return e
	})
	if a, ok := e.(*expr.Alias); ok {
		e = a.Arg
	}
	fmt.Fprintf(&f.b, "%s:%s;", e, e.Type())
	expr.Walk(e, func(e expr.Expr) bool {
		if q, ok := e.(*expr.Subquery); ok {
			f.plan(q.Plan.(logical.Plan))
		}
		return true
	})
}

func (f *printer) plan(p logical.Plan) {
	f.b.WriteString("(")
	for _, k := range p.Children() {
		f.plan(k)
	}
	fmt.Fprintf(&f.b, "%T ", p)
	switch x := p.(type) {
	case *logical.Scan:
		d := x.Table.Descriptor()
		fmt.Fprintf(&f.b, "%s %s %x %v ", x.Table.Name(), d.Connector, d.Data, x.Columns)
		f.define(x.Attrs)
	case *logical.Values:
		fmt.Fprintf(&f.b, "%d×%d ", len(x.Rows), len(x.Attrs))
	case *logical.Join:
		fmt.Fprintf(&f.b, "%s ", x.Kind)
	case *logical.Limit:
		fmt.Fprintf(&f.b, "%d %d ", x.Count, x.Offset)
	case *logical.Sort:
		for _, o := range x.Order {
			fmt.Fprintf(&f.b, "%v %v ", o.Desc, o.NullsLast)
		}
	case *logical.Window:
		fmt.Fprintf(&f.b, "%d ", len(x.PartitionBy))
		for _, o := range x.OrderBy {
			fmt.Fprintf(&f.b, "%v %v ", o.Desc, o.NullsLast)
		}
	case *logical.Expand:
		fmt.Fprintf(&f.b, "%v %v ", x.Sets, x.IDs)
	case *logical.SetOp:
		fmt.Fprintf(&f.b, "%d %v ", x.Op, x.All)
	case *logical.Apply:
		fmt.Fprintf(&f.b, "%s %x %d ", x.Fn, x.Args, len(x.Attrs))
		f.define(x.Attrs)
	case *logical.Generate:
		fmt.Fprintf(&f.b, "%s %v ", x.Fn.Key(), x.Outer)
		if x.Fn.Volatile {
			fmt.Fprintf(&f.b, "%p ", x)
		}
		f.define(x.Attrs)
	case *logical.Accumulate:
		fmt.Fprintf(&f.b, "%p ", x) // each counts by itself
	case *logical.Aggregate:
		fmt.Fprintf(&f.b, "%d %v ", len(x.Keys), x.Sets)
	case *logical.Repartition:
		fmt.Fprintf(&f.b, "%d ", x.Partitions)
	case *logical.Shared:
		fmt.Fprintf(&f.b, "%d ", x.ID)
	}
	for _, e := range p.Exprs() {
		f.expr(e)
	}
	f.define(p.Output())
	f.b.WriteString(")")
}
