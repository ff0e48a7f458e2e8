package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace"
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

// TestStandaloneDrainCache: what a worker that is drained holds of cached tables goes to
// others; nothing is computed again. Checkpoints survive the loss of all executors.
func TestStandaloneDrainCache(t *testing.T) {
	c := newCluster(t)
	c.startWorker("w1", 1)
	c.startWorker("w2", 1)
	s := openTPCH(t, c.url(), c.options(millrace.WithSetting("checkpoint.dir", t.TempDir()))...)
	both := func(standalone.StateBody) bool { return len(s.Backend().Executors()) == 2 }
	c.settle("two executors do not come", both) // from a session that has one alone nothing could move
	run(t, s, "CACHE TABLE lineitem", "CACHE TABLE orders OPTIONS ('storageLevel' 'DISK_ONLY')")
	q := "SELECT o_orderpriority, count(*), sum(l_tax) FROM lineitem JOIN orders ON l_orderkey = o_orderkey GROUP BY 1 ORDER BY 1"
	want := run(t, s, q)
	c.startWorker("w3", 1)
	c.drain("w1")
	c.settle("w1 does not leave", func(b standalone.StateBody) bool { return len(b.Workers) == 2 })
	if d := cmp.Diff(want, run(t, s, q)); d != "" {
		t.Error(d)
	}
	if n := cachedIn(t, s, q); n.CacheMisses != 0 || n.CacheHits+n.CacheDisk+n.CacheFetched == 0 {
		t.Errorf("%d blocks were in memory, %d on disk, %d fetched, %d computed", n.CacheHits, n.CacheDisk, n.CacheFetched, n.CacheMisses)
	}
	df, err := s.SQL(t.Context(), "SELECT o_orderkey AS k, o_totalprice AS p FROM orders")
	if err == nil {
		df, err = df.Checkpoint(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := df.Agg("count(*)", "sum(p)")
	before, err := shown(sum)
	if err != nil {
		t.Fatal(err)
	}
	c.settle("no executor comes for the one that left", both)
	events, stop := s.Events(1 << 12)
	defer stop()
	for _, pid := range children(t) { // that of w1 may be there still
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	late := time.After(30 * time.Second)
	for n := 0; n < 2; {
		select {
		case e := <-events:
			if e.Kind == event.ExecutorLost {
				n++
			}
		case <-late:
			t.Fatal("executors that were killed are not noticed")
		}
	}
	if after, err := shown(sum); err != nil || after != before {
		t.Errorf("%v\n%s, before %s", err, after, before)
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
