package cached

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
)

// computed reads the origin and keeps what it yields on the way.
type computed struct {
	o         *Operator
	partition int
	keeper    *keeper // nil: nothing is kept
}

func (c *computed) next(ctx context.Context) (*columnar.Batch, error) {
	b, err := c.o.origin.Next(ctx)
	if errors.Is(err, io.EOF) && c.keeper != nil {
		c.keeper.commit(ctx)
	}
	if err != nil {
		return nil, err
	}
	if c.keeper != nil && !c.keeper.add(ctx, b) {
		c.keeper.close()
		c.keeper = nil
	}
	out := &c.o.out
	out.Rows, out.Sel = b.Rows, b.Sel
	if out.Cols == nil {
		out.Cols = make([]columnar.Vector, len(c.o.node.Columns))
	}
	for i, at := range c.o.node.Columns {
		out.Cols[i] = b.Cols[at]
	}
	return out, nil
}

func (c *computed) close() {
	if c.keeper != nil {
		c.keeper.close()
	}
}

// keeper writes rows of a partition as blocks, one per column.
type keeper struct {
	o         *Operator
	partition int
	known     *cache.Part // it was here before: only columns that are gone are written
	wanted    []int
	writer    *cache.Writer
	appender  *kernel.Appender
	memory    memory.Reservation
	schemas   []*columnar.Schema // of each column alone
	part      cache.Part
}

// keep returns what writes the rows of a partition, false if there is no place.
func (o *Operator) keep(known *cache.Part, partition int) (*keeper, bool) {
	d := o.node.Dataset
	l, ok := level(d.Storage)
	if !ok {
		return nil, false
	}
	schema := d.Origin.Schema()
	k := &keeper{o: o, partition: partition, known: known, memory: o.task.Memory.Child("dataset")}
	types := make([]columnar.Type, schema.Len())
	for i, f := range schema.Fields {
		types[i] = f.Type
		k.schemas = append(k.schemas, columnar.NewSchema(f))
		if known == nil {
			k.wanted = append(k.wanted, i)
		}
	}
	if known != nil {
		for _, c := range o.node.Columns {
			if !o.task.Datasets.Store.Has(cache.ColumnID(d.ID, partition, c)) {
				k.wanted = append(k.wanted, c)
			}
		}
	}
	k.appender = kernel.NewAppender(types, k.memory)
	k.writer = o.task.Datasets.Store.NewWriter(cache.ColumnID(d.ID, partition, 0), schema.Len(), l)
	k.writer.Priority = d.Storage.Priority
	return k, true
}

// add takes in the rows of a batch. It reports false when they cannot be kept (K2).
func (k *keeper) add(ctx context.Context, b *columnar.Batch) bool {
	if k.appender.Len()+b.Selected() > columnar.MaxRows && !k.flush(ctx) {
		return false
	}
	err := k.appender.Append(b)
	if errors.Is(err, memory.ErrSpill) { // the rows are in, but not paid for
		return k.flush(ctx)
	}
	return err == nil
}

func (k *keeper) flush(ctx context.Context) bool {
	if k.appender.Len() == 0 {
		return true
	}
	held := k.appender.Held()
	b := k.appender.Take(k.o.node.Dataset.Origin.Schema())
	defer k.memory.Shrink(held)
	k.part.Sizes = append(k.part.Sizes, b.Rows)
	k.part.Rows += int64(b.Rows)
	k.part.Bounds = append(k.part.Bounds, bounds(b))
	for _, c := range k.wanted {
		v := b.Cols[c]
		v.Dict = nil // it is counted by the store, once
		n := v.MemoryBytes()
		k.part.Bytes += n
		if err := k.writer.Append(ctx, c, &columnar.Batch{Schema: k.schemas[c], Rows: b.Rows, Cols: b.Cols[c : c+1 : c+1]}, n); err != nil {
			return false
		}
	}
	return true
}

// commit makes the partition known (K3).
func (k *keeper) commit(ctx context.Context) {
	if !k.flush(ctx) || k.writer.Commit() != nil {
		return
	}
	part, id := &k.part, k.o.node.Dataset.ID
	if k.known != nil {
		part = k.known
	}
	if k.o.task.Datasets.Put(id, k.partition, part) {
		k.o.kept = append(k.o.kept, exec.Kept{Dataset: id, Partition: k.partition, Rows: part.Rows, Bytes: part.Bytes})
	}
}

func (k *keeper) close() {
	k.writer.Abort()
	k.memory.Close()
}
