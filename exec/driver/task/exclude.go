package task

import (
	"time"

	"github.com/millrace-engine/millrace/exec"
)

// What makes an executor bad (T7). A task goes elsewhere after it failed on one; a
// set, after several of its tasks did; all sets, after several sets went elsewhere,
// for a while. With enough bad executors their host is bad for the set.
const (
	badTasks     = 2
	badExecutors = 2
	badSets      = 2
	banTime      = time.Hour
)

// ban is how many sets an executor was bad for, and until when nobody uses it.
type ban struct {
	sets  int
	until time.Duration
}

// failedOn notes that a task failed on an executor, through its own fault or not.
func (s *Scheduler) failedOn(x *set, on exec.ExecutorID, task int) {
	if x.bad[on] == nil {
		x.bad[on] = map[int]bool{}
	}
	before := len(x.bad[on])
	x.bad[on][task] = true
	if before == badTasks-1 && len(x.bad[on]) == badTasks {
		b := s.banned[on]
		if b.sets++; b.sets >= badSets {
			b = ban{until: s.now + banTime}
		}
		s.banned[on] = b
	}
}

// will returns a test of which executors a waiting attempt may run on: never where
// another attempt of its task runs (T6); not on bad ones, unless there are no
// others.
func (s *Scheduler) will(x *set, id exec.TaskID) func(*executor) bool {
	if len(x.bad) == 0 && len(s.banned) == 0 && len(x.attempt) == 0 {
		return func(*executor) bool { return true }
	}
	apart := func(e *executor) bool { return true }
	if _, more := x.attempt[id.Task]; more {
		var taken []exec.ExecutorID
		for other, on := range s.running {
			if same(other, id) {
				taken = append(taken, on)
			}
		}
		apart = func(e *executor) bool {
			for _, on := range taken {
				if e.id == on {
					return false
				}
			}
			return true
		}
	}
	good := func(e *executor) bool { return apart(e) && !s.bad(x, id.Task, e) }
	for _, e := range s.executors {
		if good(e) {
			return good
		}
	}
	return apart
}

// bad reports whether an executor is bad for a task.
func (s *Scheduler) bad(x *set, task int, e *executor) bool {
	if x.bad[e.id][task] || len(x.bad[e.id]) >= badTasks || s.now < s.banned[e.id].until {
		return true
	}
	if e.host == "" {
		return false
	}
	n := 0
	for _, other := range s.executors {
		if other.host == e.host && len(x.bad[other.id]) >= badTasks {
			n++
		}
	}
	return n >= badExecutors
}
