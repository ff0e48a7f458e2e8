package driver

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/driver/dag"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/adapt"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/stage"
)

// Results is where executors put the rows of result stages. It is safe for
// concurrent use; the zero value is ready.
type Results struct {
	mu   sync.Mutex
	jobs map[int]*Stream
}

// Push hands over a batch of a task of a result stage, which must stay valid. It
// waits while the consumer has enough, which it tells parked, and fails when ctx ends or another attempt
// has taken the task's place.
func (r *Results) Push(ctx context.Context, id exec.TaskID, b *columnar.Batch, parked func(bool)) error {
	r.mu.Lock()
	s := r.jobs[id.Job]
	r.mu.Unlock()
	if s == nil {
		return errStale
	}
	return s.push(ctx, id, b, parked)
}

var errStale = &exec.Failure{Kind: exec.Killed, Cause: errors.New("another attempt has taken the task's place, or nobody wants its rows")}

func (r *Results) put(job int, s *Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.jobs == nil {
		r.jobs = map[int]*Stream{}
	}
	if s == nil {
		delete(r.jobs, job)
	} else {
		r.jobs[job] = s
	}
}

// Stream is a running query and the rows it yields. One goroutine reads it; it
// must be closed, or read to its end.
type Stream struct {
	d      *Driver
	j      *job
	unlink func() bool // of the context that cancels the query
	memory memory.Reservation
	last   int64 // bytes of the batch that Next returned

	mu      sync.Mutex
	rows    *results
	stopped error         // why no more rows are given out although there may be some
	changed chan struct{} // closed at the next change of rows
}

// Query is what a job is to do. Conf travels with its stages. The rows that wait to be
// read hold Window bytes at most, or one batch; 0: all of them. Adapt says how the rest
// of the plan may change while the query runs; nil: not at all.
type Query struct {
	Graph  *stage.Graph
	Conf   []catalog.Option
	Window int64
	Adapt  *adapt.Options
}

// Start starts a query. When ctx ends it is cancelled.
func (d *Driver) Start(ctx context.Context, q Query) (*Stream, error) {
	d.mu.Lock()
	d.next++
	j := &job{id: d.next, graph: q.Graph, start: time.Now(), done: make(chan struct{}),
		running: map[exec.TaskID]exec.ExecutorID{}, live: map[exec.StageID]int{}, ending: map[exec.StageID]bool{}, read: map[int]bool{}}
	d.mu.Unlock()
	if at, ok := ctx.Deadline(); ok {
		j.deadline = max(1, d.clock()+time.Until(at))
	}
	if err := d.prepare(ctx, j, q.Conf); err != nil {
		if ctx.Err() != nil {
			err = cancelled(context.Cause(ctx))
		}
		return nil, err
	}
	j.adaptive(q.Adapt)
	if err := d.admit(ctx, j); err != nil {
		return nil, err
	}
	if q.Window == 0 {
		q.Window = math.MaxInt64 / 2
	}
	s := d.stream(j, q.Window)
	if d.Bus.Heard() {
		d.Bus.Publish(event.Event{Kind: event.JobStarted, Time: j.start, Job: j.id, Stages: len(q.Graph.Stages), Query: q.Graph.Query, Plan: q.Graph.String()})
	}
	if err := d.do(ctx, func() { d.submit(j) }); err != nil {
		s.release()
		j.keys.close()
		d.Backend.EndJob(j.id)
		if errors.Is(err, errClosed) {
			return nil, err
		}
		return nil, cancelled(context.Cause(ctx))
	}
	s.unlink = context.AfterFunc(ctx, func() { s.cancel(cancelled(context.Cause(ctx))) }) // ends when the loop has taken it in
	return s, nil
}

// admit waits until the executors have memory for a job: jobs come in one at a
// time.
func (d *Driver) admit(ctx context.Context, j *job) error {
	select {
	case d.door <- struct{}{}:
	case <-ctx.Done():
		return cancelled(context.Cause(ctx))
	case <-d.done:
		return errClosed
	}
	defer func() { <-d.door }()
	shared := j.graph.Shared()
	task := slices.Max(j.least)
	waits, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // ends with this function
		select {
		case <-d.done:
			stop()
		case <-waits.Done():
		}
	}()
	err := d.Backend.BeginJob(waits, j.id, shared, task)
	switch {
	case err == nil || waits.Err() == nil:
		return err
	case ctx.Err() != nil:
		return cancelled(context.Cause(ctx))
	}
	return errClosed
}

// stream makes the stream of a job whose tasks are known.
func (d *Driver) stream(j *job, window int64) *Stream {
	result := j.graph.Stages[j.graph.Result]
	s := &Stream{d: d, j: j, changed: make(chan struct{}), memory: d.Memory.Reserve(exec.StageID{Job: j.id, Stage: result.ID}.String()+" result", 0),
		rows: newResults(len(j.tasks[result.ID]), window, result.Class == stage.Stable)}
	j.stream, j.keys = s, newKeysets(d.Memory, j.id)
	d.Results.put(j.id, s)
	return s
}

