package task

import (
	"slices"
	"time"

	"github.com/millrace-engine/millrace/exec"
)

// Speculation says when a task that takes long gets a second attempt elsewhere.
type Speculation struct {
	// Quantile is the part of a set's tasks that must be done before, rounded down to
	// whole tasks; 0: there are no second attempts. Suggested: 0.9.
	Quantile float64
	// Factor is how many times as long as the median of those the task must have run
	// already. Suggested: 3.
	Factor float64
	// Least is how long it must have run whatever the others took. Suggested: 100 ms.
	Least time.Duration
}

// Standard is what is suggested.
var Standard = Speculation{Quantile: 0.9, Factor: 3, Least: 100 * time.Millisecond}

// limit returns how long a task of a set may run before it gets a second attempt;
// false: as long as it likes.
func (s *Scheduler) limit(x *set) (time.Duration, bool) {
	q := s.Speculation.Quantile
	if q <= 0 || !x.twice || len(x.took) == 0 || len(x.took) < int(q*float64(x.tasks)) || len(s.executors) < 2 {
		return 0, false
	}
	median := x.took[len(x.took)/2]
	return max(time.Duration(s.Speculation.Factor*float64(median)), s.Speculation.Least), true
}

// suspects calls f for each running task that takes too long, or runs on a slow executor
// while its set has no others to start, and has no second attempt, in a fixed order. It
// returns when the next one will, if nothing happens.
func (s *Scheduler) suspects(f func(exec.TaskID)) (next time.Duration, ok bool) {
	if s.Speculation.Quantile <= 0 {
		return 0, false
	}
	limits := map[exec.StageID]time.Duration{}
	for st, x := range s.sets {
		if l, may := s.limit(x); may {
			limits[st] = l
		}
	}
	if len(limits) == 0 && len(s.slow) == 0 {
		return 0, false
	}
	waits := map[exec.StageID]bool{} // sets that have others to start
	if len(s.slow) > 0 {
		for _, id := range s.pending {
			waits[stageOf(id)] = true
		}
	}
	soon := func(id exec.TaskID, on exec.ExecutorID) bool { return s.isSlow(on) && !waits[stageOf(id)] }
	for _, id := range s.sorted(func(id exec.TaskID, on exec.ExecutorID) bool {
		_, may := limits[stageOf(id)]
		return may || soon(id, on)
	}) {
		x, due := s.sets[stageOf(id)], s.started[id]
		if !soon(id, s.running[id]) {
			due += limits[stageOf(id)]
		}
		switch {
		case x == nil || !x.twice || x.done[id.Task] || s.attempts(id) > 1:
		case due <= s.now:
			f(id)
		case !ok || due < next:
			next, ok = due, true
		}
	}
	return next, ok
}

// speculate puts second attempts of tasks that take too long in line, if there is
// anybody to run them.
func (s *Scheduler) speculate() {
	if !s.Idle() {
		return
	}
	var slow []exec.TaskID
	s.suspects(func(id exec.TaskID) { slow = append(slow, id) })
	for _, id := range slow {
		x := s.sets[stageOf(id)]
		if s.free(nil, anywhere, func(e *executor) bool { return e.id != s.running[id] && !s.isSlow(e.id) && !s.bad(x, id.Task, e) }) != nil {
			s.pending = append(s.pending, x.next(id))
		}
	}
}

// attempts counts the attempts of a task that run or wait.
func (s *Scheduler) attempts(id exec.TaskID) (n int) {
	for other := range s.running {
		if same(other, id) {
			n++
		}
	}
	for _, other := range s.pending {
		if same(other, id) {
			n++
		}
	}
	return n
}

// alive reports whether there is an attempt of a task.
func (s *Scheduler) alive(id exec.TaskID) bool { return s.attempts(id) > 0 }

// same reports whether two attempts are of one task.
func same(a, b exec.TaskID) bool {
	a.Attempt, b.Attempt = 0, 0
	return a == b
}

// won takes in the first success of a task: its other attempts are of no use.
func (s *Scheduler) won(x *set, id exec.TaskID, on exec.ExecutorID, took time.Duration) []Action {
	x.done[id.Task] = true
	i, _ := slices.BinarySearch(x.took, took)
	x.took = slices.Insert(x.took, i, took)
	s.heal(x, on, took)
	acts := []Action{{Succeeded: &id}}
	if _, more := x.attempt[id.Task]; !more {
		return acts
	}
	s.pending = slices.DeleteFunc(s.pending, func(other exec.TaskID) bool { return same(other, id) })
	for _, other := range s.sorted(func(other exec.TaskID, _ exec.ExecutorID) bool { return same(other, id) }) {
		if other.Attempt < id.Attempt {
			s.compare(took, other)
		}
		acts = append(acts, Action{Kill: &other})
	}
	return acts
}
