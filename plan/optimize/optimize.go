package optimize

import (
	"math/big"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Options are what rules need besides the plan.
type Options struct {
	NextID *expr.ID // the analyzer's counter
	Zone   *time.Location
	// Disabled names rules to leave out, for tests and for finding faults.
	Disabled map[string]bool
	// Trace, if set, is told the plan after each rule.
	Trace func(rule string, p logical.Plan)
}

// rule is one named rewrite.
type rule struct {
	name     string
	required bool // plans cannot run without it
	apply    func(*optimizer, logical.Plan) (logical.Plan, error)
}

// rules in the order in which they apply.
var rules = []rule{
	{"subqueries", true, (*optimizer).subqueries},
	{"setops", true, (*optimizer).setops},
	{"simplify", false, (*optimizer).simplify},
	{"pushdown", false, (*optimizer).pushdown},
	{"empty", false, (*optimizer).empty},
	{"semijoins", false, (*optimizer).semijoins},
	{"joins", false, (*optimizer).joins},
	{"reduce", false, (*optimizer).reduce},
	{"pushdown", false, (*optimizer).pushdown},
	{"multiply", false, (*optimizer).multiply},
	{"share", false, (*optimizer).share},
}

// Rules lists the rules' names in order.
func Rules() []string {
	var out []string
	for _, r := range rules {
		out = append(out, r.name)
	}
	return out
}

type optimizer struct {
	opts Options
}

// Optimize rewrites a plan.
func Optimize(p logical.Plan, o Options) (logical.Plan, error) {
	if o.NextID == nil {
		o.NextID = new(expr.ID)
	}
	op := &optimizer{opts: o}
	if w, ok := p.(*logical.Write); ok {
		child, err := Optimize(w.Child, o)
		if err != nil {
			return nil, err
		}
		return w.WithChildren([]logical.Plan{child}), nil
	}
	var err error
	for _, r := range rules {
		if o.Disabled[r.name] && !r.required {
			continue
		}
		if p, err = r.apply(op, p); err != nil {
			return nil, err
		}
		if o.Trace != nil {
			o.Trace(r.name, p)
		}
	}
	return p, nil
}

func (o *optimizer) id() expr.ID { *o.opts.NextID++; return *o.opts.NextID }

func (o *optimizer) fold(e expr.Expr) expr.Expr {
	if c, ok := e.(*expr.Cast); ok {
		if l, ok := c.Arg.(*expr.Literal); ok && c.To.Kind == columnar.Decimal && l.Typ.Kind == columnar.Decimal {
			return rescale(c, l)
		}
	}
	return eval.Fold(e, eval.Options{Zone: o.opts.Zone})
}

// rescale casts a decimal literal to another decimal type where that is exact;
// otherwise the cast stays.
func rescale(c *expr.Cast, l *expr.Literal) expr.Expr {
	v, ok := l.Value.(columnar.Int128)
	if !ok {
		return expr.Null(c.To)
	}
	ten := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
	x := v.Big()
	if up := int(c.To.Scale) - int(l.Typ.Scale); up >= 0 {
		x.Mul(x, ten(up))
	} else {
		var rest big.Int
		if x.QuoRem(x, ten(-up), &rest); rest.Sign() != 0 {
			return c
		}
	}
	if x.CmpAbs(ten(int(c.To.Precision))) >= 0 {
		return c
	}
	out, ok := columnar.Int128FromBig(x)
	if !ok {
		return c
	}
	return &expr.Literal{Value: out, Typ: c.To, Place: c.Place}
}

// ids returns the columns of a plan.
func ids(p logical.Plan) expr.IDSet { return expr.IDSet{}.Add(p.Output()...) }
