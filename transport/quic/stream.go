package quic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/millrace-engine/millrace/transport"
)

// stream is one end of a stream.
type stream struct {
	raw      *quic.Stream
	peer     string
	egress   *transport.Egress
	counters *transport.Counters
	deadline time.Time
	urgency  atomic.Uint32

	readEnd  atomic.Bool
	wroteEnd atomic.Bool
	finish   sync.Once
	done     chan struct{} // closed when it is over
	over     func()        // called then; may be nil
}

func newStream(raw *quic.Stream, peer string, e *transport.Egress, c *transport.Counters, u transport.Urgency, deadline time.Time) *stream {
	s := &stream{raw: raw, peer: peer, egress: e, counters: c, deadline: deadline, done: make(chan struct{})}
	_ = s.SetUrgency(u)
	return s
}

// end is what happens once, when the stream is over.
func (s *stream) end() {
	s.finish.Do(func() {
		close(s.done)
		if s.over != nil {
			s.over()
		}
	})
}

// Read implements transport.Stream.
func (s *stream) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := s.raw.Read(b)
	s.counters.Received.Add(int64(n))
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		return n, failed("read", s.peer, err)
	}
	s.readEnd.Store(true)
	if s.wroteEnd.Load() {
		s.end()
	}
	if n > 0 {
		return n, nil
	}
	return 0, io.EOF
}

// Write implements transport.Stream.
func (s *stream) Write(b []byte) (int, error) {
	if s.wroteEnd.Load() {
		return 0, fmt.Errorf("transport: write after CloseWrite: %w", io.ErrClosedPipe)
	}
	written := 0
	for len(b) > 0 {
		release := s.egress.Acquire(transport.Ticket{Urgency: transport.Urgency(s.urgency.Load()), Deadline: s.deadline, Arrival: time.Now()}, s.done)
		if release == nil {
			release = func() {} // it was cancelled: the library says how
		}
		n, err := s.raw.Write(b[:min(len(b), transport.Quantum)])
		release()
		written += n
		s.counters.Sent.Add(int64(n))
		if err != nil {
			return written, failed("write", s.peer, err)
		}
		b = b[n:]
	}
	return written, nil
}

// CloseWrite implements transport.Stream. That the peer wants no more is no
// failure of who has no more.
func (s *stream) CloseWrite() error {
	err := s.raw.Close()
	if cause := (*quic.StreamError)(nil); err != nil && errors.As(context.Cause(s.raw.Context()), &cause) && cause.Remote {
		err = nil
	}
	s.wroteEnd.Store(true)
	if s.readEnd.Load() {
		s.end()
	}
	return failed("close", s.peer, err)
}

// SetUrgency implements transport.Stream.
func (s *stream) SetUrgency(u transport.Urgency) error {
	if !u.Valid() {
		return fmt.Errorf("transport: there is no urgency %d", u)
	}
	s.urgency.Store(uint32(u))
	// The library lets streams wait for ever behind those of a better priority: what
	// is not urgent has one, and the egress says whose turn it is.
	s.raw.SetPriority(int8(min(u, transport.Normal)), true)
	return nil
}

// Cancel implements transport.Stream.
func (s *stream) Cancel(code uint32) {
	if s.readEnd.Load() && s.wroteEnd.Load() {
		return
	}
	s.raw.CancelRead(quic.StreamErrorCode(code))
	s.raw.CancelWrite(quic.StreamErrorCode(code))
	s.end()
}

// returned ends a stream whose handler returned.
func (s *stream) returned() {
	if !s.wroteEnd.Load() {
		s.Cancel(transport.CodeUnfinished)
		return
	}
	if !s.readEnd.Load() { // what was written is still on its way
		s.raw.CancelRead(quic.StreamErrorCode(transport.CodeUnfinished))
	}
	s.end()
}

var _ transport.Stream = (*stream)(nil)