// Run runs a query to its end, keeping all its rows. When ctx ends the job is
// cancelled, and Run returns after its last task stopped.
func (d *Driver) Run(ctx context.Context, q Query) (*Result, error) {
	q.Window = 0
	s, err := d.Start(ctx, q)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var rows []*columnar.Batch
	for {
		b, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, b)
	}
	r := s.Result()
	r.Batches = rows
	return r, nil
}

// Next returns the next batch, io.EOF after the last one. It waits for the tasks,
// bounded by the context that the query was started under. The batch is stable; it
// is no longer charged to the query after the next call. After an error, all of
// the query's tasks have stopped.
func (s *Stream) Next() (*columnar.Batch, error) {
	for {
		s.mu.Lock()
		room := s.last > 0
		s.memory.Shrink(s.last)
		s.last = 0
		err, head := s.stopped, s.rows.head
		var b *columnar.Batch
		var end bool
		if err == nil {
			b, s.last, end = s.rows.take()
		}
		if room || b != nil || s.rows.head != head {
			s.notify()
		}
		changed := s.changed
		s.mu.Unlock()
		if b != nil {
			return b, nil
		}
		if err != nil {
			s.Close()
			return nil, err
		}
		if !end {
			select {
			case <-changed:
				continue
			case <-s.j.done:
				if s.j.err == nil { // every task is complete, so there are rows, or it is the end
					continue
				}
			case <-s.d.done:
			}
		}
		select {
		case <-s.j.done:
		case <-s.d.done:
			select {
			case <-s.j.done:
			default:
				s.release()
				return nil, errClosed
			}
		}
		s.release()
		if s.j.err != nil {
			return nil, s.j.err
		}
		return nil, io.EOF
	}
}

// Close ends the query if it still runs, waits until its tasks have stopped, and
// drops the rows that were not read. It is idempotent.
func (s *Stream) Close() {
	s.cancel(diag.New(diag.Cancelled, "nobody reads the rows of the query any more"))
	select {
	case <-s.j.done:
	case <-s.d.done:
	}
	s.release()
}

// Result returns what the job did, once it has ended.
func (s *Stream) Result() *Result {
	return &Result{Graph: s.j.graph, Stages: s.j.stats, Passes: s.j.passes, Millis: s.j.millis}
}

// cancel asks for the end of the job, if it still runs, and gives no more rows out.
func (s *Stream) cancel(err error) {
	s.mu.Lock()
	if s.stopped == nil {
		s.stopped = err
		s.notify()
	}
	s.mu.Unlock()
	select {
	case <-s.j.done:
		return
	default:
	}
	stop := dag.Event{Cancel: &dag.Cancel{Job: s.j.id, Err: err}}
	_ = s.d.do(context.Background(), func() { s.d.dagStep(s.j, stop) }) // fails only when the loop is gone
}

// release drops what is held.
func (s *Stream) release() {
	if s.unlink != nil {
		s.unlink()
	}
	s.d.Results.put(s.j.id, nil)
	s.mu.Lock()
	s.rows.end()
	s.notify()
	s.mu.Unlock()
	s.memory.Close()
}

// notify wakes who waits for a change of rows.
func (s *Stream) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Stream) push(ctx context.Context, id exec.TaskID, b *columnar.Batch, park func(bool)) error {
	parked := false
	defer func() {
		if parked {
			park(false)
		}
	}()
	for {
		s.mu.Lock()
		v, opened := s.rows.offer(id, b, s.memory)
		if v != full || opened {
			s.notify()
		}
		changed := s.changed
		s.mu.Unlock()
		if v == full {
			if !parked { // T4
				parked = true
				park(true)
				s.tell(ctx, task.Event{Parked: &id})
			}
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if parked {
			s.tell(ctx, task.Event{Resumed: &id})
		}
		if v == stale {
			return errStale
		}
		return nil
	}
}

// tell feeds the task scheduler from a task's goroutine.
func (s *Stream) tell(ctx context.Context, e task.Event) {
	_ = s.d.do(ctx, func() { s.d.taskStep(s.j, nil, e) }) // fails when the task or the loop ends
}

// resize says that the result has other tasks than was planned: none has begun.
func (s *Stream) resize(tasks int, replay bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = newResults(tasks, s.rows.window, replay)
}

// What the loop knows of attempts.

func (s *Stream) begin(id exec.TaskID) bool {
	return s.change(func() (int64, bool) { return s.rows.begin(id) })
}

func (s *Stream) lose(task int) bool {
	return s.change(func() (int64, bool) { return s.rows.lose(task) })
}

func (s *Stream) complete(task int) {
	s.change(func() (int64, bool) { s.rows.complete(task); return 0, true })
}

func (s *Stream) change(f func() (freed int64, ok bool)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	freed, ok := f()
	s.memory.Shrink(freed)
	s.notify()
	return ok
}
