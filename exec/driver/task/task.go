// Package task is the state machine that decides where and when tasks run:
// slots, retries, the order between stages.
//
// Invariants:
//
//   - T1 It is pure, as package dag is.
//   - T2 No executor has more running tasks than slots, apart from those that
//     were parked when others took theirs.
//     Executors that are lost have no slots; their tasks start elsewhere.
//     Jobs that have taken little yet may use slots twice (quick.go).
//   - T3 Each task of a set ends once: succeeded, or the set failed or was
//     killed.
//   - T4 A task that waits for the consumer of its rows is parked: it holds no
//     slot, so that other jobs go on. Of its own set only earlier tasks start
//     meanwhile: it is them whom the consumer may be waiting for, and later ones
//     would only come to wait as well.
//   - T5 A task that prefers some executors waits for them, or then for their
//     hosts, for a bounded time in which its set starts nothing there; it never
//     waits for executors that are gone (locality.go).
//   - T6 A task may have two attempts at a time, on different executors; the first
//     to succeed counts, the other is killed (speculate.go).
//   - T7 Executors on which tasks fail are passed over while there are others
//     (exclude.go); a task whose executors are lost again and again fails.
//   - T8 Free slots go to the set that the policy says: FIFO, Fair, Priority, Deadline or
//     the user's
//     (pool.go).
//   - T9 Executors that were found slow get tasks last, and only while others have
//     enough to do (slow.go).
package task

import (
	"slices"
	"sort"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/internal/diag"
)

// MaxAttempts bounds how often a task is tried, MaxLosses how many executors may be
// lost while they run it: it may be the task that they are lost of.
const (
	MaxAttempts = 4
	MaxLosses   = 10
)

// Event is what happened. At most one field but Now is set; none: time has passed.
type Event struct {
	Now   time.Duration // since some fixed moment; it never goes back
	Added *ExecutorAdded
	Lost  *ExecutorLost
	Drain *exec.ExecutorID // an executor that gets no more tasks; those that it has go on
	Set   *Set
	Ended *Ended
	Kill  *exec.StageID
	// Parked: a task waits for the consumer of its rows; Resumed: no longer.
	Parked, Resumed *exec.TaskID
}

// ExecutorAdded and ExecutorLost change where tasks may run.
type ExecutorAdded struct {
	ID    exec.ExecutorID
	Slots int
	Host  string // "": not known
}

// ExecutorLost tells that an executor and its tasks are gone.
type ExecutorLost struct{ ID exec.ExecutorID }

// Set is tasks to run. Prefer says where each does best; nil: none has a preference.
// Twice: a second attempt of a task beside the first does no harm (T6).
type Set struct {
	Stage  exec.StageID
	Tasks  []int
	Prefer []Place
	Twice  bool
	Pool   Pool
	// Deadline is when the job is of no use any more, in the time of Event.Now; 0: never.
	Deadline time.Duration
}

// Ended reports the end of a task attempt.
type Ended struct {
	ID      exec.TaskID
	Failure *exec.Failure // nil: success
}

// Action is what to do. Exactly one field is set.
type Action struct {
	Launch    *Launch
	Kill      *exec.TaskID
	Discard   *Launch // an attempt that came second has succeeded: what it wrote is of no use
	Succeeded *exec.TaskID
	Fetch     *Fetch
	Failed    *Failed
}

// Launch starts an attempt on an executor.
type Launch struct {
	Executor exec.ExecutorID
	ID       exec.TaskID
	Locality string // "process": where its input is; "node": on its host; "any"; "" if that does not matter
}

// Fetch reports a task that found an input gone.
type Fetch struct {
	ID      exec.TaskID
	Failure *exec.Failure
}

// Failed reports a set that cannot succeed.
type Failed struct {
	Stage   exec.StageID
	Failure *exec.Failure
}

// Scheduler is the state.
type Scheduler struct {
	Speculation Speculation             // set before the first Step; the zero value: none
	Policy      Policy                  // who gets slots; set before the first Step; nil: FIFO
	Quick       time.Duration           // set before the first Step; see quick.go
	over        int                     // 1 while slots count twice
	spent       map[share]time.Duration // by tasks that have ended
	executors   []*executor             // sorted by id
	pending     []exec.TaskID
	running     map[exec.TaskID]exec.ExecutorID
	parked      map[exec.TaskID]bool // of those running
	started     map[exec.TaskID]time.Duration
	holds       map[exec.TaskID]share // of those running
	shares      map[share]int         // slots in use
	served      map[share]int         // when each was last given a slot
	turn        int
	banned      map[exec.ExecutorID]ban
	slow        map[exec.ExecutorID]pace
	sets        map[exec.StageID]*set
	wait        time.Duration // for a better place (T5)
	now         time.Duration
}

