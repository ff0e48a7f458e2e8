package service_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/auto"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
	"github.com/millrace-engine/millrace/transport/transporttest"
)

// lost is how long a peer may be silent in these tests.
const lost = 500 * time.Millisecond

// over returns the transport of a scheme through a simulated network.
func over(scheme string, n *transporttest.Network, c *identity.Credential) transport.Transport {
	if scheme == tcp.Scheme {
		return tcp.New(c, tcp.Options{Lost: lost, Dial: n.Dial, Listen: n.Listen})
	}
	return quic.New(c, quic.Options{Lost: lost, Connections: 1, ListenPacket: func(ctx context.Context, address string) (net.PacketConn, error) {
		var lc net.ListenConfig
		p, err := lc.ListenPacket(ctx, "udp", address)
		if err != nil {
			return nil, err
		}
		return n.PacketConn(p), nil
	}})
}

// world is two executors with a network between them.
func world(t *testing.T, scheme string, n *transporttest.Network, x *executor) (transport.Transport, transport.Peer) {
	t.Helper()
	a, err := identity.NewAuthority("app")
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]transport.Transport
	for i, id := range []string{"1", "2"} {
		c, err := a.Issue(identity.Executor, id)
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = over(scheme, n, c)
	}
	l, err := ends[0].Listen(t.Context(), transport.Addr(scheme+"://127.0.0.1:0"), x.server.Serve, identity.Executor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return ends[1], transport.Peer{Addr: l.Addr(), Name: named("1")}
}

// TestNetworks: over networks that are slow, lose and reorder, fetches bring every
// row once; whoever waits longer than that waits for a typed failure.
func TestNetworks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, scheme := range []string{"quic", "tcp"} {
		for _, w := range []struct {
			delay, jitter time.Duration
			loss          float64
		}{{50 * time.Microsecond, 0, 0}, {time.Millisecond, time.Millisecond, 0.01}, {5 * time.Millisecond, 5 * time.Millisecond, 0.05}, {200 * time.Millisecond, 20 * time.Millisecond, 0.01}} {
			t.Run(fmt.Sprintf("%s/%v,%v,%g", scheme, w.delay, w.jitter, w.loss), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, uint64(w.delay)))
				o := service.Options{Limits: service.Limits{Request: 200_000}}
				blocks := 10
				if w.delay > 100*time.Millisecond { // a window grows by the round trip
					blocks = 3
				}
				x := holding(t, 1<<20, scratch(t), o, sizes(r, blocks)...)
				carrier, from := world(t, scheme, transporttest.NewNetwork(seed, w.delay, w.jitter, w.loss), x)
				c := service.NewClient(carrier, o)
				defer c.Close()
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						if err := x.whole(t, c, from, nil); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// TestPartitioned: a network that is cut amidst a fetch gives a typed failure; one
// that heals in time does not.
func TestPartitioned(t *testing.T) {
	for _, scheme := range []string{"quic", "tcp"} {
		for _, heals := range []bool{true, false} {
			t.Run(fmt.Sprint(scheme, heals), func(t *testing.T) {
				t.Parallel()
				n := transporttest.NewNetwork(1, time.Millisecond, 0, 0)
				tries := 0
				o := service.Options{Limits: service.Limits{Request: 50_000, Dial: 3 * lost}, Pause: func(ctx context.Context, d time.Duration) error {
					if tries++; heals && tries == 2 {
						n.Heal()
					}
					runtime.Gosched()
					return ctx.Err()
				}}
				x := holding(t, 64<<20, nil, o, sizes(rand.New(rand.NewPCG(3, 4)), 20)...)
				carrier, from := world(t, scheme, n, x)
				c := service.NewClient(carrier, o)
				defer c.Close()
				f := c.Read(t.Context(), from, x.ids, schema, nil)
				defer f.Close()
				first, err := f.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				n.Cut()
				got, err := ordered(t.Context(), f, first.Rows)
				got += first.Rows
				var g *shuffle.GoneError
				switch {
				case heals && (err != nil || got != x.rows):
					t.Errorf("%d rows of %d, %v", got, x.rows, err)
				case !heals && (!errors.As(err, &g) || transport.KindOf(err) == 0):
					t.Errorf("%d rows, %v", got, err)
				}
				if tries == 0 {
					t.Error("the cut was not noticed")
				}
			})
		}
	}
}

// TestUDPBlocked: where packets do not get through, a fetch goes over TCP within
// three seconds.
func TestUDPBlocked(t *testing.T) {
	t.Parallel()
	a, err := identity.NewAuthority("app")
	if err != nil {
		t.Fatal(err)
	}
	n := transporttest.NewNetwork(1, time.Millisecond, 0, 0)
	n.Cut()
	x := holding(t, 16<<20, nil, service.Options{}, []int{1000})
	var ends [2]transport.Transport
	for i, id := range []string{"1", "2"} {
		c, err := a.Issue(identity.Executor, id)
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = auto.New(map[string]transport.Transport{quic.Scheme: over(quic.Scheme, n, c), tcp.Scheme: tcp.New(c, tcp.Options{})})
	}
	l, err := ends[0].Listen(t.Context(), "quic://127.0.0.1:0,tcp://127.0.0.1:0", x.server.Serve, identity.Executor)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := service.NewClient(ends[1], service.Options{})
	defer c.Close()
	for first := true; ; first = false {
		start := time.Now()
		if err := x.whole(t, c, transport.Peer{Addr: l.Addr(), Name: named("1")}, nil); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		t.Logf("it took %v", took)
		if !first {
			return
		}
		if took < auto.Patience {
			t.Errorf("packets got through")
		}
	}
}
