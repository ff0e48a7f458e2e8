package millrace_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	engine "github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
)

// together is a backend whose executors run in this process.
type together struct {
	*remote.Backend
	agents *sync.WaitGroup
}

func (b together) Close(ctx context.Context) error {
	err := b.Backend.Close(ctx)
	b.agents.Wait()
	return err
}

// counted counts what a process sends.
type counted struct {
	transport.Transport
	sent *atomic.Int64
}

func (c counted) Dial(ctx context.Context, to transport.Peer) (transport.Conn, error) {
	x, err := c.Transport.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return countedConn{x, c.sent}, nil
}

func (c counted) Listen(ctx context.Context, at transport.Addr, h transport.Handler, roles ...identity.Role) (transport.Listener, error) {
	return c.Transport.Listen(ctx, at, func(ctx context.Context, from identity.Name, s transport.Stream) {
		h(ctx, from, countedStream{s, c.sent})
	}, roles...)
}

type countedConn struct {
	transport.Conn
	sent *atomic.Int64
}

func (c countedConn) Open(ctx context.Context, u transport.Urgency) (transport.Stream, error) {
	x, err := c.Conn.Open(ctx, u)
	if err != nil {
		return nil, err
	}
	return countedStream{x, c.sent}, nil
}

type countedStream struct {
	transport.Stream
	sent *atomic.Int64
}

func (s countedStream) Write(b []byte) (int, error) {
	n, err := s.Stream.Write(b)
	s.sent.Add(int64(n))
	return n, err
}

// TestBuildSideEgress: a build side of 26 MiB, 64 with MILLRACE_SLOW, that goes to
// eight executors moves between those that made it and those that read it: the
// driver sends none of it, and no executor much more than twice its size, even where
// one task makes it (ADR 11). Two tasks make the 26 MiB.
func TestBuildSideEgress(t *testing.T) {
	const executors = 8
	rows := int64(160_000)
	if slow {
		rows = 400_000
	}
	sent := make([]atomic.Int64, executors+1) // the driver's first
	network := inproc.NewNetwork()
	carrier := func(role identity.Role, i int) transport.Transport {
		return counted{network.Transport(identity.Name{App: "app", Role: role, ID: fmt.Sprint(i)}), &sent[i]}
	}
	s, err := millrace.OpenOn(t.Context(), func(ctx context.Context, tracker *shuffle.Tracker, results *driver.Results, tables *connector.Registry) (cluster.Backend, error) {
		b, err := remote.Listen(ctx, remote.Config{Transport: carrier(identity.Driver, 0), At: "inproc://driver", Results: results, Outputs: tracker})
		if err != nil {
			return nil, err
		}
		out := together{b, &sync.WaitGroup{}}
		for i := 1; i <= executors; i++ {
			out.agents.Go(func() {
				err := remote.Run(context.Background(), remote.AgentConfig{Transport: carrier(identity.Executor, i), App: "app", At: transport.Addr(fmt.Sprintf("inproc://%d", i)),
					Driver:   transport.Peer{Addr: b.Addr(), Name: identity.Name{App: "app", Role: identity.Driver}},
					Executor: executor.Config{ID: engine.ExecutorID(fmt.Sprint(i)), Slots: 1, Broker: memory.NewBroker(512 << 20), Tables: tables}})
				if err != nil {
					t.Errorf("executor %d: %v", i, err)
				}
			})
		}
		return out, b.Await(ctx, executors)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	register(t, s, "probe", s.Range(0, 4*rows, 1))
	register(t, s, "build", s.Range(0, rows, 1))
	for _, c := range []struct {
		name, build string
	}{
		{"made by all", "build"},
		{"made by one", fmt.Sprintf("(SELECT id FROM build LIMIT %d)", rows)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range sent {
				sent[i].Store(0)
			}
			query := "SELECT count(*), sum(length(v)) FROM probe p JOIN (SELECT id, concat(cast(id AS STRING), repeat('x', 150)) AS v FROM " + c.build + ") b ON p.id = b.id"
			got, r, err := text(t, s, query)
			if err != nil || len(got) != 1 || got[0][0] != fmt.Sprint(rows) {
				t.Fatalf("%v, %v", got, err)
			}
			size := int64(0)
			for _, x := range r.Stats().Stages {
				size = max(size, x.Written)
			}
			most := int64(0)
			for i := range executors {
				most = max(most, sent[i+1].Load())
			}
			t.Logf("the build side has %d KiB; the driver sent %d KiB, an executor %d KiB at most", size>>10, sent[0].Load()>>10, most>>10)
			if size < 160*rows {
				t.Errorf("the build side has %d bytes only", size)
			}
			if sent[0].Load() > size/100 || most > 5*size/2 {
				t.Errorf("the driver sent %d bytes, an executor %d of a build side of %d", sent[0].Load(), most, size)
			}
		})
	}
}
