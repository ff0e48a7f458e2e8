package service

import (
	"time"

	"github.com/millrace-engine/millrace/transport"
)

// Fetch is what a policy knows of a request that is about to be made.
type Fetch struct {
	Job, Exchange int
	From          string // the executor asked
	Blocks        int    // that it still has to send
	Try           int    // 0, or how often the request has failed
	Waiting       bool   // the task has nothing else to do
}

// Policy says what goes first. Implementations are safe for concurrent use. All
// executors of an application should have the same.
type Policy interface {
	// Urgency is the place of a request among all that its holder sends.
	Urgency(f Fetch) transport.Urgency
	// Before orders what a process reads from its disks and sends.
	Before(now time.Time, a, b transport.Ticket) bool
}

// ByUrgency is the usual policy: what failed before goes first, since a task
// waits for it, and transport.ByUrgency.
type ByUrgency struct{}

// Urgency implements Policy.
func (ByUrgency) Urgency(f Fetch) transport.Urgency {
	if f.Try > 0 {
		return transport.Straggler
	}
	return transport.Normal
}

// Before implements Policy.
func (ByUrgency) Before(now time.Time, a, b transport.Ticket) bool {
	return transport.ByUrgency(now, a, b)
}

var _ Policy = ByUrgency{}