// set is the live tasks of a stage attempt. The loss of an executor is nobody's
// failure, and counts apart.
type set struct {
	pool     Pool
	deadline time.Duration
	tasks    int
	failures map[int]int // attempts that failed, by task
	losses   map[int]int // attempts whose executor was lost
	attempt  map[int]int // the last attempt, of tasks that had more than one
	done     map[int]bool
	twice    bool
	took     []time.Duration                  // of the tasks that are done, sorted
	bad      map[exec.ExecutorID]map[int]bool // tasks that failed there (exclude.go)
	prefer   map[int]Place                    // by task; of those that do
	since    time.Duration                    // when it came, or last started a task where it prefers to be
}

type executor struct {
	id         exec.ExecutorID
	host       string
	slots, use int
}

// New returns a scheduler without executors. Tasks wait for a better place for as
// long as wait: for their executors, and as long again for their hosts.
func New(wait time.Duration) *Scheduler {
	return &Scheduler{wait: wait, running: map[exec.TaskID]exec.ExecutorID{}, parked: map[exec.TaskID]bool{}, started: map[exec.TaskID]time.Duration{}, holds: map[exec.TaskID]share{}, shares: map[share]int{}, served: map[share]int{}, spent: map[share]time.Duration{}, banned: map[exec.ExecutorID]ban{}, slow: map[exec.ExecutorID]pace{}, sets: map[exec.StageID]*set{}}
}

// Running returns the number of attempts that have not ended.
func (s *Scheduler) Running() int { return len(s.running) }

// Pending returns the number of tasks that wait for a slot.
func (s *Scheduler) Pending() int { return len(s.pending) }

// Startable returns the number of tasks that wait for a slot alone, not for the consumer
// of others' rows (T4).
func (s *Scheduler) Startable() (n int) {
	may := s.startable()
	for _, id := range s.pending {
		if may(id) {
			n++
		}
	}
	return n
}

// Idle reports whether a slot is free.
func (s *Scheduler) Idle() bool {
	for _, e := range s.executors {
		if e.use < e.slots<<s.over {
			return true
		}
	}
	return false
}

// Executors returns the number of executors that get tasks.
func (s *Scheduler) Executors() int { return len(s.executors) }

// Step takes an event and returns what to do, in order.
func (s *Scheduler) Step(e Event) []Action {
	var acts []Action
	s.now = max(s.now, e.Now)
	switch {
	case e.Added != nil:
		for _, x := range s.executors {
			if x.id == e.Added.ID {
				return nil
			}
		}
		s.executors = append(s.executors, &executor{id: e.Added.ID, host: e.Added.Host, slots: e.Added.Slots})
		sort.Slice(s.executors, func(i, j int) bool { return s.executors[i].id < s.executors[j].id })
	case e.Lost != nil:
		acts = s.lost(e.Lost.ID)
	case e.Drain != nil:
		s.retire(*e.Drain)
	case e.Set != nil:
		s.sets[e.Set.Stage] = newSet(e.Set, s.now)
		for _, t := range e.Set.Tasks {
			s.pending = append(s.pending, exec.TaskID{Job: e.Set.Stage.Job, Stage: e.Set.Stage.Stage, StageAttempt: e.Set.Stage.Attempt, Task: t})
		}
		// First come, first served between jobs; within one, earlier stages first.
		sort.SliceStable(s.pending, func(i, j int) bool {
			a, b := s.pending[i], s.pending[j]
			return a.Job < b.Job || a.Job == b.Job && a.Stage < b.Stage
		})
	case e.Ended != nil:
		acts = s.ended(e.Ended)
	case e.Kill != nil:
		acts = s.kill(*e.Kill)
	case e.Parked != nil:
		if _, ok := s.running[*e.Parked]; ok && !s.parked[*e.Parked] {
			s.use(*e.Parked, -1)
			s.parked[*e.Parked] = true
		}
	case e.Resumed != nil:
		if s.parked[*e.Resumed] {
			delete(s.parked, *e.Resumed)
			s.use(*e.Resumed, 1)
		}
	}
	s.speculate()
	return append(acts, s.offer()...)
}

func stageOf(t exec.TaskID) exec.StageID {
	return exec.StageID{Job: t.Job, Stage: t.Stage, Attempt: t.StageAttempt}
}

func (s *Scheduler) release(id exec.TaskID) bool {
	if _, ok := s.running[id]; !ok {
		return false
	}
	if s.parked[id] {
		delete(s.parked, id)
	} else {
		s.use(id, -1)
	}
	s.spent[s.holds[id]] += s.now - s.started[id]
	delete(s.running, id)
	delete(s.started, id)
	delete(s.holds, id)
	return true
}

// use changes how many slots are in use where a task runs, and by its pool.
func (s *Scheduler) use(id exec.TaskID, by int) {
	for _, e := range s.executors {
		if e.id == s.running[id] {
			e.use += by
		}
	}
	k := s.holds[id]
	if s.shares[k] += by; s.shares[k] == 0 {
		delete(s.shares, k)
	}
}

