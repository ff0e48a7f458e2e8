package service_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/quic"
)

// hole is a network in which nobody answers.
type hole struct {
	transport.Transport
	dials atomic.Int64
}

// Dial implements transport.Transport.
func (h *hole) Dial(ctx context.Context, _ transport.Peer) (transport.Conn, error) {
	h.dials.Add(1)
	<-ctx.Done()
	return nil, &transport.Error{Kind: transport.Lost, Op: "dial", Cause: ctx.Err()}
}

// gone reads a block of a map task from a peer that does not answer.
func gone(c *service.Client, from transport.Peer, mapTask int) error {
	r := c.Read(context.Background(), from, []cache.BlockID{{Job: 1, Exchange: 2, Map: mapTask}}, columnar.NewSchema(columnar.Field{Name: "x", Type: columnar.Int64Type}), nil)
	defer r.Close()
	b, err := r.Next(context.Background())
	var g *shuffle.GoneError
	if b != nil || !errors.As(err, &g) || !slices.Equal(g.Maps, []int{mapTask}) {
		return fmt.Errorf("it reads %v, %v", b, err)
	}
	return nil
}

// TestUnanswered: a holder that answers no dial is gone after two of them, whoever
// waits; one that is lost is gone at once, and stays so.
func TestUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, from := &hole{}, transport.Peer{Addr: "quic://127.0.0.1:1", Name: named("1")}
		c := service.NewClient(h, service.Options{Limits: service.Limits{Dial: 3 * time.Second}})
		defer c.Close()
		began := time.Now()
		errs := make(chan error)
		for m := range 5 {
			go func() { errs <- gone(c, from, m) }()
		}
		for range 5 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); h.dials.Load() != 2 || took > 7*time.Second {
			t.Errorf("%d dials in %v", h.dials.Load(), took)
		}
		go func() { errs <- gone(c, from, 0) }()
		synctest.Wait() // it dials
		began = time.Now()
		c.Lose("1")
		if err := errors.Join(<-errs, gone(c, from, 1), gone(c, transport.Peer{Addr: "quic://127.0.0.1:2", Name: named("1")}, 2)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); h.dials.Load() != 3 || took > 0 {
			t.Errorf("%d dials; a holder that is lost is gone after %v", h.dials.Load(), took)
		}
	})
}

// TestUnansweredQUIC: the same of a UDP socket that nobody reads.
func TestUnansweredQUIC(t *testing.T) {
	silent := func() (net.PacketConn, transport.Peer) {
		s, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s, transport.Peer{Addr: transport.Addr("quic://" + s.LocalAddr().String()), Name: named("1")}
	}
	a, err := identity.NewAuthority("app")
	if err != nil {
		t.Fatal(err)
	}
	self, err := a.Issue(identity.Executor, "2")
	if err != nil {
		t.Fatal(err)
	}
	var pauses atomic.Int64
	o := service.Options{Limits: service.Limits{Dial: 20 * time.Millisecond}, Pause: func(ctx context.Context, _ time.Duration) error {
		pauses.Add(1)
		return ctx.Err()
	}}
	c := service.NewClient(quic.New(self, quic.Options{}), o)
	defer c.Close()
	_, from := silent()
	if err := gone(c, from, 3); err != nil || pauses.Load() != 1 {
		t.Errorf("after %d pauses: %v", pauses.Load(), err)
	}
	o.Limits.Dial = time.Hour
	c = service.NewClient(quic.New(self, quic.Options{}), o)
	defer c.Close()
	end := make(chan error)
	socket, from := silent()
	go func() { end <- gone(c, from, 4) }()
	if _, _, err := socket.ReadFrom(make([]byte, 1<<16)); err != nil { // it dials
		t.Fatal(err)
	}
	c.Lose("1")
	if err := <-end; err != nil || pauses.Load() != 1 {
		t.Errorf("after %d pauses: %v", pauses.Load()-1, err)
	}
}
