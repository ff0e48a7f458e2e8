package sort

import (
	"context"
	"errors"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

const (
	// mostRun bounds what is sorted at once: strings are addressed by 31 bits.
	mostRun = 1 << 30
	// leastRun is what a sort holds on to although memory is critical: smaller
	// runs cost more to merge than they give back.
	leastRun = 4 << 20
)

// buffer collects rows that are to be sorted, and pays for them.
type buffer struct {
	keys     *keyer
	schema   *columnar.Schema
	appender *kernel.Appender
	memory   memory.Reservation
	held     int64
}

func newBuffer(keys *keyer, schema *columnar.Schema, r memory.Reservation) *buffer {
	return &buffer{keys: keys, schema: schema, appender: kernel.NewAppender(types(schema), nil), memory: r}
}

// add takes the selected rows of a batch. It reports that memory is short: then
// the rows are in, and the buffer should be emptied.
func (b *buffer) add(ctx context.Context, rows *columnar.Batch) (short bool, err error) {
	if err := b.appender.Append(rows); err != nil {
		return false, err
	}
	size := b.appender.Bytes()
	need := size + b.appender.Growing(rows.Selected()) + int64(b.appender.Len())*b.keys.rowBytes()
	if need > b.held {
		err := b.memory.Grow(ctx, need-b.held)
		if errors.Is(err, memory.ErrSpill) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		b.held = need
	}
	return size > mostRun || b.held > leastRun && b.memory.Pressure() == memory.Critical, nil
}

// ordered returns all rows with their order, which is in s. They stay in the buffer.
func (b *buffer) ordered(s *memory.Scratch) (*columnar.Batch, []uint32, error) {
	all := b.appender.Batch(b.schema, 0, b.appender.Len())
	k, err := b.keys.encodeLong(all, s) // paid for as the rows came
	if err != nil {
		return nil, nil, err
	}
	return all, k.Sort(s), nil
}

// empty forgets all rows, for others to come: their memory stays unless it is
// critical.
func (b *buffer) empty() {
	if b.memory.Pressure() == memory.Critical {
		b.drop()
		return
	}
	b.appender.Reset()
	if more := b.held - b.appender.Bytes(); more > 0 {
		b.memory.Shrink(more)
		b.held -= more
	}
}

// drop gives back the memory of all rows.
func (b *buffer) drop() {
	b.appender = kernel.NewAppender(types(b.schema), nil)
	b.release()
}

// take returns all rows with their order and empties the buffer. What they take
// stays charged until release.
func (b *buffer) take() (*columnar.Batch, []uint32, error) {
	all := b.appender.Take(b.schema)
	k, err := b.keys.encodeLong(all, nil) // paid for as the rows came
	if err != nil {
		return nil, nil, err
	}
	return all, k.Sort(nil), nil
}

// release gives back what was charged for rows that are gone.
func (b *buffer) release() {
	b.memory.Shrink(b.held)
	b.held = 0
}
