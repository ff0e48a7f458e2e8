package quic

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/transporttest"
)

func authority(t testing.TB, app string) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority(app)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func credential(t testing.TB, a *identity.Authority, id string) *identity.Credential {
	t.Helper()
	c, err := a.Issue(identity.Executor, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fixture(t testing.TB, o Options) transporttest.Fixture {
	a := authority(t, "app-1")
	server, client := credential(t, a, "1"), credential(t, a, "2")
	return transporttest.Fixture{
		Server: New(server, o), Client: New(client, o), ServerName: server.Name, ClientName: client.Name,
		Stranger: New(credential(t, authority(t, "app-2"), "2"), Options{}),
		Addr:     Scheme + "://127.0.0.1:0", Ahead: streamWindow + transport.Quantum,
	}
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Fixture {
		return fixture(t, Options{Egress: transport.NewEgress(4, nil), Connections: 2})
	})
}

func TestFaults(t *testing.T) {
	const lost = 800 * time.Millisecond
	transporttest.RunFaults(t, lost, func(t *testing.T, n *transporttest.Network) transporttest.Fixture {
		return fixture(t, Options{Lost: lost, Connections: 1, ListenPacket: func(ctx context.Context, address string) (net.PacketConn, error) {
			var lc net.ListenConfig
			c, err := lc.ListenPacket(ctx, "udp", address)
			if err != nil {
				return nil, err
			}
			return n.PacketConn(c), nil
		}})
	})
}
