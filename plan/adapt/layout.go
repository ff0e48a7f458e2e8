package adapt

import (
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// layout is which rows a task of a stage has, of those that a node yields.
type layout struct {
	single bool    // one task has all
	whole  bool    // every task has all
	n      int     // partitions, with keys
	keys   [][]int // hashed by these columns; each set holds equal ones
	parts  bool    // rows of one partition may be in several tasks
	order  []expr.SortOrder
}

// covers reports whether rows that agree on columns are in one task.
func (l layout) covers(columns []int) bool {
	if l.parts {
		return false
	}
	if l.single {
		return true
	}
	for _, k := range l.keys {
		if !slices.ContainsFunc(k, func(c int) bool { return slices.Contains(columns, c) }) {
			return false
		}
	}
	return len(l.keys) > 0
}

// through returns the layout behind a node that puts columns elsewhere: to says where
// each column comes from.
func (l layout) through(from []int) layout {
	out := l
	out.keys, out.order = nil, nil
	for _, k := range l.keys {
		var set []int
		for to, c := range from {
			if c >= 0 && slices.Contains(k, c) {
				set = append(set, to)
			}
		}
		if set == nil {
			out.keys, out.n = nil, 0
			return out
		}
		out.keys = append(out.keys, set)
	}
	return out
}

// columnsOf returns the columns that expressions are, −1 for others.
func columnsOf(es []expr.Expr) []int {
	out := make([]int, len(es))
	for i, e := range es {
		out[i] = -1
		if c, ok := e.(*expr.Column); ok {
			out[i] = c.Index
		}
	}
	return out
}

// checker derives layouts of a stage's nodes and checks what they need.
type checker struct {
	g    *stage.Graph
	s    *stage.Stage
	outs map[int]Output // those that are known
}

func (c *checker) fail(what string, args ...any) error {
	return &BrokenError{Stage: c.s.ID, What: fmt.Sprintf(what, args...)}
}

// layout returns the layout of a node's rows, or what is wrong below.
func (c *checker) layout(p physical.Plan) (layout, error) {
	var kids []layout
	for _, k := range p.Children() {
		l, err := c.layout(k)
		if err != nil {
			return l, err
		}
		kids = append(kids, l)
	}
	switch x := p.(type) {
	case *physical.Scan:
		return layout{}, nil
	case *physical.Values:
		return layout{single: true}, nil
	case *physical.Source:
		return c.source(x)
	case *physical.Filter, *physical.Accumulate, *physical.Write:
		return kids[0], nil
	case *physical.Sort:
		l := kids[0]
		l.order = x.Order
		return l, nil
	case *physical.TopN:
		if !x.Partial && (!kids[0].single || kids[0].parts) {
			return layout{}, c.fail("%s needs all rows in one task", x)
		}
		l := kids[0]
		l.order = x.Order
		return l, nil
	case *physical.Limit:
		if !x.Partial && (!kids[0].single || kids[0].parts) {
			return layout{}, c.fail("%s needs all rows in one task", x)
		}
		return kids[0], nil
	case *physical.Project:
		return kids[0].through(columnsOf(x.Exprs)), nil
	case *physical.Generate:
		keep := append([]int{}, x.Keep...)
		for range x.Out.Len() - len(keep) {
			keep = append(keep, -1)
		}
		return kids[0].through(keep), nil
	case *physical.Expand:
		l := kids[0]
		l.order = nil
		return l, nil
	case *physical.Aggregate:
		return c.aggregate(x, kids[0])
	case *physical.Window:
		l := kids[0]
		if len(x.PartitionBy) == 0 && (!l.single || l.parts) || len(x.PartitionBy) > 0 && !l.covers(x.PartitionBy) {
			return l, c.fail("%s needs its partitions in one task each", x)
		}
		if n := len(x.PartitionBy) + len(x.Order); len(l.order) < n {
			return l, c.fail("%s needs sorted rows", x)
		}
		return l, nil
	case *physical.HashJoin:
		return c.hashJoin(x, kids[0], kids[1])
	case *physical.LoopJoin:
		if !kids[1].whole {
			return layout{}, c.fail("%s needs its right side in every task", x)
		}
		l := kids[0].through(x.Output)
		if (x.Kind == logical.Right || x.Kind == logical.Full) && !l.single {
			l.keys = nil
		}
		return l, nil
	case *physical.Union:
		l := layout{}
		for _, k := range kids {
			l.parts = l.parts || k.parts
		}
		return l, nil
	}
	return layout{}, c.fail("%T is not known", p)
}

// source is the layout of what a task reads of an exchange.
func (c *checker) source(x *physical.Source) (layout, error) {
	w := c.g.Writer(x.Exchange)
	if w == nil {
		return layout{}, c.fail("nobody writes exchange %d", x.Exchange)
	}
	if got, want := x.Out, w.Root.Schema(); got.Len() != want.Len() {
		return layout{}, c.fail("exchange %d has %d columns, and %d are read", x.Exchange, want.Len(), got.Len())
	} else {
		for i := range got.Fields {
			if !got.Fields[i].Type.Equal(want.Fields[i].Type) || want.Fields[i].Nullable && !got.Fields[i].Nullable {
				return layout{}, c.fail("column %d of exchange %d is %s, and read as %s", i, x.Exchange, want.Fields[i].Type, got.Fields[i].Type)
			}
		}
	}
	if x.Mode == physical.ReadAll {
		return layout{single: true, whole: true}, nil
	}
	l := layout{}
	if x.Mode == physical.ReadMerge {
		if !sameOrder(x.Order, w.Out.Order) {
			return l, c.fail("exchange %d is merged in an order that it does not have", x.Exchange)
		}
		l.order = x.Order
	}
	switch w.Out.Partitioning.Kind {
	case physical.SinglePartition, physical.Broadcast:
		l.single = true
	case physical.HashPartitioning:
		l.n = max(1, w.Out.Partitioning.Count)
		for _, k := range w.Out.Partitioning.Keys {
			l.keys = append(l.keys, []int{k})
		}
	}
	for _, d := range c.s.Drivers {
		at := slices.Index(d.Sources, x)
		if at < 0 {
			continue
		}
		for _, task := range d.Parts {
			l.parts = l.parts || !task[at].Whole()
		}
	}
	if l.parts && x.Mode == physical.ReadMerge {
		return l, c.fail("parts of exchange %d are merged", x.Exchange)
	}
	return l, nil
}

func (c *checker) aggregate(x *physical.Aggregate, in layout) (layout, error) {
	keys := columnsOf(x.Keys)
	if x.Mode.FromStates() {
		for i := range keys {
			keys[i] = i
		}
	}
	if !x.Mode.ToStates() {
		if len(keys) == 0 && (!in.single || in.parts) || len(keys) > 0 && !in.covers(keys) {
			return in, c.fail("%s needs the rows of a group in one task", x)
		}
	}
	return in.through(keys), nil
}

func (c *checker) hashJoin(x *physical.HashJoin, left, right layout) (layout, error) {
	lk, rk := columnsOf(x.LeftKeys), columnsOf(x.RightKeys)
	if x.Shared {
		probe, build := left, right
		if x.BuildLeft {
			probe, build = right, left
		}
		if !build.whole {
			return layout{}, c.fail("%s needs its build side in every task", x)
		}
		keeps := x.Kind == logical.Right || x.Kind == logical.Full || x.BuildLeft && x.Kind != logical.Inner
		if keeps && !x.Together {
			return layout{}, c.fail("%s emits rows of its build side in every executor", x)
		}
		from := slices.Clone(x.Output)
		n := x.Left.Schema().Len()
		for i, at := range from {
			switch {
			case x.BuildLeft && at >= n:
				from[i] = at - n
			case x.BuildLeft || at >= n:
				from[i] = -1
			}
		}
		if x.Kind == logical.Inner || x.Kind == logical.LeftSemi {
			from = c.equate(x, from, lk, rk)
		}
		l := probe.through(from)
		if keeps && !l.single {
			l.keys = nil
		}
		return l, nil
	}
	if left.parts && !divisible(x.Kind, true) || right.parts && !divisible(x.Kind, false) {
		return layout{}, c.fail("%s reads a side in parts of which all rows must meet", x)
	}
	alike := left.single && right.single && !left.whole && !right.whole
	if !alike {
		alike = left.n == right.n && left.n > 0 && len(left.keys) == len(lk) && len(right.keys) == len(rk)
		for i := range lk {
			alike = alike && (lk[i] < 0 || slices.Contains(left.keys[i], lk[i])) && (rk[i] < 0 || slices.Contains(right.keys[i], rk[i]))
		}
	}
	if !alike {
		return layout{}, c.fail("the sides of %s are not partitioned alike by its keys", x)
	}
	from, n := slices.Clone(x.Output), x.Left.Schema().Len()
	l := left
	if x.Kind == logical.Right {
		l = right
	}
	for i, at := range from {
		switch {
		case x.Kind == logical.Right && at >= n:
			from[i] = at - n
		case x.Kind == logical.Right || at >= n:
			from[i] = -1
		}
	}
	if x.Kind == logical.Inner {
		for to, at := range x.Output {
			if at >= n { // equal to the left key
				if k := slices.Index(rk, at-n); k >= 0 {
					from[to] = lk[k]
				}
			}
		}
	}
	l.parts = left.parts || right.parts
	out := l.through(from)
	if x.Kind == logical.Full && !out.single {
		out.keys = nil
	}
	return out, nil
}

// equate lets columns of the build side stand for the probe side's keys that they
// are equal to.
func (c *checker) equate(x *physical.HashJoin, from, lk, rk []int) []int {
	n := x.Left.Schema().Len()
	for to, at := range x.Output {
		switch {
		case x.BuildLeft && at < n:
			if k := slices.Index(lk, at); k >= 0 {
				from[to] = rk[k]
			}
		case !x.BuildLeft && at >= n:
			if k := slices.Index(rk, at-n); k >= 0 {
				from[to] = lk[k]
			}
		}
	}
	return from
}

func sameOrder(a, b []expr.SortOrder) bool {
	return slices.EqualFunc(a, b, func(x, y expr.SortOrder) bool { return x.String() == y.String() })
}
