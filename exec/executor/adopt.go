package executor

import (
	"context"
	"fmt"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/exec/op/cached"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/plan/physical"
)

// Adopt copies a map output, or a partition of a dataset, from whoever holds it. ctx ends
// with the job of the output at the latest: nothing is left of what comes after that. It
// returns what is held of a dataset then.
func (e *Executor) Adopt(ctx context.Context, m *cluster.Move, from exchange.Holder) ([]exec.Kept, error) {
	if m.Storage != nil {
		k, err := e.adoptPartition(ctx, m, from)
		return []exec.Kept{k}, err
	}
	r := e.Broker.Reserve(fmt.Sprintf("move of job %d, exchange %d, map %d", m.Job, m.Exchange, m.Output.Map), 0)
	defer r.Close()
	err := exchange.Copy(ctx, from, m.Job, m.Exchange, &m.Output, m.Schema, e.store, e.level, r)
	if err == nil {
		if err = ctx.Err(); err != nil { // the job may have dropped its blocks before these came
			e.Discard(m.Block())
		}
	}
	return nil, err
}

func (e *Executor) adoptPartition(ctx context.Context, m *cluster.Move, from exchange.Holder) (exec.Kept, error) {
	r := e.Broker.Reserve(fmt.Sprintf("copy of dataset %d, partition %d", m.Exchange, m.Output.Map), 0)
	defer r.Close()
	t := &op.TaskContext{Memory: r, Datasets: e.kept, Block: func(ctx context.Context, _ string, id cache.BlockID, schema *columnar.Schema) op.BatchIterator {
		return from.Read(ctx, []cache.BlockID{id}, schema, r)
	}}
	d := &physical.Dataset{ID: m.Exchange, Storage: *m.Storage, Origin: &physical.Values{Out: m.Schema}}
	return cached.Copy(ctx, t, d, m.Output.Map, m.Output.Executor, m.Output.Attempt)
}
