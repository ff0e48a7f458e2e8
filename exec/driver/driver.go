// Package driver runs queries: it owns the loop that feeds the two schedulers,
// the only place with goroutines and time.
//
//	Run ─► encode stages, enumerate splits ─► dag ─► task ─► backend
//	                                           ▲       ▲        │ reports
//	                                           └───────┴────────┘
package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
	"github.com/millrace-engine/millrace/shuffle"
)

// tasksPerSlot bounds how many tasks a scan is cut into: enough to even out, few
// enough that what each task sets up does not count.
const tasksPerSlot = 8

// Config is what a driver works with.
type Config struct {
	Backend cluster.Backend
	Tables  *connector.Registry
	Tracker *shuffle.Tracker
	Bus     *event.Bus
}

// Driver runs jobs on a backend. It is safe for concurrent use.
type Driver struct {
	Config
	slots int
	inbox chan func()
	stop  chan struct{}
	done  chan struct{}

	mu   sync.Mutex
	next int

	// Owned by the loop:
	dag  *dag.Scheduler
	task *task.Scheduler
	jobs map[int]*job
}

// Result is what a job did.
type Result struct {
	Batches []*columnar.Batch // rows of the result, in order
	Stages  []StageResult
	Passes  Passes
	Millis  float64
}

// StageResult is what a stage did.
type StageResult struct {
	Stage     *stage.Stage
	Tasks     int
	Millis    float64 // from its first task's start to its last one's end
	Operators []event.OperatorStats
}

// Passes counts what went through which part, so that tests can show that every
// query takes the same way.
type Passes struct{ StagesEncoded, TasksEncoded, DAGEvents, TaskEvents, TasksReported int }

type job struct {
	id      int
	graph   *stage.Graph
	encoded [][]byte
	hashes  [][32]byte
	tasks   [][][]wire.LeafAssignment // by stage and task
	results [][]*columnar.Batch       // by task of the result stage
	stats   []StageResult
	began   []time.Time
	passes  Passes
	running int
	ended   bool
	err     error
	done    chan struct{}
}

// New starts a driver; Close ends it.
func New(c Config) *Driver {
	d := &Driver{Config: c, inbox: make(chan func(), 16), stop: make(chan struct{}), done: make(chan struct{}), dag: dag.New(), task: task.New(), jobs: map[int]*job{}}
	for _, e := range c.Backend.Executors() {
		d.slots += e.Slots
		d.task.Step(task.Event{Added: &task.ExecutorAdded{ID: e.ID, Slots: e.Slots}})
	}
	go d.loop()
	return d
}

// Slots returns the slots of all executors.
func (d *Driver) Slots() int { return d.slots }

// Close ends the loop and the backend.
func (d *Driver) Close(ctx context.Context) error {
	close(d.stop)
	<-d.done
	return d.Backend.Close(ctx)
}

func (d *Driver) loop() {
	defer close(d.done)
	for {
		select {
		case <-d.stop:
			return
		case f := <-d.inbox:
			f()
		case r, ok := <-d.Backend.Events():
			if !ok {
				return
			}
			d.report(r)
		}
	}
}

