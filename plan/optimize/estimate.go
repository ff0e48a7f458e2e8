package optimize

import (
	"math"
	"strconv"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Estimator estimates sizes from table statistics. It remembers what it said
// about a node.
type Estimator struct{ known map[logical.Plan]*estimate }

// NewEstimator returns an estimator without memory.
func NewEstimator() *Estimator { return &Estimator{known: map[logical.Plan]*estimate{}} }

// Rows returns the estimated number of rows of a plan.
func (s *Estimator) Rows(p logical.Plan) float64 { return s.of(p).rows }

// estimate is what is believed about a plan's output.
type estimate struct {
	rows float64
	base float64 // rows of the table below, before filters
	cols map[expr.ID]colEstimate
}

// colEstimate: distinct values; bounds as numbers when known.
type colEstimate struct {
	distinct float64
	lo, hi   float64
	bounded  bool
}

func (e *estimate) distinct(x expr.Expr) float64 {
	if a, ok := x.(*expr.Attr); ok {
		if c, ok := e.cols[a.ID]; ok {
			return math.Max(1, math.Min(c.distinct, e.rows))
		}
	}
	if c, ok := x.(*expr.Cast); ok {
		return e.distinct(c.Arg)
	}
	if c, ok := x.(*expr.Call); ok {
		switch c.Fn.Name {
		case "year":
			return 10
		case "month":
			return 12
		}
	}
	return math.Max(1, math.Min(e.rows, 1000))
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	case columnar.Int128:
		return float64(x.Hi)*math.Pow(2, 64) + float64(x.Lo), true
	}
	return 0, false
}

func (s *Estimator) of(p logical.Plan) *estimate {
	if e, ok := s.known[p]; ok {
		return e
	}
	e := s.compute(p)
	if e.rows < 0 || math.IsNaN(e.rows) {
		e.rows = 0
	}
	s.known[p] = e
	return e
}

// generated is how many rows a table function is taken to make for each.
const generated = 4

func (s *Estimator) compute(p logical.Plan) *estimate {
	switch x := p.(type) {
	case *logical.Scan:
		return s.scan(x)
	case *logical.Values:
		n := float64(len(x.Rows))
		return &estimate{rows: n, base: n}
	case *logical.Filter:
		in := s.of(x.Child)
		return &estimate{rows: in.rows * in.selectivity(x.Cond), base: in.base, cols: in.cols}
	case *logical.Project:
		in := s.of(x.Child)
		out := &estimate{rows: in.rows, base: in.base, cols: map[expr.ID]colEstimate{}}
		for _, e := range x.List {
			a := outputOf(e)
			if src, ok := strip(e).(*expr.Attr); ok {
				if c, ok := in.cols[src.ID]; ok {
					out.cols[a.ID] = c
					continue
				}
			}
			out.cols[a.ID] = colEstimate{distinct: in.distinct(strip(e))}
		}
		return out
	case *logical.Aggregate:
		in := s.of(x.Child)
		n := 1.0
		for _, k := range x.Keys {
			n *= in.distinct(k)
		}
		n = math.Min(n, math.Max(in.rows, 1))
		out := &estimate{rows: n, base: n, cols: map[expr.ID]colEstimate{}}
		for _, e := range x.List {
			if src, ok := strip(e).(*expr.Attr); ok {
				if c, ok := in.cols[src.ID]; ok {
					out.cols[outputOf(e).ID] = c
				}
			}
		}
		return out
	case *logical.Join:
		return s.join(x)
	case *logical.Limit:
		in := s.of(x.Child)
		n := in.rows
		if x.Count >= 0 {
			n = math.Min(n, float64(x.Count))
		}
		return &estimate{rows: n, base: n, cols: in.cols}
	case *logical.Union:
		out := &estimate{}
		for _, k := range x.Inputs {
			out.rows += s.of(k).rows
		}
		out.base = out.rows
		return out
	case *logical.Expand:
		in := s.of(x.Child)
		n := float64(len(x.Sets))
		return &estimate{rows: in.rows * n, base: in.base * n, cols: in.cols}
	case *logical.Generate: // nobody knows how many rows the function makes
		in := s.of(x.Child)
		return &estimate{rows: in.rows * generated, base: in.base * generated, cols: in.cols}
	case *logical.Shared:
		in := s.of(x.Child)
		out := &estimate{rows: in.rows, base: in.base, cols: map[expr.ID]colEstimate{}}
		for i, a := range x.Child.Output() {
			if c, ok := in.cols[a.ID]; ok {
				out.cols[x.Attrs[i].ID] = c
			}
		}
		return out
	}
	if kids := p.Children(); len(kids) == 1 {
		return s.of(kids[0])
	}
	return &estimate{rows: 1000, base: 1000}
}

