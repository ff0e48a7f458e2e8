package transport

import "sync/atomic"

// Counters are the Stats of a connection while it lives, for implementations.
type Counters struct{ Sent, Received, Opened, Open, Connections atomic.Int64 }

// Stats returns what was counted so far.
func (c *Counters) Stats() Stats {
	return Stats{Sent: c.Sent.Load(), Received: c.Received.Load(), Opened: c.Opened.Load(), Open: c.Open.Load(), Connections: c.Connections.Load()}
}
