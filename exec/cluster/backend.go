// Package cluster is where executors come from: the backend that starts them,
// hands them tasks and tells what became of these.
package cluster

import (
	"context"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/shuffle"
)

// Backend runs tasks on executors. Calls but BeginJob do not block; outcomes arrive on the
// channel of Events, which the backend closes when it is closed.
type Backend interface {
	// Executors lists the executors and their slots.
	Executors() []Executor
	// Launch starts a task attempt: the encoded TaskDescription, and the encoded
	// stage that it refers to by hash.
	Launch(executor exec.ExecutorID, id exec.TaskID, task, stage []byte)
	// Kill asks a task to stop; its end is reported as any other.
	Kill(id exec.TaskID)
	// BeginJob sets memory aside on every executor: shared bytes for what the
	// stages of a job share, and that tasks of task bytes can start. It waits for
	// other jobs, bounded by ctx; one call at a time. A job that can never run is
	// refused with class MemoryLimit.
	BeginJob(ctx context.Context, job int, shared, task int64) error
	// Publish makes a runtime filter of a job known to the executors that there are
	// now. Tasks launched later find it, those that run may.
	Publish(job int, keys exec.Keys)
	// EndStage and EndJob release what executors keep for them.
	EndStage(id exec.StageID)
	EndJob(job int)
	// EndDataset drops what executors hold of a cached dataset.
	EndDataset(dataset int)
	Events() <-chan Report
	// Close stops all tasks and waits for them, bounded by ctx. It is idempotent.
	Close(ctx context.Context) error
}

// Forgetful is a Backend that drops an exchange before its job ends, once all who
// read it have done so. Where executors may be lost that is unwise: what read it
// may have to run again.
type Forgetful interface {
	Backend
	EndExchange(job, exchange int)
}

// Discarding is a Backend that can drop what one attempt of a task wrote to an
// exchange: the blocks of all partitions.
type Discarding interface {
	Backend
	Discard(executor exec.ExecutorID, output cache.BlockID)
}

// Migrating is a Backend whose executors can leave without loss: what they hold goes
// to others first. That one is to leave is told by a Report (Draining), or decided by
// whoever schedules.
type Migrating interface {
	Backend
	// Move copies a map output, or a partition of a dataset (the report's Kept tells what
	// is held then), to another executor. It ends with one report, which has
	// the Move in Moved, unless the executor that is to get it is lost before.
	Move(Move)
	// Retire ends an executor, which is then lost as any other.
	Retire(exec.ExecutorID)
}

// Elastic is a Migrating backend that can have more executors, and fewer.
type Elastic interface {
	Migrating
	// Want says how many executors there are to be from now on. More are started, and
	// told by events; who wants fewer has them leave. Those that are lost are replaced.
	Want(n int)
}

// Move is a map output, on its Executor, that another one is to hold as well. With
// Storage it is a partition of a cached dataset: Exchange is the dataset, Output.Map the
// partition, and Job 0.
type Move struct {
	Job, Exchange int
	Output        shuffle.MapStatus
	Storage       *physical.Storage
	Schema        *columnar.Schema // of its rows
	To            exec.ExecutorID
}

// Block names the blocks of the output, all partitions.
func (m *Move) Block() cache.BlockID {
	return cache.BlockID{Job: m.Job, Exchange: m.Exchange, Map: m.Output.Map, Attempt: m.Output.Attempt}
}

// Sharing is a Backend whose executors are other processes: it lets them have the
// artifacts of the session before their next task.
type Sharing interface {
	Backend
	Share(*artifacts.Store, []artifacts.Ref) (artifacts.Offer, error)
	// Shared is how many bytes of artifacts the driver has sent, and how many the
	// artifacts have that it was asked to share.
	Shared() (sent, size int64)
}

// Executor is an executor as the scheduler sees it.
type Executor struct {
	ID    exec.ExecutorID
	Slots int
	Host  string // where it runs, "" if that is not known
}

// Report is the end of a task attempt, or the loss of an executor (Lost), or a
// new one (Added), or one that is to leave (Draining), or the end of a Move (Moved).
type Report struct {
	Task     exec.TaskID
	Executor exec.ExecutorID
	Failure  *exec.Failure // nil: success
	Status   *shuffle.MapStatus
	Reads    []shuffle.Read // what it read of exchanges, as far as it came to the end
	Keys     []exec.Keys    // of the rows that the task put into its exchange
	Updates  []exec.Update
	Kept     []exec.Kept   // partitions of cached datasets that it computed
	Usages   []cache.Usage // what the executor holds of all datasets then
	Metrics  []event.OperatorStats
	Millis   float64
	Peak     int64 // bytes that the task had reserved at most
	Spilled  int64 // bytes that it wrote to disk, its output included
	Lost     bool
	Draining bool
	Moved    *Move // with Failure, if the output could not be had
	Added    *Executor
}
