package service

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

func executorPeer(id string) transport.Peer {
	return transport.Peer{Addr: transport.Addr("inproc://" + id), Name: identity.Name{App: "app", Role: identity.Executor, ID: id}}
}

// asked returns what a lane is granted at once, 0 if it has to wait.
func asked(l *lane) int64 {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n, err := l.ask(ctx)
	for errors.Is(err, context.Canceled) {
		return 0
	}
	return n
}

// Each bound holds by itself, credit comes back in parts, and who waits for
// nothing else may ask whatever others hold.
func TestAdmission(t *testing.T) {
	broker := memory.NewBroker(64 << 20)
	one, two := broker.Reserve("one", 0), broker.Reserve("two", 0)
	a := newAdmission(Limits{Task: 4 << 20, Executor: 6 << 20, Peer: 3 << 20, Streams: 2, Request: 1 << 20})
	x, y := executorPeer("x"), executorPeer("y")

	first := a.open(x, one)
	if n := asked(first); n != 1<<20 {
		t.Fatalf("an idle task gets %d bytes", n)
	}
	if first.charged != 1<<20 || one.Held() != 1<<20 {
		t.Fatalf("%d bytes are charged, %d reserved", first.charged, one.Held())
	}
	second, third := a.open(x, one), a.open(x, two)
	if asked(second) == 0 || asked(third) != 0 {
		t.Fatal("two streams to a peer are the most")
	}
	first.spend(300 << 10)
	first.sent()
	if first.held != 300<<10 || one.Held() != 300<<10+second.held {
		t.Fatalf("%d bytes are held after an answer of 300 KiB, %d reserved", first.held, one.Held())
	}
	if n := asked(third); n != 1<<20 {
		t.Fatalf("a place came free, and %d bytes are granted", n)
	}
	second.spend(1 << 20)
	second.sent()
	third.spend(1 << 20)
	third.sent()
	// x has sent 2.3 MiB that nobody gave back: its 3 MiB do not leave a request.
	if n := asked(first); n != 0 {
		t.Fatalf("%d bytes are granted beyond the peer's bound", n)
	}
	other := a.open(y, two)
	if n := asked(other); n == 0 {
		t.Fatal("another peer is not bounded by that")
	}
	first.starve(true)
	if n := asked(first); n != leastRequest {
		t.Fatalf("a reader that waits gets %d bytes", n)
	}
	first.starve(false)
	first.spend(5 << 20) // a batch that is larger than all bounds
	if first.held != 5<<20+300<<10 || a.used <= a.limits.Executor {
		t.Fatalf("a wide batch leaves %d bytes held", first.held)
	}
	first.sent()
	for _, l := range []*lane{first, second, third} {
		l.close()
		l.close()
	}
	other.sent()
	other.close()
	if a.used != 0 || len(a.peers) != 0 || len(a.tasks) != 0 || len(a.waiting) != 0 || one.Held() != 0 || two.Held() != 0 {
		t.Errorf("left: %d bytes, %d peers, %d tasks, %d that wait; reserved %d and %d", a.used, len(a.peers), len(a.tasks), len(a.waiting), one.Held(), two.Held())
	}
}

// A task whose memory is refused still reads, a request at a time, uncharged.
func TestAdmissionWithoutMemory(t *testing.T) {
	broker := memory.NewBroker(1 << 20)
	other := broker.Reserve("other", 1<<20)
	defer other.Close()
	r := broker.Reserve("task", 0)
	a := newAdmission(Limits{})
	l := a.open(executorPeer("x"), r)
	if n := asked(l); n != 0 {
		t.Fatalf("%d bytes are granted that nobody pays for", n)
	}
	l.starve(true)
	if n := asked(l); n != leastRequest || l.charged != 0 {
		t.Fatalf("%d bytes are granted, %d charged", n, l.charged)
	}
	l.sent()
	l.close()
	if r.Held() != 0 {
		t.Errorf("%d bytes are reserved", r.Held())
	}
}

// Many readers of several tasks and peers with random answers: the bounds hold
// whenever nobody is hungry, all of them end, and nothing is left.
func TestAdmissionRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 20 {
		r := rand.New(rand.NewPCG(seed, uint64(round)))
		limits := Limits{Task: 1 + r.Int64N(1<<20), Executor: 1 + r.Int64N(4<<20), Peer: 1 + r.Int64N(1<<20), Streams: 1 + r.IntN(3), Request: 1 + r.Int64N(1<<18)}
		broker := memory.NewBroker(int64(1+r.IntN(8)) << 20)
		a := newAdmission(limits)
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		var wg sync.WaitGroup
		var tasks []memory.Reservation
		for range 1 + r.IntN(4) {
			tasks = append(tasks, broker.Reserve("task", 0))
		}
		for i := range 1 + r.IntN(30) {
			own := rand.New(rand.NewPCG(seed, uint64(round*1000+i)))
			l := a.open(executorPeer(string(rune('a'+own.IntN(3)))), tasks[own.IntN(len(tasks))])
			wg.Go(func() {
				defer l.close()
				var kept []int64
				for range 10 {
					hungry := len(kept) == 0
					l.starve(hungry)
					if !hungry && own.IntN(2) == 0 { // the consumer goes on
						l.back(kept[0])
						kept = kept[1:]
						continue
					}
					l.starve(true)
					n, err := l.ask(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					l.starve(false)
					for sum := int64(0); sum < n; {
						b := 1 + own.Int64N(n)
						l.spend(b)
						kept = append(kept, b)
						sum += b
					}
					l.sent()
				}
			})
		}
		wg.Wait()
		stop()
		if a.used != 0 || len(a.peers) != 0 || len(a.tasks) != 0 {
			t.Fatalf("round %d: %d bytes, %d peers, %d tasks are left", round, a.used, len(a.peers), len(a.tasks))
		}
		for _, x := range tasks {
			x.Close()
		}
		if broker.Reserved() != 0 {
			t.Fatalf("round %d: %d bytes are reserved", round, broker.Reserved())
		}
	}
}
