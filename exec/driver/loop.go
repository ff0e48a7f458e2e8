package driver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
	"github.com/millrace-engine/millrace/plan/wire"
)

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
		d.drain()
	}
}

// drain carries out what is queued, and what that leads to (R1), then completes
// the jobs that ended. It leaves nothing queued: what is to be done on an executor must
// not be done after word that it is lost.
func (d *Driver) drain() {
	for again := true; again; again = len(d.queue) > 0 {
		for len(d.queue) > 0 {
			f := d.queue[0]
			d.queue = d.queue[1:]
			f()
		}
		for _, j := range d.inOrder() {
			if j.ended && len(j.running) == 0 { // R3
				delete(d.jobs, j.id)
				d.Backend.EndJob(j.id)
				d.Tracker.Drop(j.id)
				j.keys.close()
				d.ended(j)
				close(j.done)
			}
		}
		d.watchLeaving()
	}
	d.watchIdle()
	d.watchPlaces()
	d.watchSize()
}

// inOrder lists the jobs by their ids: what follows from a change does not depend on
// the order of a map.
func (d *Driver) inOrder() []*job {
	return slices.SortedFunc(maps.Values(d.jobs), func(a, b *job) int { return a.id - b.id })
}

// ended tells of the end of a job.
func (d *Driver) ended(j *job) {
	j.millis = float64(time.Since(j.start).Microseconds()) / 1000
	e := event.Event{Kind: event.JobEnded, Time: time.Now(), Job: j.id, Millis: j.millis}
	if j.err != nil {
		e.Error = j.err.Error()
	}
	for _, s := range j.stats {
		e.PeakBytes = max(e.PeakBytes, s.Peak)
		e.SpilledBytes += s.Spilled
	}
	e.ReservedBytes, e.ReservedPeakBytes = d.Memory.Reserved(), d.Memory.Peak()
	e.Cached = d.Datasets.cached()
	d.Bus.Publish(e)
}

func (d *Driver) submit(j *job) {
	d.jobs[j.id] = j
	sub := &dag.Submit{Job: j.id, Adaptive: j.rewrite != nil}
	for i, st := range j.graph.Stages {
		sub.Stages = append(sub.Stages, d.dagStage(st, len(j.tasks[i])))
	}
	d.dagStep(j, dag.Event{Submit: sub})
	d.watchGrace()
}

// twice reports whether a task of a stage may have two attempts at a time: those of
// the result hand their rows out as they come, and shared state knows one of each.
func twice(st *stage.Stage) bool { return st.Out != nil && !whole(st.Root) }

// whole reports whether the output of a stage's tasks depends on what all of
// them did: the last task with a shared table emits its unmatched rows, and joins
// what the others had to put on disk.
func whole(p physical.Plan) bool {
	switch x := p.(type) {
	case *physical.HashJoin:
		if x.Together {
			return true
		}
	case *physical.LoopJoin:
		if x.Shared && (x.Kind == logical.Right || x.Kind == logical.Full) {
			return true
		}
	}
	for _, k := range p.Children() {
		if whole(k) {
			return true
		}
	}
	return false
}

func (d *Driver) dagStep(j *job, e dag.Event) {
	j.passes.DAGEvents++
	for _, a := range d.dag.Step(e) {
		d.queue = append(d.queue, func() { d.dagAction(j, a) })
	}
}

