package service

import "time"

// Limits bound what fetches hold and what a server reads at a time, in bytes as
// they lie in memory, and how long a dial lasts. A field that is zero is taken from DefaultLimits.
type Limits struct {
	Task     int64 // what one task has asked for or not given back
	Executor int64 // the same of all tasks of the process
	Peer     int64 // the same of all tasks, from one peer
	Streams  int   // requests to one peer at a time
	Request  int64 // asked for in one go; about Task/5, so that several peers send at once
	Serving  int64 // what a server has been asked for and not sent; above it, it answers busy
	// Dial is how long a peer may take to answer who dials it.
	Dial time.Duration
}

// DefaultLimits are the limits that settings begin with.
var DefaultLimits = Limits{Task: 48 << 20, Executor: 384 << 20, Peer: 64 << 20, Streams: 8, Request: 48 << 20 / 5, Serving: 256 << 20, Dial: 5 * time.Second}

// leastRequest is what a reader that waits may ask for whatever others hold: about
// one chunk.
const leastRequest = 256 << 10

// filled returns l with what is missing, and a request that fits all bounds.
func (l Limits) filled() Limits {
	d := DefaultLimits
	for _, x := range []struct {
		v *int64
		d int64
	}{{&l.Task, d.Task}, {&l.Executor, d.Executor}, {&l.Peer, d.Peer}, {&l.Request, d.Request}, {&l.Serving, d.Serving}} {
		if *x.v <= 0 {
			*x.v = x.d
		}
	}
	if l.Streams <= 0 {
		l.Streams = d.Streams
	}
	if l.Dial <= 0 {
		l.Dial = d.Dial
	}
	l.Request = max(1, min(l.Request, l.Task, l.Executor, l.Peer))
	return l
}