// do runs f on the loop.
func (d *Driver) do(ctx context.Context, f func()) error {
	select {
	case d.inbox <- f:
		return nil
	case <-d.done:
		return diag.New(diag.Cancelled, "the session is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run runs a query to its end. When ctx ends the job is cancelled, and Run
// returns after its last task stopped.
func (d *Driver) Run(ctx context.Context, g *stage.Graph, conf []catalog.Option) (*Result, error) {
	start := time.Now()
	d.mu.Lock()
	d.next++
	j := &job{id: d.next, graph: g, done: make(chan struct{})}
	d.mu.Unlock()
	if err := d.prepare(ctx, j, conf); err != nil {
		return nil, err
	}
	d.Bus.Publish(event.Event{Kind: event.JobStarted, Time: start, Job: j.id, Stages: len(g.Stages)})
	if err := d.do(ctx, func() { d.submit(j) }); err != nil {
		return nil, cancelled(err)
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		cause := context.Cause(ctx)
		d.inbox <- func() { d.dagStep(j, dag.Event{Cancel: &dag.Cancel{Job: j.id, Err: cancelled(cause)}}) }
		<-j.done
	case <-d.done:
		return nil, diag.New(diag.Cancelled, "the session is closed")
	}
	r := &Result{Stages: j.stats, Passes: j.passes, Millis: float64(time.Since(start).Microseconds()) / 1000}
	e := event.Event{Kind: event.JobEnded, Time: time.Now(), Job: j.id, Millis: r.Millis}
	if j.err != nil {
		e.Error = j.err.Error()
	}
	d.Bus.Publish(e)
	if j.err != nil {
		return nil, j.err
	}
	for _, b := range j.results {
		r.Batches = append(r.Batches, b...)
	}
	return r, nil
}

func cancelled(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return diag.New(diag.Cancelled, "the query ran out of its time").WithCause(cause)
	}
	return diag.New(diag.Cancelled, "the query was cancelled").WithCause(cause)
}

// prepare encodes the stages and enumerates the tasks.
func (d *Driver) prepare(ctx context.Context, j *job, conf []catalog.Option) error {
	for _, st := range j.graph.Stages {
		b, err := wire.EncodeStage(st, conf)
		if err != nil {
			return err
		}
		j.passes.StagesEncoded++
		j.encoded = append(j.encoded, b)
		j.hashes = append(j.hashes, wire.Hash(b))
		var tasks [][]wire.LeafAssignment
		for _, g := range st.Drivers {
			more, err := d.assignments(ctx, g)
			if err != nil {
				return err
			}
			tasks = append(tasks, more...)
		}
		if len(tasks) == 0 { // a table without files: one task that reads nothing
			tasks = [][]wire.LeafAssignment{nil}
		}
		j.tasks = append(j.tasks, tasks)
		j.stats = append(j.stats, StageResult{Stage: st, Tasks: len(tasks)})
	}
	j.began = make([]time.Time, len(j.graph.Stages))
	j.results = make([][]*columnar.Batch, len(j.tasks[j.graph.Result]))
	return nil
}

// assignments lists the tasks of a group of leaves.
func (d *Driver) assignments(ctx context.Context, g stage.Driver) ([][]wire.LeafAssignment, error) {
	switch {
	case g.Scan != nil:
		return d.splits(ctx, g.Scan)
	case g.Values != nil:
		return [][]wire.LeafAssignment{{{Leaf: g.Values.Leaf}}}, nil
	}
	out := make([][]wire.LeafAssignment, g.Partitions)
	for p := range out {
		for _, s := range g.Sources {
			out[p] = append(out[p], wire.LeafAssignment{Leaf: s.Leaf, Partition: p})
		}
	}
	return out, nil
}

// splits packs a scan's splits into tasks of about equal size.
func (d *Driver) splits(ctx context.Context, s *physical.Scan) ([][]wire.LeafAssignment, error) {
	c, err := d.Tables.Lookup(s.Table.Connector)
	if err != nil {
		return nil, err
	}
	splits, err := c.Splits(ctx, s.Table, connector.ScanRequest{Columns: s.Columns, Filters: s.Filters, Project: s.Project})
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, x := range splits {
		total += max(x.Bytes, 1)
	}
	limit := max(total/int64(tasksPerSlot*d.slots), 256<<10)
	var out [][]wire.LeafAssignment
	size := int64(0)
	for _, x := range splits {
		n := max(x.Bytes, 1)
		if len(out) == 0 || size+n > limit+limit/4 || len(out[len(out)-1]) >= 256 {
			out = append(out, nil)
			size = 0
		}
		size += n
		at := len(out) - 1
		out[at] = append(out[at], wire.LeafAssignment{Leaf: s.Leaf, Split: x.Data})
	}
	return out, nil
}

// ---- on the loop ----

func (d *Driver) submit(j *job) {
	d.jobs[j.id] = j
	sub := &dag.Submit{Job: j.id}
	for i, st := range j.graph.Stages {
		x := dag.Stage{ID: st.ID, Tasks: len(j.tasks[i]), Unstable: st.Class == stage.Unstable}
		for _, in := range st.Inputs {
			x.Parents = append(x.Parents, in.Stage)
		}
		sub.Stages = append(sub.Stages, x)
	}
	d.dagStep(j, dag.Event{Submit: sub})
}

func (d *Driver) dagStep(j *job, e dag.Event) {
	j.passes.DAGEvents++
	for _, a := range d.dag.Step(e) {
		switch {
		case a.Run != nil:
			id := exec.StageID{Job: j.id, Stage: a.Run.Stage, Attempt: a.Run.Attempt}
			j.began[a.Run.Stage] = time.Now()
			d.Bus.Publish(event.Event{Kind: event.StageStarted, Time: time.Now(), Job: j.id, Stage: id.Stage, Attempt: id.Attempt, Tasks: len(a.Run.Tasks)})
			d.taskStep(j, task.Event{Set: &task.Set{Stage: id, Tasks: a.Run.Tasks}})
		case a.Lost != nil:
			if out := j.graph.Stages[a.Lost.Stage].Out; out != nil {
				d.Tracker.Unregister(j.id, out.Exchange, a.Lost.Task)
			}
		case a.Kill != nil:
			id := exec.StageID{Job: j.id, Stage: a.Kill.Stage, Attempt: a.Kill.Attempt}
			d.taskStep(j, task.Event{Kill: &id})
		case a.EndStage != nil:
			id := exec.StageID{Job: j.id, Stage: a.EndStage.Stage, Attempt: a.EndStage.Attempt}
			s := &j.stats[id.Stage]
			s.Millis += float64(time.Since(j.began[id.Stage]).Microseconds()) / 1000
			d.Bus.Publish(event.Event{Kind: event.StageEnded, Time: time.Now(), Job: j.id, Stage: id.Stage, Attempt: id.Attempt, Millis: s.Millis, Metrics: s.Operators})
			d.Backend.EndStage(id)
		case a.Done != nil:
			j.ended, j.err = true, a.Done.Err
		}
	}
	d.finish(j)
}

// finish completes a job once it ended and its last task stopped.
func (d *Driver) finish(j *job) {
	if !j.ended || j.running > 0 || d.jobs[j.id] == nil {
		return
	}
	delete(d.jobs, j.id)
	d.Backend.EndJob(j.id)
	d.Tracker.Drop(j.id)
	close(j.done)
}

func (d *Driver) taskStep(j *job, e task.Event) {
	j.passes.TaskEvents++
	for _, a := range d.task.Step(e) {
		switch {
		case a.Launch != nil:
			d.launch(d.jobs[a.Launch.ID.Job], a.Launch)
		case a.Kill != nil:
			d.Backend.Kill(*a.Kill)
		case a.Succeeded != nil:
			d.dagStep(j, dag.Event{TaskDone: &dag.TaskDone{Job: j.id, Stage: a.Succeeded.Stage, Attempt: a.Succeeded.StageAttempt, Task: a.Succeeded.Task}})
		case a.Fetch != nil:
			f := &dag.FetchFailed{Job: j.id, Stage: a.Fetch.ID.Stage, Attempt: a.Fetch.ID.StageAttempt, Writer: -1, Map: a.Fetch.Failure.Map}
			for _, st := range j.graph.Stages {
				if st.Out != nil && st.Out.Exchange == a.Fetch.Failure.Exchange {
					f.Writer = st.ID
				}
			}
			d.dagStep(j, dag.Event{FetchFailed: f})
		case a.Failed != nil:
			d.dagStep(j, dag.Event{SetFailed: &dag.SetFailed{Job: j.id, Stage: a.Failed.Stage.Stage, Attempt: a.Failed.Stage.Attempt, Err: failure(a.Failed)}})
		}
	}
}

// failure is what the user sees of a task's failure.
func failure(f *task.Failed) error {
	var d *diag.Error
	if errors.As(f.Failure, &d) {
		return d
	}
	return diag.New(diag.Internal, "%s failed: %v", f.Stage, f.Failure).WithCause(f.Failure)
}

func (d *Driver) launch(j *job, l *task.Launch) {
	st := l.ID.Stage
	t := &wire.TaskDescription{Job: j.id, Stage: st, StageAttempt: l.ID.StageAttempt, Task: l.ID.Task, Attempt: l.ID.Attempt, Tasks: len(j.tasks[st]), StageHash: j.hashes[st], Leaves: j.tasks[st][l.ID.Task]}
	for _, in := range j.graph.Stages[st].Inputs {
		e, _ := d.Tracker.Outputs(j.id, in.Exchange)
		t.Epochs = append(t.Epochs, wire.ShuffleEpoch{Exchange: in.Exchange, Epoch: e})
	}
	b, err := wire.EncodeTask(t)
	j.running++
	if err != nil {
		d.inboxLater(func() {
			d.report(cluster.Report{Task: l.ID, Executor: l.Executor, Failure: &exec.Failure{Kind: exec.Bug, Cause: fmt.Errorf("%s: %w", l.ID, err)}})
		})
		return
	}
	j.passes.TasksEncoded++
	d.Bus.Publish(event.Event{Kind: event.TaskStarted, Time: time.Now(), Job: j.id, Stage: st, Attempt: l.ID.StageAttempt, Task: l.ID.Task, Retry: l.ID.Attempt, Executor: string(l.Executor)})
	d.Backend.Launch(l.Executor, l.ID, b, j.encoded[st])
}

// inboxLater queues work for the loop from the loop itself.
func (d *Driver) inboxLater(f func()) {
	go func() { // ends when the loop takes it or has ended
		select {
		case d.inbox <- f:
		case <-d.done:
		}
	}()
}

// report takes in the end of a task.
func (d *Driver) report(r cluster.Report) {
	j, ok := d.jobs[r.Task.Job]
	if !ok {
		return
	}
	j.running--
	j.passes.TasksReported++
	st := j.graph.Stages[r.Task.Stage]
	e := event.Event{Kind: event.TaskEnded, Time: time.Now(), Job: j.id, Stage: st.ID, Attempt: r.Task.StageAttempt, Task: r.Task.Task, Retry: r.Task.Attempt, Executor: string(r.Executor), Millis: r.Millis}
	if r.Failure != nil {
		e.Error = r.Failure.Error()
	} else {
		if st.Out != nil && r.Status != nil {
			d.Tracker.Register(j.id, st.Out.Exchange, *r.Status)
		}
		if st.ID == j.graph.Result && j.results[r.Task.Task] == nil {
			j.results[r.Task.Task] = r.Batches
		}
	}
	s := &j.stats[st.ID]
	if s.Operators == nil {
		s.Operators = r.Metrics
	} else {
		for i := range r.Metrics {
			s.Operators[i].Add(r.Metrics[i])
		}
	}
	d.Bus.Publish(e)
	d.taskStep(j, task.Event{Ended: &task.Ended{ID: r.Task, Failure: r.Failure}})
	d.finish(j)
}
