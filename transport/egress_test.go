package transport

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queue lets streams ask one egress of a single slot, in order, while the slot is
// taken, and returns in which order they got it.
func queue(e *Egress, tickets map[string]Ticket, names ...string) []string {
	release := e.Acquire(Ticket{Arrival: time.Now()}, nil)
	var mu sync.Mutex
	var got []string
	var wg sync.WaitGroup
	for _, n := range names {
		t := tickets[n]
		if t.Arrival.IsZero() {
			t.Arrival = time.Now()
		}
		wg.Go(func() {
			r := e.Acquire(t, nil)
			mu.Lock()
			got = append(got, n)
			mu.Unlock()
			r()
		})
		synctest.Wait()
		time.Sleep(time.Microsecond)
	}
	release()
	wg.Wait()
	return got
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
}

// TestEgressOrder: urgency, then deadline, then arrival; waiting raises.
func TestEgressOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		equal(t, "urgency", queue(NewEgress(1, nil), map[string]Ticket{"scrub": {Urgency: Scrub}, "normal": {Urgency: Normal}, "control": {}}, "scrub", "normal", "control"),
			"control", "normal", "scrub")
		equal(t, "deadline", queue(NewEgress(1, nil), map[string]Ticket{"none": {Urgency: Normal}, "late": {Urgency: Normal, Deadline: now.Add(time.Hour)},
			"soon": {Urgency: Normal, Deadline: now.Add(time.Minute)}}, "none", "late", "soon"), "soon", "late", "none")
		equal(t, "arrival", queue(NewEgress(1, nil), map[string]Ticket{}, "a", "b", "c"), "a", "b", "c")
		time.Sleep(time.Minute)
		old := func(u Urgency, d time.Duration) Ticket { return Ticket{Urgency: u, Arrival: time.Now().Add(-d)} }
		equal(t, "ageing", queue(NewEgress(1, nil), map[string]Ticket{"fresh": {Urgency: Normal}, "young": old(Scrub, 7*time.Second), "old": old(Scrub, 9*time.Second)},
			"fresh", "young", "old"), "old", "fresh", "young")
		equal(t, "a user's order", queue(NewEgress(1, func(_ time.Time, a, b Ticket) bool { return a.Arrival.After(b.Arrival) }), map[string]Ticket{}, "a", "b", "c"), "c", "b", "a")
	})
}

// TestEgressShare: under saturation by others the last urgency gets its share,
// before ageing helps it too.
func TestEgressShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEgress(2, nil)
		done := make(chan struct{})
		var mu sync.Mutex
		sent := map[Urgency]int{}
		var wg sync.WaitGroup
		for i := range 9 {
			u := Normal
			if i == 0 {
				u = Scrub
			}
			wg.Go(func() {
				for {
					release := e.Acquire(Ticket{Urgency: u, Arrival: time.Now()}, done)
					if release == nil {
						return
					}
					time.Sleep(time.Millisecond) // the quantum's time on the wire
					release()
					mu.Lock()
					sent[u]++
					mu.Unlock()
				}
			})
		}
		time.Sleep(4 * time.Second)
		close(done)
		wg.Wait()
		if share := float64(sent[Scrub]) / float64(sent[Scrub]+sent[Normal]); share < 0.02 || share > 0.06 {
			t.Errorf("the last urgency got %d of %d quanta", sent[Scrub], sent[Scrub]+sent[Normal])
		}
		if len(e.held) != 0 || len(e.waiting) != 0 || e.free != 2 {
			t.Errorf("%d held, %d wait, %d free", len(e.held), len(e.waiting), e.free)
		}
	})
}

// TestEgressStalled: peers that do not read hold up nobody else for long, and
// places do not multiply.
func TestEgressStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEgress(2, nil)
		a, b := e.Acquire(Ticket{Arrival: time.Now()}, nil), e.Acquire(Ticket{Arrival: time.Now()}, nil)
		start := time.Now()
		c := e.Acquire(Ticket{Arrival: time.Now()}, nil)
		if waited := time.Since(start); waited > 2*leastPatience {
			t.Errorf("waited %v for stalled peers", waited)
		}
		c()
		a()
		b()
		if e.free != 2 || len(e.held) != 0 {
			t.Errorf("%d free, %d held", e.free, len(e.held))
		}
	})
}

// TestEgressSlowLine: where every quantum takes long, places are not given away, or
// what is urgent would wait behind all streams.
func TestEgressSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, streams, line = 4, 16, 40 * time.Millisecond // a quantum's time, of which the line sends one at a time
		e := NewEgress(slots, nil)
		done := make(chan struct{})
		wire := make(chan bool, 1) // held while a quantum is sent
		var wg sync.WaitGroup
		send := func(u Urgency) bool {
			release := e.Acquire(Ticket{Urgency: u, Arrival: time.Now()}, done)
			if release == nil {
				return false
			}
			wire <- true
			time.Sleep(line)
			<-wire
			release()
			return true
		}
		for range streams {
			wg.Go(func() {
				for send(Merge) {
				}
			})
		}
		time.Sleep(5 * time.Second) // it learns what is usual
		most := 0
		for range 100 {
			time.Sleep(line / 2)
			e.mu.Lock()
			most = max(most, len(e.held))
			e.mu.Unlock()
		}
		close(done)
		wg.Wait()
		if most > slots {
			t.Errorf("%d quanta were on their way, %d may be", most, slots)
		}
	})
}

// TestEgressLeave: who stops waiting leaves nothing behind.
func TestEgressLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEgress(1, nil)
		for range 100 {
			hold := e.Acquire(Ticket{Arrival: time.Now()}, nil)
			done := make(chan struct{})
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if release := e.Acquire(Ticket{Arrival: time.Now()}, done); release != nil {
						release()
					}
				})
			}
			synctest.Wait()
			go close(done)
			go hold()
			wg.Wait()
			synctest.Wait()
			if e.free != 1 || len(e.waiting) != 0 || len(e.held) != 0 {
				t.Fatalf("%d free, %d wait, %d held", e.free, len(e.waiting), len(e.held))
			}
		}
	})
}

func BenchmarkEgress(b *testing.B) {
	e := NewEgress(4, nil)
	for b.Loop() {
		e.Acquire(Ticket{Urgency: Normal, Arrival: time.Now()}, nil)()
	}
}
