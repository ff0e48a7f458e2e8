package window

import (
	"context"
	"errors"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/plan/physical"
)

const (
	// mostRun bounds the rows of a run: strings are addressed by 31 bits.
	mostRun = 1 << 30
	// leastRun is what a run holds on to although memory is critical.
	leastRun = 4 << 20
)

// gathered is rows on their way to a run. What computing takes is paid for as
// they come (W2).
type gathered struct {
	node   *physical.Window
	rows   *kernel.Appender
	starts []int32 // of partitions
	perRow int64
	memory memory.Reservation
	held   int64
}

func newGathered(n *physical.Window, types []columnar.Type, r memory.Reservation) *gathered {
	return &gathered{node: n, rows: kernel.NewAppender(types, nil), perRow: computing(n), memory: r}
}

// computing returns about the bytes that a run takes per row beside the row.
func computing(n *physical.Window) int64 {
	size := 8 + 24*len(n.Order) // starts and peers, keys
	for i := range n.Calls {
		c := &n.Calls[i]
		size += c.Result.FixedWidth() + 8
		if c.Frame != nil {
			size += 8
		}
		if len(c.Args) > 0 || c.Filter != nil {
			size += 9 // which rows count
		}
		if kind, _ := kindOf(c); kind == extremes {
			size += 24
		}
		if c.Frame != nil && c.Frame.Start != nil {
			size += 2 * cellBytes
		}
	}
	return int64(size)
}

// add takes rows, of which some begin a partition. It reports that memory is
// short: then the rows are in, and more should not come.
func (g *gathered) add(ctx context.Context, b *columnar.Batch, begins []int32) (short bool, err error) {
	at := int32(g.rows.Len())
	if err := g.rows.Append(b); err != nil {
		return false, err
	}
	for _, i := range begins {
		g.starts = append(g.starts, at+i)
	}
	size := g.rows.Bytes()
	need := size + size/2 + int64(g.rows.Len())*g.perRow // columns double one at a time
	if need > g.held {
		err := g.memory.Grow(ctx, need-g.held)
		if errors.Is(err, memory.ErrSpill) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		g.held = need
	}
	return size > mostRun || g.held > leastRun && g.memory.Pressure() == memory.Critical, nil
}

// last returns where the last partition begins.
func (g *gathered) last() int { return int(g.starts[len(g.starts)-1]) }

// batch returns the rows from one on to before another.
func (g *gathered) batch(from, to int) *columnar.Batch {
	return g.rows.Batch(g.node.Child.Schema(), from, to-from)
}

// run returns a run of the partitions that end at a row, which owns the
// reservation from then on.
func (g *gathered) run(end int) *run {
	starts := g.starts
	for int(starts[len(starts)-1]) >= end {
		starts = starts[:len(starts)-1]
	}
	return &run{node: g.node, n: end, cols: g.batch(0, end).Cols, starts: append(starts, int32(end)), memory: g.memory}
}
