package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
)

// inner is the side of a nested loop that every row of the other side meets:
// batches in memory as far as that goes, the rest in a run that is read again
// for every batch of the other side.
type inner struct {
	sharing
	held   []*columnar.Batch
	run    *spill.Run // nil: everything is held
	rows   int
	marks  marks // where the kind needs them
	memory memory.Reservation
	tally  tally
}

func newInner() *inner {
	return &inner{sharing: sharing{ready: make(chan struct{})}, tally: newTally()}
}

// Close gives the memory back. The run ends with its file.
func (x *inner) Close() {
	if x.memory != nil {
		x.memory.Close()
	}
	x.held = nil
}

// build reads the child.
func (x *inner) build(ctx context.Context, t *op.TaskContext, r memory.Reservation, file *spill.File, child op.Operator, marked bool) error {
	x.memory = r.Child("loop join")
	if err := child.Open(ctx, t); err != nil {
		return err
	}
	for {
		b, err := child.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		x.rows += b.Selected()
		if x.run == nil {
			d, err := kernel.Detach(b, x.memory)
			if err == nil {
				x.held = append(x.held, d)
				continue
			}
			if !errors.Is(err, memory.ErrSpill) {
				return err
			}
			x.run = file.NewRun("loop join")
		}
		if err := x.run.Append(ctx, b); err != nil {
			return err
		}
	}
	if marked {
		if err := op.Reserve(ctx, x.memory, int64(x.rows/8+4), "a nested loop join"); err != nil {
			return err
		}
		x.marks = newMarks(x.rows)
	}
	if x.run != nil {
		return x.run.Flush()
	}
	return nil
}

// cursor goes through the batches of an inner side, as often as it is rewound.
type cursor struct {
	of     *inner
	memory memory.Reservation
	next   int // of held
	reader *spill.Reader
	batch  *columnar.Batch
	base   int // number of the batch's first row
}

// rewind goes before the first batch.
func (c *cursor) rewind() {
	if c.reader != nil {
		c.reader.Close()
	}
	c.next, c.reader, c.batch, c.base = 0, nil, nil, 0
}

// step goes to the next batch, valid until the step after; io.EOF ends.
func (c *cursor) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.batch != nil {
		c.base += c.batch.Rows
		c.batch = nil
	}
	if c.next < len(c.of.held) {
		c.batch = c.of.held[c.next]
		c.next++
		return nil
	}
	if c.of.run == nil {
		return io.EOF
	}
	if c.reader == nil {
		var err error
		if c.reader, err = openRun(ctx, c.of.run, c.memory); err != nil {
			return err
		}
	}
	b, err := c.reader.Next(ctx)
	c.batch = b
	return err
}
