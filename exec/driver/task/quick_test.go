package task

import (
	"testing"
	"time"
)

// TestQuick: while long tasks hold all slots, a job that comes uses them twice, no more
// than they do, until its tasks have run for Quick; alone nobody does.
func TestQuick(t *testing.T) {
	s := New(0)
	s.Policy, s.Quick = Fair, time.Second
	s.Step(Event{Added: &ExecutorAdded{ID: "a", Slots: 2}})
	if n := len(s.Step(pooled(1, 100, Pool{}))); n != 2 {
		t.Fatalf("%d tasks start of a job that is alone", n)
	}
	s.expect(t, pooled(2, 100, Pool{}), "launch job 2 stage 0.0 task 0.0 on a", "launch job 2 stage 0.0 task 1.0 on a")
	s.expect(t, pooled(3, 1, Pool{})) // both are as many as there may be
	at := func(now time.Duration, e Event) Event {
		e.Now = now
		return e
	}
	s.expect(t, at(400*time.Millisecond, ended(2, 0, 0, 0, 0)), "succeeded job 2 stage 0.0 task 0.0", "launch job 3 stage 0.0 task 0.0 on a")
	s.expect(t, at(450*time.Millisecond, ended(3, 0, 0, 0, 0)), "succeeded job 3 stage 0.0 task 0.0", "launch job 2 stage 0.0 task 2.0 on a")
	// Job 2 has had 400 and 900 ms: it waits for a slot of its own now.
	s.expect(t, at(900*time.Millisecond, ended(2, 0, 1, 0, 0)), "succeeded job 2 stage 0.0 task 1.0")
	s.expect(t, at(950*time.Millisecond, ended(2, 0, 2, 0, 0)), "succeeded job 2 stage 0.0 task 2.0")
	s.expect(t, at(1000*time.Millisecond, ended(1, 0, 0, 0, 0)), "succeeded job 1 stage 0.0 task 0.0", "launch job 2 stage 0.0 task 3.0 on a")
}
