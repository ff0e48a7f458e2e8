// Package inproc is a transport within one process: streams are pairs of
// buffers. There is nothing to authenticate, but peers are compared with who was
// expected all the same, so that mistakes show up here as elsewhere.
//
// A direction of a stream holds at most 256 KiB that nobody has read.
package inproc

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// Scheme begins the addresses.
const Scheme = "inproc"

// Network is where the transports of a process find each other.
type Network struct {
	mu        sync.Mutex
	listeners map[transport.Addr]*listener
}

// NewNetwork returns an empty network.
func NewNetwork() *Network { return &Network{listeners: map[transport.Addr]*listener{}} }

// Transport returns the transport of one of the process's parts.
func (n *Network) Transport(self identity.Name) transport.Transport { return &local{n, self} }

type local struct {
	net  *Network
	self identity.Name
}

// Listen implements transport.Transport.
func (l *local) Listen(_ context.Context, at transport.Addr, h transport.Handler, roles ...identity.Role) (transport.Listener, error) {
	if _, err := at.Of(Scheme); err != nil {
		return nil, err
	}
	s := &listener{net: l.net, addr: at, name: l.self, roles: roles, handler: h, streams: map[*stream]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.net.listeners[at] != nil {
		s.stop()
		return nil, &transport.Error{Kind: transport.Refused, Op: "listen", Peer: string(at), Cause: fmt.Errorf("the address is taken")}
	}
	l.net.listeners[at] = s
	return s, nil
}

// Dial implements transport.Transport.
func (l *local) Dial(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	fail := func(kind transport.Kind, cause error) error {
		return &transport.Error{Kind: kind, Op: "dial", Peer: string(to.Addr), Cause: cause}
	}
	if _, err := to.Addr.Of(Scheme); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fail(transport.Cancelled, err)
	}
	l.net.mu.Lock()
	s := l.net.listeners[to.Addr]
	l.net.mu.Unlock()
	switch {
	case s == nil:
		return nil, fail(transport.Lost, fmt.Errorf("nobody listens"))
	case s.name.App != to.Name.App || s.name.Role != to.Name.Role || to.Name.ID != "" && s.name.ID != to.Name.ID:
		return nil, fail(transport.Refused, fmt.Errorf("%s answers where %s was expected", s.name, to.Name))
	case l.self.App != s.name.App || !slices.Contains(s.roles, l.self.Role):
		return nil, fail(transport.Refused, fmt.Errorf("%s has no business here", l.self))
	}
	return &conn{listener: s, self: l.self, streams: map[*stream]bool{}}, nil
}

type listener struct {
	net     *Network
	addr    transport.Addr
	name    identity.Name
	roles   []identity.Role
	handler transport.Handler
	ctx     context.Context
	stop    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	streams map[*stream]bool // the handlers'
	running sync.WaitGroup
}

// Addr implements transport.Listener.
func (s *listener) Addr() transport.Addr { return s.addr }

// Close implements transport.Listener.
func (s *listener) Close() error {
	s.net.mu.Lock()
	if s.net.listeners[s.addr] == s {
		delete(s.net.listeners, s.addr)
	}
	s.net.mu.Unlock()
	s.mu.Lock()
	s.closed = true
	for x := range s.streams {
		x.fail(&transport.Error{Kind: transport.Closed, Op: "listen"}, &transport.Error{Kind: transport.Lost, Op: "stream", Peer: s.name.String()})
	}
	s.mu.Unlock()
	s.stop()
	s.running.Wait()
	return nil
}

// serve runs the handler of a stream.
func (s *listener) serve(x *stream, from identity.Name) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.streams[x] = true
	ctx, stop := context.WithCancel(s.ctx)
	x.stop = stop
	s.running.Go(func() {
		s.handler(ctx, from, x)
		x.finish()
		stop()
		s.mu.Lock()
		delete(s.streams, x)
		s.mu.Unlock()
	})
	return true
}

type conn struct {
	listener *listener
	self     identity.Name
	counters transport.Counters

	mu      sync.Mutex
	closed  bool
	streams map[*stream]bool
}

// Peer implements transport.Conn.
func (c *conn) Peer() identity.Name { return c.listener.name }

// Stats implements transport.Conn.
func (c *conn) Stats() transport.Stats { return c.counters.Stats() }

