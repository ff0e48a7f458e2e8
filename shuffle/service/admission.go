package service

import (
	"context"
	"slices"
	"sync"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/transport"
)

// admission decides when readers may ask for more, and how much. Bytes are paid
// for before they are asked for, and given back when the consumer is through with
// them: so what is asked for always has a place, no request waits for a consumer,
// and a consumer that is slow stops the network.
//
//	lane ── ask ──► waiting ── fits ──► granted ── spend, batch by batch ──► back
//	                   ▲                    └── what the answer did not need ──► back
//	                   └── a lane whose consumer waits goes first, and whatever
//	                       others hold it may ask for leastRequest
type admission struct {
	limits Limits

	mu      sync.Mutex
	used    int64
	peers   map[transport.Peer]*usage
	tasks   map[memory.Reservation]*usage
	waiting []*lane // in the order in which they asked
}

// usage is what the lanes of a task hold, or those to a peer.
type usage struct {
	bytes   int64
	streams int // that are open; of a peer
	lanes   int
}

// lane is a reader's part. Its fields are guarded by the admission's mu.
type lane struct {
	a          *admission
	of         transport.Peer
	task, peer *usage
	memory     memory.Reservation // of the task; may be nil
	held       int64              // granted and not given back
	spent      int64              // of it, what batches take
	charged    int64              // of it, what the memory reservation has paid
	hungry     bool               // its consumer waits
	granted    chan int64         // of capacity one; nil: it does not ask
	closed     bool
}

func newAdmission(l Limits) *admission {
	return &admission{limits: l.filled(), peers: map[transport.Peer]*usage{}, tasks: map[memory.Reservation]*usage{}}
}

// open makes the lane of a reader. Readers of one task have one reservation;
// without one a reader is a task of its own.
func (a *admission) open(of transport.Peer, r memory.Reservation) *lane {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &lane{a: a, of: of, memory: r, task: a.tasks[r], peer: a.peers[of]}
	if l.task == nil || r == nil {
		l.task = &usage{}
	}
	if r != nil {
		a.tasks[r] = l.task
	}
	if l.peer == nil {
		l.peer = &usage{}
		a.peers[of] = l.peer
	}
	l.task.lanes++
	l.peer.lanes++
	return l
}

// ask waits until the lane may open a stream and returns for how many bytes. Sent
// ends that.
func (l *lane) ask(ctx context.Context) (int64, error) {
	a := l.a
	granted := make(chan int64, 1)
	a.mu.Lock()
	l.granted = granted
	a.waiting = append(a.waiting, l)
	a.grant()
	a.mu.Unlock()
	select {
	case n := <-granted:
		return n, nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.granted != nil {
		l.granted = nil
		a.waiting = slices.DeleteFunc(a.waiting, func(x *lane) bool { return x == l })
		return 0, ctx.Err()
	}
	return <-granted, nil // the stream will fail by the same ctx
}

// want is what a lane's next request is for when nothing is short: a share of
// what its task may hold, so that all its peers send.
func (l *lane) want() int64 {
	share := l.a.limits.Task / int64(2*l.task.lanes)
	return min(l.a.limits.Request, max(share, leastRequest))
}

// grant serves those that wait, hungry ones first.
func (a *admission) grant() {
	for _, hungry := range []bool{true, false} {
		keep := a.waiting[:0]
		for _, l := range a.waiting {
			n := int64(0)
			if l.hungry == hungry {
				n = a.fits(l)
			}
			if n == 0 {
				keep = append(keep, l)
				continue
			}
			a.used += n
			l.task.bytes += n
			l.peer.bytes += n
			l.peer.streams++
			l.held += n
			l.granted <- n
			l.granted = nil
		}
		clear(a.waiting[len(keep):])
		a.waiting = keep
	}
}

// fits returns what a lane may ask for now, 0 for nothing, and pays for it.
func (a *admission) fits(l *lane) int64 {
	if l.peer.streams >= a.limits.Streams {
		return 0
	}
	n, least := l.want(), min(l.want(), leastRequest)
	fits := a.used+n <= a.limits.Executor && l.task.bytes+n <= a.limits.Task && l.peer.bytes+n <= a.limits.Peer
	switch {
	case fits && l.memory == nil:
		return n
	case fits && (l.hungry || l.memory.Pressure() == memory.Idle) && l.memory.TryGrow(n):
		l.charged += n
		return n
	case !l.hungry:
		return 0
	}
	// Its task can give nothing back before it has read on.
	if l.memory != nil && l.memory.TryGrow(least) {
		l.charged += least
	}
	return least
}

// starve says whether the lane's consumer waits for it.
func (l *lane) starve(hungry bool) {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.hungry = hungry
	if hungry && l.granted != nil {
		l.a.grant()
	}
}

func (l *lane) isHungry() bool {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	return l.hungry
}

// spend takes the n bytes of a batch that arrived out of what was granted; more
// than that is paid for as far as memory allows.
func (l *lane) spend(n int64) {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.spent += n
	if more := l.spent - l.held; more > 0 {
		l.a.used += more
		l.task.bytes += more
		l.peer.bytes += more
		l.held += more
		if l.memory != nil && l.memory.TryGrow(more) {
			l.charged += more
		}
	}
}

// sent ends a stream: what the answer did not need comes back.
func (l *lane) sent() {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.peer.streams--
	l.giveBack(l.held - l.spent)
}

// back gives back the n bytes of a batch that the consumer is through with.
func (l *lane) back(n int64) {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	if !l.closed {
		l.spent -= n
		l.giveBack(n)
	}
}

// giveBack returns n bytes. What is left stays paid as far as it was.
func (l *lane) giveBack(n int64) {
	l.held -= n
	l.task.bytes -= n
	l.peer.bytes -= n
	l.a.used -= n
	if over := l.charged - l.held; over > 0 {
		l.charged -= over
		l.memory.Shrink(over)
	}
	l.a.grant()
}

// close gives everything back. No stream of the lane may be open.
func (l *lane) close() {
	a := l.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	if l.task.lanes--; l.task.lanes == 0 && l.memory != nil {
		delete(a.tasks, l.memory)
	}
	if l.peer.lanes--; l.peer.lanes == 0 {
		delete(a.peers, l.of)
	}
	l.giveBack(l.held)
}
