package executor

import (
	"context"
	"fmt"

	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/op/exchange"
)

// Adopt copies a map output from whoever holds it. ctx ends with the job of the output
// at the latest: nothing is left of what comes after that.
func (e *Executor) Adopt(ctx context.Context, m *cluster.Move, from exchange.Holder) error {
	r := e.Broker.Reserve(fmt.Sprintf("move of job %d, exchange %d, map %d", m.Job, m.Exchange, m.Output.Map), 0)
	defer r.Close()
	err := exchange.Copy(ctx, from, m.Job, m.Exchange, &m.Output, m.Schema, e.store, e.level, r)
	if err == nil {
		if err = ctx.Err(); err != nil { // the job may have dropped its blocks before these came
			e.Discard(m.Block())
		}
	}
	return err
}
