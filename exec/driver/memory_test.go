package driver_test

import (
	"testing"

	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Exchanges whose output memory has no room for go to disk, on one executor and
// on three: the rows are right, and events of tasks, stages and the job tell what
// was reserved and spilled.
func TestBlocksSpill(t *testing.T) {
	for _, executors := range []int{1, 3} {
		b := startWith(t, executors, 2, int64(8<<20)*int64(executors), &numbers{splits: 2500})
		events, stop := b.bus.Subscribe(10000)
		r, err := b.run(t.Context(), counted(2))
		if err != nil {
			t.Fatal(err)
		}
		stop()
		b.expectCounts(r)
		var tasks, stages int64
		job := event.Event{}
		for e := range events {
			switch e.Kind {
			case event.TaskEnded:
				tasks += e.SpilledBytes
				if e.PeakBytes < 1<<20 {
					t.Errorf("a task had %d bytes at most", e.PeakBytes)
				}
			case event.StageEnded:
				stages += e.SpilledBytes
			case event.JobEnded:
				job = e
			}
		}
		if tasks == 0 || tasks != stages || tasks != job.SpilledBytes {
			t.Errorf("%d executors: %d bytes spilled by tasks, %d by stages, %d by the job", executors, tasks, stages, job.SpilledBytes)
		}
		// What a task of each slot takes for a page may be above the budget (M1 of columnar/memory).
		if most := b.broker.Budget() + 2<<20; job.PeakBytes < 1<<20 || job.ReservedPeakBytes < job.PeakBytes || job.ReservedPeakBytes > most {
			t.Errorf("%d executors: the hungriest task had %d bytes, all had %d of %d", executors, job.PeakBytes, job.ReservedPeakBytes, b.broker.Budget())
		}
	}
}

// A job that can never run is refused before any of its tasks starts.
func TestRefused(t *testing.T) {
	b := startWith(t, 1, 2, 1<<20, &numbers{splits: 10})
	if _, err := b.run(t.Context(), counted(1)); diag.ClassOf(err) != diag.MemoryLimit {
		t.Errorf("got %v", err)
	}
	if n := b.tables.reads.Load() + int64(b.local.Executor().DecodedTasks); n != 0 {
		t.Errorf("%d tasks ran", n)
	}
}

// An exchange goes when all who read it have, before its job ends; one that
// somebody still reads is there.
func TestExchangesEnd(t *testing.T) {
	b := start(t, 1, 1, &numbers{splits: 40})
	s := b.stream(t.Context(), counted(2), 1) // the tasks of the result wait for the reader, so the job does not end
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	// Three tasks wrote four partitions each; those that they read are gone.
	if n := b.local.Executor().Blocks(); n == 0 || n > 3*4 {
		t.Errorf("%d blocks while the result is made", n)
	}
	s.Close()
}
