package task

import (
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

// Place is where a task does best: on the executors that hold its input, else on
// their hosts. The zero value is anywhere.
type Place []exec.ExecutorID

func newSet(e *Set, now time.Duration) *set {
	x := &set{pool: e.Pool, deadline: e.Deadline, tasks: len(e.Tasks), twice: e.Twice, failures: map[int]int{}, losses: map[int]int{}, attempt: map[int]int{}, done: map[int]bool{}, bad: map[exec.ExecutorID]map[int]bool{}, since: now}
	for i, p := range e.Prefer {
		if len(p) > 0 {
			if x.prefer == nil {
				x.prefer = map[int]Place{}
			}
			x.prefer[e.Tasks[i]] = p
		}
	}
	return x
}

// level is how close to its input a task runs.
type level uint8

const (
	process level = iota
	node
	anywhere
)

// level returns how close an executor is to a task's place.
func (s *Scheduler) level(p Place, e *executor) level {
	if slices.Contains(p, e.id) {
		return process
	}
	if e.host == "" {
		return anywhere
	}
	for _, x := range s.executors {
		if x.host == e.host && slices.Contains(p, x.id) {
			return node
		}
	}
	return anywhere
}

// locality names how close to its input a task runs on an executor.
func (s *Scheduler) locality(id exec.TaskID, e *executor) string {
	p := s.sets[stageOf(id)].prefer[id.Task]
	if len(p) == 0 {
		return ""
	}
	return [...]string{"process", "node", "any"}[s.level(p, e)]
}

// nearest returns the best level that any executor that will do, free or not, has
// for a place.
func (s *Scheduler) nearest(p Place, will func(*executor) bool) level {
	l := anywhere
	for _, e := range s.executors {
		if will(e) {
			l = min(l, s.level(p, e))
		}
	}
	return l
}

// allowed returns how far from their input the tasks of a set may start now: each
// level is waited for as long as the set starts nothing at the best one.
func (s *Scheduler) allowed(x *set) level {
	switch idle := s.now - x.since; {
	case idle >= 2*s.wait:
		return anywhere
	case idle >= s.wait:
		return node
	}
	return process
}

// pick returns the next task to start, by its place in line, and its executor, nil
// if there is none. The first set in line that has a task for a free slot gets it;
// of its tasks one goes first that is as close as can be.
func (s *Scheduler) pick() (at int, on *executor) {
	if len(s.pending) == 0 {
		return 0, nil
	}
	if !s.Idle() {
		return s.pickQuick()
	}
	may := s.startable()
	for _, g := range s.groups() {
		if at, on = s.within(s.sets[stageOf(s.pending[g.from])], g.from, g.to, may); on != nil {
			return at, on
		}
	}
	return 0, nil
}

// ahead bounds how many tasks of a set are looked at for one that is close to its
// input.
const ahead = 1024

// within picks among the tasks i … end−1 in line, of one set.
func (s *Scheduler) within(x *set, i, end int, may func(exec.TaskID) bool) (at int, on *executor) {
	limit, best, brisk := s.allowed(x), anywhere+1, s.brisk(stageOf(s.pending[i]), end-i)
	for k := i; k < end; k++ {
		id := s.pending[k]
		if !may(id) {
			continue
		}
		p, picky := x.prefer[id.Task]
		will := brisk(s.will(x, id))
		if !picky {
			if e := s.free(p, anywhere, will); e != nil {
				at, on, best = k, e, process // as good as at its place
			}
		} else if e, l := s.closest(p, max(limit, s.nearest(p, will)), will); e != nil && l < best {
			at, on, best = k, e, l
		}
		if best == process || k-i > ahead {
			break
		}
	}
	if on == nil {
		return 0, nil
	}
	if _, picky := x.prefer[s.pending[at].Task]; picky && best == process {
		x.since = s.now
	}
	return at, on
}

// closest returns a free executor that will do for a place, no farther than limit.
func (s *Scheduler) closest(p Place, limit level, will func(*executor) bool) (*executor, level) {
	for l := process; l <= limit; l++ {
		if e := s.free(p, l, will); e != nil {
			return e, l
		}
	}
	return nil, anywhere
}

// free returns the least loaded executor that will do with a free slot at a level.
func (s *Scheduler) free(p Place, l level, will func(*executor) bool) (best *executor) {
	for _, e := range s.executors {
		if e.use < e.slots<<s.over && will(e) && (l == anywhere || s.level(p, e) == l) && (best == nil || e.use*best.slots < best.use*e.slots) {
			best = e
		}
	}
	return best
}

// Wake returns when to tell the time, though nothing happens: slots are free, and
// tasks wait for better ones.
func (s *Scheduler) Wake() (at time.Duration, ok bool) {
	if !s.Idle() {
		return 0, false
	}
	at, ok = s.suspects(func(exec.TaskID) {})
	for i, id := range s.pending {
		if i > 0 && stageOf(id) == stageOf(s.pending[i-1]) {
			continue
		}
		x := s.sets[stageOf(id)]
		if l := s.allowed(x); l < anywhere && x.prefer != nil {
			if t := x.since + time.Duration(l+1)*s.wait; !ok || t < at {
				at, ok = t, true
			}
		}
	}
	return at, ok
}
