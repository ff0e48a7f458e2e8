package driver_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/event"
)

// troubles are the failures of tasks while f runs, and how often each kind of event
// came.
func (b *bench) troubles(f func()) (failures []string, kinds map[event.Kind]int) {
	kinds = map[event.Kind]int{}
	events, stop := b.bus.Subscribe(1 << 14)
	var wg sync.WaitGroup
	wg.Go(func() {
		for e := range events {
			kinds[e.Kind]++
			if e.Error != "" {
				failures = append(failures, e.Error)
			}
		}
	})
	f()
	stop()
	wg.Wait()
	return failures, kinds
}

// An executor leaves in the middle of a query: its outputs go to the others, it ends
// before they are read, no task fails and nothing is made again. So does a second one,
// which holds what it got of the first.
func TestLeave(t *testing.T) {
	c := &numbers{splits: 30}
	b := start(t, 4, 2, c)
	var once sync.Once
	until := func(ctx context.Context, id exec.ExecutorID) error {
		for !slices.Contains(b.memory.Retired(), id) {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	c.hook = func(ctx context.Context, split, read int) error {
		switch split {
		case 0:
			once.Do(func() { b.memory.DrainExecutor("x2") })
			for b.d.Executors() == 4 && ctx.Err() == nil { // until the scheduler knows
				<-time.After(time.Millisecond)
			}
		case 20: // it starts later, and not there
			if err := until(ctx, "x2"); err != nil {
				return err
			}
			b.memory.DrainExecutor("x3")
		case 29:
			return until(ctx, "x2")
		}
		return nil
	}
	failures, kinds := b.troubles(func() {
		r, err := b.run(t.Context(), counted(2))
		if err != nil {
			t.Fatal(err)
		}
		b.expectCounts(r)
	})
	if len(failures) > 0 || c.reads.Load() != 300 || kinds[event.ExecutorDraining] == 0 || kinds[event.OutputMoved] == 0 {
		t.Errorf("failures %q, %d batches read, events %v", failures, c.reads.Load(), kinds)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := until(ctx, "x3"); err != nil {
		t.Error("the second executor does not leave")
	}
	if n := b.d.Executors(); n != 2 {
		t.Errorf("%d executors are left", n)
	}
}

// The last executor of a job stays until the job has ended, then it leaves, too.
func TestLeaveLast(t *testing.T) {
	c := &numbers{splits: 30}
	b := start(t, 2, 2, c)
	var once sync.Once
	c.hook = func(context.Context, int, int) error {
		once.Do(func() {
			b.memory.DrainExecutor("x1")
			b.memory.DrainExecutor("x2")
		})
		return nil
	}
	failures, _ := b.troubles(func() {
		r, err := b.run(t.Context(), counted(1))
		if err != nil {
			t.Fatal(err)
		}
		b.expectCounts(r)
	})
	if len(failures) > 0 || c.reads.Load() != 300 {
		t.Errorf("failures %q, %d batches read", failures, c.reads.Load())
	}
	for until := time.Now().Add(10 * time.Second); b.d.Executors() > 0; <-time.After(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d executors are left", b.d.Executors())
		}
	}
	b.memory.AddExecutor("x3")
	c.hook = nil
	r, err := b.run(t.Context(), counted(1))
	if err != nil {
		t.Fatal(err)
	}
	b.expectCounts(r)
}
