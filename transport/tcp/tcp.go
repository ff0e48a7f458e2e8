// Package tcp is the transport over TCP with TLS 1.3, for hosts between which UDP
// does not get through, and for links where it is faster.
//
// A stream has a connection for itself while it lives; connections are kept for
// the next stream. A peer serves eight streams at once; urgent ones do not wait
// behind those. See internal/link for the form.
package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/internal/link"
)

// Scheme begins the addresses.
const Scheme = "tcp"

// handshake bounds the time that a peer has to show who it is.
const handshake = 10 * time.Second

// maxConnections bounds what a listener has open.
const maxConnections = 8192

// Options are a transport's. The zero value works.
type Options struct {
	// Egress orders what is sent; nil sends at once.
	Egress *transport.Egress
	// Limit is the streams that are not urgent which a peer serves at once. 0: 8.
	Limit int
	// Lost is how long a peer may give no sign of life. 0: transport.LostAfter.
	Lost time.Duration
	// Dial and Listen replace those of package net; nil: those.
	Dial   func(ctx context.Context, address string) (net.Conn, error)
	Listen func(ctx context.Context, address string) (net.Listener, error)
}

// Transport implements transport.Transport.
type Transport struct {
	self *identity.Credential
	o    Options
}

// New returns the transport of a process that is who its credential says.
func New(self *identity.Credential, o Options) *Transport {
	if o.Lost <= 0 {
		o.Lost = transport.LostAfter
	}
	if o.Dial == nil {
		d := &net.Dialer{KeepAliveConfig: keepAlive, Control: tune}
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	if o.Listen == nil {
		l := &net.ListenConfig{KeepAliveConfig: keepAlive, Control: tune}
		o.Listen = func(ctx context.Context, address string) (net.Listener, error) { return l.Listen(ctx, "tcp", address) }
	}
	return &Transport{self: self, o: o}
}

// keepAlive finds out about peers that are gone between streams.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}

// failed makes an error of connecting one of the package: certificates and alerts
// are refusals.
func failed(op, peer string, err error) error {
	if err == nil || transport.KindOf(err) != 0 {
		return err
	}
	var refusal *identity.Refusal
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	var remote *net.OpError
	kind := transport.Lost
	switch {
	case errors.As(err, &refusal), errors.As(err, &verify), errors.As(err, &alert), errors.As(err, &remote) && remote.Op == "remote error":
		kind = transport.Refused
	case errors.Is(err, context.Canceled):
		kind = transport.Cancelled
	}
	return &transport.Error{Kind: kind, Op: op, Peer: peer, Cause: err}
}

// Dial implements transport.Transport.
func (t *Transport) Dial(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	address, err := to.Addr.Of(Scheme)
	if err != nil {
		return nil, err
	}
	c, err := link.NewClient(ctx, to.Name, func(ctx context.Context, want identity.Name) (link.Socket, identity.Name, error) {
		s, who, err := t.connect(ctx, address, want)
		return s, who, failed("dial", string(to.Addr), err)
	}, link.Options{Egress: t.o.Egress, Limit: t.o.Limit, Lost: t.o.Lost})
	if err != nil {
		return nil, failed("dial", string(to.Addr), err)
	}
	return c, nil
}

// connect makes a connection on which both sides know each other.
func (t *Transport) connect(ctx context.Context, address string, want identity.Name) (s link.Socket, who identity.Name, err error) {
	raw, err := t.o.Dial(ctx, address)
	if err != nil {
		return s, who, err
	}
	config := t.self.Client(transport.Protocol, want)
	config.DynamicRecordSizingDisabled = true
	c := tls.Client(raw, config)
	ctx, stop := context.WithTimeout(ctx, handshake)
	defer stop()
	if err = c.HandshakeContext(ctx); err == nil {
		who, err = identity.Peer(c.ConnectionState())
	}
	if err != nil {
		raw.Close()
		return s, who, err
	}
	return link.Socket{Conn: c, Break: raw.Close, Alive: func() bool { return link.Alive(raw) }}, who, nil
}

// Listen implements transport.Transport.
func (t *Transport) Listen(ctx context.Context, at transport.Addr, h transport.Handler, roles ...identity.Role) (transport.Listener, error) {
	address, err := at.Of(Scheme)
	if err != nil {
		return nil, err
	}
	l, err := t.o.Listen(ctx, address)
	if err != nil {
		return nil, failed("listen", string(at), err)
	}
	config := t.self.Server(transport.Protocol, roles...)
	config.DynamicRecordSizingDisabled = true
	s := &listener{addr: transport.Addr(Scheme + "://" + l.Addr().String()), config: config, server: link.NewServer(h, t.o.Egress, t.o.Lost)}
	s.Door = link.Open(l, s.server, maxConnections, s.serve)
	return s, nil
}

type listener struct {
	*link.Door
	addr   transport.Addr
	config *tls.Config
	server *link.Server
}

// Addr implements transport.Listener.
func (s *listener) Addr() transport.Addr { return s.addr }

// serve lets a client in and serves it.
func (s *listener) serve(raw net.Conn) {
	defer raw.Close()
	c := tls.Server(raw, s.config)
	ctx, stop := context.WithTimeout(s.server.Context(), handshake)
	err := c.HandshakeContext(ctx)
	stop()
	if err != nil {
		return // the client was told
	}
	from, err := identity.Peer(c.ConnectionState())
	if err != nil {
		return
	}
	socket := link.Socket{Conn: c, Break: raw.Close}
	if link.Welcome(socket) == nil {
		s.server.Serve(socket, from)
	}
}

var _ transport.Transport = (*Transport)(nil)