func (d *Driver) dagAction(j *job, a dag.Action) {
	switch {
	case a.Run != nil:
		id := exec.StageID{Job: j.id, Stage: a.Run.Stage, Attempt: a.Run.Attempt}
		j.began[id.Stage] = time.Now()
		delete(j.read, id.Stage)
		d.Bus.Publish(event.Event{Kind: event.StageStarted, Time: time.Now(), Job: j.id, Stage: id.Stage, Attempt: id.Attempt, Tasks: len(a.Run.Tasks)})
		d.taskStep(j, nil, task.Event{Set: &task.Set{Stage: id, Tasks: a.Run.Tasks, Prefer: d.places(j, id.Stage, a.Run.Tasks), Twice: twice(j.graph.Stages[id.Stage]), Pool: j.pool, Deadline: j.deadline}})
	case a.Lost != nil:
		if out := j.graph.Stages[a.Lost.Stage].Out; out != nil {
			d.Tracker.Unregister(j.id, out.Exchange, a.Lost.Task)
		} else {
			if !j.stream.lose(a.Lost.Task) {
				d.dagStep(j, dag.Event{Cancel: &dag.Cancel{Job: j.id, Err: errGivenOut(a.Lost.Task)}})
			}
		}
	case a.Kill != nil:
		id := exec.StageID{Job: j.id, Stage: a.Kill.Stage, Attempt: a.Kill.Attempt}
		d.taskStep(j, nil, task.Event{Kill: &id})
	case a.EndStage != nil:
		id := exec.StageID{Job: j.id, Stage: a.EndStage.Stage, Attempt: a.EndStage.Attempt}
		s := &j.stats[id.Stage]
		s.Millis += float64(time.Since(j.began[id.Stage]).Microseconds()) / 1000
		d.Bus.Publish(event.Event{Kind: event.StageEnded, Time: time.Now(), Job: j.id, Stage: id.Stage, Attempt: id.Attempt, Millis: s.Millis, PeakBytes: s.Peak, SpilledBytes: s.Spilled, Metrics: append([]event.OperatorStats{}, s.Operators...)})
		d.taskStep(j, nil, task.Event{Kill: &id}) // the set is forgotten
		if out := j.graph.Stages[id.Stage].Out; a.EndStage.Complete && out != nil {
			for _, f := range out.Filters {
				if k, ok := j.keys.unite(f.ID, len(j.tasks[id.Stage])); ok {
					d.Backend.Publish(j.id, k)
				}
			}
		}
		j.ending[id] = a.EndStage.Complete
		d.release(j, id)
	case a.Replan != nil:
		d.replan(j, a.Replan.Open)
	case a.Done != nil:
		j.ended, j.err = true, a.Done.Err
		var known *diag.Error
		if j.err != nil && !errors.As(j.err, &known) {
			j.err = diag.New(diag.Internal, "job %d failed: %v", j.id, j.err)
		}
	}
}

// release gives back what a stage attempt shared, once nobody uses it (R4), and
// the exchanges that only it still had to read.
func (d *Driver) release(j *job, id exec.StageID) {
	complete, ending := j.ending[id]
	if !ending || j.live[id] > 0 {
		return
	}
	delete(j.ending, id)
	delete(j.live, id)
	d.Backend.EndStage(id)
	backend, forgetful := d.Backend.(cluster.Forgetful)
	if !complete || !forgetful {
		return
	}
	j.read[id.Stage] = true
	for _, in := range j.graph.Stages[id.Stage].Inputs {
		if !j.needs(in.Exchange) {
			backend.EndExchange(j.id, in.Exchange)
		}
	}
}

// needs reports whether a stage that is needed and not complete reads an exchange.
func (j *job) needs(exchange int) bool {
	needed := j.graph.Needed()
	for _, st := range j.graph.Stages {
		for _, in := range st.Inputs {
			if in.Exchange == exchange && needed[st.ID] && !j.read[st.ID] {
				return true
			}
		}
	}
	return false
}

// taskStep feeds the task scheduler; r is the report that the event stems from.
func (d *Driver) taskStep(j *job, r *cluster.Report, e task.Event) {
	j.passes.TaskEvents++
	d.stepTasks(r, e)
}

// stepTasks feeds the task scheduler, telling it the time.
func (d *Driver) stepTasks(r *cluster.Report, e task.Event) {
	e.Now = d.clock()
	d.taskActions(r, d.task.Step(e))
}

func (d *Driver) taskActions(r *cluster.Report, acts []task.Action) {
	for _, a := range acts {
		d.queue = append(d.queue, func() { d.taskAction(r, a) })
	}
}

