package inproc

import (
	"testing"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport/transporttest"
)

// fixture returns two executors of an application and one of another.
func fixture() transporttest.Fixture {
	n := NewNetwork()
	server, client := identity.Name{App: "app-1", Role: identity.Executor, ID: "1"}, identity.Name{App: "app-1", Role: identity.Executor, ID: "2"}
	return transporttest.Fixture{
		Server: n.Transport(server), Client: n.Transport(client), ServerName: server, ClientName: client,
		Stranger: n.Transport(identity.Name{App: "app-2", Role: identity.Executor, ID: "2"}),
		Addr:     Scheme + "://1", Nowhere: Scheme + "://9", Ahead: window + 64<<10,
	}
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(*testing.T) transporttest.Fixture { return fixture() })
}