func (s *Estimator) scan(x *logical.Scan) *estimate {
	st := x.Table.Statistics()
	rows := st.Rows
	if rows < 0 {
		rows = 1e6
	}
	e := &estimate{rows: rows, base: rows, cols: map[expr.ID]colEstimate{}}
	for i, a := range x.Attrs {
		c := colEstimate{distinct: -1}
		if at := x.Columns[i]; at < len(st.Columns) {
			cs := st.Columns[at]
			c.distinct = cs.Distinct
			lo, ok := number(cs.Min)
			hi, ok2 := number(cs.Max)
			if ok && ok2 {
				c.lo, c.hi, c.bounded = lo, hi, true
			}
		}
		if c.distinct <= 0 {
			switch {
			case c.bounded && (a.Typ.IsInteger() || a.Typ.Kind == columnar.Date || a.Typ.Kind == columnar.Decimal):
				c.distinct = math.Min(rows, c.hi-c.lo+1)
			case a.Typ.IsBytes():
				c.distinct = math.Min(rows, 50)
				if at := x.Columns[i]; at < len(st.Columns) {
					if n, ok := distinctTexts(st.Columns[at]); ok {
						c.distinct = math.Min(rows, n)
					}
				}
			default:
				c.distinct = math.Min(rows, 1e5)
			}
		}
		e.cols[a.ID] = c
	}
	e.rows *= e.conjunction(x.Filters)
	return e
}

// distinctTexts guesses the number of distinct strings between two bounds: single
// characters are flags, numbers after a common prefix are counted.
func distinctTexts(s catalog.ColumnStatistics) (float64, bool) {
	lo, ok := s.Min.(string)
	hi, ok2 := s.Max.(string)
	if !ok || !ok2 || len(lo) != len(hi) || lo == "" {
		return 0, false
	}
	if len(lo) == 1 {
		return math.Min(4, float64(hi[0])-float64(lo[0])+1), true
	}
	at := 0
	for at < len(lo) && lo[at] == hi[at] {
		at++
	}
	a, err := strconv.ParseUint("0"+lo[at:], 10, 64)
	b, err2 := strconv.ParseUint("0"+hi[at:], 10, 64)
	return float64(b) - float64(a) + 1, err == nil && err2 == nil && b >= a
}

// conjunction estimates conditions together: bounds of one column are a range,
// all else is taken as independent.
func (e *estimate) conjunction(cs []expr.Expr) float64 {
	type span struct{ lo, hi float64 }
	ranges := map[expr.ID]*span{}
	var order []expr.ID
	s := 1.0
	for _, c := range cs {
		a, op, v, ok := e.bound(c)
		if !ok {
			s *= e.selectivity(c)
			continue
		}
		col := e.cols[a.ID]
		r := ranges[a.ID]
		if r == nil {
			r = &span{col.lo, col.hi}
			ranges[a.ID] = r
			order = append(order, a.ID)
		}
		step := 0.0
		if integral(a.Typ) {
			step = 1
		}
		switch op {
		case "<":
			r.hi = math.Min(r.hi, v-step)
		case "<=":
			r.hi = math.Min(r.hi, v)
		case ">":
			r.lo = math.Max(r.lo, v+step)
		case ">=":
			r.lo = math.Max(r.lo, v)
		}
	}
	for _, id := range order {
		r, col := ranges[id], e.cols[id]
		least := math.Min(1, 1/math.Max(1, col.distinct))
		s *= math.Max(least, math.Min(1, (r.hi-r.lo)/(col.hi-col.lo)))
	}
	return s
}

// bound recognises a comparison of a column of known bounds with a number.
func (e *estimate) bound(c expr.Expr) (a *expr.Attr, op string, v float64, ok bool) {
	call, ok := c.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return nil, "", 0, false
	}
	switch call.Fn.Name {
	case "<", "<=", ">", ">=":
	default:
		return nil, "", 0, false
	}
	a, ok = call.Args[0].(*expr.Attr)
	l, ok2 := call.Args[1].(*expr.Literal)
	if !ok || !ok2 {
		return nil, "", 0, false
	}
	col, ok := e.cols[a.ID]
	v, ok2 = number(l.Value)
	return a, call.Fn.Name, v, ok && ok2 && col.bounded && col.hi > col.lo
}

