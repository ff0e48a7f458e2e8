package memory

import (
	"sync"
	"sync/atomic"
)

// quantum is the unit in which reservations draw from their Broker.
const quantum = 1 << 20

// Watermarks of the share of the budget in use, in percent: above tightPercent
// memory is tight until it falls below idlePercent.
const (
	idlePercent     = 70
	tightPercent    = 85
	criticalPercent = 95
)

// Broker owns a process's memory budget.
type Broker struct {
	budget   int64
	reserved atomic.Int64
	peak     atomic.Int64
	tight    atomic.Bool
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
	r.root = r
	if minimum > 0 && b.take(roundUp(minimum)) {
		r.least = roundUp(minimum)
		r.granted.Store(r.least)
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
			raise(&b.peak, old+n)
			return true
		}
	}
}

func (b *Broker) give(n int64) { b.reserved.Add(-n) }

// raise sets a peak to now if that is more.
func raise(peak *atomic.Int64, now int64) {
	for {
		p := peak.Load()
		if now <= p || peak.CompareAndSwap(p, now) {
			return
		}
	}
}

// level tells by the watermarks how scarce memory is.
func (b *Broker) level() Level {
	used := b.reserved.Load() * 100
	switch {
	case used >= b.budget*criticalPercent:
		b.tight.Store(true)
		return Critical
	case used >= b.budget*tightPercent:
		b.tight.Store(true)
		return Tight
	case used < b.budget*idlePercent:
		if b.tight.Load() {
			b.tight.Store(false)
		}
		return Idle
	case b.tight.Load():
		return Tight
	}
	return Idle
}

var _ Reservation = (*reservation)(nil)

// reservation draws from a broker (a root) or from its parent (a child). A root
// holds granted bytes in whole quanta and uses some of them; what a child uses,
// all above it use too.
type reservation struct {
	broker  *Broker
	parent  *reservation
	root    *reservation
	name    string
	used    atomic.Int64
	peak    atomic.Int64
	closed  atomic.Bool
	granted atomic.Int64 // roots only, changed under mu
	least   int64        // roots only: the minimum, kept until Close
	mu      sync.Mutex   // the slow path: changing granted
}
