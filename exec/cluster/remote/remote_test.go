package remote_test

import (
	"context"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/clustertest"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
)

const app = "test"

// withAgents is a backend whose executors are agents in this process.
type withAgents struct {
	*remote.Backend
	agents *sync.WaitGroup
}

func (b withAgents) Close(ctx context.Context) error {
	err := b.Backend.Close(ctx)
	b.agents.Wait()
	return err
}

// start starts a backend of n executors, whose ids begin with the one of c.
func start(t *testing.T, n int, c executor.Config) withAgents {
	net := inproc.NewNetwork()
	as := func(role identity.Role, id string) transport.Transport {
		return net.Transport(identity.Name{App: app, Role: role, ID: id})
	}
	b, err := remote.Listen(t.Context(), remote.Config{Transport: as(identity.Driver, "driver"), At: "inproc://driver", Results: c.Results, Outputs: c.Outputs})
	if err != nil {
		t.Fatal(err)
	}
	out := withAgents{b, &sync.WaitGroup{}}
	for i := range n {
		c := c
		c.ID += exec.ExecutorID(strconv.Itoa(i))
		out.agents.Go(func() {
			err := remote.Run(context.Background(), remote.AgentConfig{Transport: as(identity.Executor, string(c.ID)), App: app, At: transport.Addr("inproc://" + c.ID),
				Driver: transport.Peer{Addr: b.Addr(), Name: identity.Name{App: app, Role: identity.Driver}}, Executor: c})
			if err != nil {
				t.Errorf("the executor ended with %v", err)
			}
		})
	}
	if err := b.Await(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return out
}

// deaf is a transport on which nobody answers the first dials.
type deaf struct {
	transport.Transport
	dials int
}

func (d *deaf) Dial(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	if d.dials--; d.dials >= 0 {
		return nil, transport.Broken("dial", string(to.Addr), os.ErrDeadlineExceeded)
	}
	return d.Transport.Dial(ctx, to)
}

// An executor tries again to reach a driver that does not answer, three times in all.
func TestDialsAgain(t *testing.T) {
	for unanswered, want := range map[int]bool{2: true, 3: false} {
		net := inproc.NewNetwork()
		b, err := remote.Listen(t.Context(), remote.Config{Transport: net.Transport(identity.Name{App: app, Role: identity.Driver, ID: "driver"}), At: "inproc://driver"})
		if err != nil {
			t.Fatal(err)
		}
		self := identity.Name{App: app, Role: identity.Executor, ID: "x"}
		ended := make(chan error, 1)
		go func() { // ends with the backend, or by itself
			ended <- remote.Run(t.Context(), remote.AgentConfig{Transport: &deaf{net.Transport(self), unanswered}, App: app, At: "inproc://x",
				Driver: transport.Peer{Addr: b.Addr(), Name: identity.Name{App: app, Role: identity.Driver}}, Executor: executor.Config{ID: "x", Slots: 1, Broker: memory.NewBroker(64 << 20), Tables: connector.NewRegistry()}})
		}()
		if want {
			if err := b.Await(t.Context(), 1); err != nil {
				t.Error(err)
			}
		} else if err := <-ended; err == nil || !transport.Silent(err) {
			t.Errorf("after %d dials without an answer: %v", unanswered, err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if want {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestBackend(t *testing.T) {
	clustertest.Run(t, func(c executor.Config) cluster.Backend { return start(t, 1, c) })
}

func TestMigrates(t *testing.T) {
	clustertest.Migrates(t, func(n int, c executor.Config) cluster.Migrating { return start(t, n, c) })
}
