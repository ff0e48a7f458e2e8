package memory

import "context"

// Relief gives bytes back in the background while they are wanted: what stands behind
// a Reclaimer's Wake. That of a zero one does nothing.
type Relief struct{ bell chan struct{} }

// NewRelief returns one that nobody has woken.
func NewRelief() Relief { return Relief{make(chan struct{}, 1)} }

// Wake says that bytes are wanted. It does not block.
func (r Relief) Wake() {
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// Run has a broker's store reclaim what is wanted, each time that it is woken, until
// ctx ends.
func (r Relief) Run(ctx context.Context, b *Broker, of Reclaimer) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.bell:
		}
		for n := b.Wanted(); n > 0 && of.Reclaim(ctx, n) > 0; n = b.Wanted() {
		}
	}
}
