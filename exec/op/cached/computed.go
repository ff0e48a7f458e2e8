package cached

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
)

// computed reads the origin, or less of it where that will do, and keeps what it
// yields on the way.
type computed struct {
	o       *Operator
	from    op.Operator
	columns []int   // of from's rows, that the node reads
	thin    bool    // they are all that from yields
	keeper  *keeper // nil: nothing is kept
}

func (c *computed) next(ctx context.Context) (*columnar.Batch, error) {
	b, err := c.from.Next(ctx)
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
		out.Cols = make([]columnar.Vector, len(c.columns))
	}
	for i, at := range c.columns {
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
	known     *cache.Part      // it was here before: only columns that are gone are written
	schema    *columnar.Schema // of the rows
	wanted    []int            // columns of the rows that are written,
	as        []int            // and which of the dataset's these are
	writer    *cache.Writer
	appender  *kernel.Appender
	memory    memory.Reservation
	schemas   []*columnar.Schema // of each column alone
	part      cache.Part
}

// keep returns what writes the rows of a partition: all columns, or those of a thin
// scan, if the partition was not known, else those that are gone.
func (o *Operator) keep(known *cache.Part, partition int, l cache.Level, thin bool) *keeper {
	d, attempt := o.node.Dataset, 0
	if known != nil {
		attempt = known.Attempt
	} else {
		attempt = o.task.Datasets.Attempt()
	}
	k := &keeper{part: cache.Part{Attempt: attempt}, o: o, partition: partition, known: known, schema: d.Origin.Schema(), memory: o.task.Memory.Child("dataset")}
	columns := all(k.schema.Len())
	if thin {
		k.schema, columns = o.node.Read, o.node.Columns
	}
	types := make([]columnar.Type, k.schema.Len())
	for i, f := range k.schema.Fields {
		types[i] = f.Type
		k.schemas = append(k.schemas, columnar.NewSchema(f))
		gone := !o.task.Datasets.Store.Has(cache.ColumnID(d.ID, partition, attempt, columns[i]))
		if known == nil || gone && slices.Contains(o.node.Columns, columns[i]) {
			k.wanted, k.as = append(k.wanted, i), append(k.as, columns[i])
		}
	}
	k.appender = kernel.NewAppender(types, k.memory)
	k.writer = o.task.Datasets.Store.NewWriter(cache.ColumnID(d.ID, partition, attempt, 0), d.Origin.Schema().Len(), l)
	k.writer.Priority, k.writer.Encoded = d.Storage.Priority, d.Storage.Serialized
	return k
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
	b := k.appender.Take(k.schema)
	defer k.memory.Shrink(held)
	k.part.Sizes = append(k.part.Sizes, b.Rows)
	k.part.Rows += int64(b.Rows)
	k.part.Bounds = append(k.part.Bounds, bounds(b))
	for i, c := range k.wanted {
		v := b.Cols[c]
		v.Dict = nil // it is counted by the store, once
		n := v.MemoryBytes()
		k.part.Bytes += n
		if err := k.writer.Append(ctx, k.as[i], &columnar.Batch{Schema: k.schemas[c], Rows: b.Rows, Cols: []columnar.Vector{b.Cols[c]}}, n); err != nil {
			k.o.task.Datasets.Refused(k.o.node.Dataset.ID, k.partition, k.writer.Held()+n)
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
		k.o.kept = append(k.o.kept, exec.Kept{Dataset: id, Partition: k.partition, Attempt: part.Attempt, Rows: part.Rows, Bytes: part.Bytes})
	}
}

func (k *keeper) close() {
	k.writer.Abort()
	k.memory.Close()
}
