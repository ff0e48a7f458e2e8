package quic

import (
	"net"
	"testing"
)

// No two listeners of a host have one port, nor has a socket that dials the port of a
// listener, while the sockets of one listener share theirs.
func TestPorts(t *testing.T) {
	x := New(nil, Options{Connections: 2})
	whose := map[string]int{}
	keep := func(n int, sockets ...net.PacketConn) {
		for _, s := range sockets {
			t.Cleanup(func() { s.Close() })
			_, port, err := net.SplitHostPort(s.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			if other, taken := whose[port]; taken && other != n {
				t.Errorf("sockets of %d and %d share the port %s", other, n, port)
			}
			whose[port] = n
		}
	}
	for n := 0; n < 600; n += 2 {
		all, err := x.sockets(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 && sharing {
			t.Fatalf("%d sockets", len(all))
		}
		keep(n, all...)
		dials, err := x.o.ListenPacket(t.Context(), "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		keep(n+1, dials)
	}
}
