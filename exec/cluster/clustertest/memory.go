// Package clustertest has a cluster of several executors in one process whose
// executors can be killed, and the suite that every backend passes.
package clustertest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op/exchange"
)

// Memory is a backend of several executors in this process. They read each
// other's blocks by reference, as long as both live.
type Memory struct {
	config executor.Config
	events chan cluster.Report
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once

	mu      sync.Mutex
	nodes   map[exec.ExecutorID]*node
	order   []exec.ExecutorID
	running map[exec.TaskID]context.CancelFunc
	moves   map[int]map[*cluster.Move]context.CancelFunc // by job
	retired []exec.ExecutorID
}

type node struct {
	*executor.Executor
	dead bool
}

var (
	_ cluster.Discarding = (*Memory)(nil)
	_ cluster.Elastic    = (*Memory)(nil)
)

// NewMemory starts n executors named x1 … xn of c.Slots slots each.
func NewMemory(n int, c executor.Config) *Memory {
	m := &Memory{config: c, events: make(chan cluster.Report, 64), nodes: map[exec.ExecutorID]*node{}, running: map[exec.TaskID]context.CancelFunc{}, moves: map[int]map[*cluster.Move]context.CancelFunc{}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	for i := range n {
		m.start(exec.ExecutorID(fmt.Sprint("x", i+1)))
	}
	return m
}

func (m *Memory) start(id exec.ExecutorID) {
	c := m.config
	c.ID = id
	c.Holders = m.holder
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes[id] = &node{Executor: executor.New(c)}
	m.order = append(m.order, id)
}

// holder returns the blocks of a living executor.
func (m *Memory) holder(id string) exchange.Holder {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.nodes[exec.ExecutorID(id)]; n != nil && !n.dead {
		return exchange.Stored(n.Store())
	}
	return nil
}

// Executors implements cluster.Backend.
func (m *Memory) Executors() []cluster.Executor {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []cluster.Executor
	for _, id := range m.order {
		if !m.nodes[id].dead {
			out = append(out, cluster.Executor{ID: id, Slots: m.config.Slots})
		}
	}
	return out
}

// Launch implements cluster.Backend. What is launched on a dead executor is
// never heard of again.
func (m *Memory) Launch(ex exec.ExecutorID, id exec.TaskID, task, stage []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[ex]
	if n == nil || n.dead || m.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	m.running[id] = cancel
	m.wg.Go(func() {
		r := n.Run(ctx, id, task, stage)
		cancel()
		m.mu.Lock()
		dead := n.dead
		delete(m.running, id)
		m.mu.Unlock()
		if !dead {
			m.tell(r)
		}
	})
}

func (m *Memory) tell(r cluster.Report) {
	select {
	case m.events <- r:
	case <-m.ctx.Done():
	}
}

// KillExecutor ends an executor: its blocks and tasks are gone. It tells the
// scheduler so only if loud; else readers find out. It reports whether the
// executor was alive, so that tests know that the fault struck.
func (m *Memory) KillExecutor(id exec.ExecutorID, loud bool) bool {
	m.mu.Lock()
	n := m.nodes[id]
	if n == nil || n.dead {
		m.mu.Unlock()
		return false
	}
	n.dead = true
	m.mu.Unlock()
	if loud {
		m.wg.Go(func() { m.tell(cluster.Report{Executor: id, Lost: true}) })
	}
	return true
}

// DropBlocks loses the blocks of a living executor, as a failed disk does. It
// returns how many there were.
func (m *Memory) DropBlocks(id exec.ExecutorID) int {
	m.mu.Lock()
	n := m.nodes[id]
	m.mu.Unlock()
	if n == nil || n.dead {
		return 0
	}
	had := n.Store().Len()
	n.Store().DropWhere(func(cache.BlockID) bool { return true })
	return had
}

// AddExecutor starts another executor and tells the scheduler.
func (m *Memory) AddExecutor(id exec.ExecutorID) {
	m.start(id)
	m.wg.Go(func() { m.tell(cluster.Report{Added: &cluster.Executor{ID: id, Slots: m.config.Slots}}) })
}

// Blocks returns the number of blocks that living executors hold.
func (m *Memory) Blocks() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, x := range m.nodes {
		if !x.dead {
			n += x.Blocks()
		}
	}
	return n
}

