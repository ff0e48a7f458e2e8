package shuffle

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/quic"
)

// question is what is asked while others saturate the line, in bytes.
const question = 64 << 10

// urgency are the gates of what goes first.
func urgency() []probe {
	return []probe{
		{Gate{Name: "urgent fetch while others saturate QUIC, p99", Unit: "µs", Limit: "idle + 2 quanta + round trip under load", Need: 1, Most: true}, func(ctx context.Context, o *Options, g *Gate) error {
			return urgent(ctx, o, g, false)
		}},
		{Gate{Name: "the same against priorities off, p99", Unit: "µs", Limit: "in order of arrival", Need: 0.25, Most: true}, func(ctx context.Context, o *Options, g *Gate) error {
			return urgent(ctx, o, g, true)
		}},
		{Gate{Name: "share of the last urgency under saturation", Unit: "of bytes", Need: 0.02}, starving},
	}
}

// byArrival is priorities switched off.
func byArrival(_ time.Time, a, b transport.Ticket) bool { return a.Arrival.Before(b.Arrival) }

// saturated answers questions on a connection on which others pour.
type saturated struct {
	conn transport.Conn
	end  func()
	sunk []*counting
}

// counting counts what is read.
type counting struct {
	mu sync.Mutex
	n  int64
}

func (c *counting) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.n += int64(len(b))
	c.mu.Unlock()
	return len(b), nil
}

func (c *counting) bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// saturate opens streams of these urgencies into which the other end pours.
func saturate(ctx context.Context, order transport.Order, pourers ...transport.Urgency) (*saturated, error) {
	e, err := between(quic.Scheme, transport.NewEgress(underway, order))
	if err != nil {
		return nil, err
	}
	answer := noise(question)
	l, to, err := e.serve(ctx, func(_ context.Context, _ identity.Name, s transport.Stream) {
		var kind [1]byte
		if _, err := io.ReadFull(s, kind[:]); err != nil {
			return
		}
		switch kind[0] {
		case 1:
			pour(s)
		case 2: // a round trip
			_, _ = s.Write(kind[:])
		default:
			_, _ = s.Write(answer)
		}
		_ = s.CloseWrite()
	})
	if err != nil {
		e.close()
		return nil, err
	}
	c, err := e.client.Dial(ctx, to)
	if err != nil {
		l.Close()
		e.close()
		return nil, err
	}
	var wg sync.WaitGroup
	s := &saturated{conn: c, end: func() {
		c.Close()
		l.Close()
		e.close()
		wg.Wait()
	}}
	for _, u := range pourers {
		x, err := c.Open(ctx, u)
		if err == nil {
			_, err = x.Write([]byte{1})
		}
		if err != nil {
			s.end()
			return nil, err
		}
		sink := &counting{}
		s.sunk = append(s.sunk, sink)
		wg.Go(func() { _, _ = io.Copy(sink, x) })
	}
	return s, nil
}

// ask asks questions of a kind for a while and returns what each took.
func (s *saturated) ask(ctx context.Context, kind byte, for_ time.Duration) ([]time.Duration, error) {
	var took []time.Duration
	for begin := time.Now(); time.Since(begin) < for_ || len(took) < 10; {
		start := time.Now()
		x, err := s.conn.Open(ctx, transport.Gating)
		if err == nil {
			_, err = x.Write([]byte{kind})
		}
		if err == nil {
			err = x.CloseWrite()
		}
		if err == nil {
			_, err = io.Copy(io.Discard, x)
		}
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// merges are streams of merges that take all they can.
func merges() []transport.Urgency { return slices.Repeat([]transport.Urgency{transport.Merge}, 16) }

// urgent measures the 99th percentile of an urgent answer of 64 KiB while
// streams of merges take all they can.
func urgent(ctx context.Context, o *Options, g *Gate, off bool) error {
	measure := func(order transport.Order, kind byte, pourers ...transport.Urgency) (p99, rate float64, err error) {
		s, err := saturate(ctx, order, pourers...)
		if err != nil {
			return 0, 0, err
		}
		defer s.end()
		if _, err := s.ask(ctx, kind, o.Round/5); err != nil { // it warms up
			return 0, 0, err
		}
		before, start := int64(0), time.Now()
		for _, x := range s.sunk {
			before += x.bytes()
		}
		took, err := s.ask(ctx, kind, 2*o.Round)
		if err != nil {
			return 0, 0, err
		}
		after := int64(0)
		for _, x := range s.sunk {
			after += x.bytes()
		}
		return percentile(took, 99), float64(after-before) / float64(time.Since(start).Microseconds()), nil
	}
	var err error
	var rate float64
	if g.Value, rate, err = measure(nil, 3, merges()...); err != nil {
		return err
	}
	if off {
		g.Of, _, err = measure(byArrival, 3, merges()...)
		return err
	}
	idle, _, err := measure(nil, 3)
	if err != nil {
		return err
	}
	trip, _, err := measure(nil, 2, merges()...)
	if err != nil {
		return err
	}
	quanta := 2 * transport.Quantum / rate
	g.Of = idle + quanta + trip
	g.Note = fmt.Sprintf("idle %.0f µs, two quanta at %.0f MB/s %.0f µs, round trip %.0f µs", idle, rate, quanta, trip)
	return nil
}

// starving measures the bytes of a stream of the last urgency beside six of
// shuffle.
func starving(ctx context.Context, o *Options, g *Gate) error {
	n := transport.Normal
	s, err := saturate(ctx, nil, n, n, n, n, n, n, transport.Scrub)
	if err != nil {
		return err
	}
	defer s.end()
	timer := time.NewTimer(4 * o.Round)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	all := int64(0)
	for _, x := range s.sunk {
		all += x.bytes()
	}
	g.Value = float64(s.sunk[6].bytes()) / float64(all)
	return nil
}
