package shuffle

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"

	quicgo "github.com/quic-go/quic-go"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
	"github.com/millrace-engine/millrace/transport/local"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
)

// underway is what executors let be on its way at a time.
const underway = 4

// ends are the transports of two executors, the first of which serves.
type ends struct {
	server, client transport.Transport
	credentials    [2]*identity.Credential
	at             transport.Addr
	dir            string
}

// between makes the ends of a scheme. Order is of the egress; nil sends at once.
func between(scheme string, egress *transport.Egress) (*ends, error) {
	a, err := identity.NewAuthority("app")
	if err != nil {
		return nil, err
	}
	e := &ends{}
	for i, id := range []string{"1", "2"} {
		if e.credentials[i], err = a.Issue(identity.Executor, id); err != nil {
			return nil, err
		}
	}
	one, two := e.credentials[0], e.credentials[1]
	switch scheme {
	case inproc.Scheme:
		n := inproc.NewNetwork()
		e.server, e.client, e.at = n.Transport(one.Name), n.Transport(two.Name), "inproc://1"
	case local.Scheme:
		if e.dir, err = os.MkdirTemp("", "millrace-"); err != nil {
			return nil, err
		}
		e.server, e.client, e.at = local.New(one.Name, local.Options{}), local.New(two.Name, local.Options{}), transport.Addr("local://"+filepath.Join(e.dir, "s"))
	case tcp.Scheme:
		o := tcp.Options{Egress: egress}
		e.server, e.client, e.at = tcp.New(one, o), tcp.New(two, o), "tcp://127.0.0.1:0"
	default:
		o := quic.Options{Egress: egress, Connections: 1}
		e.server, e.client, e.at = quic.New(one, o), quic.New(two, o), "quic://127.0.0.1:0"
	}
	return e, nil
}

func (e *ends) close() {
	if e.dir != "" {
		os.RemoveAll(e.dir)
	}
}

// serve listens with a handler and returns where.
func (e *ends) serve(ctx context.Context, h transport.Handler) (transport.Listener, transport.Peer, error) {
	l, err := e.server.Listen(ctx, e.at, h, identity.Executor)
	if err != nil {
		return nil, transport.Peer{}, err
	}
	return l, transport.Peer{Addr: l.Addr(), Name: e.credentials[0].Name}, nil
}

// pour writes blocks for ever.
func pour(w io.Writer) {
	for block := noise(transport.Quantum); ; {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// stream opens a stream into which the other end pours. Stop ends it.
func (e *ends) stream(ctx context.Context) (r io.Reader, stop func(), err error) {
	l, to, err := e.serve(ctx, func(_ context.Context, _ identity.Name, s transport.Stream) { pour(s) })
	if err != nil {
		return nil, nil, err
	}
	c, err := e.client.Dial(ctx, to)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	end := func() {
		c.Close()
		l.Close()
	}
	s, err := c.Open(ctx, transport.Normal)
	return begun(s, end, err)
}

// begun writes the first byte of a stream, without which the other end does not learn
// of it; where that fails, or opening it did, it calls end.
func begun(s io.ReadWriter, end func(), err error) (io.Reader, func(), error) {
	if err == nil {
		_, err = s.Write([]byte{1})
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return s, end, nil
}

// bareQUIC is a stream of quic-go alone, into which the other end pours.
func (e *ends) bareQUIC(ctx context.Context) (io.Reader, func(), error) {
	one, two := e.credentials[0], e.credentials[1]
	config := &quicgo.Config{InitialStreamReceiveWindow: 1 << 20, MaxStreamReceiveWindow: 16 << 20, InitialConnectionReceiveWindow: 4 << 20, MaxConnectionReceiveWindow: 84 << 20}
	l, err := quicgo.ListenAddr("127.0.0.1:0", one.Server(transport.Protocol, identity.Executor), config)
	if err != nil {
		return nil, nil, err
	}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		c, err := l.Accept(ctx)
		if err != nil {
			return
		}
		s, err := c.AcceptStream(ctx)
		if err == nil {
			pour(s)
		}
	}()
	c, err := quicgo.DialAddr(ctx, l.Addr().String(), two.Client(transport.Protocol, one.Name), config)
	end := func() {
		if c != nil {
			_ = c.CloseWithError(0, "")
		}
		_ = l.Close()
		<-done
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	s, err := c.OpenStreamSync(ctx)
	return begun(s, end, err)
}

// bareTLS is a connection of crypto/tls alone, into which the other end pours.
func (e *ends) bareTLS(ctx context.Context) (io.Reader, func(), error) {
	one, two := e.credentials[0], e.credentials[1]
	l, err := tls.Listen("tcp", "127.0.0.1:0", one.Server(transport.Protocol, identity.Executor))
	if err != nil {
		return nil, nil, err
	}
	done := make(chan net.Conn, 1)
	ended := make(chan struct{})
	go func() { // ends with the connection
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		done <- c
		pour(c)
	}()
	d := tls.Dialer{Config: two.Client(transport.Protocol, one.Name)}
	c, err := d.DialContext(ctx, "tcp", l.Addr().String())
	end := func() {
		_ = l.Close()
		select {
		case x := <-done: // without the alert that TLS ends with: nobody reads it
			_ = x.(*tls.Conn).NetConn().Close()
		default:
		}
		if c != nil {
			_ = c.(*tls.Conn).NetConn().Close()
		}
		<-ended
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return c, end, nil
}
