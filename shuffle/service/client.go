package service

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/transport"
)

// Options are what clients and servers of an application have in common. The zero
// value works.
type Options struct {
	Limits Limits
	Policy Policy // nil: ByUrgency
	Codec  Codec  // of all that is sent; nil: Raw within a host, LZ4 between hosts
	// Slots is how many batches a server reads and encodes at a time; 0: one for each
	// core, and two at least.
	Slots int
	// Pause waits before a fetch is tried again, until d is over or ctx ends; nil
	// waits by the clock.
	Pause func(ctx context.Context, d time.Duration) error
	// Stall is how long a peer may send nothing that it was asked for. 0: a minute.
	Stall time.Duration
}

func (o Options) filled() Options {
	o.Limits = o.Limits.filled()
	if o.Slots <= 0 {
		o.Slots = max(2, runtime.GOMAXPROCS(0))
	}
	if o.Policy == nil {
		o.Policy = ByUrgency{}
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	if o.Stall <= 0 {
		o.Stall = time.Minute
	}
	return o
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Client fetches from other executors, over one connection to each.
type Client struct {
	transport transport.Transport
	options   Options
	codecs    map[string]Codec
	admission *admission
	nonce     func() uint32 // of requests; replaced by tests

	mu    sync.Mutex
	peers map[transport.Peer]*peer
	gone  map[string]bool // executors that were lost, by id
}

// peer is the connection to an executor, or none yet.
type peer struct {
	lost     context.Context // ends when the executor is known to be gone
	lose     context.CancelFunc
	dialled  atomic.Int64  // dials that failed
	dialling chan struct{} // of capacity one: held by who looks at what follows
	conn     transport.Conn
	failure  error // of the last dial that failed
}

// errLost means that the driver has told of the end of a holder.
var errLost = errors.New("service: the executor is lost")

// NewClient returns a client. It must be closed, once its readers are.
func NewClient(t transport.Transport, o Options) *Client {
	o = o.filled()
	return &Client{transport: t, options: o, codecs: codecs(o.Codec), admission: newAdmission(o.Limits), nonce: rand.Uint32, peers: map[transport.Peer]*peer{}, gone: map[string]bool{}}
}

// Close closes the connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		p.dialling <- struct{}{}
		if p.conn != nil {
			p.conn.Close()
			p.conn = nil
		}
		<-p.dialling
	}
}

func (c *Client) peer(to transport.Peer) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.peers[to]
	if !ok {
		p = &peer{dialling: make(chan struct{}, 1)}
		p.lost, p.lose = context.WithCancel(context.Background())
		if c.gone[to.Name.ID] {
			p.lose()
		}
		c.peers[to] = p
	}
	return p
}

// Lose gives an executor up that is known to be gone, and does not come back: whoever
// dials it or reads from it, now or later, learns so at once (a *shuffle.GoneError).
func (c *Client) Lose(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone[id] = true
	for to, p := range c.peers {
		if to.Name.ID == id {
			p.lose()
		}
	}
}

// conn returns the connection to a peer. Who comes while it is dialled waits for
// that, and gets the same answer.
func (c *Client) conn(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	p := c.peer(to)
	before := p.dialled.Load()
	select {
	case p.dialling <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.dialling }()
	if p.conn != nil {
		return p.conn, nil
	}
	if p.dialled.Load() != before {
		return nil, p.failure
	}
	bounded, stop := context.WithTimeout(ctx, c.options.Limits.Dial)
	defer stop()
	x, err := c.transport.Dial(bounded, to)
	if err != nil {
		if ctx.Err() == nil { // else it was this reader that gave up
			p.failure = err
			p.dialled.Add(1)
		}
		return nil, err
	}
	p.conn = x
	return x, nil
}

// forget closes a connection that failed.
func (c *Client) forget(to transport.Peer, x transport.Conn) {
	p := c.peer(to)
	p.dialling <- struct{}{} // dialling ends
	if p.conn == x {
		p.conn = nil
	}
	<-p.dialling
	x.Close()
}

// Read fetches the rows of blocks of one exchange, one block after the other. It
// begins at once; the reader must be closed. The ids are of one job and exchange.
// What is in flight is charged to r, which may be nil, as far as it grants that.
// Readers of one task have the same r.
func (c *Client) Read(ctx context.Context, from transport.Peer, ids []cache.BlockID, schema *columnar.Schema, r memory.Reservation) *Reader {
	ctx, cancel := context.WithCancelCause(ctx)
	x := &Reader{client: c, from: from, schema: schema, cancel: func() { cancel(nil) }, lane: c.admission.open(from, r), bell: make(chan struct{}, 1)}
	for _, id := range ids {
		x.job, x.exchange = id.Job, id.Exchange
		x.rest = append(x.rest, block{id.Map, id.Attempt, id.Partition})
	}
	x.done.Go(func() {
		lost := c.peer(from).lost
		if lost.Err() != nil {
			x.finish(x.gone(errLost))
			return
		}
		defer context.AfterFunc(lost, func() { cancel(errLost) })()
		x.finish(x.run(ctx))
	})
	return x
}
