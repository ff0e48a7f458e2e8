package memory

import (
	"context"
	"fmt"

	"github.com/millrace-engine/millrace/internal/invariants"
)

// Grow implements Reservation: there is no waiting for others, who over the
// budget asks must spill.
func (r *reservation) Grow(ctx context.Context, n int64) error {
	if r.TryGrow(n) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return ErrSpill
}

// TryGrow implements Reservation.
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
		raise(&r.peak, r.used.Add(n))
		return true
	}
	now := r.used.Add(n)
	if now > r.granted.Load() && !r.extend(now) {
		r.used.Add(-n)
		return false
	}
	raise(&r.peak, now)
	return true
}

// extend draws quanta until the grant of a root covers need.
func (r *reservation) extend(need int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return false
	}
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

// Shrink implements Reservation.
func (r *reservation) Shrink(n int64) {
	if n <= 0 || r.closed.Load() {
		return
	}
	if now := r.used.Add(-n); now < 0 {
		if invariants.Enabled && !r.closed.Load() {
			panic(fmt.Sprintf("memory: reservation %s gives back %d bytes more than it holds", r.name, -now))
		}
		n += now // keep the books right
		r.used.Add(-now)
	}
	if r.parent != nil {
		r.parent.Shrink(n)
		return
	}
	if r.spare() > 0 { // without the lock first: M2
		r.mu.Lock()
		if spare := r.spare(); spare > 0 {
			r.granted.Add(-spare)
			r.broker.give(spare)
		}
		r.mu.Unlock()
	}
}

// spare returns the granted bytes of a root that it may give back, apart from
// its minimum and one quantum for the way up again.
func (r *reservation) spare() int64 {
	return r.granted.Load() - max(r.least, roundUp(max(0, r.used.Load()))+quantum)
}

func (r *reservation) Held() int64     { return r.used.Load() }
func (r *reservation) Peak() int64     { return r.peak.Load() }
func (r *reservation) Pressure() Level { return r.broker.level() }

// Child implements Reservation.
func (r *reservation) Child(name string) Reservation {
	return &reservation{broker: r.broker, parent: r, root: r.root, name: name}
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
	if dst.root != r.root {
		if !r.root.hand(dst.root, n) {
			return ErrSpill
		}
	}
	for x := r; x != x.root; x = x.parent {
		x.used.Add(-n)
	}
	for x := dst; x != x.root; x = x.parent {
		raise(&x.peak, x.used.Add(n))
	}
	return nil
}

// hand moves n used bytes from one root to another with the quanta they need.
func (r *reservation) hand(to *reservation, n int64) bool {
	r.mu.Lock()
	r.used.Add(-n)
	free := max(0, r.granted.Load()-max(r.least, roundUp(r.used.Load())))
	r.granted.Add(-free)
	r.mu.Unlock()

	to.mu.Lock()
	now := to.used.Add(n)
	need := max(0, roundUp(now)-to.granted.Load())
	fine := !to.closed.Load() && (need <= free || r.broker.take(need-free))
	if fine {
		to.granted.Add(need)
		free -= min(need, free)
		raise(&to.peak, now)
	} else {
		to.used.Add(-n)
	}
	to.mu.Unlock()

	if !fine {
		r.mu.Lock()
		r.used.Add(n)
		r.granted.Add(free)
		r.mu.Unlock()
		return false
	}
	r.broker.give(free)
	return true
}

// Close implements Reservation.
func (r *reservation) Close() {
	if !r.closed.CompareAndSwap(false, true) {
		return
	}
	if r.parent != nil {
		r.parent.Shrink(r.used.Swap(0))
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used.Store(0)
	r.broker.give(r.granted.Swap(0))
}
