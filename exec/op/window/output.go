package window

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/exec/op/agg"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/physical"
)

// output is the results of an aggregate.
type output struct {
	a     *aggregate
	n     int
	least int64 // rows that a result needs
	ints  []int64
	wide  []columnar.Int128
	float []float64
	rows  []uint32
	valid columnar.Bitmap
}

func newOutput(a *aggregate, n int) *output {
	o := &output{a: a, n: n, least: 1}
	switch {
	case a.kind == counts:
		o.ints, o.least = make([]int64, n), 0
	case a.kind == extremes:
		o.rows = make([]uint32, n)
	case a.kind == sums && a.call.Result.Kind == columnar.Decimal:
		o.wide = make([]columnar.Int128, n)
	case a.kind == sums:
		o.ints = make([]int64, n)
	default:
		o.float = make([]float64, n)
		if a.call.Fn == "stddev_samp" || a.call.Fn == "var_samp" {
			o.least = 2
		}
	}
	return o
}

// put stores the result of row i.
func (o *output) put(i int, c *cell) error {
	call := o.a.call
	if c.n < o.least {
		if o.rows != nil {
			o.rows[i] = kernel.NullRow
			return nil
		}
		if o.valid == nil {
			o.valid = columnar.NewBitmap(o.n)
			o.valid.Fill(o.n, true)
		}
		o.valid.Clear(i)
		return nil
	}
	switch {
	case o.a.kind == counts:
		o.ints[i] = c.n
	case o.rows != nil:
		o.rows[i] = uint32(c.best)
	case o.wide != nil && call.Fn == "avg":
		x, ok := agg.Mean(c.sum, c.n, o.a.arg.Type, call.Result)
		if !ok {
			return tooLarge(call)
		}
		o.wide[i] = x
	case o.wide != nil:
		if !agg.Fits(c.sum, call.Result) {
			return tooLarge(call)
		}
		o.wide[i] = c.sum
	case o.ints != nil:
		if !c.sum.FitsInt64() {
			return tooLarge(call)
		}
		o.ints[i] = int64(c.sum.Lo)
	case o.a.kind == moments:
		x := c.m2 / float64(c.n-o.least+1)
		if call.Fn == "stddev_samp" || call.Fn == "stddev_pop" {
			x = math.Sqrt(x)
		}
		o.float[i] = x
	case call.Fn == "avg":
		o.float[i] = c.f / float64(c.n)
	default:
		o.float[i] = c.f
	}
	return nil
}

func tooLarge(c *physical.WindowCall) error {
	class := diag.Overflow
	if c.Result.Kind == columnar.Decimal {
		class = diag.NumericOutOfRange
	}
	return diag.NewAt(c.Place, class, "a %s over a window does not fit %s", c.Fn, c.Result).
		WithRemedy("cast the argument to a wider decimal, or to double")
}

func (o *output) vector() columnar.Vector {
	v := columnar.Vector{Type: o.a.call.Result, Len: o.n, Width: 8, Valid: o.valid}
	switch {
	case o.rows != nil:
		return kernel.TakeNull(o.a.arg, o.rows, nil)
	case o.wide != nil:
		v.Width, v.Data = agg.Decimals(o.wide)
	case o.float != nil:
		v.Data = columnar.BytesOf(o.float)
	default:
		v.Data = columnar.BytesOf(o.ints)
	}
	return v
}
