package memory

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/internal/invariants"
)

var _ Reservation = (*reservation)(nil)

// reservation draws from a broker (a root) or from its parent (a child). A root
// holds granted bytes in whole quanta and uses some of them. What a child uses
// above its floor, all above it use too; its floor they use from the start.
type reservation struct {
	broker *Broker
	parent *reservation
	root   *reservation
	name   string
	floor  int64 // children only
	used   atomic.Int64
	peak   atomic.Int64
	closed atomic.Bool

	// Roots only:
	id      int
	kind    kind
	granted atomic.Int64 // raised by the broker, lowered under mu
	least   int64        // the minimum, held until Close
	kept    atomic.Int64 // of it, what is left for floors of children
	yields  atomic.Bool  // others starve, and it holds more than its share
	mu      sync.Mutex   // the slow path: changing granted
}

// Grow implements Reservation. Stores give back what they have above their half
// first, on this goroutine; nobody waits for other tasks here.
func (r *reservation) Grow(ctx context.Context, n int64) error {
	for {
		ok, short := r.grow(n)
		if ok {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if short <= 0 || r.broker.reclaim(ctx, short) < short {
			return ErrSpill
		}
	}
}

// TryGrow implements Reservation.
func (r *reservation) TryGrow(n int64) bool {
	ok, short := r.grow(n)
	if short > 0 { // it may work next time
		r.broker.wake()
	}
	return ok
}

// grow asks for n more bytes; short is what stores could give to make it
// possible.
func (r *reservation) grow(n int64) (ok bool, short int64) {
	if n <= 0 {
		return true, 0
	}
	for x := r; x != nil; x = x.parent {
		if x.closed.Load() {
			return false, 0
		}
	}
	due := r.climb(n)
	if ok, short = r.root.take(due); !ok {
		r.root.settle(-r.climb(-n) - due)
	}
	return ok, short
}

// Take implements Reservation.
func (r *reservation) Take(n int64) {
	if n <= 0 {
		return
	}
	if ok, _ := r.root.take(n); !ok {
		r.root.force(n)
	}
}

// Return implements Reservation.
func (r *reservation) Return(n int64) {
	if n > 0 {
		r.root.drop(n)
	}
}

// Room reports whether a reservation could grow by n bytes now: whether reading
// ahead that far is to be recommended. A nil one has room.
func Room(r Reservation, n int) bool {
	if r == nil {
		return true
	}
	ok := r.TryGrow(int64(n))
	if ok {
		r.Shrink(int64(n))
	}
	return ok
}

// force uses n more bytes of a root, over the budget if need be.
func (r *reservation) force(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return
	}
	now := r.used.Add(n)
	if more := roundUp(now) - r.granted.Load(); more > 0 {
		r.broker.force(r, more)
	}
	raise(&r.peak, now)
}

// climb adds n, which may be negative, to what r and all between it and the root
// use, and returns by how much that changes what the root must use. Each sees
// only what is above its child's floor; since every change of a counter is one
// step from an old value to a new one, the changes add up exactly.
func (r *reservation) climb(n int64) int64 {
	for x := r; x.parent != nil && n != 0; x = x.parent {
		if x.closed.Load() { // its share was given back
			return 0
		}
		now := x.used.Add(n)
		raise(&x.peak, now)
		n = max(0, now-x.floor) - max(0, now-n-x.floor)
	}
	return n
}

// take uses n more bytes of a root.
func (r *reservation) take(n int64) (ok bool, short int64) {
	now := r.used.Add(n)
	if now > r.granted.Load() && n > 0 {
		if ok, short = r.extend(now); !ok {
			r.used.Add(-n)
			return false, short
		}
	}
	raise(&r.peak, now)
	return true, 0
}

// settle takes back n bytes that a root counts but nobody uses.
func (r *reservation) settle(n int64) { r.used.Add(-n) }

// extend draws quanta until the grant of a root covers need.
func (r *reservation) extend(need int64) (ok bool, short int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return false, 0
	}
	more := roundUp(need) - r.granted.Load()
	if more <= 0 {
		return true, 0
	}
	return r.broker.draw(r, more)
}

// Shrink implements Reservation.
func (r *reservation) Shrink(n int64) {
	if n <= 0 || r.closed.Load() {
		return
	}
	if now := r.used.Load(); n > now {
		if invariants.Enabled && !r.closed.Load() {
			panic(fmt.Sprintf("memory: reservation %s gives back %d bytes more than it holds", r.name, n-now))
		}
		n = max(0, now) // keep the books right
	}
	r.root.drop(-r.climb(-n))
}

