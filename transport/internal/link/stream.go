package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/transport"
)

// moment is how long a side that fails tries to tell or to learn why.
const moment = 100 * time.Millisecond

// Stream is one end of a stream. It implements transport.Stream, and passing
// descriptors where its connection does.
type Stream struct {
	line     *line
	peer     string
	egress   *transport.Egress
	deadline time.Time
	urgency  atomic.Uint32
	counters *transport.Counters

	reading  sync.Mutex
	writing  sync.Mutex
	readEnd  atomic.Bool // the peer's END came
	wroteEnd atomic.Bool
	failed   atomic.Pointer[transport.Error]
	done     chan struct{} // closed when it failed
	finish   sync.Once
	over     func(good bool) // called once: both ENDs, or failed
}

func newStream(l *line, peer string, e *transport.Egress, c *transport.Counters, u transport.Urgency, deadline time.Time) *Stream {
	s := &Stream{line: l, peer: peer, egress: e, counters: c, deadline: deadline, done: make(chan struct{})}
	s.urgency.Store(uint32(u))
	return s
}

// fail ends the stream for a reason, the first of which counts. tell says that
// the peer should hear of it.
func (s *Stream) fail(e *transport.Error, tell bool) *transport.Error {
	if s.readEnd.Load() && s.wroteEnd.Load() {
		return e
	}
	if !s.failed.CompareAndSwap(nil, e) {
		return s.failed.Load()
	}
	close(s.done)
	if tell && s.writing.TryLock() { // else a writer is stuck: closing must do
		_ = s.line.SetWriteDeadline(time.Now().Add(moment))
		_ = s.line.write(kindCancel, binary.LittleEndian.AppendUint32(nil, e.Code))
		s.writing.Unlock()
	}
	_ = s.line.Break()
	s.ended(false)
	return e
}

func (s *Stream) ended(good bool) { s.finish.Do(func() { s.over(good) }) }

// broken makes an error of the network one of the stream.
func (s *Stream) broken(op string, err error) error {
	e := &transport.Error{}
	errors.As(transport.Broken(op, s.peer, err), &e)
	return s.fail(e, false)
}

func (s *Stream) closedBoth() {
	if s.readEnd.Load() && s.wroteEnd.Load() {
		s.ended(s.failed.Load() == nil)
	}
}

// record reads up to the next bytes or descriptor. It returns io.EOF at the end.
func (s *Stream) record() (kind byte, err error) {
	if e := s.failed.Load(); e != nil {
		return 0, e
	}
	if s.readEnd.Load() {
		return 0, io.EOF
	}
	kind, err = s.line.next()
	if err != nil {
		return 0, s.broken("read", err)
	}
	switch kind {
	case kindData, kindFile:
		return kind, nil
	case kindEnd:
		s.readEnd.Store(true)
		s.closedBoth()
		return 0, io.EOF
	case kindCancel:
		b, err := s.line.rest()
		if err != nil {
			return 0, s.broken("read", err)
		}
		return 0, s.fail(&transport.Error{Kind: transport.Cancelled, Code: binary.LittleEndian.Uint32(b), Op: "stream", Peer: s.peer}, false)
	}
	return 0, s.broken("read", fmt.Errorf("%w: a record of kind %d within a stream", errForm, kind))
}

// Read implements transport.Stream.
func (s *Stream) Read(b []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	if e := s.failed.Load(); e != nil {
		return 0, e
	}
	if s.readEnd.Load() { // the line may be another stream's
		return 0, io.EOF
	}
	if s.line.left == 0 {
		kind, err := s.record()
		if err != nil {
			return 0, err
		}
		if kind == kindFile {
			return 0, s.broken("read", fmt.Errorf("%w: a descriptor where bytes were expected", errForm))
		}
	}
	n, err := s.line.r.Read(b[:min(len(b), s.line.left)])
	s.line.left -= n
	s.counters.Received.Add(int64(n))
	if err != nil && n == 0 {
		return 0, s.broken("read", err)
	}
	return n, nil
}

