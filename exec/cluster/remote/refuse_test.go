package remote_test

import (
	"context"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
)

// The verbs that a driver serves, and the form of its messages.
const (
	kindHello  = 1
	kindResult = 13
	kindLost   = 26
)

func framed(kind byte, body string) []byte {
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), kind), body...)
}

// said opens a stream, sends bytes and returns what comes back, and why no more.
func said(from transport.Transport, to transport.Peer, sent []byte) (int, error) {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	c, err := from.Dial(ctx, to)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	s, err := c.Open(ctx, transport.Control)
	if err != nil {
		return 0, err
	}
	defer s.Cancel(0)
	if _, err := s.Write(sent); err != nil {
		return 0, err
	}
	if err := s.CloseWrite(); err != nil {
		return 0, err
	}
	b, err := io.ReadAll(s)
	return len(b), err
}

// TestRefused: strangers reach none of the driver's verbs, and what executors of
// the application may not say ends their stream: no executor registers by it, and
// the driver goes on.
func TestRefused(t *testing.T) {
	a, err := identity.NewAuthority("app")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := identity.NewAuthority("app")
	if err != nil {
		t.Fatal(err)
	}
	other, err := identity.NewAuthority("other")
	if err != nil {
		t.Fatal(err)
	}
	issue := func(a *identity.Authority, role identity.Role, id string) *identity.Credential {
		t.Helper()
		c, err := a.Issue(role, id)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for scheme, carrier := range map[string]func(*identity.Credential) transport.Transport{
		"tcp":  func(c *identity.Credential) transport.Transport { return tcp.New(c, tcp.Options{}) },
		"quic": func(c *identity.Credential) transport.Transport { return quic.New(c, quic.Options{Connections: 1}) },
	} {
		b, err := remote.Listen(t.Context(), remote.Config{Transport: carrier(issue(a, identity.Driver, "driver")), At: transport.Addr(scheme + "://127.0.0.1:0"), Results: &driver.Results{}, Outputs: shuffle.NewTracker()})
		if err != nil {
			t.Fatal(err)
		}
		to := transport.Peer{Addr: b.Addr(), Name: identity.Name{App: "app", Role: identity.Driver}}
		hello := framed(kindHello, `{"Version":1,"Slots":1,"Blocks":"quic://127.0.0.1:1"}`)
		result := framed(kindResult, `{"Task":{"Job":1}}`)
		for who, c := range map[string]*identity.Credential{
			"a foreign authority's executor": issue(foreign, identity.Executor, "1"),
			"another application's executor": issue(other, identity.Executor, "1"),
			"another driver":                 issue(a, identity.Driver, "driver"),
		} {
			for verb, sent := range map[string][]byte{"hello": hello, "result": result} {
				if n, err := said(carrier(c), to, sent); n > 0 || transport.KindOf(err) != transport.Refused && transport.KindOf(err) != transport.Lost {
					t.Errorf("%s over %s by %s: %d bytes, %v", verb, scheme, who, n, err)
				}
			}
		}
		own := carrier(issue(a, identity.Executor, "1"))
		bad := map[string][]byte{
			"no such verb": framed(99, "{}"), "nothing": {}, "a bomb": {255, 255, 255, 255, kindHello}, "cut": {9, 0, 0, 0, kindHello, '{'},
			"another version": framed(kindHello, `{"Version":9999,"Slots":1}`), "no slots": framed(kindHello, `{"Version":1,"Slots":0}`), "no JSON": framed(kindHello, "../../etc/passwd"),
			"a path for slots": framed(kindHello, `{"Version":1,"Slots":"../x"}`), "a path for a task": framed(kindResult, `{"Task":{"Job":"../x"}}`), "a task that nobody gave": result,
			"a long message": append([]byte{0, 0, 0, 5, kindResult}, make([]byte, 1<<20)...),
		}
		for what, sent := range bad {
			if n, err := said(own, to, sent); n > 0 || transport.KindOf(err) != transport.Cancelled && transport.KindOf(err) != transport.Lost {
				t.Errorf("%s over %s: %d bytes, %v", what, scheme, n, err)
			}
		}
		if x := b.Executors(); len(x) != 0 {
			t.Errorf("over %s executors %v have registered", scheme, x)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Close(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
}
