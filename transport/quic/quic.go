// Package quic is the transport over QUIC: the one between hosts. A stream that
// waits for a lost packet holds up no other, is cancelled without its connection,
// and costs no handshake; all of a peer's streams need one port.
//
//	peer ─┬─ connection for urgent streams
//	      └─ data connections, each on a socket of its own, dialled when first needed
//
// quic-go (0.65) handles a connection in one goroutine and a socket in another, so
// a few connections share the work: max(1, min(4, cores/4)).
//
//	stream  urgency uint8 | milliseconds to its deadline uint32 (0: none) | bytes
//
// A client is let in when the server opens a stream of one byte: QUIC lets clients
// speak before their certificate is looked at.
package quic

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// Scheme begins the addresses.
const Scheme = "quic"

// Windows, in bytes. A stream's is more than the largest chunk of shuffle output
// with its header, as somebody may wait for all of one; a connection's is more than
// what a peer may have asked for.
const (
	streamWindow = 16<<20 + 256<<10
	connWindow   = 84 << 20
	firstStream  = 1 << 20 // what both begin with, before they grow by use
	firstConn    = 4 << 20
)

// maxStreams bounds the streams that a client has at once on one connection.
const maxStreams = 1024

// maxConnections bounds what a listener has open.
const maxConnections = 8192

// handshake bounds the time that a peer has to show who it is.
const handshake = 10 * time.Second

// Options are a transport's. The zero value works.
type Options struct {
	// Egress orders what is sent; nil sends at once.
	Egress *transport.Egress
	// Connections is the data connections to each peer. 0: by the cores.
	Connections int
	// Lost is how long a peer may give no sign of life. 0: transport.LostAfter.
	Lost time.Duration
	// ListenPacket replaces net.ListenPacket for UDP; nil: that.
	ListenPacket func(ctx context.Context, address string) (net.PacketConn, error)
}

// Transport implements transport.Transport.
type Transport struct {
	self *identity.Credential
	o    Options
	own  bool // sockets are this package's own: those of a listener may share its port
}

var quiet sync.Once

// New returns the transport of a process that is who its credential says.
func New(self *identity.Credential, o Options) *Transport {
	// The library tells users about small buffers through package log; this is its
	// only switch for that.
	quiet.Do(func() { _ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") })
	if o.Lost <= 0 {
		o.Lost = transport.LostAfter
	}
	if o.Connections <= 0 {
		o.Connections = max(1, min(4, runtime.GOMAXPROCS(0)/4))
	}
	own := o.ListenPacket == nil
	if own {
		o.ListenPacket = func(ctx context.Context, address string) (net.PacketConn, error) {
			var lc net.ListenConfig
			return lc.ListenPacket(ctx, "udp", address)
		}
	}
	return &Transport{self: self, o: o, own: own}
}

func config(lost time.Duration) *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           handshake / 2,
		MaxIdleTimeout:                 lost,
		KeepAlivePeriod:                lost / 4,
		InitialStreamReceiveWindow:     firstStream,
		MaxStreamReceiveWindow:         streamWindow,
		InitialConnectionReceiveWindow: firstConn,
		MaxConnectionReceiveWindow:     connWindow,
		MaxIncomingStreams:             maxStreams,
		MaxIncomingUniStreams:          1, // the welcome
	}
}

// The codes that connections are closed with.
const (
	codeClosed quic.ApplicationErrorCode = iota
	codeFull                             // the listener has too many connections
)

// failed makes an error of the library one of the package.
func failed(op, peer string, err error) error {
	if err == nil || transport.KindOf(err) != 0 {
		return err
	}
	e := &transport.Error{Kind: transport.Lost, Op: op, Peer: peer, Cause: err}
	var stream *quic.StreamError
	var app *quic.ApplicationError
	var crypto *quic.TransportError
	var idle *quic.IdleTimeoutError
	switch {
	case errors.As(err, &idle): // which claims to be net.ErrClosed
	case errors.As(err, &stream):
		e.Kind, e.Code, e.Cause = transport.Cancelled, uint32(stream.ErrorCode), nil
	case errors.As(err, &app):
		if !app.Remote {
			e.Kind = transport.Closed
		}
	case errors.As(err, &crypto):
		if crypto.ErrorCode.IsCryptoError() {
			e.Kind = transport.Refused
		}
	case errors.Is(err, context.Canceled):
		e.Kind, e.Code = transport.Cancelled, transport.CodeContext
	case errors.Is(err, net.ErrClosed):
		e.Kind = transport.Closed
	}
	return e
}

// Dial implements transport.Transport.
func (t *Transport) Dial(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	address, err := to.Addr.Of(Scheme)
	if err != nil {
		return nil, err
	}
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, failed("dial", string(to.Addr), err)
	}
	c := &conn{t: t, at: at, want: to.Name, places: make([]place, 1+t.o.Connections), closing: make(chan struct{}), streams: map[*stream]bool{}}
	if _, err := c.connection(ctx, 0); err != nil {
		return nil, err
	}
	return c, nil
}

// dial makes a connection on a socket of its own and waits to be let in.
func (t *Transport) dial(ctx context.Context, at *net.UDPAddr, want identity.Name) (*connection, error) {
	local := "0.0.0.0:0"
	if at.IP.To4() == nil {
		local = "[::]:0"
	}
	fail := func(err error) (*connection, error) {
		if e := context.Cause(ctx); e != nil {
			err = errors.Join(e, err)
		}
		return nil, failed("dial", Scheme+"://"+at.String(), err)
	}
	socket, err := t.o.ListenPacket(ctx, local)
	if err != nil {
		return fail(err)
	}
	q := &connection{socket: socket, transport: &quic.Transport{Conn: socket}}
	ctx, stop := context.WithTimeout(ctx, handshake)
	defer stop()
	if q.conn, err = q.transport.Dial(ctx, at, t.self.Client(transport.Protocol, want), config(t.o.Lost)); err != nil {
		q.close()
		return fail(err)
	}
	welcome, err := q.conn.AcceptUniStream(ctx)
	if err == nil {
		_, err = io.ReadFull(welcome, make([]byte, 1))
	}
	if err != nil {
		q.close()
		return fail(err)
	}
	welcome.CancelRead(0)
	if q.peer, err = identity.Peer(q.conn.ConnectionState().TLS); err != nil {
		q.close()
		return fail(err)
	}
	return q, nil
}

// connection is one of the library's with its socket.
type connection struct {
	socket    net.PacketConn
	transport *quic.Transport
	conn      *quic.Conn
	peer      identity.Name
}

func (q *connection) close() {
	if q.conn != nil {
		_ = q.conn.CloseWithError(codeClosed, "")
	}
	_ = q.transport.Close()
	_ = q.socket.Close()
}

var _ transport.Transport = (*Transport)(nil)
