package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/cache/broadcast"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// received are the values of running jobs that an executor has, or is getting: each
// once, however many tasks need it. The zero value is ready.
type received struct {
	mu     sync.Mutex
	values map[broadcast.Ref]*receiving
}

type receiving struct {
	ready chan struct{} // closed when value or err is there
	value []byte
	err   error
}

// value returns a broadcast value, getting it if need be. It must not be changed.
func (a *agent) value(ctx context.Context, r broadcast.Ref) ([]byte, error) {
	for {
		a.received.mu.Lock()
		x := a.received.values[r]
		mine := x == nil
		if mine {
			if a.received.values == nil {
				a.received.values = map[broadcast.Ref]*receiving{}
			}
			x = &receiving{ready: make(chan struct{})}
			a.received.values[r] = x
		}
		a.received.mu.Unlock()
		if mine {
			if x.value, x.err = a.receive(ctx, r); x.err != nil { // whoever asks again tries again
				a.received.mu.Lock()
				delete(a.received.values, r)
				a.received.mu.Unlock()
			}
			close(x.ready)
			return x.value, x.err
		}
		select {
		case <-x.ready:
			if !errors.Is(x.err, context.Canceled) || ctx.Err() != nil {
				return x.value, x.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// forget drops the values of a job. Their blocks go with the job's others.
func (s *received) forget(job int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.values {
		if r.Job == job {
			delete(s.values, r)
		}
	}
}

// receive gets a value from the driver and the other executors.
func (a *agent) receive(ctx context.Context, r broadcast.Ref) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := a.results.conn.Open(ctx, transport.Gating)
	if err != nil {
		return nil, err
	}
	defer s.Cancel(transport.CodeContext)
	g := &guide{agent: a, messages: message.New(s, maxMessage)}
	if err := g.messages.Send(kindSpread, r); err != nil {
		return nil, err
	}
	fetched := a.Executor.Broker.Reserve("broadcast", 0)
	defer fetched.Close()
	v, err := broadcast.Get(ctx, r, a.executor.Store(), g, func(ctx context.Context, from string, id cache.BlockID) broadcast.Rows {
		return a.fetcher.Read(ctx, a.peer(from, g.blocks), []cache.BlockID{id}, broadcast.Schema, fetched)
	})
	if err != nil {
		return nil, fmt.Errorf("a value of %d bytes cannot be had: %w", r.Size, err)
	}
	return v, nil
}

// guide asks the driver.
type guide struct {
	*agent
	messages *message.Conn
	blocks   string // where the peer of the last step serves its blocks
}

var _ broadcast.Guide = (*guide)(nil)

// Next implements broadcast.Guide.
func (g *guide) Next(_ context.Context, got bool) (broadcast.Step, error) {
	if err := g.messages.Send(kindNext, next{got}); err != nil {
		return broadcast.Step{}, err
	}
	k, body, err := g.messages.Read()
	if err != nil {
		return broadcast.Step{}, fmt.Errorf("the driver does not have it any more: %w", err)
	}
	m, err := message.Decode[step](body)
	if err != nil || k != kindStep {
		return broadcast.Step{}, errors.Join(message.ErrMalformed, err)
	}
	g.blocks = m.Blocks
	out := broadcast.Step{Piece: m.Piece, From: m.From, Done: m.Done}
	if m.Done || m.From != "" {
		return out, nil
	}
	if k, out.Data, err = g.messages.Read(); err != nil || k != kindPiece {
		return out, errors.Join(message.ErrMalformed, err)
	}
	return out, nil
}
