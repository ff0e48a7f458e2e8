package eval

import (
	"errors"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// foreign computes a function that is not the engine's own.
func foreign(c *expr.Call) function {
	var in []*columnar.Vector
	return func(r *rows, args []*columnar.Vector) (columnar.Vector, error) {
		in = in[:0]
		for i, a := range args {
			if a.Type.Kind == columnar.Null {
				null := allNull(c.Args[i].Type(), r.n)
				a = &null
			}
			in = append(in, shape(a, r))
		}
		v, err := c.Fn.Scalar.Compute(r.n, r.sel, in, r.s)
		var e *diag.Error
		if errors.As(err, &e) && e.Pos == 0 && c.Place != 0 {
			d := *e
			d.Pos = c.Place
			err = &d
		}
		return v, err
	}
}
