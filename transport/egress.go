package transport

import (
	"sync"
	"time"
)

// Ticket is a place in the queue of what is sent.
type Ticket struct {
	Urgency  Urgency
	Deadline time.Time // zero: none, after all others
	Arrival  time.Time
}

// ageing is how long a ticket waits to rise by one urgency.
const ageing = 2 * time.Second

// level is a ticket's urgency after its time in the queue.
func (t Ticket) level(now time.Time) int { return int(t.Urgency) - int(now.Sub(t.Arrival)/ageing) }

// Order reports whether a goes before b.
type Order func(now time.Time, a, b Ticket) bool

// ByUrgency is the usual order: urgency, raised by one for every 2 s of waiting;
// then deadline; then arrival.
func ByUrgency(now time.Time, a, b Ticket) bool {
	if x, y := a.level(now), b.level(now); x != y {
		return x < y
	}
	if !a.Deadline.Equal(b.Deadline) {
		return !a.Deadline.IsZero() && (b.Deadline.IsZero() || a.Deadline.Before(b.Deadline))
	}
	return a.Arrival.Before(b.Arrival)
}

// fairness: one quantum of so many goes to whoever has waited longest, so that
// the last urgency never starves.
const fairness = 20

// Patience is how long a write may last before its place is given to others: its
// peer does not read, or is far away. That is twice what a quantum takes on average,
// as on a slow line all of them take long; within these bounds.
const (
	leastPatience = 50 * time.Millisecond
	mostPatience  = 2 * time.Second
)

// Egress decides what a process sends next. All connections of a process share
// one, because the priorities of a connection's streams order only those. A
// stream asks before every quantum; so many quanta are on their way at a time, and
// one more that goes before all of those.
//
//	Acquire(ticket) ─► waiting, by Order ─► at most slots held ─► release
//	     └── before all that are held ─► the one place beside those ──┘
type Egress struct {
	order Order

	mu      sync.Mutex
	free    int
	beside  bool // the place for what goes before all others is taken
	turn    int
	usual   time.Duration // what quanta took, the latest most
	held    []*hold
	waiting []*wait
}

// hold is a quantum on its way. Its place is given to others once it has taken
// too long.
type hold struct {
	ticket Ticket
	since  time.Time
	given  bool
	beside bool
}

type wait struct {
	ticket Ticket
	ready  chan *hold // of capacity one
}

// NewEgress returns an egress that lets so many quanta be on their way at once,
// in an order (nil: ByUrgency).
func NewEgress(slots int, order Order) *Egress {
	if order == nil {
		order = ByUrgency
	}
	return &Egress{order: order, free: max(1, slots)}
}

// Acquire waits for a turn and returns how to end it. It returns nil when done
// is closed before. A nil Egress always says yes.
func (e *Egress) Acquire(t Ticket, done <-chan struct{}) (release func()) {
	if e == nil {
		return func() {}
	}
	select {
	case <-done:
		return nil
	default:
	}
	e.mu.Lock()
	if e.free > 0 && len(e.waiting) == 0 || e.overtakes(t.Arrival, t) {
		h := e.take(t.Arrival, t)
		e.mu.Unlock()
		return func() { e.release(h) }
	}
	w := &wait{ticket: t, ready: make(chan *hold, 1)}
	e.waiting = append(e.waiting, w)
	e.mu.Unlock()
	timer := time.NewTimer(leastPatience)
	defer timer.Stop()
	for {
		select {
		case h := <-w.ready:
			return func() { e.release(h) }
		case <-done:
			e.leave(w)
			return nil
		case now := <-timer.C:
			e.reclaim(now)
			timer.Reset(leastPatience)
		}
	}
}

// take lets a quantum on its way, beside the others if there is no place among
// them.
func (e *Egress) take(now time.Time, t Ticket) *hold {
	h := &hold{ticket: t, since: now, beside: e.free <= 0}
	if h.beside {
		e.beside = true
	} else {
		e.free--
	}
	e.held = append(e.held, h)
	return h
}

// overtakes reports whether a ticket need not wait for a place: it is more urgent
// than all that are on their way and goes before them, and nothing else overtakes
// them now.
func (e *Egress) overtakes(now time.Time, t Ticket) bool {
	if e.beside {
		return false
	}
	for _, h := range e.held {
		if !h.given && (t.Urgency >= h.ticket.Urgency || !e.order(now, t, h.ticket)) {
			return false
		}
	}
	return true
}

func (e *Egress) release(h *hold) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.usual += (min(now.Sub(h.since), mostPatience) - e.usual) / 8
	for i, x := range e.held {
		if x == h {
			last := len(e.held) - 1
			e.held[i], e.held[last] = e.held[last], nil
			e.held = e.held[:last]
			break
		}
	}
	switch {
	case h.given:
	case h.beside:
		e.beside = false
	default:
		e.free++
	}
	e.dispatch(now)
}

// patience is how long a quantum may take now.
func (e *Egress) patience() time.Duration { return min(max(leastPatience, 2*e.usual), mostPatience) }

// reclaim gives away the places of quanta that take too long.
func (e *Egress) reclaim(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	patience := e.patience()
	for _, h := range e.held {
		if h.given || now.Sub(h.since) < patience {
			continue
		}
		h.given = true
		if h.beside {
			e.beside = false
		} else {
			e.free++
		}
	}
	e.dispatch(now)
}

// leave takes back a request, or what it just got.
func (e *Egress) leave(w *wait) {
	e.mu.Lock()
	for i, x := range e.waiting {
		if x == w {
			e.waiting = append(e.waiting[:i], e.waiting[i+1:]...)
			e.mu.Unlock()
			return
		}
	}
	e.mu.Unlock()
	e.release(<-w.ready)
}

// dispatch hands free places to those whose turn it is. There are as many
// waiting as there are streams: a few hundred, looked through once a quantum.
func (e *Egress) dispatch(now time.Time) {
	for len(e.waiting) > 0 {
		first, oldest := 0, (e.turn+1)%fairness == 0
		for i, w := range e.waiting[1:] {
			before := e.order(now, w.ticket, e.waiting[first].ticket)
			if oldest {
				before = w.ticket.Arrival.Before(e.waiting[first].ticket.Arrival)
			}
			if before {
				first = i + 1
			}
		}
		w := e.waiting[first]
		if e.free <= 0 && !e.overtakes(now, w.ticket) {
			return
		}
		e.turn++
		e.waiting = append(e.waiting[:first], e.waiting[first+1:]...)
		w.ready <- e.take(now, w.ticket)
	}
}
