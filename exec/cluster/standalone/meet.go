package standalone

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// dialling bounds the time until a master has answered the first message.
const dialling = 10 * time.Second

// Dial connects to the master, at one of several addresses: of several masters only the
// one that leads listens.
func Dial(ctx context.Context, t transport.Transport, master transport.Peer) (transport.Conn, error) {
	at := strings.Split(string(master.Addr), separator)
	if len(at) == 1 {
		return t.Dial(ctx, master)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var found transport.Conn
	failures := make([]error, len(at))
	var dialling sync.WaitGroup
	for i, addr := range at {
		dialling.Go(func() {
			c, err := t.Dial(ctx, transport.Peer{Addr: transport.Addr(addr), Name: master.Name})
			mu.Lock()
			defer mu.Unlock()
			switch failures[i] = err; {
			case err != nil:
			case found == nil:
				found = c
				stop()
			default:
				c.Close()
			}
		})
	}
	dialling.Wait()
	if found != nil {
		return found, nil
	}
	// One that refuses says more than those that are not there.
	slices.SortStableFunc(failures, func(a, b error) int {
		switch ra, rb := transport.KindOf(a) == transport.Refused, transport.KindOf(b) == transport.Refused; {
		case ra && !rb:
			return -1
		case rb && !ra:
			return 1
		}
		return 0
	})
	return nil, errors.Join(failures...)
}

// Caller is who keeps a stream to the master: a worker or an application.
type Caller struct {
	Transport transport.Transport
	Master    transport.Peer
	Verb      message.Kind
	Silence   time.Duration
	// Attach takes the line, on which what is queued waits until the master has let the
	// caller in, and returns what is said first; Detach is called when the line is of no
	// use any more.
	Attach  func(*Line) (first any, err error)
	Detach  func()
	Joined  func() // the master has let the caller in; nil: nobody wants to know
	Receive func(message.Kind, []byte) error
}

// Meet talks to the master until the stream breaks. It reports whether the master let
// the caller in.
func (c *Caller) Meet(ctx context.Context) (joined bool, err error) {
	dial, stop := context.WithTimeout(ctx, dialling)
	defer stop()
	conn, err := Dial(dial, c.Transport, c.Master)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	s, err := conn.Open(ctx, transport.Control)
	if err != nil {
		return false, err
	}
	defer s.Cancel(transport.CodeContext)
	slow := time.AfterFunc(dialling, func() { s.Cancel(transport.CodeContext) })
	defer slow.Stop()
	line := NewLine(ctx)
	defer line.Cut()
	first, err := c.Attach(line)
	if err != nil {
		return false, err
	}
	defer c.Detach()
	f := message.New(s, MaxMessage)
	if _, err := Ask[struct{}](f, c.Verb, first, Welcome); err != nil {
		return false, err
	}
	slow.Stop()
	if c.Joined != nil {
		c.Joined()
	}
	return true, line.Talk(s, f, c.Silence, c.Receive)
}

// The pauses between attempts to reach the master.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 3 * time.Second
)

// Pauses are those between attempts to reach the master, each about twice as long as the
// one before. The zero value begins with the shortest.
type Pauses struct{ next time.Duration }

// Longest reports whether the pauses have come to their greatest length.
func (p *Pauses) Longest() bool { return p.next == maxPause }

// Wait waits for the next one, or until ctx ends: then it is false.
func (p *Pauses) Wait(ctx context.Context) bool {
	now := max(p.next, firstPause)
	p.next = min(2*now, maxPause)
	t := time.NewTimer(now/2 + rand.N(now/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