func (s *Scheduler) ended(e *Ended) []Action {
	x, on, took := s.sets[stageOf(e.ID)], s.running[e.ID], s.now-s.started[e.ID]
	if !s.release(e.ID) || x == nil { // late, doubled, or of a set that was killed
		return nil
	}
	if x.done[e.ID.Task] {
		if e.Failure == nil {
			return []Action{{Discard: &Launch{Executor: on, ID: e.ID}}}
		}
		return nil
	}
	if e.Failure == nil {
		return s.won(x, e.ID, on, took)
	}
	switch e.Failure.Kind {
	case exec.FetchFailed:
		return []Action{{Fetch: &Fetch{e.ID, e.Failure}}}
	case exec.User, exec.Bug:
		return s.fail(e.ID, e.Failure)
	case exec.ExecutorLost:
		if x.losses[e.ID.Task]++; x.losses[e.ID.Task] >= MaxLosses {
			return s.fail(e.ID, &exec.Failure{Kind: exec.ExecutorLost, Cause: errLosses(e.ID)})
		}
	default:
		if e.Failure.Kind == exec.Transient {
			s.failedOn(x, on, e.ID.Task)
		}
		if x.failures[e.ID.Task]++; x.failures[e.ID.Task] >= MaxAttempts {
			return s.fail(e.ID, e.Failure)
		}
	}
	if !s.alive(e.ID) {
		s.pending = append([]exec.TaskID{x.next(e.ID)}, s.pending...)
	}
	return nil
}

func errLosses(id exec.TaskID) error {
	return diag.New(diag.ClusterFailed, "%d executors were lost while they ran task %d of %s", MaxLosses, id.Task, stageOf(id)).
		WithRemedy("what they last said is in the logs of their workers; they may need more memory, or smaller tasks (sql.shuffle.partitions)")
}

// next returns the id of a further attempt of a task.
func (x *set) next(id exec.TaskID) exec.TaskID {
	x.attempt[id.Task] = max(x.attempt[id.Task], id.Attempt) + 1
	id.Attempt = x.attempt[id.Task]
	return id
}

func (s *Scheduler) fail(id exec.TaskID, f *exec.Failure) []Action {
	return append(s.kill(stageOf(id)), Action{Failed: &Failed{stageOf(id), f}})
}

// kill drops a set: what waits is forgotten, what runs is stopped.
func (s *Scheduler) kill(st exec.StageID) []Action {
	x := s.sets[st]
	if x == nil {
		return nil
	}
	delete(s.sets, st)
	s.forget(shareOf(x.pool, st.Job))
	keep := s.pending[:0]
	for _, t := range s.pending {
		if stageOf(t) != st {
			keep = append(keep, t)
		}
	}
	s.pending = keep
	var acts []Action
	for _, id := range s.sorted(func(id exec.TaskID, _ exec.ExecutorID) bool { return stageOf(id) == st }) {
		acts = append(acts, Action{Kill: &id})
	}
	return acts
}

// sorted lists running tasks in a fixed order.
func (s *Scheduler) sorted(want func(exec.TaskID, exec.ExecutorID) bool) []exec.TaskID {
	var ids []exec.TaskID
	for id, ex := range s.running {
		if want(id, ex) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, exec.TaskID.Compare)
	return ids
}

func (s *Scheduler) lost(id exec.ExecutorID) []Action {
	var acts []Action
	ids := s.sorted(func(_ exec.TaskID, ex exec.ExecutorID) bool { return ex == id })
	for i := len(ids) - 1; i >= 0; i-- { // each goes before the others that wait
		t := ids[i]
		acts = append(acts, s.ended(&Ended{t, &exec.Failure{Kind: exec.ExecutorLost}})...)
	}
	s.retire(id)
	return acts
}

// retire takes an executor off the list of those that get tasks.
func (s *Scheduler) retire(id exec.ExecutorID) {
	s.executors = slices.DeleteFunc(s.executors, func(e *executor) bool { return e.id == id })
	delete(s.slow, id)
}

// offer gives free slots to waiting tasks.
func (s *Scheduler) offer() []Action {
	var acts []Action
	for {
		at, best := s.pick()
		if best == nil {
			return acts
		}
		id := s.pending[at]
		copy(s.pending[1:], s.pending[:at])
		s.pending = s.pending[1:]
		s.running[id], s.started[id], s.holds[id] = best.id, s.now, shareOf(s.sets[stageOf(id)].pool, id.Job)
		s.use(id, 1)
		s.serve(s.holds[id])
		acts = append(acts, Action{Launch: &Launch{best.id, id, s.locality(id, best)}})
	}
}

// startable returns a test of which waiting tasks may start (T4).
func (s *Scheduler) startable() func(exec.TaskID) bool {
	if len(s.parked) == 0 {
		return func(exec.TaskID) bool { return true }
	}
	first := map[exec.StageID]int{}
	for id := range s.parked {
		if t, ok := first[stageOf(id)]; !ok || id.Task < t {
			first[stageOf(id)] = id.Task
		}
	}
	return func(id exec.TaskID) bool {
		t, ok := first[stageOf(id)]
		return !ok || id.Task < t
	}
}
