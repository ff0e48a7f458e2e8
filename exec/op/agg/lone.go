package agg

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// content is what a spilled part is known to hold: of one group that no partition
// parts, how long its lists will be, so that they are made in one piece of that size.
type content struct {
	hash  uint64 // of the keys
	rows  int
	mixed bool     // there are several groups; the rest is not kept up then
	lists []extent // per column of states; zero for others than lists
}

// extent is what the values of a list take together.
type extent struct {
	values int
	width  int   // bytes of a value that has a fixed width
	text   int64 // bytes of strings
	other  int64 // about the bytes of nested values
}

// add takes in the selected rows of spilled groups.
func (c *content) add(b *columnar.Batch, keys int) {
	if c.mixed || len(b.Sel) == 0 {
		return
	}
	if b.Hash != nil { // without keys there is one group
		if c.rows == 0 {
			c.hash = b.Hash[b.Sel[0]]
		}
		for _, i := range b.Sel {
			if b.Hash[i] != c.hash {
				c.mixed, c.lists = true, nil
				return
			}
		}
	}
	c.rows += len(b.Sel)
	if c.lists == nil {
		c.lists = make([]extent, len(b.Cols)-keys)
	}
	for k := range c.lists {
		if v := &b.Cols[keys+k]; v.Type.Kind == columnar.List {
			off := v.Offsets()
			for _, i := range b.Sel {
				c.lists[k].add(&v.Kids[0], int(off[i]), int(off[i+1]))
			}
		}
	}
}

// add takes in the values [from, to).
func (x *extent) add(v *columnar.Vector, from, to int) {
	x.values += to - from
	switch {
	case v.Type.IsNested():
		if v.Len > 0 {
			x.other += v.MemoryBytes() * int64(to-from) / int64(v.Len)
		}
	case v.Type.IsBytes():
		for i := from; i < to; i++ {
			x.text += int64(len(v.BytesAt(i)))
		}
		x.width = 4
	default:
		x.width = max(x.width, int(v.Width), 1)
	}
}

// bytes returns what the values take, with what rounding to pages adds.
func (x *extent) bytes() int64 {
	return int64(x.values)*int64(x.width) + x.text + x.other + 16<<10
}

// hold pays for the lists of the one group that is about to be read and has their
// states make room for them.
func (a *aggregate) hold(ctx context.Context, c *content) error {
	a.alone = true
	n, values := a.size(), 0
	for _, x := range c.lists {
		n += x.bytes()
		values = max(values, x.values)
	}
	if err := a.pay(ctx, n); err != nil {
		if errors.Is(err, memory.ErrSpill) {
			return tooLarge(n, a.memory.Held(), values, err)
		}
		return err
	}
	for i := range a.calls {
		if s, ok := a.calls[i].state.(*listState); ok {
			x := c.lists[a.calls[i].states[0]-len(a.node.Keys)]
			s.values.Expect(x.values, int(x.text))
		}
	}
	return nil
}

// pay brings what is paid for to n bytes; memory.ErrSpill if that is refused.
func (a *aggregate) pay(ctx context.Context, n int64) error {
	if n <= a.held {
		return nil
	}
	err := a.memory.Grow(ctx, n-a.held)
	if err == nil {
		a.held = n
	}
	return err
}

// tooLarge says that a group needs n bytes at once, of which held are there. values
// tells how long its longest list is, 0 if that is not known.
func tooLarge(n, held int64, values int, cause error) error {
	what := "one group of an aggregation"
	if values > 0 {
		what = fmt.Sprintf("%s collects %d values and", what, values)
	}
	return diag.New(diag.MemoryLimit, "%s needs %d MiB in one piece, but holds %d MiB and its task's share of memory has no room for the rest", what, (n+1<<20-1)>>20, held>>20).WithCause(cause).
		WithRemedy("raise --memory (MILLRACE_MEMORY), run fewer tasks at a time so that each has a larger share (local[1]), or collect less into one group")
}