// Write implements transport.Stream.
func (s *Stream) Write(b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	written := 0
	for first := true; first || len(b) > 0; first = false {
		if err := s.writable(); err != nil || len(b) == 0 {
			return written, err
		}
		k := min(len(b), transport.Quantum)
		if err := s.send(func() error { return s.line.write(kindData, b[:k]) }); err != nil {
			return written, err
		}
		s.counters.Sent.Add(int64(k))
		b, written = b[k:], written+k
	}
	return written, nil
}

func (s *Stream) writable() error {
	if e := s.failed.Load(); e != nil {
		return e
	}
	if s.wroteEnd.Load() {
		return fmt.Errorf("transport: write after CloseWrite: %w", io.ErrClosedPipe)
	}
	return nil
}

// send writes when it is the stream's turn (L3).
func (s *Stream) send(write func() error) error {
	release := s.egress.Acquire(transport.Ticket{Urgency: transport.Urgency(s.urgency.Load()), Deadline: s.deadline, Arrival: time.Now()}, s.done)
	if release == nil {
		return s.failed.Load()
	}
	err := write()
	release()
	if err == nil {
		return nil
	}
	return s.explain(err)
}

// explain returns why the peer does not take bytes any more: it may have said so
// before it closed the connection.
func (s *Stream) explain(err error) error {
	if !s.reading.TryLock() { // whoever reads learns it
		select {
		case <-s.done:
		case <-time.After(moment):
		}
		return s.broken("write", err)
	}
	defer s.reading.Unlock()
	_ = s.line.SetReadDeadline(time.Now().Add(moment))
	for s.failed.Load() == nil && !s.readEnd.Load() {
		if _, e := s.line.r.Discard(s.line.left); e != nil {
			break
		}
		s.line.left = 0
		kind, e := s.line.next()
		if e != nil || kind == kindEnd {
			break
		}
		if kind != kindCancel {
			continue
		}
		if code, e := s.line.rest(); e == nil {
			return s.fail(&transport.Error{Kind: transport.Cancelled, Code: binary.LittleEndian.Uint32(code), Op: "write", Peer: s.peer, Cause: err}, false)
		}
		break
	}
	return s.broken("write", err)
}

// CloseWrite implements transport.Stream.
func (s *Stream) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.wroteEnd.Load() {
		return nil
	}
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.line.write(kindEnd, nil); err != nil {
		return s.explain(err)
	}
	s.wroteEnd.Store(true)
	s.closedBoth()
	return nil
}

// SetUrgency implements transport.Stream.
func (s *Stream) SetUrgency(u transport.Urgency) error {
	if !u.Valid() {
		return fmt.Errorf("transport: there is no urgency %d", u)
	}
	s.urgency.Store(uint32(u))
	return nil
}

// Cancel implements transport.Stream.
func (s *Stream) Cancel(code uint32) {
	s.fail(&transport.Error{Kind: transport.Cancelled, Code: code, Op: "stream", Peer: s.peer}, true)
}

// watch cancels the stream when ctx ends; the result stops that.
func (s *Stream) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { s.Cancel(transport.CodeContext) })
}

// FileStream is a stream that passes descriptors too.
type FileStream struct{ *Stream }

// SendFile implements transport.FileStream.
func (s FileStream) SendFile(f *os.File) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	return s.send(func() error { return s.line.Files.WriteWith([]byte{kindFile, 1, 0, 0, 0, 0}, f) })
}

// ReceiveFile implements transport.FileStream.
func (s FileStream) ReceiveFile() (*os.File, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.failed.Load() == nil && !s.readEnd.Load() && s.line.left > 0 {
		return nil, s.broken("read", fmt.Errorf("%w: bytes where a descriptor was expected", errForm))
	}
	kind, err := s.record()
	if err != nil {
		return nil, err
	}
	if kind != kindFile {
		return nil, s.broken("read", fmt.Errorf("%w: bytes where a descriptor was expected", errForm))
	}
	if _, err := s.line.rest(); err != nil {
		return nil, s.broken("read", err)
	}
	f, err := s.line.Files.Next()
	if err != nil {
		return nil, s.broken("read", err)
	}
	return f, nil
}

func (s *Stream) public() transport.Stream {
	if s.line.Files != nil {
		return FileStream{s}
	}
	return s
}

var _ transport.FileStream = FileStream{}
