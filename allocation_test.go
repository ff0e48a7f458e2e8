package millrace_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/event"
)

// TestDynamicAllocation: with executor.dynamic a session begins with one executor, has
// more while queries keep them busy and one again when they don't, on either kind of
// cluster; no task fails and no stage runs twice because of that.
func TestDynamicAllocation(t *testing.T) {
	for _, kind := range []string{"local-cluster", "standalone"} {
		t.Run(kind, func(t *testing.T) {
			url, opts := "local-cluster[3,1,256]", []millrace.Option{}
			if kind == "standalone" {
				c := newCluster(t)
				c.startWorker("w1", 3)
				url, opts = c.url(), c.options(millrace.WithSetting("executor.count", "3"))
			}
			opts = append(opts, millrace.WithSetting("executor.dynamic", "true"), millrace.WithSetting("executor.dynamic.backlog", "1ms"), millrace.WithSetting("executor.dynamic.idle", "200ms"))
			s := openTPCH(t, url, opts...)
			if n := len(s.Backend().Executors()); n != 1 {
				t.Fatalf("it begins with %d executors", n)
			}
			events, stop := s.Events(1 << 16)
			var added, lost atomic.Int64
			var wrong []event.Event
			var watching sync.WaitGroup
			watching.Go(func() {
				for e := range events {
					switch {
					case e.Kind == event.ExecutorAdded:
						added.Add(1)
					case e.Kind == event.ExecutorLost:
						lost.Add(1)
					case e.Lost > 0, e.Kind == event.StageStarted && e.Attempt > 0, e.Kind == event.TaskEnded && e.Error != "":
						wrong = append(wrong, e)
					}
				}
			})
			until := time.Now().Add(60 * time.Second)
			for added.Load() < 2 && time.Now().Before(until) {
				answerAll(t, s)
			}
			for (lost.Load() < added.Load() || len(s.Backend().Executors()) > 1) && time.Now().Before(until) {
				time.Sleep(10 * time.Millisecond)
			}
			if added.Load() < 2 || lost.Load() != added.Load() || len(s.Backend().Executors()) != 1 {
				t.Errorf("%d executors came, %d went", added.Load(), lost.Load())
			}
			answerAll(t, s)
			stop()
			watching.Wait()
			if len(wrong) > 0 {
				t.Errorf("%+v", wrong)
			}
		})
	}
}
