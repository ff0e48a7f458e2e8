package memory

import (
	"context"
	"sync"
	"sync/atomic"
)

// quantum is the unit in which reservations draw from their Broker.
const quantum = 1 << 20

// Watermarks of the share of the budget in use, in percent.
const (
	tightPercent    = 70
	criticalPercent = 95
)

// Broker owns a process's memory budget.
type Broker struct {
	budget   int64
	reserved atomic.Int64
	peak     atomic.Int64
}

// NewBroker returns a broker of budget bytes.
func NewBroker(budget int64) *Broker { return &Broker{budget: budget} }

// Budget returns the bytes that may be reserved in all.
func (b *Broker) Budget() int64 { return b.budget }

// Reserved returns the bytes granted now, in quanta; Peak the most ever.
func (b *Broker) Reserved() int64 { return b.reserved.Load() }

// Peak returns the most bytes ever granted at a time.
func (b *Broker) Peak() int64 { return b.peak.Load() }

// Reserve opens a reservation. A minimum that the budget has not left is not
// granted: the reservation starts empty and Grow tells.
func (b *Broker) Reserve(name string, minimum int64) Reservation {
	r := &reservation{broker: b, name: name}
	if minimum > 0 && b.take(roundUp(minimum)) {
		r.granted.Store(roundUp(minimum))
	}
	return r
}

func roundUp(n int64) int64 { return (n + quantum - 1) / quantum * quantum }

// take grants n bytes if the budget has them (M1).
func (b *Broker) take(n int64) bool {
	for {
		old := b.reserved.Load()
		if old+n > b.budget {
			return false
		}
		if b.reserved.CompareAndSwap(old, old+n) {
			for {
				p := b.peak.Load()
				if old+n <= p || b.peak.CompareAndSwap(p, old+n) {
					return true
				}
			}
		}
	}
}

func (b *Broker) give(n int64) { b.reserved.Add(-n) }

func (b *Broker) level() Level {
	used := b.reserved.Load()
	switch {
	case used*100 >= b.budget*criticalPercent:
		return Critical
	case used*100 >= b.budget*tightPercent:
		return Tight
	}
	return Idle
}

// reservation draws from a broker (a root) or from its parent (a child). A root
// holds granted bytes in whole quanta and uses some of them.
type reservation struct {
	broker  *Broker
	parent  *reservation
	name    string
	granted atomic.Int64 // roots only
	used    atomic.Int64
	peak    atomic.Int64
	mu      sync.Mutex // the slow path: changing granted
	closed  atomic.Bool
}

func (r *reservation) Grow(_ context.Context, n int64) error {
	if !r.TryGrow(n) {
		return ErrSpill
	}
	return nil
}

func (r *reservation) TryGrow(n int64) bool {
	if n <= 0 {
		return true
	}
	if r.closed.Load() {
		return false
	}
	if r.parent != nil {
		if !r.parent.TryGrow(n) {
			return false
		}
		r.note(r.used.Add(n))
		return true
	}
	now := r.used.Add(n)
	if now > r.granted.Load() && !r.extend(now) {
		r.used.Add(-n)
		return false
	}
	r.note(now)
	return true
}

// extend draws quanta until the grant covers need.
func (r *reservation) extend(need int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	more := roundUp(need) - r.granted.Load()
	if more <= 0 {
		return true
	}
	if !r.broker.take(more) {
		return false
	}
	r.granted.Add(more)
	return true
}

func (r *reservation) note(now int64) {
	for {
		p := r.peak.Load()
		if now <= p || r.peak.CompareAndSwap(p, now) {
			return
		}
	}
}

func (r *reservation) Shrink(n int64) {
	if n <= 0 || r.closed.Load() {
		return
	}
	now := r.used.Add(-n)
	if now < 0 { // more was given back than held: keep the books right
		n += now
		r.used.Store(0)
	}
	if r.parent != nil {
		r.parent.Shrink(n)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if spare := r.granted.Load() - roundUp(max(0, r.used.Load())) - quantum; spare > 0 { // keep one for the way up again
		r.granted.Add(-spare)
		r.broker.give(spare)
	}
}

func (r *reservation) Held() int64     { return r.used.Load() }
func (r *reservation) Peak() int64     { return r.peak.Load() }
func (r *reservation) Pressure() Level { return r.broker.level() }

func (r *reservation) Child(name string) Reservation {
	return &reservation{broker: r.broker, parent: r, name: name}
}

func (r *reservation) Transfer(to Reservation, n int64) error {
	if !to.TryGrow(n) { // both are counted for a moment
		return ErrSpill
	}
	r.Shrink(n)
	return nil
}

func (r *reservation) Close() {
	if !r.closed.CompareAndSwap(false, true) {
		return
	}
	held := r.used.Swap(0)
	if r.parent != nil {
		r.parent.Shrink(held)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broker.give(r.granted.Swap(0))
}
