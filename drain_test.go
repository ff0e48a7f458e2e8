package millrace_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/event"
)

// drain asks the master to drain a worker, as `millrace cluster drain` does.
func (c *standaloneCluster) drain(id string) {
	c.t.Helper()
	self := c.credential("client", "c")
	_, err := standalone.Request[standalone.StateBody](context.Background(), standalone.Control(self), standalone.MasterAt(self, c.at), standalone.DrainWorker, standalone.WorkerBody{ID: id}, standalone.State)
	if err != nil {
		c.t.Error(err)
	}
}

// TestStandaloneDrain drains workers in the middle of queries, two at least, until
// outputs had to move: the worker ends by itself, an executor elsewhere takes the place
// of its one; no stage has to run again, no task fails, and the answers are right.
func TestStandaloneDrain(t *testing.T) {
	c := newCluster(t)
	c.startWorker("w1", 1)
	c.startWorker("w2", 1)
	s := openTPCH(t, c.url(), c.options()...)
	events, stop := s.Events(1 << 16)
	var moved, left atomic.Int64
	var wrong []event.Event
	ready := make(chan struct{}, 1)
	var watching, asking sync.WaitGroup
	watching.Go(func() {
		for e := range events {
			switch {
			case e.Kind == event.OutputMoved:
				moved.Add(1)
			case e.Kind == event.ExecutorDraining:
				left.Add(1)
			case e.Lost > 0, e.Kind == event.StageStarted && e.Attempt > 0, e.Kind == event.TaskEnded && e.Error != "":
				wrong = append(wrong, e)
			case e.Kind == event.TaskEnded && e.Stage == 0:
				select {
				case ready <- struct{}{}: // there is something to move
				default:
				}
			}
		}
	})
	enough := make(chan struct{})
	asking.Go(func() {
		for done := false; !done; {
			answerAll(t, s)
			select {
			case <-enough:
				done = true
			default:
			}
		}
	})
	drained := 0
	for ; drained < 2 || moved.Load() == 0 && drained < 20; drained++ {
		goes, stays, comes := fmt.Sprint("w", drained+1), fmt.Sprint("w", drained+2), fmt.Sprint("w", drained+3)
		c.startWorker(comes, 1)
		<-ready
		c.drain(goes)
		c.settle(goes+" does not leave", func(b standalone.StateBody) bool {
			on := map[string]bool{}
			for _, x := range b.Apps {
				for _, e := range x.Executors {
					on[e.Worker] = true
				}
			}
			return len(b.Workers) == 2 && len(on) == 2 && on[stays] && on[comes]
		})
	}
	close(enough)
	asking.Wait()
	stop()
	watching.Wait()
	if len(wrong) > 0 || left.Load() != int64(drained) || moved.Load() == 0 {
		t.Errorf("%+v; %d executors left, %d outputs moved", wrong, left.Load(), moved.Load())
	}
}
