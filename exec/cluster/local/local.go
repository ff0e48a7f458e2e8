// Package local is the backend with one executor in this process.
package local

import (
	"context"
	"sync"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/executor"
)

// Backend runs the tasks of one executor, each on its own goroutine.
type Backend struct {
	exec   *executor.Executor
	events chan cluster.Report
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once

	mu      sync.Mutex
	running map[exec.TaskID]context.CancelFunc
}

// New starts a backend; Close ends it.
func New(c executor.Config) *Backend {
	b := &Backend{exec: executor.New(c), events: make(chan cluster.Report, 4*c.Slots), running: map[exec.TaskID]context.CancelFunc{}}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

var _ cluster.Forgetful = (*Backend)(nil)

// Executor returns the executor, for tests.
func (b *Backend) Executor() *executor.Executor { return b.exec }

// Executors implements cluster.Backend.
func (b *Backend) Executors() []cluster.Executor {
	return []cluster.Executor{{ID: b.exec.ID, Slots: b.exec.Slots}}
}

// Launch implements cluster.Backend. The scheduler launches no more tasks than
// there are slots, apart from those that wait for the reader of their rows.
func (b *Backend) Launch(_ exec.ExecutorID, id exec.TaskID, task, stage []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(b.ctx)
	b.running[id] = cancel
	b.wg.Go(func() {
		r := b.exec.Run(ctx, id, task, stage)
		b.mu.Lock()
		cancel()
		delete(b.running, id)
		b.mu.Unlock()
		select {
		case b.events <- r:
		case <-b.ctx.Done():
		}
	})
}

// Kill implements cluster.Backend.
func (b *Backend) Kill(id exec.TaskID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel, ok := b.running[id]; ok {
		cancel()
	}
}

// BeginJob implements cluster.Backend.
func (b *Backend) BeginJob(ctx context.Context, job int, shared, task int64) error {
	return b.exec.BeginJob(ctx, job, shared, task)
}

// Publish implements cluster.Backend.
func (b *Backend) Publish(job int, keys exec.Keys) { b.exec.Publish(job, keys) }

// EndExchange implements cluster.Forgetful: what read the exchange is as safe as it
// was, so its blocks go.
func (b *Backend) EndExchange(job, exchange int) {
	b.exec.Store().DropWhere(func(id cache.BlockID) bool { return id.Job == job && id.Exchange == exchange })
}

// EndStage implements cluster.Backend.
func (b *Backend) EndStage(id exec.StageID) { b.exec.EndStage(id) }

// EndJob implements cluster.Backend.
func (b *Backend) EndJob(job int) { b.exec.EndJob(job) }

// EndDataset implements cluster.Backend.
func (b *Backend) EndDataset(dataset int) { b.exec.EndDataset(dataset) }

// Events implements cluster.Backend.
func (b *Backend) Events() <-chan cluster.Report { return b.events }

// Close stops all tasks and waits for them. It is idempotent.
func (b *Backend) Close(ctx context.Context) error {
	b.mu.Lock() // no Launch is on its way
	b.stop()
	b.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the tasks
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
