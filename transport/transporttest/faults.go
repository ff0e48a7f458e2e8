package transporttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// RunFaults tests an implementation over networks that are slow, lose, reorder
// and break. make wraps its sockets; lost is how long a peer may be silent.
func RunFaults(t *testing.T, lost time.Duration, make func(t *testing.T, n *Network) Fixture) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	part := func(name string, n *Network, test func(*testing.T, Fixture, *Network)) {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			t.Run("x", func(t *testing.T) { test(t, make(t, n), n) })
			settled(t, before)
		})
	}
	part("Slow", NewNetwork(seed, 10*time.Millisecond, 0, 0), testLossy)
	part("Lossy", NewNetwork(seed, time.Millisecond, time.Millisecond, 0.02), testLossy)
	part("Worse", NewNetwork(seed, 2*time.Millisecond, 3*time.Millisecond, 0.05), testLossy)
	part("Cut", NewNetwork(seed, time.Millisecond, 0, 0), func(t *testing.T, f Fixture, n *Network) { testCut(t, f, n, lost) })
	part("CutDial", NewNetwork(seed, time.Millisecond, 0, 0), testCutDial)
}

// testLossy: everything arrives, whatever the network does to it.
func testLossy(t *testing.T, f Fixture, _ *Network) {
	s := start(t, f, echo)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			b := noise(1000+i*10_000, uint64(i))
			x, err := s.conn.Open(s.ctx, transport.Urgency(i))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := s.exchange(x, b); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d of %d bytes, %v", len(got), len(b), err)
			}
		})
	}
	s.within("a bad network", wg.Wait)
}

// testCut: when the network breaks, who waits at either end learns it in time,
// and once it heals the connection serves again.
func testCut(t *testing.T, f Fixture, n *Network, lost time.Duration) {
	ended := make(chan error, 2)
	s := start(t, f, func(ctx context.Context, name identity.Name, x transport.Stream) {
		var b [1]byte
		if _, err := io.ReadFull(x, b[:]); err != nil {
			return
		}
		if b[0] == 0 {
			echo(ctx, name, x)
			return
		}
		_, err := x.Read(b[:]) // nothing comes
		ended <- err
	})
	s.within("a cut", func() {
		x := s.open(transport.Normal)
		if _, err := x.Write([]byte{1}); err != nil {
			t.Error(err)
		}
		if got, err := s.exchange(s.open(transport.Normal), []byte("\x00before")); err != nil || string(got) != "before" {
			t.Errorf("%q, %v", got, err)
		}
		n.Cut()
		cut := time.Now()
		_, err := x.Read(make([]byte, 1))
		s.kind("reading", err, 0, transport.Lost)
		s.kind("the handler", <-ended, 0, transport.Lost)
		if took := time.Since(cut); took > 3*lost+5*time.Second { // the machine may be slow
			t.Errorf("it took %v to notice", took)
		}
		n.Heal()
		for {
			y, err := s.conn.Open(s.ctx, transport.Normal)
			if err == nil {
				var got []byte
				if got, err = s.exchange(y, []byte("\x00after")); err == nil && string(got) == "after" {
					return
				}
			}
			if s.ctx.Err() != nil {
				t.Errorf("after the network healed: %v", err)
				return
			}
		}
	})
}

// testCutDial: dialling into nothing ends with its context.
func testCutDial(t *testing.T, f Fixture, n *Network) {
	s := start(t, f, echo)
	n.Cut()
	defer n.Heal()
	s.within("dialling", func() {
		ctx, stop := context.WithTimeout(s.ctx, 200*time.Millisecond)
		defer stop()
		_, err := f.Client.Dial(ctx, s.peer())
		s.kind("dialling", err, 0, transport.Lost, transport.Cancelled)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Logf("dialling: %v", err)
		}
	})
}