func (d *Driver) taskAction(r *cluster.Report, a task.Action) {
	switch {
	case a.Launch != nil:
		d.launch(d.jobs[a.Launch.ID.Job], a.Launch)
	case a.Kill != nil:
		d.Backend.Kill(*a.Kill)
	case a.Discard != nil:
		id := a.Discard.ID
		if b, ok := d.Backend.(cluster.Discarding); ok {
			b.Discard(a.Discard.Executor, cache.BlockID{Job: id.Job, Exchange: d.jobs[id.Job].graph.Stages[id.Stage].Out.Exchange, Map: id.Task, Attempt: exchange.Attempt(id)})
		}
	case a.Succeeded != nil:
		d.succeeded(d.jobs[a.Succeeded.Job], r)
	case a.Fetch != nil:
		j := d.jobs[a.Fetch.ID.Job]
		f := &dag.FetchFailed{Job: j.id, Stage: a.Fetch.ID.Stage, Attempt: a.Fetch.ID.StageAttempt, Writer: -1, Map: a.Fetch.Failure.Map, More: a.Fetch.Failure.More, Cause: a.Fetch.Failure.Cause}
		for _, st := range j.graph.Stages {
			if st.Out != nil && st.Out.Exchange == a.Fetch.Failure.Exchange {
				f.Writer = st.ID
			}
		}
		if d.Tracker.Moved(j.id, a.Fetch.Failure.Exchange, a.Fetch.Failure.Epoch) { // it looked where outputs had been
			f.Map, f.More = -1, nil
		}
		d.dagStep(j, dag.Event{FetchFailed: f})
	case a.Failed != nil:
		d.dagStep(d.jobs[a.Failed.Stage.Job], dag.Event{SetFailed: &dag.SetFailed{Job: a.Failed.Stage.Job, Stage: a.Failed.Stage.Stage, Attempt: a.Failed.Stage.Attempt, Err: failure(a.Failed)}})
	}
}

// succeeded takes over what a current attempt made (R2): the task scheduler
// reports no others.
func (d *Driver) succeeded(j *job, r *cluster.Report) {
	d.account(j, r)
	st := j.graph.Stages[r.Task.Stage]
	if st.Out == nil {
		j.stream.complete(r.Task.Task)
	} else if r.Status != nil {
		d.Tracker.Register(j.id, st.Out.Exchange, *r.Status)
		j.keys.take(r.Task.Task, r.Keys)
	}
	if err := d.accumulate(j, r); err != nil {
		d.dagStep(j, dag.Event{Cancel: &dag.Cancel{Job: j.id, Err: err}})
		return
	}
	d.dagStep(j, dag.Event{TaskDone: &dag.TaskDone{Job: j.id, Stage: r.Task.Stage, Attempt: r.Task.StageAttempt, Task: r.Task.Task}})
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
	t := &wire.TaskDescription{Job: j.id, Stage: st, StageAttempt: l.ID.StageAttempt, Task: l.ID.Task, Attempt: l.ID.Attempt, Tasks: len(j.tasks[st]), StageHash: j.hashes[st], MinMemory: j.least[st], Leaves: j.tasks[st][l.ID.Task]}
	for _, in := range j.graph.Stages[st].Inputs {
		e, _ := d.Tracker.Outputs(j.id, in.Exchange)
		if in.Datasets != nil && !d.dag.Complete(j.id, in.Stage) { // it may be read only once it was asked for
			e = 0
		}
		t.Epochs = append(t.Epochs, wire.ShuffleEpoch{Exchange: in.Exchange, Epoch: e})
	}
	if j.graph.Stages[st].Out == nil && !j.stream.begin(l.ID) {
		d.dagStep(j, dag.Event{Cancel: &dag.Cancel{Job: j.id, Err: errGivenOut(l.ID.Task)}})
	}
	j.running[l.ID] = l.Executor
	j.live[stageOf(l.ID)]++
	b, err := wire.EncodeTask(t)
	if err != nil {
		d.report(cluster.Report{Task: l.ID, Executor: l.Executor, Failure: &exec.Failure{Kind: exec.Bug, Cause: fmt.Errorf("%s: %w", l.ID, err)}})
		return
	}
	j.passes.TasksEncoded++
	d.Bus.Publish(event.Event{Kind: event.TaskStarted, Time: time.Now(), Job: j.id, Stage: st, Attempt: l.ID.StageAttempt, Task: l.ID.Task, Retry: l.ID.Attempt, Executor: string(l.Executor), Locality: l.Locality})
	d.Backend.Launch(l.Executor, l.ID, b, j.encoded[st])
}

func stageOf(t exec.TaskID) exec.StageID {
	return exec.StageID{Job: t.Job, Stage: t.Stage, Attempt: t.StageAttempt}
}

// stopped takes a task off the books.
func (d *Driver) stopped(j *job, id exec.TaskID) {
	delete(j.running, id)
	j.live[stageOf(id)]--
	d.release(j, stageOf(id))
}

