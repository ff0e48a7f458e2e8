package memory

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/internal/diag"
)

// quantum is the unit in which reservations draw from their Broker.
const quantum = 1 << 20

// Watermarks of the share of the budget in use, in percent: above tightPercent
// memory is tight until it falls below idlePercent. The store borrows up to
// tightPercent and gives back down to idlePercent.
const (
	idlePercent     = 70
	tightPercent    = 85
	criticalPercent = 95
)

// Floor is what each child of a running task may hold whatever the others do:
// a task's minimum has one for each operator that keeps rows.
const Floor = 1 << 20

// Broker owns a process's memory budget. Its arbiter decides; it carries the
// decisions out. The lock is held while a root draws quanta, never while blocks
// are written or a waiter sleeps.
type Broker struct {
	budget    int64
	reserved  atomic.Int64 // granted to all
	execution atomic.Int64 // of it, what counts for Pressure of those that are not the store
	peak      atomic.Int64
	all, exec gauge

	mu     sync.Mutex
	arb    *arbiter
	acts   []action // reused
	next   int
	roots  map[int]*reservation
	doors  map[int]chan struct{} // of who waits to enter
	stores map[int]Reclaimer
}

// Reclaimer is a store that can give memory back.
type Reclaimer interface {
	// Reclaim gives up to n bytes back and returns how many it gave. It runs on
	// the goroutine that asks for memory; no lock is held.
	Reclaim(ctx context.Context, n int64) int64
	// Wake says that bytes are wanted (Broker.Wanted). It does not block.
	Wake()
}

// NewBroker returns a broker of budget bytes.
func NewBroker(budget int64) *Broker {
	return &Broker{budget: budget, arb: newArbiter(budget), roots: map[int]*reservation{}, doors: map[int]chan struct{}{}, stores: map[int]Reclaimer{}}
}

// Budget returns the bytes that may be reserved in all.
func (b *Broker) Budget() int64 { return b.budget }

// Reserved returns the bytes granted now, in quanta; Peak the most ever.
func (b *Broker) Reserved() int64 { return b.reserved.Load() }

// Peak returns the most bytes ever granted at a time.
func (b *Broker) Peak() int64 { return b.peak.Load() }

// Wanted returns the bytes that stores should give back now.
func (b *Broker) Wanted() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.arb.wanted()
}

// Reserve opens a reservation that takes what is free. A minimum that the budget
// has not left is not granted: the reservation starts empty and Grow tells.
func (b *Broker) Reserve(name string, minimum int64) Reservation {
	r, _ := b.open(context.Background(), event{kind: plain, n: roundUp(minimum)}, name, 0) // plain ones do not wait
	return r
}

// Store opens the reservation of a store, which lends what others do not need
// and gives it back when asked to.
func (b *Broker) Store(name string, s Reclaimer) Reservation {
	r, _ := b.open(context.Background(), event{kind: store}, name, 0) // stores do not wait
	b.mu.Lock()
	b.stores[r.id] = s
	b.mu.Unlock()
	return r
}

// Admit opens the reservation of a job: shared bytes for what its stages share,
// and the promise that tasks of up to task bytes can start. It waits for other
// jobs. A job that can never run is refused, and told the least budget.
func (b *Broker) Admit(ctx context.Context, name string, shared, task int64) (Reservation, error) {
	shared, task = roundUp(shared), roundUp(task)
	if least := shared + task; least > b.budget {
		return nil, diag.New(diag.MemoryLimit, "the query needs a memory budget of at least %d MiB; it is %d MiB", least>>20, b.budget>>20).
			WithRemedy("start with --memory %dMiB or more (MILLRACE_MEMORY)", least>>20)
	}
	return b.open(ctx, event{kind: job, n: shared, tasks: task}, name, shared)
}

// Start opens the reservation of a task, which has its minimum; kept bytes of it
// are for its children, a Floor each. It waits for other tasks.
func (b *Broker) Start(ctx context.Context, name string, minimum, kept int64) (Reservation, error) {
	minimum = roundUp(minimum)
	if minimum > b.budget { // no job that was admitted has such a task
		return nil, ErrSpill
	}
	return b.open(ctx, event{kind: task, n: minimum}, name, min(kept, minimum))
}

// open lets a root in, after waiting if it has to. With an error it is closed.
func (b *Broker) open(ctx context.Context, e event, name string, kept int64) (*reservation, error) {
	r := &reservation{broker: b, name: name, kind: e.kind}
	r.root = r
	door := make(chan struct{})
	b.mu.Lock()
	b.next++
	r.id, e.id = b.next, b.next
	b.roots[r.id], b.doors[r.id] = r, door
	short := b.step(e)
	b.mu.Unlock()
	select {
	case <-door:
		short = 0
	default:
	}
	if short > 0 {
		b.reclaim(ctx, short)
	}
	b.mu.Lock()
	if b.doors[r.id] != nil {
		b.step(event{op: insist, id: r.id})
	}
	b.mu.Unlock()
	select {
	case <-door:
	case <-ctx.Done():
		select {
		case <-door: // it came in at the same time
		default:
		}
		r.Close()
		return r, ctx.Err()
	}
	r.least = r.granted.Load()
	if r.least >= kept { // what children keep is used from the start
		r.kept.Store(kept)
		r.used.Store(kept)
		r.peak.Store(kept)
	}
	return r, nil
}

