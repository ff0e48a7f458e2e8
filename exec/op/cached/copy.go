package cached

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

var errNoRoom = errors.New("there is no room for a copy of the partition")

// Copy keeps a partition of a dataset that another executor holds, as its attempt, and
// tells what is held here then. Of the task it uses Memory, Datasets and Block. Of the
// dataset's origin only the schema is looked at. A failure is Transient: the partition
// may be had from somebody else, or there may be room later.
func Copy(ctx context.Context, t *op.TaskContext, d *physical.Dataset, partition int, from string, attempt int) (kept exec.Kept, err error) {
	if p, ok := t.Datasets.Part(d.ID, partition); ok {
		return exec.Kept{Dataset: d.ID, Partition: partition, Attempt: p.Attempt, Rows: p.Rows, Bytes: p.Bytes}, nil
	}
	transient := func(err error) (exec.Kept, error) {
		return kept, &exec.Failure{Kind: exec.Transient, Cause: fmt.Errorf("partition %d of dataset %d: %w", partition, d.ID, err)}
	}
	l, stays := level(d.Storage)
	if !stays || l == cache.MemoryOnly && !t.Datasets.Room(d.ID, partition) {
		return transient(errNoRoom)
	}
	n := &physical.Scan{Dataset: d, Columns: all(d.Origin.Schema().Len()), Read: d.Origin.Schema()}
	o := New(n, &op.Metrics{}, nil)
	if err := o.Open(ctx, t); err != nil {
		return kept, err
	}
	rows, err := o.fetch(ctx, from, partition, attempt)
	if err != nil {
		return kept, err
	}
	if rows == nil {
		return transient(errors.New("it is not there any more"))
	}
	defer rows.close()
	k := o.keep(nil, partition, l, false)
	defer k.close()
	for {
		b, err := rows.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return kept, err
		}
		if !k.add(ctx, b) {
			return transient(errNoRoom)
		}
	}
	k.commit(ctx)
	if len(o.kept) == 0 {
		return transient(errNoRoom)
	}
	return o.kept[0], nil
}
