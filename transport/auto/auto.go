// Package auto is the transport of a process that has several: it listens at an
// address of each and dials the first that works.
//
//	address   local:///run/app/3.sock,quic://10.0.0.7:7100,tcp://10.0.0.7:7100
//	dial      the first that this process has a transport for; the next one when
//	          nobody answers in time, or nobody is there
//
// A socket of this host that leads to nobody, or to somebody else, is another
// host's: the next address is tried. Where UDP is blocked QUIC gets no answer; the
// address is then passed over for some minutes, so that only the first dial waits.
// A certificate that is refused is an answer, and the last word.
package auto

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/local"
)

// Patience is how long an address that is not the last may take to answer.
const Patience = 2 * time.Second

// avoid is how long an address that did not answer is tried last.
const avoid = 5 * time.Minute

// Transport implements transport.Transport over others.
type Transport struct {
	by map[string]transport.Transport // scheme

	mu     sync.Mutex
	silent map[transport.Addr]time.Time // when an address did not answer
}

// New returns a transport of these, by the schemes of their addresses.
func New(by map[string]transport.Transport) *Transport {
	return &Transport{by: by, silent: map[transport.Addr]time.Time{}}
}

// Join makes one address of several, the best first.
func Join(addrs ...transport.Addr) transport.Addr {
	parts := make([]string, len(addrs))
	for i, a := range addrs {
		parts[i] = string(a)
	}
	return transport.Addr(strings.Join(parts, ","))
}

func split(a transport.Addr) (out []transport.Addr) {
	for _, s := range strings.Split(string(a), ",") {
		out = append(out, transport.Addr(s))
	}
	return out
}

// known returns the addresses that this process has transports for, those that
// did not answer lately last.
func (t *Transport) known(a transport.Addr) []transport.Addr {
	t.mu.Lock()
	defer t.mu.Unlock()
	var good, bad []transport.Addr
	for _, x := range split(a) {
		scheme, _ := x.Split()
		if t.by[scheme] == nil {
			continue
		}
		if since, ok := t.silent[x]; ok && time.Since(since) < avoid {
			bad = append(bad, x)
		} else {
			good = append(good, x)
		}
	}
	return append(good, bad...)
}

// Dial implements transport.Transport.
func (t *Transport) Dial(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	addrs := t.known(to.Addr)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("transport: there is no transport for %q", string(to.Addr))
	}
	var failures []error
	for i, a := range addrs {
		c, err := t.try(ctx, transport.Peer{Addr: a, Name: to.Name}, i == len(addrs)-1)
		if err == nil {
			return c, nil
		}
		failures = append(failures, err)
		scheme, _ := a.Split()
		if ctx.Err() != nil || transport.KindOf(err) == transport.Refused && scheme != local.Scheme {
			break
		}
	}
	last := failures[len(failures)-1]
	return nil, &transport.Error{Kind: kind(last), Op: "dial", Peer: to.Name.String(), Cause: errors.Join(failures...)}
}

func kind(err error) transport.Kind {
	if k := transport.KindOf(err); k != 0 {
		return k
	}
	return transport.Lost
}

// try dials one address, with all of ctx's time if it is the last.
func (t *Transport) try(ctx context.Context, to transport.Peer, last bool) (transport.Conn, error) {
	limited := ctx
	if !last {
		var stop context.CancelFunc
		limited, stop = context.WithTimeout(ctx, Patience)
		defer stop()
	}
	scheme, _ := to.Addr.Split()
	c, err := t.by[scheme].Dial(limited, to)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		delete(t.silent, to.Addr)
	case limited.Err() != nil && ctx.Err() == nil:
		t.silent[to.Addr] = time.Now()
	}
	return c, err
}

// Listen implements transport.Transport: at all addresses, or none.
func (t *Transport) Listen(ctx context.Context, at transport.Addr, h transport.Handler, roles ...identity.Role) (transport.Listener, error) {
	var all listeners
	for _, a := range split(at) {
		scheme, _ := a.Split()
		x := t.by[scheme]
		if x == nil {
			return nil, errors.Join(fmt.Errorf("transport: there is no transport for %q", string(a)), all.Close())
		}
		l, err := x.Listen(ctx, a, h, roles...)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, l)
	}
	return all, nil
}

// listeners are one listener.
type listeners []transport.Listener

// Addr implements transport.Listener.
func (l listeners) Addr() transport.Addr {
	addrs := make([]transport.Addr, len(l))
	for i, x := range l {
		addrs[i] = x.Addr()
	}
	return Join(addrs...)
}

// Close implements transport.Listener.
func (l listeners) Close() error {
	var err error
	for _, x := range l {
		err = errors.Join(err, x.Close())
	}
	return err
}

var _ transport.Transport = (*Transport)(nil)
