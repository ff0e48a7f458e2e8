package remote_test

import (
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
	"github.com/millrace-engine/millrace/transport/message"
)

// TestLost: executors learn that another one is gone, so that none waits for it.
func TestLost(t *testing.T) {
	net := inproc.NewNetwork()
	b, err := remote.Listen(t.Context(), remote.Config{Transport: net.Transport(identity.Name{App: app, Role: identity.Driver, ID: "driver"}), At: "inproc://driver", Results: &driver.Results{}, Outputs: shuffle.NewTracker()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(t.Context())
	join := func(id string) (*message.Conn, transport.Stream) {
		c, err := net.Transport(identity.Name{App: app, Role: identity.Executor, ID: id}).Dial(t.Context(), transport.Peer{Addr: b.Addr(), Name: identity.Name{App: app, Role: identity.Driver}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		s, err := c.Open(t.Context(), transport.Control)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(framed(kindHello, `{"Version":1,"Slots":1,"Blocks":"inproc://x"}`)); err != nil {
			t.Fatal(err)
		}
		m := message.New(s, 1<<20)
		if _, _, err := m.Read(); err != nil { // the welcome
			t.Fatal(err)
		}
		return m, s
	}
	stays, control := join("stays")
	_, goes := join("goes")
	if err := b.Await(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	goes.Cancel(transport.CodeContext)
	k, body, err := stays.Read()
	if err != nil || k != kindLost || !strings.Contains(string(body), `"goes"`) {
		t.Errorf("message %d %s, %v", k, body, err)
	}
	control.Cancel(transport.CodeContext)
}