// drop uses n bytes of a root less, and gives quanta back.
func (r *reservation) drop(n int64) {
	if r.closed.Load() {
		return
	}
	r.used.Add(-n)
	if r.spare() > 0 { // without the lock first: M2
		r.mu.Lock()
		if spare := r.spare(); spare > 0 {
			r.granted.Add(-spare)
			r.broker.back(r, spare)
		}
		r.mu.Unlock()
	}
}

// spare returns the granted bytes of a root that it may give back, apart from
// its minimum and one quantum for the way up again, which a store does not keep:
// others wait for what it gives.
func (r *reservation) spare() int64 {
	need := roundUp(max(0, r.used.Load()))
	if r.kind != store {
		need += quantum
	}
	return r.granted.Load() - max(r.least, need)
}

func (r *reservation) Held() int64 { return r.used.Load() }
func (r *reservation) Peak() int64 { return r.peak.Load() }

// Pressure implements Reservation. What stores borrow does not press on others.
// Tasks that have their shares may use all memory together: they must spill when
// they are refused, or when they keep others from theirs.
func (r *reservation) Pressure() Level {
	b, root := r.broker, r.root
	if root.kind == store {
		return b.all.level(b.reserved.Load(), b.budget)
	}
	l := b.exec.level(b.execution.Load(), b.budget)
	if root.yields.Load() {
		return Critical
	}
	if root.kind == task {
		return min(l, Tight)
	}
	return l
}

// Child implements Reservation. A child of a task has its floor, as long as the
// task's minimum reaches.
func (r *reservation) Child(name string) Reservation { return r.part(name, Floor) }

// Part returns a child that may hold floor bytes of the minimum of a job
// whatever the others do.
func Part(of Reservation, name string, floor int64) Reservation {
	if r, ok := of.(*reservation); ok {
		return r.part(name, floor)
	}
	return of.Child(name)
}

func (r *reservation) part(name string, floor int64) Reservation {
	c := &reservation{broker: r.broker, parent: r, root: r.root, name: name}
	for r.parent == nil {
		kept := r.kept.Load()
		if c.floor = min(floor, kept); r.kept.CompareAndSwap(kept, kept-c.floor) {
			break
		}
	}
	return c
}

// Park says that a task waits for who reads its rows, or no longer does: while
// all do, others may start although memory is short, since one of them may have
// the rows that are waited for.
func Park(task Reservation, parked bool) {
	if r, ok := task.(*reservation); ok {
		r.broker.park(r.root, parked)
	}
}

// Transfer implements Reservation. Within a root nothing is asked of the
// broker; between roots granted quanta move along, so that at the budget's edge
// it fails only for what rounding to quanta needs.
func (r *reservation) Transfer(to Reservation, n int64) error {
	if n <= 0 {
		return nil
	}
	dst, ok := to.(*reservation)
	if !ok || dst.broker != r.broker {
		if !to.TryGrow(n) { // both are counted for a moment
			return ErrSpill
		}
		r.Shrink(n)
		return nil
	}
	if dst.closed.Load() || dst.root.closed.Load() {
		return ErrSpill
	}
	free, need := -r.climb(-n), dst.climb(n)
	if dst.root == r.root {
		if need <= free {
			r.root.drop(free - need)
			return nil
		} else if ok, _ := r.root.take(need - free); ok {
			return nil
		}
	} else if r.root.hand(dst.root, free, need) {
		return nil
	}
	r.root.settle(free - r.climb(n)) // both are 0 unless others changed the counters meanwhile
	dst.root.settle(-need - dst.climb(-n))
	return ErrSpill
}

// hand takes n used bytes off one root with the quanta that they leave free and
// adds m to another.
func (r *reservation) hand(to *reservation, n, m int64) bool {
	r.mu.Lock()
	r.used.Add(-n)
	free := max(0, r.granted.Load()-max(r.least, roundUp(r.used.Load())))
	r.granted.Add(-free)
	r.mu.Unlock()

	to.mu.Lock()
	now := to.used.Add(m)
	need := max(0, roundUp(now)-to.granted.Load())
	fine := !to.closed.Load() && r.broker.move(r, to, free, need)
	if fine {
		raise(&to.peak, now)
	} else {
		to.used.Add(-m)
	}
	to.mu.Unlock()

	if !fine {
		r.mu.Lock()
		r.used.Add(n)
		r.granted.Add(free)
		r.mu.Unlock()
	}
	return fine
}

// Close implements Reservation.
func (r *reservation) Close() {
	if !r.closed.CompareAndSwap(false, true) {
		return
	}
	if r.parent != nil {
		above := max(0, r.used.Swap(0)-r.floor)
		r.root.drop(-r.parent.climb(-above))
		if r.parent == r.root {
			r.root.kept.Add(r.floor)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used.Store(0)
	r.granted.Store(0)
	r.broker.gone(r)
}
