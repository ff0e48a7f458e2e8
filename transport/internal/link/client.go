package link

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// DefaultLimit is the streams that are not urgent which a peer serves at once.
const DefaultLimit = 8

// maxIdle is the connections kept for later.
const maxIdle = DefaultLimit + 1

// Client is a connection to a peer: a pool of lines. It implements
// transport.Conn.
type Client struct {
	peer     identity.Name
	dial     Dial
	egress   *transport.Egress
	counters transport.Counters
	bulk     chan struct{} // one for each stream that is not urgent
	urgent   chan struct{} // for urgent ones beyond those
	closing  chan struct{}
	ctx      context.Context // ends with closing
	stop     context.CancelFunc
	beating  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	idle   []*line
	open   map[*Stream]bool
}

// Options are a client's. A zero Limit is the default; a zero Lost asks for no
// signs of life.
type Options struct {
	Egress *transport.Egress
	Limit  int
	Lost   time.Duration
}

// Dial returns a connection on which both sides have shown who they are, and who
// is at the other end: want, or any process of its role if want has no ID.
type Dial func(ctx context.Context, want identity.Name) (Socket, identity.Name, error)

// NewClient dials a first connection, which shows that the peer is there and lets
// this process in. All later ones lead to the same process.
func NewClient(ctx context.Context, want identity.Name, dial Dial, o Options) (*Client, error) {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	c := &Client{peer: want, dial: dial, egress: o.Egress, bulk: make(chan struct{}, o.Limit), urgent: make(chan struct{}, o.Limit), closing: make(chan struct{}), open: map[*Stream]bool{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	l, who, err := c.connect(ctx)
	if err != nil {
		c.stop()
		return nil, err
	}
	c.peer = who
	c.idle = append(c.idle, l)
	if o.Lost > 0 {
		c.beating.Go(func() { c.beat(o.Lost) })
	}
	return c, nil
}

// connect makes a line, waits to be let in and says by whom.
func (c *Client) connect(ctx context.Context) (*line, identity.Name, error) {
	s, who, err := c.dial(ctx, c.peer)
	if err != nil {
		return nil, who, err
	}
	l := newLine(s)
	stop := context.AfterFunc(ctx, func() { _ = s.Break() })
	_ = l.SetReadDeadline(time.Now().Add(transport.LostAfter))
	kind, err := l.next()
	_ = l.SetReadDeadline(time.Time{})
	if !stop() {
		return nil, who, &transport.Error{Kind: transport.Cancelled, Code: transport.CodeContext, Op: "dial", Peer: c.peer.String(), Cause: ctx.Err()}
	}
	if err == nil && kind != kindWelcome {
		err = fmt.Errorf("%w: a record of kind %d instead of a welcome", errForm, kind)
	}
	if err != nil {
		_ = s.Break()
		return nil, who, err
	}
	c.counters.Connections.Add(1)
	return l, who, nil
}

// Peer implements transport.Conn.
func (c *Client) Peer() identity.Name { return c.peer }

// Stats implements transport.Conn.
func (c *Client) Stats() transport.Stats { return c.counters.Stats() }

// Open implements transport.Conn.
func (c *Client) Open(ctx context.Context, u transport.Urgency) (transport.Stream, error) {
	if !u.Valid() {
		return nil, fmt.Errorf("transport: there is no urgency %d", u)
	}
	for {
		place, err := c.admit(ctx, u)
		if err != nil {
			return nil, err
		}
		l, fresh, err := c.line(ctx)
		if err != nil {
			<-place
			return nil, err
		}
		s, err := c.begin(ctx, l, u, place)
		if err == nil || fresh || ctx.Err() != nil || transport.KindOf(err) != transport.Lost {
			return s, err
		} // else the line had been idle for too long
	}
}

// admit takes a place among the streams.
func (c *Client) admit(ctx context.Context, u transport.Urgency) (chan struct{}, error) {
	fail := func(kind transport.Kind, code uint32, cause error) error {
		return &transport.Error{Kind: kind, Code: code, Op: "open", Peer: c.peer.String(), Cause: cause}
	}
	if err := ctx.Err(); err != nil {
		return nil, fail(transport.Cancelled, transport.CodeContext, err)
	}
	second := c.urgent
	if !u.Urgent() {
		second = nil // never ready
	}
	select {
	case <-c.closing:
		return nil, fail(transport.Closed, 0, nil)
	case c.bulk <- struct{}{}:
		return c.bulk, nil
	default:
	}
	select {
	case <-c.closing:
		return nil, fail(transport.Closed, 0, nil)
	case c.bulk <- struct{}{}:
		return c.bulk, nil
	case second <- struct{}{}:
		return c.urgent, nil
	case <-ctx.Done():
		return nil, fail(transport.Cancelled, transport.CodeContext, ctx.Err())
	}
}

// line returns an idle line, or a fresh one.
func (c *Client) line(ctx context.Context) (l *line, fresh bool, err error) {
	for {
		c.mu.Lock()
		if n := len(c.idle); n > 0 {
			l, c.idle = c.idle[n-1], c.idle[:n-1]
		} else {
			l = nil
		}
		c.mu.Unlock()
		if l == nil {
			l, _, err = c.connect(ctx)
			return l, true, err
		}
		if l.Alive == nil || l.Alive() {
			return l, false, nil
		}
		c.drop(l)
	}
}

// begin opens a stream on a line and takes care that the place comes back.
func (c *Client) begin(ctx context.Context, l *line, u transport.Urgency, place chan struct{}) (transport.Stream, error) {
	deadline, _ := ctx.Deadline()
	s := newStream(l, c.peer.String(), c.egress, &c.counters, u, deadline)
	watched := make(chan func() bool, 1)
	s.over = func(good bool) {
		(<-watched)()
		c.mu.Lock()
		delete(c.open, s)
		keep := good && !c.closed && len(c.idle) < maxIdle && l.r.Buffered() == 0 // L1
		if keep {
			c.idle = append(c.idle, l)
		}
		c.mu.Unlock()
		c.counters.Open.Add(-1)
		if !keep {
			c.drop(l)
		}
		<-place
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.drop(l)
		<-place
		return nil, &transport.Error{Kind: transport.Closed, Op: "open", Peer: c.peer.String()}
	}
	c.open[s] = true
	c.mu.Unlock()
	c.counters.Open.Add(1)
	if err := l.write(kindOpen, openRecord(u, deadline)); err != nil {
		watched <- func() bool { return true }
		return nil, s.broken("open", err)
	}
	c.counters.Opened.Add(1)
	watched <- s.watch(ctx)
	return s.public(), nil
}

func (c *Client) drop(l *line) {
	_ = l.Break()
	c.counters.Connections.Add(-1)
}

// Close implements transport.Conn.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
		c.stop()
	}
	c.mu.Unlock()
	c.lose(&transport.Error{Kind: transport.Closed, Op: "stream", Peer: c.peer.String()})
	c.beating.Wait()
	return nil
}