// report takes in the end of a task, or a change of executors. Reports that come
// late or twice are ignored.
func (d *Driver) report(r cluster.Report) {
	switch {
	case r.Lost:
		d.lost(r.Executor)
		return
	case r.Added != nil:
		d.added(*r.Added)
		return
	case r.Draining:
		d.asked[r.Executor] = true
		return
	case r.Moved != nil:
		d.moved(r)
		return
	}
	j, ok := d.jobs[r.Task.Job]
	if !ok {
		return
	}
	if ex, ok := j.running[r.Task]; !ok || ex != r.Executor {
		return
	}
	d.stopped(j, r.Task)
	j.passes.TasksReported++
	if r.Failure == nil {
		r.Failure = d.reconcile(j, &r)
	}
	e := event.Event{Kind: event.TaskEnded, Time: time.Now(), Job: j.id, Stage: r.Task.Stage, Attempt: r.Task.StageAttempt, Task: r.Task.Task, Retry: r.Task.Attempt, Executor: string(r.Executor), Millis: r.Millis, PeakBytes: r.Peak, SpilledBytes: r.Spilled, Metrics: r.Metrics}
	if r.Failure != nil {
		e.Error = r.Failure.Error()
	} else {
		j.stats[r.Task.Stage].add(r)
	}
	d.Bus.Publish(e)
	d.kept(&r)
	d.taskStep(j, &r, task.Event{Ended: &task.Ended{ID: r.Task, Failure: r.Failure}})
}

// add sums a task that succeeded up.
func (s *StageResult) add(r cluster.Report) {
	s.Peak = max(s.Peak, r.Peak)
	s.Spilled += r.Spilled
	s.Times = append(s.Times, r.Millis)
	if r.Status != nil {
		s.Written += r.Status.Total.Bytes
	}
	if s.Operators == nil {
		s.Operators = append([]event.OperatorStats{}, r.Metrics...)
		s.Fastest, s.Slowest = r.Millis, r.Millis
		return
	}
	s.Fastest, s.Slowest = min(s.Fastest, r.Millis), max(s.Slowest, r.Millis)
	for i := range min(len(r.Metrics), len(s.Operators)) {
		s.Operators[i].Add(r.Metrics[i])
	}
}

func (d *Driver) added(e cluster.Executor) {
	d.Bus.Publish(event.Event{Kind: event.ExecutorAdded, Time: time.Now(), Executor: string(e.ID)})
	d.enlist(e)
}

// enlist counts an executor and gives it to the task scheduler.
func (d *Driver) enlist(e cluster.Executor) {
	if d.hosts == nil {
		d.hosts = map[exec.ExecutorID]string{}
	}
	d.hosts[e.ID] = e.Host
	if _, twice := d.sizes[e.ID]; !twice {
		d.sizes[e.ID] = e.Slots
		d.slots.Add(int64(e.Slots))
		d.count.Add(1)
	}
	d.due = true
	d.stepTasks(nil, task.Event{Added: &task.ExecutorAdded{ID: e.ID, Slots: e.Slots, Host: e.Host}})
}

// strike takes an executor off those that get tasks.
func (d *Driver) strike(id exec.ExecutorID) {
	if n, ok := d.sizes[id]; ok {
		delete(d.sizes, id)
		delete(d.hosts, id)
		d.slots.Add(int64(-n))
		d.count.Add(-1)
	}
}

// lost takes in the loss of an executor: its tasks start elsewhere, its outputs
// are gone.
func (d *Driver) lost(id exec.ExecutorID) {
	d.Bus.Publish(event.Event{Kind: event.ExecutorLost, Time: time.Now(), Executor: string(id)})
	d.strike(id)
	d.left(id)
	jobs := d.inOrder()
	for _, j := range jobs {
		var gone []exec.TaskID
		for t, ex := range j.running {
			if ex == id {
				gone = append(gone, t)
			}
		}
		slices.SortFunc(gone, exec.TaskID.Compare)
		for _, t := range gone {
			d.stopped(j, t)
		}
	}
	d.Datasets.Registry.Lose(string(id))
	d.stepTasks(nil, task.Event{Lost: &task.ExecutorLost{ID: id}})
	for _, j := range jobs {
		l := &dag.OutputsLost{Job: j.id}
		for _, st := range j.graph.Stages {
			if st.Out == nil {
				continue
			}
			_, maps := d.Tracker.Outputs(j.id, st.Out.Exchange)
			for _, m := range maps {
				if m.Executor == string(id) {
					l.Outputs = append(l.Outputs, dag.Output{Stage: st.ID, Task: m.Map})
				}
			}
		}
		d.queue = append(d.queue, func() { d.dagStep(j, dag.Event{OutputsLost: l}) })
	}
	d.watchGrace()
}