// Kill implements cluster.Backend.
func (m *Memory) Kill(id exec.TaskID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cancel, ok := m.running[id]; ok {
		cancel()
	}
}

// each calls f for every executor, dead ones too: they give memory back.
func (m *Memory) each(f func(*executor.Executor)) {
	m.mu.Lock()
	var all []*executor.Executor
	for _, id := range m.order {
		all = append(all, m.nodes[id].Executor)
	}
	m.mu.Unlock()
	for _, x := range all {
		f(x)
	}
}

// BeginJob implements cluster.Backend.
func (m *Memory) BeginJob(ctx context.Context, job int, shared, task int64) (err error) {
	m.each(func(x *executor.Executor) {
		if err == nil {
			err = x.BeginJob(ctx, job, shared, task)
		}
	})
	if err != nil {
		m.EndJob(job)
	}
	return err
}

// Publish implements cluster.Backend.
func (m *Memory) Publish(job int, keys exec.Keys) {
	m.each(func(x *executor.Executor) { x.Publish(job, keys) })
}

// Discard implements cluster.Discarding.
func (m *Memory) Discard(id exec.ExecutorID, output cache.BlockID) {
	m.mu.Lock()
	n := m.nodes[id]
	m.mu.Unlock()
	if n != nil {
		n.Executor.Discard(output)
	}
}

// EndStage implements cluster.Backend.
func (m *Memory) EndStage(id exec.StageID) { m.each(func(x *executor.Executor) { x.EndStage(id) }) }

// EndDataset implements cluster.Backend.
func (m *Memory) EndDataset(dataset int) {
	m.each(func(x *executor.Executor) { x.EndDataset(dataset) })
}

// DrainExecutor tells the scheduler that an executor is to leave.
func (m *Memory) DrainExecutor(id exec.ExecutorID) {
	m.wg.Go(func() { m.tell(cluster.Report{Executor: id, Draining: true}) })
}

// Move implements cluster.Migrating.
func (m *Memory) Move(x cluster.Move) {
	from := m.holder(x.Output.Executor)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[x.To]
	if n == nil || n.dead || m.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	if m.moves[x.Job] == nil {
		m.moves[x.Job] = map[*cluster.Move]context.CancelFunc{}
	}
	m.moves[x.Job][&x] = cancel
	m.wg.Go(func() {
		defer cancel()
		r := cluster.Report{Executor: x.To, Moved: &x}
		if from == nil {
			r.Failure = &exec.Failure{Kind: exec.ExecutorLost}
		} else if kept, err := n.Adopt(ctx, &x, from); err != nil {
			r.Failure = exec.Classify(err)
		} else {
			r.Kept = kept
		}
		m.mu.Lock()
		dead := n.dead
		delete(m.moves[x.Job], &x)
		m.mu.Unlock()
		if !dead {
			m.tell(r)
		}
	})
}

// Want implements cluster.Elastic. Executors are named on from those that there were.
func (m *Memory) Want(n int) {
	m.mu.Lock()
	live := 0
	for _, x := range m.nodes {
		if !x.dead {
			live++
		}
	}
	next := len(m.order)
	m.mu.Unlock()
	for ; live < n; live++ {
		next++
		m.AddExecutor(exec.ExecutorID(fmt.Sprint("x", next)))
	}
}

// Retire implements cluster.Migrating.
func (m *Memory) Retire(id exec.ExecutorID) {
	if m.KillExecutor(id, true) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.retired = append(m.retired, id)
	}
}

// Retired returns the executors that were retired.
func (m *Memory) Retired() []exec.ExecutorID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.retired)
}

// EndJob implements cluster.Backend.
func (m *Memory) EndJob(job int) {
	m.mu.Lock()
	for _, cancel := range m.moves[job] {
		cancel()
	}
	delete(m.moves, job)
	m.mu.Unlock()
	m.each(func(x *executor.Executor) { x.EndJob(job) })
}

// Events implements cluster.Backend.
func (m *Memory) Events() <-chan cluster.Report { return m.events }

// Close implements cluster.Backend.
func (m *Memory) Close(ctx context.Context) error {
	m.stop()
	done := make(chan struct{})
	go func() { // ends when the tasks do
		m.wg.Wait()
		m.once.Do(func() {
			m.each((*executor.Executor).Close)
			close(m.events)
		})
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
