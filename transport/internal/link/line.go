package link

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// The kinds of records.
const (
	kindWelcome = iota + 1
	kindOpen    // urgency uint8, milliseconds to the deadline uint32 (0: none)
	kindData    // bytes
	kindEnd     // nothing
	kindCancel  // code uint32
	kindFile    // one byte, which a descriptor comes with
	kindPing    // nothing
	kindPong    // nothing
)

const head = 5 // bytes of a record before its content

// together is how many bytes of a record are written with its head: what fits a
// record of TLS.
const together = 16 << 10

// Socket is a connection of the network as a line uses it.
type Socket struct {
	net.Conn
	// Whole is what large records are written to as they are, header and bytes by
	// one call; nil if that is not better than two writes.
	Whole net.Conn
	// Break closes the connection at once, without a word.
	Break func() error
	// Alive reports whether an idle connection is still good; nil: it is.
	Alive func() bool
	// Files passes descriptors; nil: it cannot.
	Files Files
}

// Files passes descriptors beside bytes.
type Files interface {
	// WriteWith writes b with a descriptor attached.
	WriteWith(b []byte, f *os.File) error
	// Next returns the descriptor that came with the bytes read last.
	Next() (*os.File, error)
}

// line is one connection of the network.
type line struct {
	Socket
	from  identity.Name // the client, at a server
	r     *bufio.Reader
	left  int // bytes of the present record that are not read yet
	first []byte
}

func newLine(s Socket) *line {
	return &line{Socket: s, r: bufio.NewReaderSize(s.Conn, 4<<10), first: make([]byte, 0, together)}
}

// errForm means that what came is no record, or one out of place.
var errForm = errors.New("the peer does not keep to the protocol")

// next reads the head of the next record; left is its length.
func (l *line) next() (kind byte, err error) {
	h, err := l.r.Peek(head)
	if err != nil {
		return 0, err
	}
	kind, n := h[0], binary.LittleEndian.Uint32(h[1:])
	if _, err := l.r.Discard(head); err != nil {
		return 0, err
	}
	want := uint32(0) // of the kinds that have one length
	switch kind {
	case kindData:
		if want = n; n == 0 || n > transport.Quantum {
			want = n + 1
		}
	case kindOpen:
		want = 5
	case kindCancel:
		want = 4
	case kindFile:
		want = 1
	case kindEnd, kindPing, kindPong, kindWelcome:
	default:
		return 0, fmt.Errorf("%w: a record of kind %d", errForm, kind)
	}
	if n != want {
		return 0, fmt.Errorf("%w: a record of kind %d with %d bytes", errForm, kind, n)
	}
	l.left = int(n)
	return kind, nil
}

// rest returns the present record's bytes, which are few.
func (l *line) rest() ([]byte, error) {
	b, err := l.r.Peek(l.left)
	if err == nil {
		_, err = l.r.Discard(l.left)
		l.left = 0
	}
	return b, err
}

// write writes a record.
func (l *line) write(kind byte, b []byte) error {
	h := append(l.first[:0], kind, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(h[1:], uint32(len(b)))
	if l.Whole != nil && len(b) > together-head {
		_, err := (&net.Buffers{h, b}).WriteTo(l.Whole)
		return err
	}
	k := min(len(b), together-head)
	if _, err := l.Conn.Write(append(h, b[:k]...)); err != nil || k == len(b) {
		return err
	}
	_, err := l.Conn.Write(b[k:])
	return err
}

// Welcome tells a client that it is let in.
func Welcome(s Socket) error {
	_, err := s.Write([]byte{kindWelcome, 0, 0, 0, 0})
	return err
}

// openRecord is the content of OPEN.
func openRecord(u transport.Urgency, deadline time.Time) []byte {
	b := append(make([]byte, 0, 5), byte(u))
	ms := int64(0)
	if !deadline.IsZero() {
		ms = max(1, min(time.Until(deadline).Milliseconds(), 1<<32-1))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(ms))
}

func parseOpen(b []byte) (u transport.Urgency, deadline time.Time, err error) {
	if u = transport.Urgency(b[0]); !u.Valid() {
		return u, deadline, fmt.Errorf("%w: urgency %d", errForm, u)
	}
	if ms := binary.LittleEndian.Uint32(b[1:]); ms > 0 {
		deadline = time.Now().Add(time.Duration(ms) * time.Millisecond)
	}
	return u, deadline, nil
}
