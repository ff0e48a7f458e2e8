package master

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// TestElection: of several masters one leads at a time. When it says nothing more, or
// releases its lease, another one does; the old one cannot save drivers then, and what
// it had saved is what the new one begins with.
func TestElection(t *testing.T) {
	dir := t.TempDir()
	e := Election{Dir: dir, Self: "a", TTL: 500 * time.Millisecond}
	first, err := Elect(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	old, drivers, err := openStore(dir, first)
	if err != nil || len(drivers) > 0 {
		t.Fatal(drivers, err)
	}
	if err := old.save([]Driver{{ID: "d1"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*e.TTL)
	if l, err := Elect(ctx, e); l != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second master leads: %v", err)
	}
	cancel()

	first.stop() // as a process that stands still
	first.beats.Wait()
	var leases []*Lease
	var mu sync.Mutex
	var others sync.WaitGroup
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	one, done := context.WithCancel(ctx)
	for range 5 {
		others.Go(func() {
			if l, err := Elect(one, e); err == nil {
				mu.Lock()
				defer mu.Unlock()
				if leases = append(leases, l); len(leases) == 1 { // let the others see a lease that beats
					time.AfterFunc(2*e.TTL, done)
				}
			}
		})
	}
	others.Wait()
	done()
	if len(leases) != 1 {
		t.Fatalf("%d masters lead", len(leases))
	}
	now, drivers, err := openStore(dir, leases[0])
	if err != nil || len(drivers) != 1 || drivers[0].ID != "d1" {
		t.Errorf("the new leader begins with %v, %v", drivers, err)
	}
	if err := now.save([]Driver{{ID: "d1"}, {ID: "d2"}}); err != nil {
		t.Error(err)
	}
	if err := old.save(nil); !errors.Is(err, errDeposed) {
		t.Errorf("a master that does not lead saves drivers: %v", err)
	}
	<-first.Lost()
	if err := leases[0].Release(); err != nil {
		t.Error(err)
	}
	third, err := Elect(ctx, Election{Dir: dir, Self: "c", TTL: time.Hour}) // at once
	if err != nil {
		t.Fatal(err)
	}
	if _, drivers, err = openStore(dir, third); err != nil || len(drivers) != 2 {
		t.Errorf("the third leader begins with %v, %v", drivers, err)
	}
	if err := third.Release(); err != nil {
		t.Error(err)
	}
}
