package millrace

import (
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec/event"
)

// Progress is how far the query is that began last. Tasks are those of the stages
// that have started; a stage that has to run again counts again.
type Progress struct {
	Began              time.Time
	Stages, StagesDone int
	Tasks, TasksDone   int
	Ended              bool
	// Of all queries since Watch: attempts of tasks that failed, those stopped on
	// purpose included, and executors that were lost.
	TasksFailed, ExecutorsLost int
}

// Watch calls f with the progress of the session's queries whenever it changes,
// from one goroutine, until stop is called, which waits for it.
func (s *Session) Watch(f func(Progress)) (stop func()) {
	events, cancel := s.bus.Subscribe(1024)
	var done sync.WaitGroup
	done.Go(func() {
		var p Progress
		job := -1
		for e := range events {
			switch {
			case e.Kind == event.JobStarted:
				job, p = e.Job, Progress{Began: e.Time, Stages: e.Stages, TasksFailed: p.TasksFailed, ExecutorsLost: p.ExecutorsLost}
			case e.Kind == event.TaskEnded && e.Error != "":
				p.TasksFailed++
			case e.Kind == event.ExecutorLost:
				p.ExecutorsLost++
			case e.Job != job && e.Kind != event.ExecutorAdded:
				continue
			}
			switch e.Kind {
			case event.StageStarted:
				p.Tasks += e.Tasks
			case event.StageEnded:
				p.StagesDone++
			case event.TaskEnded:
				if e.Job == job {
					p.TasksDone++
				}
			case event.JobEnded:
				p.Ended = true
			}
			f(p)
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}
