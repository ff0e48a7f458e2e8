package millrace

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// The bounds of frames that are no distances.
const (
	UnboundedPreceding = math.MinInt64
	CurrentRow         = 0
	UnboundedFollowing = math.MaxInt64
)

// Window is the rows that a function of a column sees: those of the row's
// partition, in an order, within a frame. Without a frame these are all rows up to
// the current one and its equals in order, or all if there is no order.
type Window struct {
	spec expr.WindowSpec
	err  error
}

// PartitionBy starts a window over the rows that agree in columns; without any it
// is all rows.
func PartitionBy(columns ...any) Window {
	l, err := list(columns)
	return Window{spec: expr.WindowSpec{PartitionBy: l}, err: at(caller(), err)}
}

// OrderBy orders the rows of each partition.
func (w Window) OrderBy(keys ...any) Window {
	o, err := orders(keys)
	if w.err == nil && err != nil {
		w.err = at(caller(), err)
	}
	w.spec.OrderBy = o
	return w
}

// RowsBetween sets the frame in rows: −1 is the row before the current one, 1 the
// one behind it.
func (w Window) RowsBetween(start, end int64) Window { return w.frame(true, start, end) }

// RangeBetween sets the frame by the distance of the one key that the window is
// ordered by.
func (w Window) RangeBetween(start, end int64) Window { return w.frame(false, start, end) }

func (w Window) frame(rows bool, start, end int64) Window {
	f := &expr.Frame{Rows: rows}
	if start != UnboundedPreceding {
		f.Start, f.StartFollow = distance(start)
	}
	if end != UnboundedFollowing {
		f.End, f.EndFollow = distance(end)
	}
	w.spec.Frame = f
	return w
}

// distance is a bound as the parser writes it.
func distance(n int64) (e expr.Expr, follow bool) {
	if n < 0 {
		return expr.Lit(-max(n, -math.MaxInt64), columnar.Int64Type), false
	}
	return expr.Lit(n, columnar.Int64Type), n > 0
}

// Over computes an aggregate or window function over a window, for each row.
func (c Column) Over(w Window) Column {
	if c.err == nil {
		c.err = w.err
	}
	return c.changed("Over", func(x *expr.UnresolvedCall) { x.Over = &w.spec })
}

// IgnoreNulls makes lag, lead, first, last and nth_value pass over nulls.
func (c Column) IgnoreNulls() Column {
	return c.changed("IgnoreNulls", func(x *expr.UnresolvedCall) { x.IgnoreNulls = true })
}
