package quic

import (
	"context"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/transporttest"
)

func BenchmarkTransport(b *testing.B) {
	transporttest.Bench(b, fixture(b, Options{Egress: transport.NewEgress(4, nil), Connections: 1}))
}

// half is one direction of a stream.
type half struct {
	*quic.Stream
	stop func()
}

func (h half) Close() error {
	h.CancelRead(0)
	h.CancelWrite(0)
	h.stop()
	return nil
}

// BenchmarkBare is one stream of the library alone.
func BenchmarkBare(b *testing.B) {
	New(nil, Options{}) // says that warnings are not wanted
	a := authority(b, "app-1")
	server, client := credential(b, a, "1"), credential(b, a, "2")
	ctx := context.Background()
	l, err := quic.ListenAddr("127.0.0.1:0", server.Server(transport.Protocol, identity.Executor), config(transport.LostAfter))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan *quic.Stream, 1)
	go func() {
		c, err := l.Accept(ctx)
		if err != nil {
			b.Error(err)
			return
		}
		s, err := c.AcceptStream(ctx)
		if err != nil {
			b.Error(err)
		}
		accepted <- s
	}()
	c, err := quic.DialAddr(ctx, l.Addr().String(), client.Client(transport.Protocol, server.Name), config(transport.LostAfter))
	if err != nil {
		b.Fatal(err)
	}
	r, err := c.OpenStreamSync(ctx)
	if err == nil {
		_, err = r.Write([]byte{1})
	}
	if err != nil {
		b.Fatal(err)
	}
	transporttest.Bare(b, half{<-accepted, func() {}}, half{r, func() { _ = c.CloseWithError(0, "") }})
}

// BenchmarkUrgent compares the process's egress with none.
func BenchmarkUrgent(b *testing.B) {
	b.Run("Egress", func(b *testing.B) {
		transporttest.BenchUrgent(b, fixture(b, Options{Egress: transport.NewEgress(4, nil), Connections: 1}))
	})
	b.Run("Arrival", func(b *testing.B) {
		first := func(_ time.Time, x, y transport.Ticket) bool { return x.Arrival.Before(y.Arrival) }
		transporttest.BenchUrgent(b, fixture(b, Options{Egress: transport.NewEgress(4, first), Connections: 1}))
	})
	b.Run("None", func(b *testing.B) { transporttest.BenchUrgent(b, fixture(b, Options{Connections: 1})) })
}
