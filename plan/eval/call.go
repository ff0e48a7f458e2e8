package eval

import (
	"math"
	"regexp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// call returns the implementation of a function and whether constants and
// dictionaries may be exploited (it is strict and looks at one row at a time).
func (p *Program) call(c *expr.Call) (fn function, strict bool, err error) {
	name := c.Fn.Name
	if c.Fn.Scalar != nil {
		return foreign(c), c.Fn.NullOnNull && !c.Fn.Volatile, nil
	}
	if op, ok := operators[name]; ok {
		return compare(op), true, nil
	}
	switch name {
	case "and", "or":
		if lazy(c) {
			fn, err = p.lazyLogic(c)
			return fn, false, err
		}
		return logic(name), false, nil
	case "not":
		return logic(name), false, nil
	case "if":
		fn, err = p.caseWhen(&expr.Case{Whens: []expr.When{{Cond: c.Args[0], Then: c.Args[1]}}, Else: c.Args[2], Place: c.Place})
		return fn, false, err
	case "coalesce":
		fn, err = p.coalesce(c)
		return fn, false, err
	case "isnull", "isnotnull":
		return isNull(name), false, nil
	case "istrue", "isfalse":
		return isTruth(name), false, nil
	case "<=>":
		return same, false, nil
	case "in":
		fn, strict = inList(c)
		return fn, strict, nil
	case "between":
		return between, valueLiterals(c.Args[1:]), nil
	case "greatest":
		return extreme(gt, c.Typ), false, nil
	case "least":
		return extreme(lt, c.Typ), false, nil
	case "nullif":
		return nullIf(c.Typ), false, nil
	case "size":
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			off, at := args[0].Offsets(), i
			if args[0].Enc == columnar.Const {
				at = 0
			}
			b.int(i, int64(off[at+1]-off[at]))
			return nil
		}), true, nil
	case "typeof":
		t := c.Args[0].Type().String()
		return func(r *rows, _ []*columnar.Vector) (columnar.Vector, error) {
			return Constant(t, columnar.StringType, r.n), nil
		}, false, nil
	case "+", "-", "*", "/", "%", "div", "pmod":
		return p.arithmetic(c), true, nil
	case "negative", "abs", "positive", "~", "&", "|", "^", "<<", ">>", ">>>":
		return integral(c), true, nil
	case "like", "ilike":
		fn, err = like(c)
		return fn, true, err
	case "rlike":
		return rlike(c), true, nil
	}
	if f, ok := floats[name]; ok {
		return floatFunction(c, f), true, nil
	}
	switch name {
	case "pow", "atan2", "hypot":
		f := math.Pow
		switch name {
		case "atan2":
			f = math.Atan2
		case "hypot":
			f = math.Hypot
		}
		return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
			b.float(i, f(args[0].Float64At(i), args[1].Float64At(i)))
			return nil
		}), true, nil
	case "ln", "log2", "log10", "log1p", "log":
		return logarithm(c), true, nil
	case "pmod":
		return positiveModulo(c), true, nil
	case "nanvl":
		return notNaN(c), false, nil
	case "round", "bround", "ceil", "floor":
		return rounding(c), true, nil
	case "isnan":
		return isNaN, false, nil
	}
	if f, ok := stringFunctions[name]; ok {
		if name == "substring" && len(c.Args) == 3 {
			return substringLoop(perRow(c.Typ, f)), true, nil
		}
		return perRow(c.Typ, f), true, nil
	}
	if f, ok := nestedFunctions[name]; ok {
		return f(c), false, nil
	}
	if f, ok := encodingFunctions[name]; ok {
		return perRow(c.Typ, f), true, nil
	}
	if f := regexpFunction(c); f != nil {
		return f, true, nil
	}
	if attempts[name] != "" {
		return p.attempt(c), true, nil
	}
	if f := p.timeFunction(c); f != nil {
		return f, true, nil
	}
	return nil, false, diag.NewAt(c.Place, diag.Unsupported, "the function %s is not supported yet", name)
}

// valueLiterals reports that no expression is anything but a literal with a
// value. Without them IN and BETWEEN are not strict: a null in a list is no
// reason for null where another entry decides.
func valueLiterals(es []expr.Expr) bool {
	for _, e := range es {
		if l, ok := e.(*expr.Literal); !ok || l.Value == nil {
			return false
		}
	}
	return true
}

func rlike(c *expr.Call) function {
	var known string
	var re *regexp.Regexp
	return perRow(columnar.BoolType, func(b *builder, args []*columnar.Vector, i int) error {
		if text := args[1].BytesAt(i); re == nil || string(text) != known {
			q, err := regexp.Compile(string(text))
			if err != nil {
				return diag.NewAt(c.Place, diag.InvalidArgument, "the regular expression '%s' is not valid: %v", text, err)
			}
			re, known = q, string(text)
		}
		b.bool(i, re.Match(args[0].BytesAt(i)))
		return nil
	})
}
