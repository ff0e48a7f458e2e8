// Package local is the transport between processes of one host: Unix sockets,
// which also pass open files (transport.FileStream).
//
// The kernel says which user is at the other end, and only one's own is let in;
// sockets have the mode 0600. A process of the same user may read this one's
// memory, so what it says about itself is believed:
//
//	client  HELLO name ──►            names as identity.Name.String, after a length
//	server             ◄── HELLO name
//	server             ◄── WELCOME    then as in internal/link
//
// It needs Linux.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/internal/link"
)

// Scheme begins the addresses.
const Scheme = "local"

// handshake bounds the time that a peer has to show who it is.
const handshake = 10 * time.Second

// maxConnections bounds what a listener has open.
const maxConnections = 8192

// Options are a transport's. The zero value works.
type Options struct {
	// Limit is the streams that are not urgent which a peer serves at once. 0: 8.
	Limit int
}

// Transport implements transport.Transport.
type Transport struct {
	self identity.Name
	o    Options
}

// New returns the transport of a process.
func New(self identity.Name, o Options) *Transport { return &Transport{self, o} }

func failed(op, peer string, err error) error {
	if err == nil || transport.KindOf(err) != 0 {
		return err
	}
	var refusal *identity.Refusal
	if errors.As(err, &refusal) {
		return &transport.Error{Kind: transport.Refused, Op: op, Peer: peer, Cause: err}
	}
	if errors.Is(err, context.Canceled) {
		return &transport.Error{Kind: transport.Cancelled, Op: op, Peer: peer, Cause: err}
	}
	return transport.Broken(op, peer, err)
}

// hello is the version of the protocol and a name.
const hello = transport.Protocol + " "

// say sends who this process is.
func say(c net.Conn, n identity.Name) error {
	s := hello + n.String()
	_, err := c.Write(append([]byte{byte(len(s))}, s...))
	return err
}

// hear returns who the peer says it is.
func hear(c net.Conn) (identity.Name, error) {
	var b [256]byte
	if _, err := io.ReadFull(c, b[:1]); err != nil {
		return identity.Name{}, err
	}
	s := b[1 : 1+int(b[0])]
	if _, err := io.ReadFull(c, s); err != nil {
		return identity.Name{}, err
	}
	if len(s) < len(hello) || string(s[:len(hello)]) != hello {
		return identity.Name{}, &identity.Refusal{Reason: fmt.Sprintf("the peer does not speak %s", transport.Protocol)}
	}
	n, err := identity.ParseName(string(s[len(hello):]))
	if err != nil {
		err = &identity.Refusal{Reason: err.Error()}
	}
	return n, err
}

// Dial implements transport.Transport.
func (t *Transport) Dial(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	path, err := to.Addr.Of(Scheme)
	if err != nil {
		return nil, err
	}
	c, err := link.NewClient(ctx, to.Name, func(ctx context.Context, want identity.Name) (link.Socket, identity.Name, error) {
		s, who, err := t.connect(ctx, path, want)
		return s, who, failed("dial", string(to.Addr), err)
	}, link.Options{Limit: t.o.Limit})
	if errors.Is(err, io.EOF) { // it closed instead of a welcome
		err = &transport.Error{Kind: transport.Refused, Op: "dial", Peer: string(to.Addr), Cause: errors.New("the peer does not let this process in")}
	}
	if err != nil {
		return nil, failed("dial", string(to.Addr), err)
	}
	return c, nil
}

// connect makes a connection on which both sides have said who they are.
func (t *Transport) connect(ctx context.Context, path string, want identity.Name) (s link.Socket, who identity.Name, err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return s, who, err
	}
	raw := c.(*net.UnixConn)
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Now()) })
	defer stop()
	_ = raw.SetDeadline(time.Now().Add(handshake))
	if err = sameUser(raw); err == nil {
		err = say(raw, t.self)
	}
	if err == nil {
		who, err = hear(raw)
	}
	switch {
	case err != nil:
	case who.App != want.App || who.Role != want.Role || want.ID != "" && who.ID != want.ID:
		err = &identity.Refusal{Reason: fmt.Sprintf("%s answers where %s was expected", who, want)}
	case who.App != t.self.App:
		err = &identity.Refusal{Reason: fmt.Sprintf("%s belongs to another application than %s", who, t.self)}
	}
	if err != nil {
		raw.Close()
		return s, who, err
	}
	_ = raw.SetDeadline(time.Time{})
	return socket(raw), who, nil
}

// socket returns a connection as links use it.
func socket(raw *net.UnixConn) link.Socket {
	f := &filing{UnixConn: raw}
	return link.Socket{Conn: f, Whole: raw, Break: f.close, Alive: func() bool { return link.Alive(raw) }, Files: f}
}

// Listen implements transport.Transport. The path must not exist, unless it is a
// socket that nobody listens at any more.
func (t *Transport) Listen(ctx context.Context, at transport.Addr, h transport.Handler, roles ...identity.Role) (transport.Listener, error) {
	path, err := at.Of(Scheme)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
			return nil, &transport.Error{Kind: transport.Refused, Op: "listen", Peer: string(at), Cause: errors.New("the address is taken")}
		}
		_ = os.Remove(path)
	}
	lc := net.ListenConfig{Control: private}
	l, err := lc.Listen(ctx, "unix", path)
	if err == nil {
		if err = os.Chmod(path, 0o600); err != nil {
			l.Close()
		}
	}
	if err != nil {
		return nil, failed("listen", string(at), err)
	}
	s := &listener{addr: at, self: t.self, roles: roles, server: link.NewServer(h, nil, 0)}
	s.Door = link.Open(l, s.server, maxConnections, func(raw net.Conn) { s.serve(raw.(*net.UnixConn)) })
	return s, nil
}

type listener struct {
	*link.Door
	addr   transport.Addr
	self   identity.Name
	roles  []identity.Role
	server *link.Server
}

// Addr implements transport.Listener.
func (s *listener) Addr() transport.Addr { return s.addr }

// serve lets a client in and serves it.
func (s *listener) serve(raw *net.UnixConn) {
	defer raw.Close()
	stop := context.AfterFunc(s.server.Context(), func() { _ = raw.SetDeadline(time.Now()) })
	_ = raw.SetDeadline(time.Now().Add(handshake))
	if sameUser(raw) != nil || say(raw, s.self) != nil {
		stop()
		return
	}
	from, err := hear(raw)
	stop()
	_ = raw.SetDeadline(time.Time{})
	if err != nil || from.App != s.self.App || !slices.Contains(s.roles, from.Role) {
		return
	}
	socket := socket(raw)
	if link.Welcome(socket) == nil {
		s.server.Serve(socket, from)
	}
}

var _ transport.Transport = (*Transport)(nil)
