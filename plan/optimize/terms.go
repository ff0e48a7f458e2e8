package optimize

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// counted is what counts are cast to before decimals are multiplied by them.
var counted = columnar.DecimalType(20, 0)

// terms says what a pair of groups, one of each side of a join, adds to an aggregate
// over the pairs of their rows. What a term needs of a side is made there by partial.
type terms struct {
	est         *Estimator
	left, right *half
	side        func(e expr.Expr) (mine, other *half)
	partial     func(h *half, a *expr.Agg) *expr.Attr
	adder       *expr.Function // sum
	counter     *expr.Function // count
	// wide terms are of decimals, of floating-point numbers and of what is computed of
	// both sides, too. They are not worth a grouping that may not pay.
	wide bool
}

// rows returns how many rows of a side a group stands for: one row of nulls where
// there is none.
func (t *terms) rows(h *half) expr.Expr {
	if !h.absent {
		return h.count
	}
	return expr.NewCall("coalesce", columnar.Int64Type, h.count, expr.Lit(int64(1), columnar.Int64Type))
}

// counts is what counts the values of an argument that are not null.
func (t *terms) counts(arg expr.Expr) *expr.Agg {
	return &expr.Agg{Fn: t.counter, Args: []expr.Expr{arg}, Typ: columnar.Int64Type}
}

// sums is what adds up the values of an argument, whose sums have the type.
func (t *terms) sums(arg expr.Expr, typ columnar.Type) *expr.Agg {
	return &expr.Agg{Fn: t.adder, Args: []expr.Expr{arg}, Typ: typ, Null: true}
}

// pairs returns in how many pairs the arguments of a count, one or none, are not null,
// nil where groups cannot tell.
func (t *terms) pairs(args []expr.Expr) expr.Expr {
	all := len(args) == 0
	if !all {
		l, ok := args[0].(*expr.Literal)
		all = ok && l.Value != nil
	}
	if all {
		return t.times(t.rows(t.left), t.rows(t.right), columnar.Int64Type)
	}
	e := args[0]
	if h, other := t.side(e); h != nil {
		if !h.tells(e) || !t.safe(h, e) {
			return nil
		}
		return t.times(t.partial(h, t.counts(e)), t.rows(other), columnar.Int64Type)
	}
	x, y, ok := t.both(e)
	if !ok {
		return nil
	}
	return t.times(t.partial(x.half, t.counts(x.arg)), t.partial(y.half, t.counts(y.arg)), columnar.Int64Type)
}

// sum returns the sum of an expression over the pairs, null if it is null in all, nil
// where groups cannot tell, or where the sum may not fit its type whatever the order in
// which it is added up. Decimals come with all digits that there can be.
func (t *terms) sum(e expr.Expr) expr.Expr {
	typ, ok := t.summed(e)
	if !ok || !t.wide && (typ.Kind != columnar.Int64 || !plain(e)) {
		return nil
	}
	if h, other := t.side(e); h != nil {
		if !h.tells(e) || !t.safe(h, e) || !t.fits(h, e) {
			return nil
		}
		return t.times(t.partial(h, t.sums(e, typ)), t.rows(other), typ)
	}
	x, y, ok := t.both(e)
	if !ok || !t.fits(nil, e) {
		return nil
	}
	part := func(o operand) *expr.Attr {
		typ, _ := t.summed(o.arg)
		return t.partial(o.half, t.sums(o.arg, typ))
	}
	sx, sy := part(x), part(y)
	op := e.(*expr.Call).Fn.Name
	if op == "*" {
		return t.times(sx, sy, typ)
	}
	return expr.NewCall(op, wide(typ), t.times(sx, t.partial(y.half, t.counts(y.arg)), typ), t.times(sy, t.partial(x.half, t.counts(x.arg)), typ))
}

// operand is a side of a binary operation, and the side of the join that it is of.
type operand struct {
	half *half
	arg  expr.Expr
}

// both returns the operands of a sum, difference or product of a value of one side
// and one of the other.
func (t *terms) both(e expr.Expr) (x, y operand, ok bool) {
	c, isCall := e.(*expr.Call)
	if !isCall || !t.wide || len(c.Args) != 2 || c.Fn.Name != "+" && c.Fn.Name != "-" && c.Fn.Name != "*" || !t.safe(nil, e) {
		return x, y, false
	}
	if c.Typ.Kind == columnar.Decimal {
		a, b := c.Args[0].Type(), c.Args[1].Type()
		if a.Kind != columnar.Decimal || b.Kind != columnar.Decimal || c.Fn.Name == "*" && c.Typ.Scale != a.Scale+b.Scale || c.Fn.Name != "*" && c.Typ.Scale != max(a.Scale, b.Scale) {
			return x, y, false
		}
	}
	x.arg, y.arg = c.Args[0], c.Args[1]
	x.half, _ = t.side(x.arg)
	y.half, _ = t.side(y.arg)
	return x, y, x.half != nil && y.half != nil && x.half != y.half && x.half.tells(x.arg) && y.half.tells(y.arg)
}

