package quic

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// listener implements transport.Listener.
type listener struct {
	t        *Transport
	addr     transport.Addr
	handler  transport.Handler
	ctx      context.Context
	stop     context.CancelFunc
	sockets  []*connection // without a conn
	servers  []*quic.Listener
	places   chan struct{}
	counters transport.Counters
	running  sync.WaitGroup
}

// Listen implements transport.Transport.
func (t *Transport) Listen(ctx context.Context, at transport.Addr, h transport.Handler, roles ...identity.Role) (transport.Listener, error) {
	address, err := at.Of(Scheme)
	if err != nil {
		return nil, err
	}
	sockets, err := t.sockets(ctx, address)
	if err != nil {
		return nil, failed("listen", string(at), err)
	}
	l := &listener{t: t, handler: h, places: make(chan struct{}, maxConnections)}
	l.ctx, l.stop = context.WithCancel(context.Background())
	for _, socket := range sockets {
		l.sockets = append(l.sockets, &connection{socket: socket, transport: &quic.Transport{Conn: socket}})
	}
	for _, q := range l.sockets {
		s, err := q.transport.Listen(t.self.Server(transport.Protocol, roles...), config(t.o.Lost))
		if err != nil {
			return nil, errors.Join(failed("listen", string(at), err), l.Close())
		}
		l.servers = append(l.servers, s)
	}
	l.addr = transport.Addr(Scheme + "://" + sockets[0].LocalAddr().String())
	for _, s := range l.servers {
		l.running.Go(func() { l.accept(s) })
	}
	return l, nil
}

// Addr implements transport.Listener.
func (l *listener) Addr() transport.Addr { return l.addr }

func (l *listener) accept(s *quic.Listener) {
	for {
		c, err := s.Accept(l.ctx)
		if err != nil {
			return // the listener is closed: nothing else ends it
		}
		select {
		case l.places <- struct{}{}:
			l.running.Go(func() {
				defer func() { <-l.places }()
				l.serve(c)
			})
		default:
			_ = c.CloseWithError(codeFull, "too many connections")
		}
	}
}

// serve lets a client in, whose certificate was verified, and serves its streams.
func (l *listener) serve(c *quic.Conn) {
	defer c.CloseWithError(codeClosed, "")
	from, err := identity.Peer(c.ConnectionState().TLS)
	if err != nil {
		return
	}
	welcome, err := c.OpenUniStreamSync(l.ctx)
	if err != nil {
		return
	}
	if _, err := welcome.Write([]byte{1}); err != nil || welcome.Close() != nil {
		return
	}
	var streams sync.WaitGroup
	defer streams.Wait()
	for {
		raw, err := c.AcceptStream(l.ctx)
		if err != nil {
			// Handlers wake because the connection is gone, or will be.
			_ = c.CloseWithError(codeClosed, "")
			return
		}
		streams.Go(func() { l.stream(c, from, raw) })
	}
}

// stream serves one stream.
func (l *listener) stream(c *quic.Conn, from identity.Name, raw *quic.Stream) {
	var b [5]byte
	_ = raw.SetReadDeadline(time.Now().Add(handshake))
	_, err := io.ReadFull(raw, b[:])
	_ = raw.SetReadDeadline(time.Time{})
	u, deadline, ok := parseHead(b[:])
	if err != nil || !ok {
		raw.CancelRead(quic.StreamErrorCode(transport.CodeUnfinished))
		raw.CancelWrite(quic.StreamErrorCode(transport.CodeUnfinished))
		return
	}
	s := newStream(raw, from.String(), l.t.o.Egress, &l.counters, u, deadline)
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	defer context.AfterFunc(raw.Context(), func() { // which CloseWrite ends too
		if e := (*quic.StreamError)(nil); errors.As(context.Cause(raw.Context()), &e) {
			stop()
		}
	})()
	l.handler(ctx, from, s)
	s.returned()
}

// Close implements transport.Listener.
func (l *listener) Close() error {
	l.stop()
	for _, s := range l.servers {
		_ = s.Close()
	}
	l.running.Wait()
	for _, q := range l.sockets {
		q.close()
	}
	return nil
}
