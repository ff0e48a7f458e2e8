package quic

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// conn is a client's connection to a peer.
type conn struct {
	t        *Transport
	at       *net.UDPAddr
	counters transport.Counters
	closing  chan struct{}
	places   []place // the first for urgent streams

	mu      sync.Mutex
	want    identity.Name // exactly who it is, once the first connection is made
	closed  bool
	next    int // data place for the next stream
	streams map[*stream]bool
}

// place holds one of the library's connections, or none yet.
type place struct {
	dialling sync.Mutex // held while one is dialled
	mu       sync.Mutex
	now      *connection
}

// Peer implements transport.Conn.
func (c *conn) Peer() identity.Name {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.want
}

// Stats implements transport.Conn.
func (c *conn) Stats() transport.Stats { return c.counters.Stats() }

// connection returns the connection of a place; it dials if there is none or the
// one there is broken.
func (c *conn) connection(ctx context.Context, i int) (*connection, error) {
	p := &c.places[i]
	p.mu.Lock()
	q := p.now
	p.mu.Unlock()
	if q != nil && q.conn.Context().Err() == nil {
		return q, nil
	}
	p.dialling.Lock()
	defer p.dialling.Unlock()
	p.mu.Lock()
	again := p.now != q
	q = p.now
	p.mu.Unlock()
	if again && q != nil && q.conn.Context().Err() == nil {
		return q, nil
	}
	if q != nil {
		q.close()
		c.counters.Connections.Add(-1)
		p.mu.Lock()
		p.now = nil
		p.mu.Unlock()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // Close ends the dialling too
		select {
		case <-c.closing:
			stop()
		case <-ctx.Done():
		}
	}()
	fresh, err := c.t.dial(ctx, c.at, c.Peer())
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		fresh.close()
		return nil, &transport.Error{Kind: transport.Closed, Op: "open", Peer: fresh.peer.String()}
	}
	c.want = fresh.peer
	p.mu.Lock()
	p.now = fresh
	p.mu.Unlock()
	c.mu.Unlock()
	c.counters.Connections.Add(1)
	return fresh, nil
}

// Open implements transport.Conn.
func (c *conn) Open(ctx context.Context, u transport.Urgency) (transport.Stream, error) {
	if !u.Valid() {
		return nil, fmt.Errorf("transport: there is no urgency %d", u)
	}
	c.mu.Lock()
	closed, i, peer := c.closed, 0, c.want.String()
	if !u.Urgent() {
		i = 1 + c.next%(len(c.places)-1)
		c.next++
	}
	c.mu.Unlock()
	if closed {
		return nil, &transport.Error{Kind: transport.Closed, Op: "open", Peer: peer}
	}
	if err := ctx.Err(); err != nil {
		return nil, &transport.Error{Kind: transport.Cancelled, Code: transport.CodeContext, Op: "open", Peer: peer, Cause: err}
	}
	q, err := c.connection(ctx, i)
	if err != nil {
		return nil, failed("open", peer, err)
	}
	raw, err := q.conn.OpenStreamSync(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = &transport.Error{Kind: transport.Cancelled, Code: transport.CodeContext, Op: "open", Peer: peer, Cause: ctx.Err()}
		}
		return nil, failed("open", peer, err)
	}
	deadline, _ := ctx.Deadline()
	s := newStream(raw, peer, c.t.o.Egress, &c.counters, u, deadline)
	watched := make(chan func() bool, 1)
	s.over = func() {
		(<-watched)()
		c.mu.Lock()
		delete(c.streams, s)
		c.mu.Unlock()
		c.counters.Open.Add(-1)
	}
	c.mu.Lock()
	c.streams[s] = true
	c.mu.Unlock()
	c.counters.Open.Add(1)
	c.counters.Opened.Add(1)
	watched <- context.AfterFunc(ctx, func() { s.Cancel(transport.CodeContext) })
	if _, err := raw.Write(head(u, deadline)); err != nil {
		s.Cancel(transport.CodeUnfinished)
		return nil, failed("open", peer, err)
	}
	return s, nil
}

// head is what a stream begins with.
func head(u transport.Urgency, deadline time.Time) []byte {
	ms := int64(0)
	if !deadline.IsZero() {
		ms = max(1, min(time.Until(deadline).Milliseconds(), 1<<32-1))
	}
	return binary.LittleEndian.AppendUint32([]byte{byte(u)}, uint32(ms))
}

func parseHead(b []byte) (u transport.Urgency, deadline time.Time, ok bool) {
	if ms := binary.LittleEndian.Uint32(b[1:]); ms > 0 {
		deadline = time.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	u = transport.Urgency(b[0])
	return u, deadline, u.Valid()
}

// Close implements transport.Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	close(c.closing)
	open := make([]*stream, 0, len(c.streams))
	for s := range c.streams {
		open = append(open, s)
	}
	c.mu.Unlock()
	for i := range c.places {
		p := &c.places[i]
		p.dialling.Lock() // whoever dials gives up, or closes what it got
		p.mu.Lock()
		if p.now != nil {
			p.now.close()
			c.counters.Connections.Add(-1)
			p.now = nil
		}
		p.mu.Unlock()
		p.dialling.Unlock()
	}
	for _, s := range open {
		s.end()
	}
	return nil
}
