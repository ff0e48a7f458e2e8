package memory

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// The Go heap may grow to what the budgets have left beside the slabs, and some:
// the budget counts what is in use, the heap also holds garbage and the runtime.
// Without that room a query that uses its budget would collect back to back.
const (
	heapShare = 8        // an eighth of the budget
	heapRoom  = 48 << 20 // and this
	leastHeap = 32 << 20
)

// collector keeps debug.SetMemoryLimit at the budgets of the process's brokers
// minus its slabs.
var collector limiter

type limiter struct {
	last atomic.Int64 // slab bytes when the limit was set

	mu      sync.Mutex
	budgets atomic.Int64 // changed under mu
	users   int
	before  int64 // the limit without brokers
	pacer   pacer
}

// Govern makes the collector keep the Go heap within what the budget leaves
// beside the slabs, until the function that it returns is called, which is
// idempotent. Budgets of several brokers add up.
func (b *Broker) Govern() (stop func()) {
	collector.change(b.budget, 1)
	return sync.OnceFunc(func() { collector.change(-b.budget, -1) })
}

func (l *limiter) change(budget int64, users int) {
	l.mu.Lock()
	if l.users == 0 {
		l.before = debug.SetMemoryLimit(-1)
	}
	l.users += users
	l.budgets.Add(budget)
	if l.users == 0 {
		slabs.bound.Store(maxIdle)
		debug.SetMemoryLimit(l.before)
		l.pacer.stop()
	} else {
		slabs.bound.Store(min(maxIdle, l.budgets.Load()/8))
		l.set()
		l.pacer.start(l.budgets.Load())
	}
	l.mu.Unlock()
	TrimSlabs(slabs.bound.Load())
}

// set applies the limit. l.mu is held. An environment that asked for less
// (GOMEMLIMIT) has it.
func (l *limiter) set() {
	n := slabs.used.Load() + slabs.kept.Load()
	l.last.Store(n)
	b := l.budgets.Load()
	debug.SetMemoryLimit(min(l.before, max(leastHeap, b+b/heapShare+heapRoom-n)))
}

// follow adapts the limit when the slabs have changed by enough to matter:
// setting it stops the world.
func (l *limiter) follow() {
	b := l.budgets.Load()
	if b == 0 {
		return
	}
	if d := slabs.used.Load() + slabs.kept.Load() - l.last.Load(); max(d, -d) < max(4<<20, b/64) {
		return
	}
	l.mu.Lock()
	if l.users > 0 {
		l.set()
	}
	l.mu.Unlock()
}
