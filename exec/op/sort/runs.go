package sort

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/diag"
)

const (
	// mostInputs bounds the inputs of one merge.
	mostInputs = 128
	// cursorBytes is about what a merge takes per input beside its chunk.
	cursorBytes = 128 << 10
	// mergeBytes is about what a batch of a merge's output may take.
	mergeBytes = 1 << 20
)

// runs are the sorted runs of an operator, oldest first.
type runs struct {
	file    *spill.File
	keys    *keyer
	schema  *columnar.Schema
	size    int // rows of a batch
	memory  memory.Reservation
	list    []*spill.Run
	rows    int64
	bytes   int64 // in memory
	spilled int64
}

// add writes sorted rows as a run.
func (x *runs) add(ctx context.Context, it op.BatchIterator) error {
	r, err := x.write(ctx, it)
	if err == nil {
		x.list = append(x.list, r)
		x.rows += r.Rows()
		x.bytes += r.Bytes()
	}
	return err
}

func (x *runs) write(ctx context.Context, it op.BatchIterator) (*spill.Run, error) {
	r := x.file.NewRun("sort")
	for {
		b, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			err = r.Flush()
			x.spilled += r.Stored()
			return r, err
		}
		if err == nil {
			err = r.Append(ctx, b)
		}
		if err != nil {
			r.Drop()
			return nil, err
		}
	}
}

// merge returns the rows of all runs in order. While memory does not hold a
// chunk of each, neighbours are merged to longer runs first.
func (x *runs) merge(ctx context.Context) (*merger, error) {
	for {
		inputs, err := x.open(ctx, x.list)
		if err != nil {
			return nil, err
		}
		if len(inputs) == len(x.list) {
			return x.merger(ctx, inputs)
		}
		var next []*spill.Run
		for len(x.list) > 0 {
			if len(x.list) == 1 && next != nil {
				next, x.list = append(next, x.list[0]), nil
				break
			}
			if inputs == nil {
				if inputs, err = x.open(ctx, x.list); err != nil {
					return nil, err
				}
			}
			m, err := x.merger(ctx, inputs)
			if err != nil {
				return nil, err
			}
			r, err := x.write(ctx, m)
			if err = errors.Join(err, m.Close()); err != nil {
				return nil, err
			}
			for _, old := range x.list[:len(inputs)] {
				old.Drop()
			}
			x.list, inputs = x.list[len(inputs):], nil
			next = append(next, r)
		}
		x.list = next
	}
}

func (x *runs) merger(ctx context.Context, inputs []op.BatchIterator) (*merger, error) {
	size := min(int64(x.size), max(64, mergeBytes*x.rows/max(x.bytes, 1)))
	return newMerger(ctx, x.keys, x.schema, int(size), 1, inputs, x.memory)
}

// open opens as many of the first runs as memory allows, two at least unless
// there is only one.
func (x *runs) open(ctx context.Context, list []*spill.Run) (out []op.BatchIterator, err error) {
	extra := int64(0)
	defer func() { x.memory.Shrink(extra) }() // the merge charges what it takes
	for _, r := range list[:min(len(list), mostInputs)] {
		var d *spill.Reader
		if err = x.memory.Grow(ctx, cursorBytes); err == nil {
			extra += cursorBytes
			d, err = r.Open(ctx, x.memory)
		}
		if err == nil {
			out = append(out, input{d})
			continue
		}
		if errors.Is(err, memory.ErrSpill) && len(out) >= 2 {
			return out, nil
		}
		for _, it := range out {
			it.Close()
		}
		if errors.Is(err, memory.ErrSpill) {
			err = diag.New(diag.MemoryLimit, "a sort has spilled %d MiB in %d runs, and the memory budget has no room for merging two of them", x.spilled>>20, len(list)).
				WithRemedy("raise --memory (MILLRACE_MEMORY)").WithCause(err)
		}
		return nil, err
	}
	return out, nil
}

// input makes an iterator of a run's reader.
type input struct{ *spill.Reader }

func (i input) Close() error {
	i.Reader.Close()
	return nil
}
