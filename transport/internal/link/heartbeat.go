package link

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// A network that loses every packet says nothing, and a peer that does not read
// is no lost one. So clients with open streams ask their peer for a sign of life
// on a line of its own; a server counts those signs.
//
//	client  every quarter of lost: PING ─► PONG within another quarter;
//	        else on a fresh line, within another; else all streams are Lost
//	server  nothing from a client for lost: its streams are Lost

// beat asks for signs of life until the client is closed.
func (c *Client) beat(lost time.Duration) {
	tick := time.NewTicker(lost / 4)
	defer tick.Stop()
	for {
		select {
		case <-c.closing:
			return
		case <-tick.C:
		}
		c.mu.Lock()
		waiting := len(c.open) > 0
		c.mu.Unlock()
		if !waiting {
			continue
		}
		err := c.ping(lost/4, false)
		if err != nil {
			err = c.ping(lost/4, true)
		}
		if err != nil {
			c.lose(&transport.Error{Kind: transport.Lost, Op: "stream", Peer: c.peer.String(), Cause: fmt.Errorf("no sign of life: %w", err)})
		}
	}
}

// ping asks on an idle line if there is one and none fresh is wanted.
func (c *Client) ping(within time.Duration, fresh bool) error {
	ctx, stop := context.WithTimeout(context.Background(), within)
	defer stop()
	defer context.AfterFunc(c.ctx, stop)()
	var l *line
	var err error
	if fresh {
		l, _, err = c.connect(ctx)
	} else {
		l, _, err = c.line(ctx)
	}
	if err != nil {
		return err
	}
	_ = l.SetDeadline(time.Now().Add(within))
	kind := byte(0)
	if err = l.write(kindPing, nil); err == nil {
		kind, err = l.next()
	}
	if err == nil && kind != kindPong {
		err = errForm
	}
	_ = l.SetDeadline(time.Time{})
	c.mu.Lock()
	keep := err == nil && !c.closed && len(c.idle) < maxIdle
	if keep {
		c.idle = append(c.idle, l)
	}
	c.mu.Unlock()
	if !keep {
		c.drop(l)
	}
	return err
}

// lose ends all streams and lines; new ones may be tried.
func (c *Client) lose(why *transport.Error) {
	c.mu.Lock()
	idle := c.idle
	c.idle = nil
	var open []*Stream
	for s := range c.open {
		open = append(open, s)
	}
	c.mu.Unlock()
	for _, l := range idle {
		c.drop(l)
	}
	for _, s := range open {
		s.fail(why, false)
	}
}

// heard notes a sign of life.
func (s *Server) heard(from identity.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signs[from] = time.Now()
}

// listen ends the streams of clients that give no sign of life, until the server
// is closed.
func (s *Server) listen(lost time.Duration) {
	tick := time.NewTicker(lost / 4)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			for _, x := range s.silent(now.Add(-lost)) {
				x.fail(&transport.Error{Kind: transport.Lost, Op: "stream", Peer: x.peer, Cause: fmt.Errorf("no sign of life for %v", lost)}, false)
			}
		}
	}
}

// silent returns the streams of clients of whom nothing was heard since, and
// forgets clients that are gone.
func (s *Server) silent(since time.Time) (out []*Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	here := map[identity.Name]bool{}
	for l, x := range s.lines {
		here[l.from] = true
		if x != nil && s.signs[l.from].Before(since) {
			out = append(out, x)
		}
	}
	for n := range s.signs {
		if !here[n] {
			delete(s.signs, n)
		}
	}
	return out
}