// step feeds the arbiter and carries its actions out but for asking stores: it
// returns the bytes that they should give for this event. Stores are woken for
// anything else. b.mu is held.
func (b *Broker) step(e event) (short int64) {
	b.acts = b.arb.step(e, b.acts[:0])
	for _, a := range b.acts {
		switch r := b.roots[a.id]; {
		case a.op == granted && r != nil:
			r.granted.Add(a.n)
			if door := b.doors[a.id]; door != nil {
				delete(b.doors, a.id)
				close(door)
			}
		case a.op == yield && r != nil:
			r.yields.Store(a.n == 1)
		case a.op == reclaim && (e.op == enter || a.id == e.id && e.op == ask):
			short = max(short, a.n)
		case a.op == reclaim:
			for _, s := range b.stores {
				s.Wake()
			}
		}
	}
	b.reserved.Store(b.arb.held)
	b.execution.Store(b.arb.held - b.arb.byKind[store] + b.arb.own())
	raise(&b.peak, b.arb.held)
	return short
}

// draw asks for n more bytes for a root. Short is what stores could give to make
// that possible.
func (b *Broker) draw(r *reservation, n int64) (ok bool, short int64) {
	b.mu.Lock()
	before := r.granted.Load()
	short = b.step(event{op: ask, id: r.id, n: n})
	ok = r.granted.Load() > before
	b.mu.Unlock()
	if _, idle := SlabBytes(); ok && b.reserved.Load()+idle > b.budget {
		TrimSlabs(0)
	}
	return ok, short
}

// force gives a root n more bytes, over the budget if need be.
func (b *Broker) force(r *reservation, n int64) {
	b.mu.Lock()
	b.step(event{op: take, id: r.id, n: n})
	b.mu.Unlock()
	if _, idle := SlabBytes(); idle > 0 && b.reserved.Load()+idle > b.budget {
		TrimSlabs(0)
	}
}

// back takes n granted bytes back from a root.
func (b *Broker) back(r *reservation, n int64) {
	b.mu.Lock()
	b.step(event{op: give, id: r.id, n: n})
	b.mu.Unlock()
}

// park notes that a task is parked, or no longer.
func (b *Broker) park(r *reservation, parked bool) {
	e := event{op: park, id: r.id}
	if parked {
		e.n = 1
	}
	b.mu.Lock()
	b.step(e)
	b.mu.Unlock()
}

// gone takes everything back from a root that is closed.
func (b *Broker) gone(r *reservation) {
	b.mu.Lock()
	delete(b.roots, r.id)
	delete(b.doors, r.id)
	delete(b.stores, r.id)
	b.step(event{op: leave, id: r.id})
	b.mu.Unlock()
}

// move takes free bytes of one root and gives need bytes to another, or changes
// nothing.
func (b *Broker) move(from, to *reservation, free, need int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := to.granted.Load()
	b.step(event{op: move, id: to.id, n: need, from: from.id, free: free})
	return need <= 0 || to.granted.Load() > before
}

// wake tells the stores that bytes are wanted.
func (b *Broker) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.stores {
		s.Wake()
	}
}

// reclaim asks the stores for n bytes.
func (b *Broker) reclaim(ctx context.Context, n int64) (freed int64) {
	b.mu.Lock()
	stores := make([]Reclaimer, 0, len(b.stores))
	for _, s := range b.stores {
		stores = append(stores, s)
	}
	b.mu.Unlock()
	for _, s := range stores {
		if freed < n {
			freed += s.Reclaim(ctx, n-freed)
		}
	}
	return freed
}

func roundUp(n int64) int64 { return (n + quantum - 1) / quantum * quantum }

// raise sets a peak to now if that is more.
func raise(peak *atomic.Int64, now int64) {
	for {
		p := peak.Load()
		if now <= p || peak.CompareAndSwap(p, now) {
			return
		}
	}
}

// gauge tells by the watermarks how scarce memory is.
type gauge struct{ tight atomic.Bool }

func (g *gauge) level(used, budget int64) Level {
	used *= 100
	switch {
	case used >= budget*criticalPercent:
		g.tight.Store(true)
		return Critical
	case used >= budget*tightPercent:
		g.tight.Store(true)
		return Tight
	case used < budget*idlePercent:
		if g.tight.Load() {
			g.tight.Store(false)
		}
		return Idle
	case g.tight.Load():
		return Tight
	}
	return Idle
}