func integral(t columnar.Type) bool { return t.IsInteger() || t.Kind == columnar.Date }

// selectivity estimates the share of rows for which a condition is true.
func (e *estimate) selectivity(c expr.Expr) float64 {
	if l, ok := c.(*expr.Literal); ok {
		if l.Value == true {
			return 1
		}
		return 0
	}
	call, ok := c.(*expr.Call)
	if !ok {
		return 0.5
	}
	switch call.Fn.Name {
	case "and":
		return e.conjunction(expr.Conjuncts(call))
	case "or":
		a, b := e.selectivity(call.Args[0]), e.selectivity(call.Args[1])
		return a + b - a*b
	case "not":
		return 1 - e.selectivity(call.Args[0])
	case "isnull":
		return 0.05
	case "isnotnull":
		return 0.95
	case "like", "ilike", "rlike", "contains":
		return 0.1
	case "startswith", "endswith":
		return 0.05
	case "in":
		return math.Min(1, float64(len(call.Args)-1)/e.distinct(call.Args[0]))
	case "=", "<=>":
		if _, ok := call.Args[1].(*expr.Literal); ok {
			return 1 / e.distinct(call.Args[0])
		}
		return 1 / math.Max(e.distinct(call.Args[0]), e.distinct(call.Args[1]))
	case "<>":
		return 1 - 1/e.distinct(call.Args[0])
	case "<", "<=", ">", ">=":
		if _, _, _, ok := e.bound(call); ok {
			return e.conjunction([]expr.Expr{call})
		}
		if a, ok := call.Args[0].(*expr.Attr); ok {
			if _, known := e.cols[a.ID]; !known {
				return 0.1 // the result of an aggregate: HAVING is written to select few groups
			}
		}
		return 0.33
	}
	return 0.33
}

func (s *Estimator) join(j *logical.Join) *estimate {
	l, r := s.of(j.Left), s.of(j.Right)
	out := &estimate{base: math.Max(l.base, r.base), cols: map[expr.ID]colEstimate{}}
	for id, c := range l.cols {
		out.cols[id] = c
	}
	if !j.Kind.LeftOnly() {
		for id, c := range r.cols {
			out.cols[id] = c
		}
	}
	keys, share := 1.0, 1.0
	match := 1.0 // share of left rows with a partner
	for _, c := range expr.Conjuncts(j.Cond) {
		if call, ok := c.(*expr.Call); ok && (call.Fn.Name == "=" || call.Fn.Name == "<=>") {
			a, b := call.Args[0], call.Args[1]
			if !ids(j.Left).Contains(expr.Attrs(a)) {
				a, b = b, a
			}
			dl, dr := l.distinct(a), r.distinct(b)
			keys *= math.Max(full(l, a), full(r, b))
			match *= math.Min(1, dr/dl)
			continue
		}
		share *= 0.4
	}
	inner := l.rows * r.rows * share
	if keys > 1 {
		inner /= math.Min(keys, math.Max(1, math.Min(l.base, r.base)))
	}
	switch j.Kind {
	case logical.Inner, logical.Cross:
		out.rows = inner
	case logical.Left, logical.LeftSingle:
		out.rows = math.Max(inner, l.rows)
	case logical.Right:
		out.rows = math.Max(inner, r.rows)
	case logical.Full:
		out.rows = math.Max(inner, l.rows+r.rows)
	case logical.LeftSemi:
		out.rows = l.rows * match * math.Sqrt(share)
	case logical.LeftAnti, logical.NullAwareAnti:
		out.rows = l.rows * math.Max(0.1, 1-match)
	default:
		out.rows = l.rows
	}
	return out
}

// Coverage estimates which share of the values that a key has in p (before all
// filters) another plan's key has, and how many those are.
func (s *Estimator) Coverage(p logical.Plan, key expr.Expr, other logical.Plan, otherKey expr.Expr) (share, values float64) {
	values = s.of(other).distinct(otherKey)
	return math.Min(1, values/full(s.of(p), key)), values
}

// full is the number of distinct values before filters: what foreign keys refer
// to.
func full(e *estimate, x expr.Expr) float64 {
	if a, ok := x.(*expr.Attr); ok {
		if c, ok := e.cols[a.ID]; ok {
			return math.Max(1, c.distinct)
		}
	}
	return e.distinct(x)
}
