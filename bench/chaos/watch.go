package chaos

import (
	"context"
	"sync"
	"time"

	"github.com/millrace-engine/millrace"
)

// What makes a query one that hangs (C2).
const (
	silence  = 60 * time.Second // without an event of a scheduler
	slowness = 10               // times its median
	perFault = 40 * time.Second // heartbeats that stay away for 10 s, and 30 s for the retries
)

// watch is what a session's schedulers tell.
type watch struct {
	mu   sync.Mutex
	last time.Time
	now  millrace.Progress
	call func(millrace.Progress) // hears of it too; nil: nobody does
	end  func()
}

func newWatch(s *millrace.Session) *watch {
	w := &watch{last: time.Now()}
	w.end = s.Watch(func(p millrace.Progress) {
		w.mu.Lock()
		w.last, w.now = time.Now(), p
		call := w.call
		w.mu.Unlock()
		if call != nil {
			call(p)
		}
	})
	return w
}

// progress is what was told last.
func (w *watch) progress() millrace.Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// listen has f called with what is told from now on.
func (w *watch) listen(f func(millrace.Progress)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call = f
}

// guard returns a context that ends when the query hangs that starts now, whose
// median is so long. faults counts the faults that struck meanwhile. hung tells
// whether it did.
func (w *watch) guard(ctx context.Context, median time.Duration, faults func() int) (_ context.Context, done func() (hung bool)) {
	ctx, cancel := context.WithCancel(ctx)
	began := time.Now()
	w.mu.Lock()
	w.last = began
	w.mu.Unlock()
	var hung bool
	var over sync.WaitGroup
	over.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-ctx.Done():
				return
			}
			w.mu.Lock()
			quiet := time.Since(w.last)
			w.mu.Unlock()
			// A second more than nothing: the shortest queries have none to compare with.
			if limit := slowness*max(median, time.Second) + time.Duration(faults())*perFault; quiet > silence || time.Since(began) > limit {
				hung = true
				cancel()
				return
			}
		}
	})
	return ctx, func() bool {
		cancel()
		over.Wait()
		return hung
	}
}
