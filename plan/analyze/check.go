package analyze

import (
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Check verifies that a plan is resolved, as the optimizer must keep it:
//
//   - no unresolved node is left;
//   - an attribute in use is put out by a child of the node, or by an enclosing
//     query whose subquery lists it in Outer (right sides of lateral joins see
//     the left side), with the same type, and is nullable where its definition is;
//   - no id is put out twice by the children of a node, nor defined twice;
//   - projects and aggregates list attributes and aliases with ids.
//
// A violation is a mistake of the planner: class INTERNAL_ERROR, naming the node.
func Check(p logical.Plan) error {
	c := &checker{defined: expr.IDSet{}, shared: map[int]bool{}}
	return c.plan(p, nil)
}

type checker struct {
	defined expr.IDSet
	shared  map[int]bool // subplans of Shared that were seen
}

// attrs are the attributes in reach by id.
type attrs map[expr.ID]*expr.Attr

func broken(p logical.Plan, format string, args ...any) error {
	e := diag.New(diag.Internal, format, args...)
	e.Message = p.String() + ": " + e.Message
	return e
}

func (c *checker) plan(p logical.Plan, outer attrs) error {
	switch x := p.(type) {
	case *logical.Relation, *logical.With, *logical.SubqueryAlias:
		return broken(p, "is not resolved")
	case *logical.Shared: // one plan at several places
		if c.shared[x.ID] {
			return c.define(p, x.Attrs)
		}
		c.shared[x.ID] = true
	}
	in := attrs{}
	for i, k := range p.Children() {
		reach := outer
		if j, ok := p.(*logical.Join); ok && j.Lateral && i == 1 {
			reach = outer.with(j.Left.Output())
		}
		if err := c.plan(k, reach); err != nil {
			return err
		}
		if _, isUnion := p.(*logical.Union); isUnion {
			continue
		}
		for _, a := range k.Output() {
			if in[a.ID] != nil {
				return broken(p, "two columns of its input have the id of %s", a)
			}
			in[a.ID] = a
		}
	}
	if err := c.node(p); err != nil {
		return err
	}
	switch x := p.(type) {
	case *logical.Join:
		for _, a := range x.Output() { // the condition sees the columns before they become nullable
			if d := in[a.ID]; d != nil && !a.Null && d.Null {
				return broken(p, "makes %s not nullable", a)
			}
		}
	case *logical.Scan:
		for _, a := range x.Attrs {
			in[a.ID] = a
		}
	}
	for _, e := range p.Exprs() {
		if err := c.expr(p, e, in, outer); err != nil {
			return err
		}
	}
	return nil
}

// with adds attributes to those in reach.
func (as attrs) with(more []*expr.Attr) attrs {
	out := attrs{}
	for id, a := range as {
		out[id] = a
	}
	for _, a := range more {
		out[a.ID] = a
	}
	return out
}

// define records ids that a node makes.
func (c *checker) define(p logical.Plan, as []*expr.Attr) error {
	for _, a := range as {
		if c.defined[a.ID] {
			return broken(p, "%s is defined a second time", a)
		}
		c.defined[a.ID] = true
	}
	return nil
}

// node checks the shape of a node and records what it defines.
func (c *checker) node(p logical.Plan) error {
	var list []expr.Expr
	switch x := p.(type) {
	case *logical.Scan:
		if len(x.Attrs) != len(x.Columns) {
			return broken(p, "has %d attributes for %d columns", len(x.Attrs), len(x.Columns))
		}
		return c.define(p, x.Attrs)
	case *logical.Values:
		for _, r := range x.Rows {
			if len(r) != len(x.Attrs) {
				return broken(p, "has a row of %d values for %d columns", len(r), len(x.Attrs))
			}
			for i, e := range r {
				if !e.Type().Equal(x.Attrs[i].Typ) {
					return broken(p, "has a value of type %s in column %s of type %s", e.Type(), x.Attrs[i], x.Attrs[i].Typ)
				}
			}
		}
		return c.define(p, x.Attrs)
	case *logical.Union:
		for _, in := range x.Inputs {
			if err := positions(p, in.Output(), x.Attrs); err != nil {
				return err
			}
		}
		return c.define(p, x.Attrs)
	case *logical.SetOp:
		for _, in := range []logical.Plan{x.Left, x.Right} {
			if err := positions(p, in.Output(), x.Attrs); err != nil {
				return err
			}
		}
		return c.define(p, x.Attrs)
	case *logical.Shared:
		if err := positions(p, x.Child.Output(), x.Attrs); err != nil {
			return err
		}
		return c.define(p, x.Attrs)
	case *logical.Join:
		if len(x.Using) > 0 || x.Natural {
			return broken(p, "still has USING or NATURAL")
		}
		if (x.Mark != nil) != (x.Kind == logical.LeftMark) {
			return broken(p, "has a mark although it is no mark join, or none although it is one")
		}
		if x.Mark != nil {
			return c.define(p, []*expr.Attr{x.Mark})
		}
	case *logical.Filter:
		if x.Having {
			return broken(p, "is still a HAVING")
		}
	case *logical.Limit:
		if x.CountExpr != nil || x.OffsetExpr != nil {
			return broken(p, "still has expressions")
		}
	case *logical.Project:
		list = x.List
	case *logical.Aggregate:
		list = x.List
		below := expr.IDSet{}.Add(x.Child.Output()...)
		for _, e := range list {
			if !settled(stripAlias(e), x.Keys, below) {
				return broken(p, "%s is made of neither keys nor aggregates", e)
			}
		}
	case *logical.Expand:
		if len(x.Keys) != len(x.Attrs) || len(x.Sets) != len(x.IDs) {
			return broken(p, "has %d attributes for %d keys, %d numbers for %d sets", len(x.Attrs), len(x.Keys), len(x.IDs), len(x.Sets))
		}
		if err := c.define(p, append(append([]*expr.Attr{}, x.Attrs...), x.GID)); err != nil {
			return err
		}
	case *logical.Generate:
		if x.Fn == nil || x.Fn.Table == nil || len(x.Attrs) != x.Fn.Table.Columns().Len() {
			return broken(p, "has %d attributes, its function others", len(x.Attrs))
		}
		return c.define(p, x.Attrs)
	case *logical.Window:
		list = x.List
	}
	for _, e := range list {
		switch x := e.(type) {
		case *expr.Attr:
		case *expr.Alias:
			if x.ID == 0 {
				return broken(p, "%s has no id", x)
			}
			if err := c.define(p, []*expr.Attr{x.Attr()}); err != nil {
				return err
			}
		default:
			return broken(p, "%s has no name", e)
		}
	}
	return nil
}

// settled reports whether an item is made of keys, aggregates and columns of
// enclosing queries, which below does not have.
func settled(e expr.Expr, keys []expr.Expr, below expr.IDSet) bool {
	for _, k := range keys {
		if expr.Equal(k, e) {
			return true
		}
	}
	switch x := e.(type) {
	case *expr.Agg:
		return true
	case *expr.Attr:
		return !below[x.ID]
	}
	for _, k := range e.Children() {
		if !settled(k, keys, below) {
			return false
		}
	}
	return true
}

func positions(p logical.Plan, in, out []*expr.Attr) error {
	if len(in) != len(out) {
		return broken(p, "has an input of %d columns for %d", len(in), len(out))
	}
	for i := range in {
		if !in[i].Typ.Equal(out[i].Typ) {
			return broken(p, "has an input with %s of type %s for %s of type %s", in[i], in[i].Typ, out[i], out[i].Typ)
		}
	}
	return nil
}

// expr checks the attributes that an expression uses.
func (c *checker) expr(p logical.Plan, e expr.Expr, in, outer attrs) error {
	var fail error
	expr.Walk(e, func(e expr.Expr) bool {
		if fail != nil {
			return false
		}
		switch x := e.(type) {
		case *expr.Name, *expr.Star, *expr.UnresolvedCall:
			fail = broken(p, "%s is not resolved", e)
		case *expr.Attr:
			d := in[x.ID]
			if d == nil {
				d = outer[x.ID]
			}
			switch {
			case d == nil:
				fail = broken(p, "%s is not defined below", x)
			case !d.Typ.Equal(x.Typ):
				fail = broken(p, "%s is used as %s, defined as %s", x, x.Typ, d.Typ)
			case d.Null && !x.Null:
				fail = broken(p, "%s is used as not nullable, defined as nullable", x)
			}
		case *expr.Subquery:
			fail = c.subquery(p, x, in, outer)
		}
		return fail == nil
	})
	return fail
}

// subquery checks a subquery: what it uses of the enclosing queries is in its
// list.
func (c *checker) subquery(p logical.Plan, s *expr.Subquery, in, outer attrs) error {
	reach := attrs{}
	for _, o := range s.Outer {
		d := in[o.ID]
		if d == nil {
			d = outer[o.ID]
		}
		if d == nil {
			return broken(p, "the subquery's outer column %s is not in reach", o)
		}
		reach[o.ID] = d
	}
	q, ok := s.Plan.(logical.Plan)
	if !ok {
		return broken(p, "holds a subquery without a plan")
	}
	n := len(q.Output())
	if s.Kind == expr.Scalar && n != 1 || s.Kind == expr.In && n != len(s.Left) {
		return broken(p, "holds a subquery of %d columns", n)
	}
	if s.Kind == expr.In {
		for i, o := range q.Output() {
			if !o.Typ.Equal(s.Left[i].Type()) {
				return broken(p, "compares %s with %s in IN", s.Left[i].Type(), o.Typ)
			}
		}
	}
	return c.plan(q, reach)
}
