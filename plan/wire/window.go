package wire

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
)

func (e *encoder) window(x *physical.Window) {
	e.ints(1, x.PartitionBy)
	e.order(2, x.Order)
	for _, c := range x.Calls {
		e.message(3, func(e *encoder) {
			e.string(1, c.Fn)
			e.exprs(2, c.Args)
			if c.Filter != nil {
				e.expr(3, c.Filter)
			}
			e.bool(4, c.IgnoreNulls)
			if f := c.Frame; f != nil {
				e.message(5, func(e *encoder) {
					e.bool(1, f.Rows)
					if f.Start != nil {
						e.expr(2, f.Start)
					}
					if f.End != nil {
						e.expr(3, f.End)
					}
					e.bool(4, f.StartFollow)
					e.bool(5, f.EndFollow)
				})
			}
			e.typ(6, c.Result)
			e.bool(7, c.Null)
			e.place(8, c.Place)
		})
	}
	e.schema(4, x.Out)
	e.plan(5, x.Child)
}

func (d *decoder) window(b []byte) (*physical.Window, error) {
	x := &physical.Window{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.PartitionBy, err = f.ints()
		case 2:
			err = d.order(f.data, &x.Order)
		case 3:
			var c physical.WindowCall
			c, err = d.windowCall(f.data)
			x.Calls = append(x.Calls, c)
		case 4:
			x.Out, err = d.schema(f.data)
		case 5:
			x.Child, err = d.plan(f.data)
		}
		return err
	})
	return x, err
}

func (d *decoder) windowCall(b []byte) (c physical.WindowCall, err error) {
	err = fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			c.Fn = f.string()
		case 2:
			err = d.exprs(f.data, &c.Args)
		case 3:
			c.Filter, err = d.expr(f.data)
		case 4:
			c.IgnoreNulls = f.bool()
		case 5:
			c.Frame, err = d.frame(f.data)
		case 6:
			c.Result, err = d.typ(f.data)
		case 7:
			c.Null = f.bool()
		case 8:
			c.Place = diag.Pos(f.value)
		}
		return err
	})
	return c, err
}

func (d *decoder) frame(b []byte) (*expr.Frame, error) {
	x := &expr.Frame{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			x.Rows = f.bool()
		case 2:
			x.Start, err = d.expr(f.data)
		case 3:
			x.End, err = d.expr(f.data)
		case 4:
			x.StartFollow = f.bool()
		case 5:
			x.EndFollow = f.bool()
		}
		return err
	})
	return x, err
}

// checkWindow checks that a window's columns exist and its bounds are numbers.
func checkWindow(x *physical.Window) error {
	if x.Child == nil || x.Out == nil || x.Out.Len() != x.Child.Schema().Len()+len(x.Calls) {
		return malformed("shape of a window")
	}
	in := x.Child.Schema()
	err := firstError(positions(x.PartitionBy, in.Len()), boundOrder(in, x.Order))
	for _, o := range x.Order {
		if _, ok := o.Expr.(*expr.Column); !ok && err == nil {
			err = malformed("a window is ordered by what is no column")
		}
	}
	for _, c := range x.Calls {
		if !physical.Windowed(c.Fn) && err == nil {
			err = malformed("%s is no window function", c.Fn)
		}
		for i, a := range c.Args {
			_, column := a.(*expr.Column)
			_, literal := a.(*expr.Literal)
			if column == physical.WindowConstant(c.Fn, i) || !column && !literal {
				err = malformed("argument %d of %s", i, c.Fn)
			}
		}
		if n := len(c.Args); err == nil && (n == 0) != (c.Fn == "count" && n == 0 || noArguments[c.Fn]) {
			err = malformed("%d arguments of %s", n, c.Fn)
		}
		if err == nil {
			err = bound(in, c.Args...)
		}
		if err == nil && c.Filter != nil {
			err = bound(in, c.Filter)
			if _, ok := c.Filter.(*expr.Column); err == nil && (!ok || c.Filter.Type().Kind != columnar.Bool) {
				err = malformed("filter of a window function")
			}
		}
		if c.Frame == nil {
			if framed(c.Fn) && err == nil {
				err = malformed("%s without a frame", c.Fn)
			}
			continue
		}
		if !c.Frame.Rows && distant(c.Frame) && (len(x.Order) != 1 || !measurable(x.Order[0].Expr.Type())) && err == nil {
			err = malformed("a frame over keys that have no distance")
		}
		for _, b := range []expr.Expr{c.Frame.Start, c.Frame.End} {
			if b == nil || err != nil {
				continue
			}
			l, ok := b.(*expr.Literal)
			if ok {
				_, whole := l.Value.(int64)
				_, float := l.Value.(float64)
				ok = whole || float && !c.Frame.Rows
			}
			if !ok {
				err = malformed("bound of a frame")
			}
		}
	}
	return err
}

var noArguments = map[string]bool{"row_number": true, "rank": true, "dense_rank": true, "percent_rank": true, "cume_dist": true}

// framed reports whether a function looks at a frame.
func framed(fn string) bool {
	return !noArguments[fn] && fn != "ntile" && fn != "lag" && fn != "lead"
}

// distant reports whether a bound is some way off.
func distant(f *expr.Frame) bool {
	for _, b := range []expr.Expr{f.Start, f.End} {
		if l, ok := b.(*expr.Literal); ok && l.Value != int64(0) && l.Value != float64(0) {
			return true
		}
	}
	return false
}

// measurable reports whether keys of a type have distances, in 64 bits.
func measurable(t columnar.Type) bool {
	switch t.Kind {
	case columnar.Date, columnar.Timestamp, columnar.TimestampNTZ:
		return true
	case columnar.Decimal:
		return t.Precision <= 18
	}
	return t.IsNumeric()
}
