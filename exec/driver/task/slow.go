package task

import (
	"time"

	"github.com/millrace-engine/millrace/exec"
)

// That a task takes long may be the task's fault or its executor's. When a second
// attempt of it that began later elsewhere is done before the first, it was the executor,
// and others of its tasks need not find it out one by one: for a while it gets tasks only
// when they are so many that it helps, and what it runs gets a second attempt as soon
// as there is a slot for it (T9).
const (
	slowTimes = 2                // as long as elsewhere
	slowTime  = 30 * time.Second // doubled each time that it is found slow again
	slowMost  = 10 * time.Minute
)

// pace is how much slower than others an executor was found, and until when that is
// believed.
type pace struct {
	times       float64
	until, last time.Duration
}

// compare learns from a task one of whose attempts took a time, while another that began
// before it is not done yet.
func (s *Scheduler) compare(took time.Duration, other exec.TaskID) {
	ran := s.now - s.started[other]
	if s.parked[other] || ran < s.Speculation.Least || float64(ran) < slowTimes*float64(took) {
		return
	}
	on := s.running[other]
	p := s.slow[on]
	p.times = max(p.times, float64(ran)/float64(max(took, 1)))
	if s.now >= p.until {
		p.last = min(max(2*p.last, slowTime), slowMost)
		p.until = s.now + p.last
	}
	s.slow[on] = p
}

// heal forgets that an executor was slow once a task there took no longer than others of
// its set.
func (s *Scheduler) heal(x *set, on exec.ExecutorID, took time.Duration) {
	if took >= s.Speculation.Least && float64(took) < slowTimes*float64(x.took[len(x.took)/2]) {
		delete(s.slow, on)
	}
}

func (s *Scheduler) isSlow(on exec.ExecutorID) bool { return s.now < s.slow[on].until }

// brisk returns what narrows will, which tells where a task of a set of which some wait
// may run, down to executors that are not slow, if that is sooner: one has a slot, or so
// few wait that those who run tasks of the set come to them before a slow one would be
// done.
func (s *Scheduler) brisk(st exec.StageID, waiting int) func(will func(*executor) bool) func(*executor) bool {
	slow, busy := false, false
	for id := range s.slow {
		slow = slow || s.isSlow(id)
	}
	if !slow {
		return func(will func(*executor) bool) func(*executor) bool { return will }
	}
	for id, on := range s.running {
		busy = busy || stageOf(id) == st && !s.isSlow(on) && !s.parked[id]
	}
	return func(will func(*executor) bool) func(*executor) bool {
		slots, free := 0, false
		for _, e := range s.executors {
			if will(e) && !s.isSlow(e.id) {
				slots += e.slots
				free = free || e.use < e.slots<<s.over
			}
		}
		return func(e *executor) bool {
			return will(e) && (!s.isSlow(e.id) || !free && (!busy || float64(waiting) > s.slow[e.id].times*float64(slots)))
		}
	}
}
