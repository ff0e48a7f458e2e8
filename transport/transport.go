package transport

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
)

// Protocol is what both ends of a connection must speak. It changes whenever an
// older end would misunderstand a newer one.
const Protocol = "millrace/1"

// Quantum is the most bytes that a stream sends before others get their turn.
const Quantum = 256 << 10

// LostAfter is how long a peer may be silent, though asked, before it counts as
// lost.
const LostAfter = 20 * time.Second

// Urgency orders what is sent: lower goes first.
type Urgency uint8

// The urgencies.
const (
	Control     Urgency = iota // calls between schedulers and executors
	Gating                     // broadcasts and artifacts that a task waits for
	Straggler                  // the last missing chunks, refetches
	Normal                     // shuffle
	Prefetch                   // for tasks that have not started
	Replication                // copies
	Merge                      // of outputs, in the background
	Scrub                      // reading again what may have rotted
	urgencies
)

// Urgent reports whether streams of this urgency must not queue behind data.
func (u Urgency) Urgent() bool { return u <= Straggler }

// Valid reports whether there is such an urgency.
func (u Urgency) Valid() bool { return u < urgencies }

// Addr is where a process listens: "tcp://10.0.0.7:7100", "quic://[::1]:7100",
// "local:///run/app/3.sock", "inproc://executor-3".
type Addr string

// Split returns the scheme and the rest.
func (a Addr) Split() (scheme, rest string) {
	scheme, rest, _ = strings.Cut(string(a), "://")
	return scheme, rest
}

// Of returns what follows a scheme, or an error if the address has another.
func (a Addr) Of(scheme string) (string, error) {
	if s, rest := a.Split(); s == scheme {
		return rest, nil
	}
	return "", fmt.Errorf("transport: %q is not an address of %s", string(a), scheme)
}

// Peer is a process to connect to: where it is and who it must be. Without an ID
// any process of the role will do.
type Peer struct {
	Addr Addr
	Name identity.Name
}

// Transport connects a process to others of its application. It is safe for
// concurrent use.
type Transport interface {
	// Dial connects to a peer and returns once each side knows who the other is.
	Dial(ctx context.Context, to Peer) (Conn, error)
	// Listen calls h for each stream that processes of these roles open, in a
	// goroutine of its own.
	Listen(ctx context.Context, at Addr, h Handler, roles ...identity.Role) (Listener, error)
}

// Handler serves one stream. Its context ends when the listener closes, and at
// the latest when a Read or Write fails. When it returns without CloseWrite the
// stream is cancelled.
type Handler func(ctx context.Context, from identity.Name, s Stream)

// Listener accepts streams until it is closed.
type Listener interface {
	// Addr is where it listens, with the port that it was given.
	Addr() Addr
	// Close ends all streams and returns when their handlers have.
	Close() error
}

// Conn is a connection to one peer. It is safe for concurrent use.
type Conn interface {
	// Peer returns who is at the other end.
	Peer() identity.Name
	// Open begins a stream. It waits while the peer has as many as the
	// implementation allows, urgent ones apart. The stream is cancelled when ctx
	// ends; ctx's deadline orders streams of one urgency (Egress).
	Open(ctx context.Context, u Urgency) (Stream, error)
	// Stats returns what went through it so far.
	Stats() Stats
	// Close ends all of its streams. It is idempotent.
	Close() error
}

// Stream is a pair of byte streams, one in each direction. One goroutine may
// read while another writes. Whoever opened it must Cancel it in the end: that
// does nothing to one that is over.
type Stream interface {
	// Read returns io.EOF after the peer's CloseWrite.
	io.Reader
	// Write returns when the bytes are on their way; p may then be reused.
	io.Writer
	// CloseWrite ends this side's bytes. It must not run beside Write.
	CloseWrite() error
	// SetUrgency changes the place of later writes in the queue.
	SetUrgency(u Urgency) error
	// Cancel ends both directions at once and wakes whoever waits; the peer learns
	// the code where it can still be told. It is idempotent, may run beside
	// everything, and does nothing to a stream that is over.
	Cancel(code uint32)
}

// Stats counts what went through a connection.
type Stats struct {
	Sent, Received int64 // bytes of streams
	Opened         int64 // streams
	Open           int64 // streams that are not over
	Connections    int64 // of the network, now
}

// FileStream is a Stream between processes of one host that passes open files.
type FileStream interface {
	Stream
	// SendFile passes a descriptor of f after the bytes written so far; f stays the
	// caller's.
	SendFile(f *os.File) error
	// ReceiveFile returns the descriptor that comes next, which is the caller's to
	// close; bytes that come instead are an error that ends the stream. The file
	// shares its offset with the sender's: use ReadAt.
	ReceiveFile() (*os.File, error)
}
