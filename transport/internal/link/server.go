package link

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// Server serves the lines of clients that were let in.
type Server struct {
	handler  transport.Handler
	egress   *transport.Egress
	counters transport.Counters
	ctx      context.Context
	stop     context.CancelFunc

	mu      sync.Mutex
	closed  bool
	lines   map[*line]*Stream // the stream of each, or nil
	signs   map[identity.Name]time.Time
	running sync.WaitGroup
}

// NewServer returns a server without lines. It gives up clients that are silent
// for lost; 0: never.
func NewServer(h transport.Handler, e *transport.Egress, lost time.Duration) *Server {
	s := &Server{handler: h, egress: e, lines: map[*line]*Stream{}, signs: map[identity.Name]time.Time{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if lost > 0 {
		s.running.Go(func() { s.listen(lost) })
	}
	return s
}

// Context ends when the server is closed.
func (s *Server) Context() context.Context { return s.ctx }

// Serve serves streams of a client, which has been welcomed, until its line ends.
func (s *Server) Serve(socket Socket, from identity.Name) {
	l := newLine(socket)
	l.from = from
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = l.Break()
		return
	}
	s.lines[l] = nil
	s.running.Add(1)
	s.mu.Unlock()
	defer func() {
		_ = l.Break()
		s.mu.Lock()
		delete(s.lines, l)
		s.mu.Unlock()
		s.running.Done()
	}()
	for s.one(l, from) {
	}
}

// one serves one stream, or answers a ping. It reports whether the line may serve
// another.
func (s *Server) one(l *line, from identity.Name) bool {
	kind, err := l.next()
	if err != nil {
		return false
	}
	s.heard(from)
	if kind == kindPing {
		return l.write(kindPong, nil) == nil
	}
	if kind != kindOpen {
		return false
	}
	b, err := l.rest()
	if err != nil {
		return false
	}
	u, deadline, err := parseOpen(b)
	if err != nil {
		return false
	}
	x := newStream(l, from.String(), s.egress, &s.counters, u, deadline)
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	x.over = func(good bool) {
		if !good {
			stop()
		}
	}
	if !s.busy(l, x) {
		return false
	}
	s.handler(ctx, from, x.public())
	s.busy(l, nil)
	return x.returned()
}

// busy notes the stream of a line.
func (s *Server) busy(l *line, x *Stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[l] = x
	return !s.closed
}

// What a handler did not read is thrown away, so that its answer arrives: closing
// a connection that holds unread bytes would destroy what is on its way back.
const (
	drainBytes = 16 << 20
	drainTime  = 5 * time.Second
)

// returned ends a stream whose handler returned, and reports whether its line is
// good for another (L1).
func (s *Stream) returned() bool {
	if s.failed.Load() != nil {
		return false
	}
	if !s.wroteEnd.Load() {
		s.Cancel(transport.CodeUnfinished)
		return false
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	_ = s.line.SetReadDeadline(time.Now().Add(drainTime))
	for drained := 0; !s.readEnd.Load(); drained += s.line.left {
		if _, err := s.line.r.Discard(s.line.left); err != nil || drained > drainBytes {
			return false
		}
		s.line.left = 0
		kind, err := s.record()
		if kind == kindFile {
			err = fmt.Errorf("%w: a descriptor that nobody wanted", errForm)
		}
		if err != nil && !s.readEnd.Load() {
			return false
		}
	}
	_ = s.line.SetReadDeadline(time.Time{})
	return true
}

// Close ends all lines and waits for their handlers.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	lines := make(map[*line]*Stream, len(s.lines))
	for l, x := range s.lines {
		lines[l] = x
	}
	s.mu.Unlock()
	s.stop()
	for l, x := range lines {
		if x != nil {
			x.fail(&transport.Error{Kind: transport.Closed, Op: "stream", Peer: x.peer}, false)
		}
		_ = l.Break()
	}
	s.running.Wait()
}
