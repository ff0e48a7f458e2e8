package transporttest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// Network is a simulated network between sockets of this process: packets and
// bytes take time, get lost, overtake each other, or do not arrive at all while it
// is cut. Both ends' sockets must be wrapped, each delays what it sends.
type Network struct {
	Delay  time.Duration // of every packet
	Jitter time.Duration // at most this is added; packets overtake each other
	Loss   float64       // share of packets that are lost

	mu     sync.Mutex
	random *rand.Rand
	cut    bool
	healed chan struct{}
}

// NewNetwork returns a network whose chances follow from a seed.
func NewNetwork(seed uint64, delay, jitter time.Duration, loss float64) *Network {
	return &Network{Delay: delay, Jitter: jitter, Loss: loss, random: rand.New(rand.NewPCG(seed, 11)), healed: make(chan struct{})}
}

// Cut lets nothing through until Heal.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = true
}

// Heal undoes Cut. What was underway by packet is lost, what was by stream goes on.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		n.cut = false
		close(n.healed)
		n.healed = make(chan struct{})
	}
}

// packet returns when a packet arrives, and whether it does.
func (n *Network) packet() (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.Delay
	if n.Jitter > 0 {
		d += time.Duration(n.random.Int64N(int64(n.Jitter)))
	}
	return d, !n.cut && n.random.Float64() >= n.Loss
}

// PacketConn wraps a socket of packets.
func (n *Network) PacketConn(c net.PacketConn) net.PacketConn { return &packets{PacketConn: c, n: n} }

type packets struct {
	net.PacketConn
	n *Network
}

// WriteTo sends a packet later, or never.
func (p *packets) WriteTo(b []byte, to net.Addr) (int, error) {
	after, arrives := p.n.packet()
	if arrives {
		copied := append([]byte(nil), b...)
		time.AfterFunc(after, func() { _, _ = p.PacketConn.WriteTo(copied, to) }) // it may be closed by then
	}
	return len(b), nil
}

// SetReadBuffer and SetWriteBuffer do nothing: losses are the network's.
func (p *packets) SetReadBuffer(int) error  { return nil }
func (p *packets) SetWriteBuffer(int) error { return nil }

// segment is the bytes of a stream that are lost together, and retry how long it
// takes until they come again.
const (
	segment = 1460
	retry   = 50 * time.Millisecond
	flight  = 256 << 10 // bytes underway on a stream
)

// Conn wraps a connection of bytes. A lost segment holds up what follows.
func (n *Network) Conn(c net.Conn) net.Conn {
	s := &bytesUnderway{Conn: c, n: n, queue: make(chan []byte, flight/segment), closed: make(chan struct{}), done: make(chan struct{}), deadline: make(chan struct{})}
	go s.carry()
	return s
}

// Dial is a dialler through the network.
func (n *Network) Dial(ctx context.Context, address string) (net.Conn, error) {
	for {
		n.mu.Lock()
		cut, healed := n.cut, n.healed
		n.mu.Unlock()
		if !cut {
			break
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return n.Conn(c), nil
}

// Listen is a listener whose connections are wrapped.
func (n *Network) Listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &wrapping{l, n}, nil
}

type wrapping struct {
	net.Listener
	n *Network
}

func (w *wrapping) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return w.n.Conn(c), nil
}

// bytesUnderway is one side of a connection. A goroutine carries what was
// written, until the connection is closed.
type bytesUnderway struct {
	net.Conn
	n      *Network
	queue  chan []byte
	closed chan struct{}
	once   sync.Once
	done   chan struct{} // the goroutine has ended

	mu       sync.Mutex
	deadline chan struct{} // closed when writes are out of time
	timer    *time.Timer
	failed   error
}

func (s *bytesUnderway) carry() {
	defer close(s.done)
	for {
		select {
		case <-s.closed:
			return
		case b := <-s.queue:
			if !s.pass() {
				return
			}
			if _, err := s.Conn.Write(b); err != nil {
				s.mu.Lock()
				s.failed = err
				s.mu.Unlock()
				return
			}
		}
	}
}

// pass waits until a segment got through.
func (s *bytesUnderway) pass() bool {
	for first := true; ; first = false {
		after, arrives := s.n.packet()
		if !arrives {
			after += retry
		} else if !first || len(s.queue) > 0 {
			after = 0 // close behind the one before
		}
		if after > 0 {
			select {
			case <-time.After(after):
			case <-s.closed:
				return false
			}
		}
		if arrives {
			return true
		}
	}
}

// Write queues bytes; they are underway.
func (s *bytesUnderway) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		s.mu.Lock()
		deadline, failed := s.deadline, s.failed
		s.mu.Unlock()
		if failed != nil {
			return written, failed
		}
		k := min(segment, len(b))
		select {
		case <-s.closed:
			return written, net.ErrClosed
		case <-deadline:
			return written, os.ErrDeadlineExceeded
		case <-s.done:
			return written, errors.Join(io.ErrClosedPipe, s.failed)
		case s.queue <- append([]byte(nil), b[:k]...):
		}
		b, written = b[k:], written+k
	}
	return written, nil
}

// SetDeadline implements net.Conn.
func (s *bytesUnderway) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn.
func (s *bytesUnderway) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	passed := make(chan struct{})
	s.deadline = passed
	if !t.IsZero() {
		s.timer = time.AfterFunc(time.Until(t), func() { close(passed) })
	}
	return nil
}

// Close closes at once; what is underway is lost.
func (s *bytesUnderway) Close() error {
	s.once.Do(func() { close(s.closed) })
	err := s.Conn.Close()
	<-s.done
	return err
}
