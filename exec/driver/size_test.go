package driver_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/cluster/clustertest"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/driver/allocate"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/shuffle"
)

// One executor becomes four while tasks wait, and four become one while the reducers
// wait for the last task before them: what the three hold moves, nothing runs twice and
// nothing fails.
func TestAllocation(t *testing.T) {
	c := &numbers{splits: 30}
	b := &bench{t: t, broker: memory.NewBroker(256 << 20), tables: c, bus: &event.Bus{}, routine: runtime.NumGoroutine()}
	tracker, results := shuffle.NewTracker(), &driver.Results{}
	config := executor.Config{Slots: 1, Broker: b.broker, Tables: connector.NewRegistry(c), Outputs: tracker, Results: results}
	b.memory = clustertest.NewMemory(1, config)
	b.d = driver.New(driver.Config{Backend: b.memory, Tables: config.Tables, Tracker: tracker, Results: results, Memory: b.broker, Bus: b.bus,
		Allocation: &allocate.Config{Most: 4, Slots: 1, Backlog: 5 * time.Millisecond, Idle: 40 * time.Millisecond}})
	t.Cleanup(b.stop)
	until := func(ctx context.Context, n int) error {
		for b.d.Executors() != n {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	var grown atomic.Bool
	c.hook = func(ctx context.Context, split, _ int) error {
		if !grown.Load() {
			if err := until(ctx, 4); err != nil {
				return err
			}
			grown.Store(true)
		}
		if split == 29 {
			return until(ctx, 1)
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	failures, kinds := b.troubles(func() {
		r, err := b.run(ctx, counted(2))
		if err != nil {
			t.Fatal(err)
		}
		b.expectCounts(r)
	})
	if len(failures) > 0 || c.reads.Load() != 300 || kinds[event.ExecutorAdded] < 3 || kinds[event.ExecutorDraining] < 3 || kinds[event.OutputMoved] == 0 {
		t.Errorf("failures %q, %d batches read, events %v", failures, c.reads.Load(), kinds)
	}
	if err := until(ctx, 1); err != nil {
		t.Errorf("%d executors are left without a job", b.d.Executors())
	}
}
