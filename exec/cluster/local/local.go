// Package local is the backend with one executor in this process.
package local

import (
	"context"
	"sync"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
)

// Backend runs tasks on the slots of one executor.
type Backend struct {
	exec   *executor.Executor
	queue  chan launch
	events chan cluster.Report
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once

	mu      sync.Mutex
	running map[exec.TaskID]context.CancelFunc
}

type launch struct {
	ctx         context.Context
	id          exec.TaskID
	task, stage []byte
}

// New starts a backend; Close ends it.
func New(c executor.Config) *Backend {
	b := &Backend{exec: executor.New(c), queue: make(chan launch, 4*c.Slots), events: make(chan cluster.Report, 4*c.Slots), running: map[exec.TaskID]context.CancelFunc{}}
	b.ctx, b.stop = context.WithCancel(context.Background())
	for range c.Slots {
		b.wg.Go(b.slot)
	}
	return b
}

var _ cluster.Backend = (*Backend)(nil)

// Executor returns the executor, for tests.
func (b *Backend) Executor() *executor.Executor { return b.exec }

func (b *Backend) slot() {
	for {
		select {
		case <-b.ctx.Done():
			return
		case l := <-b.queue:
			r := b.exec.Run(l.ctx, l.id, l.task, l.stage)
			b.mu.Lock()
			if cancel, ok := b.running[l.id]; ok {
				cancel()
				delete(b.running, l.id)
			}
			b.mu.Unlock()
			select {
			case b.events <- r:
			case <-b.ctx.Done():
				return
			}
		}
	}
}

// Executors implements cluster.Backend.
func (b *Backend) Executors() []cluster.Executor {
	return []cluster.Executor{{ID: b.exec.ID, Slots: b.exec.Slots}}
}

// Launch implements cluster.Backend. The scheduler launches no more tasks than
// there are slots, so the queue has room.
func (b *Backend) Launch(_ exec.ExecutorID, id exec.TaskID, task, stage []byte) {
	ctx, cancel := context.WithCancel(b.ctx)
	b.mu.Lock()
	b.running[id] = cancel
	b.mu.Unlock()
	select {
	case b.queue <- launch{ctx, id, task, stage}:
	case <-b.ctx.Done():
	}
}

// Kill implements cluster.Backend.
func (b *Backend) Kill(id exec.TaskID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel, ok := b.running[id]; ok {
		cancel()
	}
}

// EndStage implements cluster.Backend.
func (b *Backend) EndStage(id exec.StageID) { b.exec.EndStage(id) }

// EndJob implements cluster.Backend.
func (b *Backend) EndJob(job int) { b.exec.EndJob(job) }

// Events implements cluster.Backend.
func (b *Backend) Events() <-chan cluster.Report { return b.events }

// Close stops all tasks and waits for the slots. It is idempotent.
func (b *Backend) Close(ctx context.Context) error {
	b.stop()
	done := make(chan struct{})
	go func() { // ends with the slots, which end with their tasks
		b.wg.Wait()
		b.once.Do(func() {
			b.exec.Close()
			close(b.events)
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