// Open implements transport.Conn.
func (c *conn) Open(ctx context.Context, u transport.Urgency) (transport.Stream, error) {
	fail := func(kind transport.Kind, code uint32, cause error) error {
		return &transport.Error{Kind: kind, Code: code, Op: "open", Peer: c.Peer().String(), Cause: cause}
	}
	if !u.Valid() {
		return nil, fmt.Errorf("transport: there is no urgency %d", u)
	}
	if err := ctx.Err(); err != nil {
		return nil, fail(transport.Cancelled, transport.CodeContext, err)
	}
	there, back := newPipe(), newPipe()
	x := &stream{in: back, out: there, peer: c.Peer().String(), counters: &c.counters}
	y := &stream{in: there, out: back, peer: c.self.String()}
	x.over = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.streams[x] {
			delete(c.streams, x)
			c.counters.Open.Add(-1)
		}
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, fail(transport.Closed, 0, nil)
	}
	c.streams[x] = true
	c.counters.Open.Add(1)
	c.counters.Opened.Add(1)
	c.mu.Unlock()
	if !c.listener.serve(y, c.self) {
		x.over()
		return nil, fail(transport.Lost, 0, fmt.Errorf("the listener is closed"))
	}
	x.watch(ctx)
	return x, nil
}

// Close implements transport.Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	var open []*stream
	for x := range c.streams {
		open = append(open, x)
	}
	c.mu.Unlock()
	for _, x := range open {
		x.fail(&transport.Error{Kind: transport.Closed, Op: "stream", Peer: x.peer}, &transport.Error{Kind: transport.Lost, Op: "stream", Peer: c.self.String()})
	}
	return nil
}

// stream is one end.
type stream struct {
	in, out  *pipe
	peer     string
	counters *transport.Counters // of the connection; nil at the handler's end
	over     func()              // nil at the handler's end
	stop     context.CancelFunc  // of the handler's context
	unwatch  atomic.Pointer[func() bool]
	read     atomic.Bool // to its end
	wrote    atomic.Bool // CloseWrite was called
}

// watch cancels the stream when ctx ends.
func (x *stream) watch(ctx context.Context) {
	f := context.AfterFunc(ctx, func() { x.Cancel(transport.CodeContext) })
	x.unwatch.Store(&f)
	if x.read.Load() && x.wrote.Load() {
		f()
	}
}

// ended takes the stream off its connection once both directions are over.
func (x *stream) ended(always bool) {
	if !always && !(x.read.Load() && x.wrote.Load()) {
		return
	}
	if f := x.unwatch.Load(); f != nil {
		(*f)()
	}
	if x.over != nil {
		x.over()
	}
}

// Read implements transport.Stream.
func (x *stream) Read(b []byte) (int, error) {
	n, err := x.in.read(b)
	if x.counters != nil {
		x.counters.Received.Add(int64(n))
	}
	if err != nil {
		x.read.Store(true)
		x.ended(false)
	}
	return n, err
}

// Write implements transport.Stream.
func (x *stream) Write(b []byte) (int, error) {
	n, err := x.out.write(b)
	if x.counters != nil {
		x.counters.Sent.Add(int64(n))
	}
	return n, err
}

// CloseWrite implements transport.Stream.
func (x *stream) CloseWrite() error {
	err := x.out.end()
	x.wrote.Store(true)
	x.ended(false)
	return err
}

// SetUrgency implements transport.Stream; memory is not shared out by urgency.
func (x *stream) SetUrgency(u transport.Urgency) error {
	if !u.Valid() {
		return fmt.Errorf("transport: there is no urgency %d", u)
	}
	return nil
}

// Cancel implements transport.Stream.
func (x *stream) Cancel(code uint32) {
	e := func(op string) error {
		return &transport.Error{Kind: transport.Cancelled, Code: code, Op: op, Peer: x.peer}
	}
	x.fail(e("stream"), e("stream"))
}

// fail ends both directions that are not over.
func (x *stream) fail(mine, theirs error) {
	if x.read.Load() && x.wrote.Load() {
		return
	}
	x.in.fail(mine, theirs)
	x.out.fail(theirs, mine)
	if x.stop != nil {
		x.stop()
	}
	x.ended(true)
}

// finish is what happens when the handler returns.
func (x *stream) finish() {
	if !x.wrote.Load() {
		x.Cancel(transport.CodeUnfinished)
		return
	}
	x.in.leave(&transport.Error{Kind: transport.Cancelled, Code: transport.CodeUnfinished, Op: "write"})
}

var _ transport.Stream = (*stream)(nil)
