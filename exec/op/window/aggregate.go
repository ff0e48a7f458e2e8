package window

import (
	"context"
	"math/bits"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/row"
	"github.com/millrace-engine/millrace/plan/physical"
)

// kind is how an aggregate is computed.
type kind uint8

const (
	counts kind = iota
	sums        // exact, in 128 bits
	floats      // sums of doubles
	extremes
	moments
)

// cell is a partial result of any aggregate.
type cell struct {
	n    int64
	sum  columnar.Int128
	f    float64 // a sum of doubles, or the mean
	m2   float64 // squared distances from the mean
	best int32   // the row of an extreme
}

// cellBytes is what a cell takes.
const cellBytes = 48

// aggregate is one aggregate over frames.
type aggregate struct {
	call  *physical.WindowCall
	kind  kind
	arg   *columnar.Vector
	skip  []bool    // rows that do not count; nil: none
	order *row.Keys // of the argument, for extremes
	less  int       // what Compare says of a better one
}

// kindOf returns how a call is computed if it is an aggregate, and for extremes
// what Compare says of a better one.
func kindOf(c *physical.WindowCall) (kind, int) {
	switch c.Fn {
	case "sum", "avg":
		if c.Result.IsFloat() {
			return floats, 0
		}
		return sums, 0
	case "min", "bool_and":
		return extremes, -1
	case "max", "bool_or":
		return extremes, 1
	case "stddev_samp", "stddev_pop", "var_samp", "var_pop":
		return moments, 0
	}
	return counts, 0
}

func newAggregate(c *physical.WindowCall) *aggregate {
	a := &aggregate{call: c}
	a.kind, a.less = kindOf(c)
	return a
}

// bind makes the aggregate one of n rows of some columns. What it said of others
// is gone.
func (a *aggregate) bind(cols []columnar.Vector, n int) {
	a.skip = skipped(a.call, cols, a.call.Args, n)
	if len(a.call.Args) == 0 {
		return
	}
	a.arg = argument(cols, a.call.Args[0])
	if a.kind == extremes {
		a.order = row.Encode([]row.Key{{}}, []columnar.Vector{*a.arg}, n)
	}
	if a.call.Fn == "count_if" {
		if a.skip == nil {
			a.skip = make([]bool, n)
		}
		for i := range a.skip {
			a.skip[i] = a.skip[i] || a.arg.Int64At(i) == 0
		}
	}
}

func (a *aggregate) add(c *cell, i int) {
	if a.skip != nil && a.skip[i] {
		return
	}
	c.n++
	switch a.kind {
	case sums:
		x := exact(a.arg, i)
		lo, carry := bits.Add64(c.sum.Lo, x.Lo, 0)
		c.sum = columnar.Int128{Lo: lo, Hi: c.sum.Hi + x.Hi + int64(carry)}
	case floats:
		c.f += double(a.arg, i)
	case extremes:
		if c.n == 1 || row.Compare(a.order, i, a.order, int(c.best)) == a.less {
			c.best = int32(i)
		}
	case moments: // Welford
		x := a.arg.Float64At(i)
		d := x - c.f
		c.f += d / float64(c.n)
		c.m2 += d * (x - c.f)
	}
}

func exact(v *columnar.Vector, i int) columnar.Int128 {
	if v.Type.Kind == columnar.Decimal {
		return v.Int128At(i)
	}
	return columnar.Int128Of(v.Int64At(i))
}

func double(v *columnar.Vector, i int) float64 {
	if v.Type.IsFloat() {
		return v.Float64At(i)
	}
	return float64(v.Int64At(i))
}

// merge adds what o holds, of rows behind those of c.
func (a *aggregate) merge(c, o *cell) {
	if o.n == 0 {
		return
	}
	if c.n == 0 {
		*c = *o
		return
	}
	n := c.n + o.n
	switch a.kind {
	case sums:
		lo, carry := bits.Add64(c.sum.Lo, o.sum.Lo, 0)
		c.sum = columnar.Int128{Lo: lo, Hi: c.sum.Hi + o.sum.Hi + int64(carry)}
	case floats:
		c.f += o.f
	case extremes:
		if row.Compare(a.order, int(o.best), a.order, int(c.best)) == a.less {
			c.best = o.best
		}
	case moments: // Chan, Golub and LeVeque (1979)
		d := o.f - c.f
		c.m2 += o.m2 + d*d*float64(c.n)*float64(o.n)/float64(n)
		c.f += d * float64(o.n) / float64(n)
	}
	c.n = n
}

// few is the width of frames up to which adding up beats looking into the tree.
const few = 24

// aggregate computes an aggregate over the frames of all rows.
func (r *run) aggregate(ctx context.Context, c *physical.WindowCall, f *frame) (columnar.Vector, error) {
	a := newAggregate(c)
	a.bind(r.cols, r.n)
	out := newOutput(a, r.n)
	for p := 0; p+1 < len(r.starts); p++ {
		from, to := int(r.starts[p]), int(r.starts[p+1])
		if err := ctx.Err(); err != nil {
			return columnar.Vector{}, err
		}
		var err error
		switch {
		case f.whole:
			err = running(a, f, from, to, out)
		case f.width > 0 && f.width <= few || to-from <= few:
			err = each(a, f, from, to, out)
		default:
			err = treed(a, f, from, to, out)
		}
		if err != nil {
			return columnar.Vector{}, err
		}
	}
	return out.vector(), nil
}

// running computes frames that begin at the start of the partition.
func running(a *aggregate, f *frame, from, to int, out *output) error {
	var c cell
	at := from
	for i := from; i < to; i++ {
		for ; at < int(f.hi[i]); at++ {
			a.add(&c, at)
		}
		if err := out.put(i, &c); err != nil {
			return err
		}
	}
	return nil
}

// each adds every frame up by itself.
func each(a *aggregate, f *frame, from, to int, out *output) error {
	for i := from; i < to; i++ {
		var c cell
		for at := f.lo[i]; at < f.hi[i]; at++ {
			a.add(&c, int(at))
		}
		if err := out.put(i, &c); err != nil {
			return err
		}
	}
	return nil
}

// treed computes frames out of a segment tree: node k is what 2k and 2k+1 hold,
// the leaves are the rows.
func treed(a *aggregate, f *frame, from, to int, out *output) error {
	n := to - from
	tree := make([]cell, 2*n)
	for i := range n {
		a.add(&tree[n+i], from+i)
	}
	for k := n - 1; k > 0; k-- {
		tree[k] = tree[2*k]
		a.merge(&tree[k], &tree[2*k+1])
	}
	for i := from; i < to; i++ {
		var left, right cell
		for lo, hi := int(f.lo[i])-from+n, int(f.hi[i])-from+n; lo < hi; lo, hi = lo/2, hi/2 {
			if lo&1 == 1 {
				a.merge(&left, &tree[lo])
				lo++
			}
			if hi&1 == 1 {
				hi--
				c := tree[hi]
				a.merge(&c, &right)
				right = c
			}
		}
		a.merge(&left, &right)
		if err := out.put(i, &left); err != nil {
			return err
		}
	}
	return nil
}
