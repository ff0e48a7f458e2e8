package driver

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/internal/diag"
)

// results is the rows of a job's result stage between the tasks that make them
// and the consumer, who gets them in the order of the tasks. It is pure: stream.go
// puts a lock, waiting and memory around it.
//
//	task 0   [given out …] │▒▒▒▒│ ◄── attempt        head: the task whose turn it is
//	task 1                 │▒▒▒▒▒▒▒│ final
//	task 2                 │▒▒│ ◄── attempt          waits when half the window is full
//	task 3                 not started
//
// A task's rows are held back until its attempt succeeded (final); a task that is
// lost before may run again as often as it takes. Only when the task whose turn
// it is holds more than its half of the window are rows of a running attempt given
// out: from then on another attempt is of use only if it yields the same rows in
// the same order (replay), and then skips those that are out. Where it may yield
// others the job fails.
type results struct {
	window int64 // bytes that all tasks together may hold
	replay bool  // an attempt yields what the one before it did, in the same order
	tasks  []taskRows
	head   int
	held   int64 // bytes in queues
	given  int64 // rows the consumer has had
	ended  bool  // nothing is taken in any more
}

// taskRows is the rows of one task of the result stage.
type taskRows struct {
	id     exec.TaskID // the current attempt
	queue  []held
	bytes  int64
	given  int64 // rows the consumer has had
	skip   int64 // rows of the current attempt that are out already
	seated bool  // an attempt was launched
	final  bool  // it succeeded
	open   bool  // its rows are given out although it may still fail
}

type held struct {
	batch *columnar.Batch
	bytes int64
}

// verdict is what becomes of a batch that is offered.
type verdict uint8

const (
	taken verdict = iota
	full          // offer it again when the consumer has taken something
	stale         // another attempt has taken this one's place
)

func newResults(tasks int, window int64, replay bool) *results {
	return &results{window: window, replay: replay, tasks: make([]taskRows, tasks)}
}

// begin makes an attempt the current one of its task. It returns the bytes that
// are free now, and false if rows of the task are out that it may not repeat.
func (r *results) begin(id exec.TaskID) (freed int64, ok bool) {
	t := &r.tasks[id.Task]
	freed = r.drop(t)
	ok = t.given == 0 || r.replay
	*t = taskRows{id: id, given: t.given, skip: t.given, open: t.open, seated: true}
	return freed, ok
}

// lose forgets the rows of a task that succeeded and has to run again with
// others. It returns the bytes that are free now, and false if rows of any task
// are out: they and the new ones would be of two runs.
func (r *results) lose(task int) (freed int64, ok bool) {
	t := &r.tasks[task]
	freed = r.drop(t)
	t.final, t.seated = false, false
	r.head = min(r.head, task)
	return freed, r.given == 0
}

func (r *results) drop(t *taskRows) int64 {
	n := t.bytes
	r.held -= n
	t.queue, t.bytes = nil, 0
	return n
}

// room is where the memory of rows comes from.
type room interface {
	TryGrow(n int64) bool
	Take(n int64)
}

// offer takes a batch of an attempt in if there is room for it. The task whose
// turn it is may always hold one batch. opened says that its rows are given out
// from now on.
func (r *results) offer(id exec.TaskID, b *columnar.Batch, m room) (_ verdict, opened bool) {
	if r.ended || id.Task < 0 || id.Task >= len(r.tasks) {
		return stale, false
	}
	t := &r.tasks[id.Task]
	if !t.seated || t.id != id || t.final {
		return stale, false
	}
	was := t.open
	v := r.admit(t, b, id.Task == r.head, m)
	return v, t.open && !was
}

func (r *results) admit(t *taskRows, b *columnar.Batch, first bool, m room) verdict {
	if t.skip > 0 {
		k := min(t.skip, int64(b.Rows))
		if k == int64(b.Rows) {
			t.skip -= k
			return taken
		}
		b = kernel.SliceBatch(b, int(k), b.Rows-int(k), nil)
	}
	n := b.MemoryBytes()
	switch {
	case first && t.bytes+n > r.window/2:
		t.open = true
		if len(t.queue) > 0 && r.held+n > r.window {
			return full
		}
	case !first && r.held+n > r.window/2:
		return full
	}
	if !m.TryGrow(n) {
		t.open = t.open || first
		if !first || len(t.queue) > 0 {
			return full
		}
		m.Take(n) // the one batch that its task may always hold
	}
	t.skip = 0
	t.queue, t.bytes = append(t.queue, held{b, n}), t.bytes+n
	r.held += n
	return taken
}

// complete says that the current attempt of a task succeeded.
func (r *results) complete(task int) { r.tasks[task].final = true }

// take returns the next batch for the consumer and its bytes, nil if there is
// none yet, and whether there will be none any more.
func (r *results) take() (b *columnar.Batch, bytes int64, end bool) {
	for ; r.head < len(r.tasks); r.head++ {
		t := &r.tasks[r.head]
		if len(t.queue) > 0 && (t.final || t.open) {
			h := t.queue[0]
			t.queue[0] = held{}
			t.queue = t.queue[1:]
			t.bytes -= h.bytes
			r.held -= h.bytes
			t.given += int64(h.batch.Rows)
			r.given += int64(h.batch.Rows)
			return h.batch, h.bytes, false
		}
		if !t.final {
			return nil, 0, false
		}
	}
	return nil, 0, true
}

// end drops what is held.
func (r *results) end() {
	r.ended = true
	for i := range r.tasks {
		r.drop(&r.tasks[i])
	}
}

// errGivenOut is why a job cannot recover.
func errGivenOut(task int) error {
	return diag.New(diag.ResultLost, "task %d of the result was lost after some of its rows had been given out, and another run may yield others", task).
		WithRemedy("run the query again; what it writes to files, and a result that fits into driver.result.buffer, recover by themselves")
}
