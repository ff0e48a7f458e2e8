package tcp

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/transporttest"
)

func BenchmarkTransport(b *testing.B) {
	transporttest.Bench(b, fixture(b, Options{Egress: transport.NewEgress(4, nil)}))
}

// BenchmarkBare is crypto/tls over TCP alone.
func BenchmarkBare(b *testing.B) {
	a := authority(b, "app-1")
	server, client := credential(b, a, "1"), credential(b, a, "2")
	l, err := tls.Listen("tcp", "127.0.0.1:0", server.Server(transport.Protocol, identity.Executor))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.(*tls.Conn).Handshake()
		}
		if err != nil {
			b.Error(err)
		}
		accepted <- c
	}()
	r, err := tls.Dial("tcp", l.Addr().String(), client.Client(transport.Protocol, server.Name))
	if err != nil {
		b.Fatal(err)
	}
	w := <-accepted
	transporttest.Bare(b, abrupt{w}, abrupt{r})
}

// abrupt closes without the alert that TLS ends with, which a peer that does not
// read would hold up.
type abrupt struct{ net.Conn }

func (a abrupt) Close() error { return a.Conn.(*tls.Conn).NetConn().Close() }

// BenchmarkUrgent compares the process's egress with none.
func BenchmarkUrgent(b *testing.B) {
	b.Run("Egress", func(b *testing.B) {
		transporttest.BenchUrgent(b, fixture(b, Options{Egress: transport.NewEgress(4, nil)}))
	})
	b.Run("Arrival", func(b *testing.B) {
		first := func(_ time.Time, x, y transport.Ticket) bool { return x.Arrival.Before(y.Arrival) }
		transporttest.BenchUrgent(b, fixture(b, Options{Egress: transport.NewEgress(4, first)}))
	})
	b.Run("None", func(b *testing.B) { transporttest.BenchUrgent(b, fixture(b, Options{})) })
}