// times multiplies sums or counts: to a sum of the type.
func (t *terms) times(a, b expr.Expr, typ columnar.Type) expr.Expr {
	if b.Type().Kind == columnar.Int64 && typ.Kind == columnar.Decimal {
		b = cast(b, counted)
	}
	if typ.Kind == columnar.Float64 {
		a, b = cast(a, typ), cast(b, typ)
	}
	return expr.NewCall("*", wide(typ), a, b)
}

// wide is the type of a term of a sum.
func wide(typ columnar.Type) columnar.Type {
	if typ.Kind == columnar.Decimal {
		return columnar.DecimalType(columnar.MaxPrecision, int(typ.Scale))
	}
	return typ
}

// summed is the type of sums of an expression, false for those that are not multiplied:
// of intervals, and of floating-point numbers of 32 bits, whose operations round anew.
func (t *terms) summed(e expr.Expr) (columnar.Type, bool) {
	typ := e.Type()
	if typ.Kind != columnar.Decimal && !typ.IsInteger() && typ.Kind != columnar.Float64 {
		return typ, false
	}
	s, err := t.adder.Resolve([]expr.Expr{e})
	return s.Result, err == nil
}

func cast(e expr.Expr, to columnar.Type) expr.Expr {
	if e.Type() == to {
		return e
	}
	return &expr.Cast{Arg: e, To: to}
}

func plain(e expr.Expr) bool {
	_, ok := e.(*expr.Attr)
	return ok
}

// safe reports whether an expression over a side's rows, or those of both, cannot
// fail on them.
func (t *terms) safe(h *half, e expr.Expr) bool {
	if !expr.Fallible(e) {
		return true
	}
	_, ok := t.most(h, e)
	return ok
}

// fits reports whether no sum of an expression over any of the pairs can exceed its
// type, so that it does not matter in which order they are added.
func (t *terms) fits(h *half, e expr.Expr) bool {
	typ := e.Type()
	if typ.Kind == columnar.Float64 {
		return true
	}
	limit := float64(1 << 62)
	if typ.Kind == columnar.Decimal {
		limit = math.Pow10(columnar.MaxPrecision - 1 - int(typ.Scale))
	}
	most, ok := t.most(h, e)
	x, y := t.est.of(t.left.in), t.est.of(t.right.in)
	return ok && most*math.Max(1, math.Max(x.base, x.rows))*math.Max(1, math.Max(y.base, y.rows)) < limit
}

// most returns a number that no value of an expression of integers or decimals
// exceeds, and whether its computation is known not to fail. Values of a null side, nil,
// are of both.
func (t *terms) most(h *half, e expr.Expr) (float64, bool) {
	typ := e.Type()
	limit := math.Pow10(int(typ.Precision) - int(typ.Scale))
	switch {
	case typ.IsInteger():
		limit = math.Pow(2, float64(8*typ.FixedWidth()-1))
	case typ.Kind != columnar.Decimal:
		return 0, false
	}
	unit := math.Pow10(int(typ.Scale))
	switch x := e.(type) {
	case *expr.Attr:
		for _, in := range []*half{t.left, t.right} {
			if c, ok := t.est.of(in.in).cols[x.ID]; ok && c.bounded && (h == nil || h == in) {
				return math.Max(math.Abs(c.lo), math.Abs(c.hi)) / unit, true
			}
		}
		return limit, true
	case *expr.Literal:
		v, ok := number(x.Value)
		return math.Abs(v) / unit, ok
	case *expr.Cast:
		v, ok := t.most(h, x.Arg)
		return v, ok && v < limit
	case *expr.Call:
		if len(x.Args) != 2 || !typ.IsInteger() && expr.Fallible(x) {
			return 0, false
		}
		a, ok := t.most(h, x.Args[0])
		b, ok2 := t.most(h, x.Args[1])
		if x.Fn.Name == "*" { // the sum of one operand must fit though the other is less than one
			a = math.Max(1, a) * math.Max(1, b)
		} else {
			a += b
		}
		// A decimal's last digit may be rounded up.
		return a + 1/unit, ok && ok2 && a < limit && (x.Fn.Name == "*" || x.Fn.Name == "+" || x.Fn.Name == "-")
	}
	return limit, !expr.Fallible(e)
}
