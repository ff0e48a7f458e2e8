package remote

import (
	"context"
	"errors"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/transport/message"
)

var errAway = errors.New("the executor that holds it is gone")

// Leave tells the scheduler that an executor is to leave.
func (b *Backend) Leave(id exec.ExecutorID) {
	b.wg.Go(func() { b.tell(cluster.Report{Executor: id, Draining: true}) })
}

// Move implements cluster.Migrating.
func (b *Backend) Move(m cluster.Move) {
	b.mu.Lock()
	defer b.mu.Unlock()
	to, ok := b.peers[m.To]
	if !ok { // its loss has been told
		return
	}
	from, ok := b.peers[exec.ExecutorID(m.Output.Executor)]
	if !ok {
		b.wg.Go(func() {
			b.tell(cluster.Report{Executor: m.To, Moved: &m, Failure: &exec.Failure{Kind: exec.ExecutorLost, Cause: errAway}})
		})
		return
	}
	b.moves[moveID{m.Block(), m.To}] = m
	to.send(kindMove, move{Job: m.Job, Exchange: m.Exchange, Output: m.Output, Schema: wire.EncodeSchema(m.Schema), Blocks: from.hello.Blocks, Storage: m.Storage})
}

// moved passes an executor's answer on, if it was asked (R4).
func (b *Backend) moved(executor exec.ExecutorID, a moved) {
	id := moveID{a.Block, executor}
	b.mu.Lock()
	m, ok := b.moves[id]
	delete(b.moves, id)
	b.mu.Unlock()
	if !ok {
		return
	}
	r := cluster.Report{Executor: executor, Moved: &m, Kept: a.Kept}
	if a.Failure != nil {
		f, err := exec.DecodeFailure(a.Failure)
		if err != nil {
			f = &exec.Failure{Kind: exec.Transient, Cause: err}
		}
		r.Failure = f
	}
	b.tell(r)
}

// Retire implements cluster.Migrating.
func (b *Backend) Retire(id exec.ExecutorID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.peers[id]; ok {
		p.send(kindShutdown, struct{}{})
	}
}

// move copies a map output to this executor.
func (a *agent) move(ctx context.Context, m move) {
	x := &cluster.Move{Job: m.Job, Exchange: m.Exchange, Output: m.Output, Storage: m.Storage, To: a.Executor.ID}
	var err error
	if m.Storage == nil {
		err = m.Output.Check()
	}
	if err == nil {
		x.Schema, err = wire.DecodeSchema(m.Schema)
	}
	var kept []exec.Kept
	if err == nil {
		kept, err = a.executor.Adopt(ctx, x, holder{a.fetcher, a.peer(m.Output.Executor, m.Blocks)})
	}
	answer := moved{Block: x.Block(), Kept: kept}
	if err != nil {
		answer.Failure = exec.EncodeFailure(exec.Classify(err))
	}
	a.messages.Send(kindMoved, answer) // as in launch
}

// moving starts a move, which ends with its job at the latest.
func (a *agent) moving(ctx context.Context, body []byte) error {
	m, err := message.Decode[move](body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	a.mu.Lock()
	id := a.moved
	a.moved++
	if a.moves[m.Job] == nil {
		a.moves[m.Job] = map[int]context.CancelFunc{}
	}
	a.moves[m.Job][id] = cancel
	a.mu.Unlock()
	a.tasks.Go(func() {
		defer cancel()
		a.move(ctx, m)
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.moves[m.Job], id)
	})
	return nil
}

// stay ends the moves of a job.
func (a *agent) stay(job int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, cancel := range a.moves[job] {
		cancel()
	}
	delete(a.moves, job)
}
