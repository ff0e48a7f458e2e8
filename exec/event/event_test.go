package event

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A subscriber that does not keep up holds nobody up: it loses events and is
// told how many.
func TestSlowSubscriber(t *testing.T) {
	bus := &Bus{}
	slow, stop := bus.Subscribe(2)
	for i := range 10 {
		bus.Publish(Event{Kind: TaskEnded, Task: i})
	}
	got := []Event{<-slow, <-slow}
	bus.Publish(Event{Kind: JobEnded})
	got = append(got, <-slow)
	want := []Event{{Kind: TaskEnded}, {Kind: TaskEnded, Task: 1}, {Kind: JobEnded, Lost: 8}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	stop()
	stop()
	if _, ok := <-slow; ok {
		t.Error("the channel is open after the end of the subscription")
	}
	bus.Publish(Event{Kind: JobEnded})
	(*Bus)(nil).Publish(Event{})
}

// What the log wrote reads back, up to a line that was cut.
func TestLog(t *testing.T) {
	events := []Event{
		{Kind: JobStarted, Time: time.UnixMicro(1700000000123456).UTC(), Job: 3, Stages: 2},
		{Kind: TaskEnded, Job: 3, Stage: 1, Attempt: 1, Task: 12, Error: "a < b", Millis: 1.5, Metrics: []OperatorStats{{Node: "Scan x", Rows: 7, BytesRead: 9}}},
		{Kind: JobEnded, Job: 3},
	}
	c := make(chan Event, len(events))
	for _, e := range events {
		c <- e
	}
	close(c)
	var out bytes.Buffer
	if err := NewLog(&out).Record(c); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 3 {
		t.Errorf("%d lines:\n%s", n, out.Bytes())
	}
	for _, k := range []struct{ cut, want int }{{0, 3}, {1, 2}, {10, 2}} {
		var got []Event
		err := Read(bytes.NewReader(out.Bytes()[:out.Len()-k.cut]), func(e Event) error { got = append(got, e); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(events[:k.want], got); d != "" {
			t.Errorf("cut by %d: %s", k.cut, d)
		}
	}
}
