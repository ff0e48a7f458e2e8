package remote_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

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

func TestBackend(t *testing.T) {
	clustertest.Run(t, func(c executor.Config) cluster.Backend { return start(t, 1, c) })
}

func TestMigrates(t *testing.T) {
	clustertest.Migrates(t, func(n int, c executor.Config) cluster.Migrating { return start(t, n, c) })
}
