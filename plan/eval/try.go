package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

var attempts = map[string]string{"try_add": "+", "try_subtract": "-", "try_multiply": "*", "try_divide": "/", "try_mod": "%"}

// attempt is an arithmetic operator that is null where it would fail: the whole
// batch at once, and row by row if that fails.
func (p *Program) attempt(c *expr.Call) function {
	inner := p.arithmetic(expr.NewCall(attempts[c.Fn.Name], c.Typ, c.Args...))
	var none *memory.Scratch // single rows are many: leave them to the heap
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		v, err := inner(r, args)
		if err == nil {
			return v, nil
		}
		b := newBuilder(r, c.Typ)
		err = r.each(func(i int) error {
			one := make([]*columnar.Vector, len(args))
			for k, a := range args {
				if a.NullAt(i) {
					b.null(i)
					return nil
				}
				x := kernel.Take(a, []uint32{uint32(i)}, none)
				one[k] = &x
			}
			v, err := inner(&rows{n: 1, batch: r.batch}, one)
			switch diag.ClassOf(err) {
			case "":
				if err != nil {
					return err
				}
			case diag.Overflow, diag.DivideByZero, diag.NumericOutOfRange, diag.DatetimeOverflow:
				b.null(i)
				return nil
			default:
				return err
			}
			f := kernel.Flatten(&v, none)
			if b.t.Kind == columnar.Decimal {
				b.decimal(i, f.Int128At(0))
			} else if b.t.IsFloat() {
				b.float(i, f.Float64At(0))
			} else {
				b.int(i, f.Int64At(0))
			}
			return nil
		})
		return b.vector(), err
	}
}
