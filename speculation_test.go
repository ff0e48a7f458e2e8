package millrace_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/event"
)

// TestSpeculationLeavesNothing: an executor stands still in the middle of a task, which
// another one runs then. While the query goes on, what the first attempt wrote is gone
// from its executor once that runs again: all executors together have the blocks of one
// attempt of each task, and the rows are those of one.
func TestSpeculationLeavesNothing(t *testing.T) {
	const rows, maps, partitions = 8_000_000, 16, 2
	s := open(t, "local-cluster[2,1,512]", with("task.speculation", "true", "sql.adaptive.enabled", "false")...)
	backend := s.Backend().(*process.Backend)
	events, stop := s.Events(1 << 14)
	register(t, s, "numbers", frame(t, s, "SELECT id, id % 1000 AS k FROM range(0, 8000000, 1, 16)").Repartition(partitions, millrace.Col("k")))
	r, err := frame(t, s, "SELECT k, id FROM numbers").Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slow, second, done := "", false, 0 // the executor that stands still, whether its task runs twice, tasks that are done
	release := func() {}
	defer func() { release() }()
	for e := range events {
		if e.Stage != 0 {
			break // the tasks before are done, and their output is read
		}
		switch e.Kind {
		case event.TaskStarted:
			if slow == "" && done >= maps-4 { // soon the other one has only this task left, and runs it long before it counts as lost
				slow = e.Executor
				pid := backend.Processes()[slow]
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				release = func() { _ = syscall.Kill(pid, syscall.SIGCONT) } // it may have ended
			}
			second = second || e.Retry > 0 && e.Executor != slow
		case event.TaskEnded:
			if done++; second && done >= maps {
				release()
			}
		}
	}
	stop()
	release()
	if !second {
		t.Fatal("no task ran twice")
	}
	_, first := backend.Usage()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		usage, beats := backend.Usage()
		blocks, told := 0, true
		for id, u := range usage {
			blocks += u.Blocks
			told = told && beats[id] >= first[id]+2
		}
		if told && blocks == maps*partitions {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d blocks of %d tasks are on %+v", blocks, maps, usage)
		}
	}
	n := 0
	seen := make([]bool, rows)
	if err := r.Each(func(v []string, _ []bool) error {
		id := 0
		for _, c := range v[1] {
			id = 10*id + int(c-'0')
		}
		if seen[id] {
			t.Errorf("row %d is there twice", id)
		}
		seen[id] = true
		n++
		return nil
	}); err != nil || n != rows {
		t.Errorf("%d rows of %d, %v", n, rows, err)
	}
}
