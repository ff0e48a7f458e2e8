package agg

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/physical"
)

const (
	// flushGroups is how many groups a partial aggregation holds at most.
	flushGroups = 64 << 10
	// judgeRows is after how many rows it looks whether it reduces.
	judgeRows = 16 << 10
)

// judge decides how a partial aggregation goes on after a batch. It reports that
// the groups are to be emitted: because there are enough, or because it gives
// up, so that rows pass from then on.
//
// Among n rows with d different keys, about n²/2(n−d) keys are there in all if
// they are equally frequent; if that is several times what the table holds, most
// rows will find no group before it is emptied. Keys that are more frequent than
// others make the estimate smaller, so that aggregation goes on.
//
// An eager aggregation does not care how much it reduces, but see repeats.
func (a *aggregate) judge(groups []uint32) bool {
	if a.node.Mode == physical.AggEager {
		add(&a.repeats, groups)
		a.pass = a.repeats.even
		return a.pass || a.table.groups() >= flushGroups
	}
	n, d := float64(a.rowsIn), float64(a.table.groups())
	if !a.judged && n >= judgeRows {
		a.judged = true
		if n*n > 2*(n-d)*3*flushGroups {
			a.pass = true
			return true
		}
	}
	if a.table.groups() < flushGroups {
		return false
	}
	a.pass = n < 1.25*d
	return true
}

// identity numbers the rows of a batch as groups.
var identity = func() (out [columnar.MaxRows]uint32) {
	for i := range out {
		out[i] = uint32(i + 1)
	}
	return out
}()

// passOn returns the rows of the batch at hand, each as a group of its own.
func (a *aggregate) passOn(rows int) (*columnar.Batch, error) {
	cols := a.out.Cols[:0]
	for _, v := range a.keys {
		cols = append(cols, *v)
	}
	eager := a.node.Mode == physical.AggEager
	for i := range a.calls {
		c := &a.calls[i]
		if eager {
			if v, ok := c.lift(a.input, rows); ok {
				cols = append(cols, v)
				continue
			}
		}
		c.state.reset()
		c.state.grow(rows + 1)
		if c.tracked {
			c.state.track(1)
		}
		a.update(c, a.input, c.args, false, identity[:rows], 1)
		var err error
		if cols, err = a.outputs(c, cols, 1, rows, !eager); err != nil {
			return nil, err
		}
	}
	a.out = columnar.Batch{Schema: a.node.Out, Cols: cols, Rows: rows}
	if !eager || a.hash != nil {
		a.out.Hash, a.out.HashOf = a.keyHash(rows), a.outKeys
	}
	b := a.out
	return &b, nil
}
