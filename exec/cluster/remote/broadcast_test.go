package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/millrace-engine/millrace/cache/broadcast"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/inproc"
)

// peers starts a driver's backend and n agents that serve their blocks, without
// their control streams.
func peers(t *testing.T, n int, budget int64) (*Backend, []*agent, []*memory.Broker) {
	net := inproc.NewNetwork()
	as := func(role identity.Role, id string) transport.Transport {
		return net.Transport(identity.Name{App: "test", Role: role, ID: id})
	}
	b, err := Listen(t.Context(), Config{Transport: as(identity.Driver, "driver"), At: "inproc://driver"})
	if err != nil {
		t.Fatal(err)
	}
	var agents []*agent
	var brokers []*memory.Broker
	for i := range n {
		id := fmt.Sprint(i)
		at, carrier, broker := transport.Addr("inproc://"+id), as(identity.Executor, id), memory.NewBroker(budget)
		a := &agent{AgentConfig: AgentConfig{Transport: carrier, App: "test", Executor: executor.Config{ID: exec.ExecutorID(id), Slots: 1, Broker: broker}}, results: &pusher{}}
		a.executor = executor.New(executor.Config{ID: exec.ExecutorID(id), Slots: 1, Broker: broker, Tables: connector.NewRegistry(), Outputs: shuffle.NewTracker()})
		a.fetcher = service.NewClient(carrier, service.Options{})
		l, err := carrier.Listen(t.Context(), at, service.NewServer(a.executor.Store(), service.Options{}).Serve, identity.Executor)
		if err != nil {
			t.Fatal(err)
		}
		if a.results.conn, err = carrier.Dial(t.Context(), transport.Peer{Addr: b.Addr(), Name: identity.Name{App: "test", Role: identity.Driver}}); err != nil {
			t.Fatal(err)
		}
		b.peers[exec.ExecutorID(id)] = &peer{id: exec.ExecutorID(id), hello: hello{Blocks: string(at)}, cancel: func() {}}
		agents, brokers = append(agents, a), append(brokers, broker)
		t.Cleanup(func() {
			a.fetcher.Close()
			l.Close()
			a.results.conn.Close()
			a.executor.Close()
			if broker.Reserved() != 0 {
				t.Errorf("executor %s leaves %d bytes", id, broker.Reserved())
			}
		})
	}
	t.Cleanup(func() {
		clear(b.peers)
		b.Close(context.Background())
	})
	return b, agents, brokers
}

// TestBroadcast brings 64 MiB to eight executors, each asking twice at once: every
// one has it once, charged to its memory, and the driver sends three times as much at
// most.
func TestBroadcast(t *testing.T) {
	const size, n = 64 << 20, 8
	value := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range value {
		value[i] = byte(r.Uint32())
	}
	b, agents, brokers := peers(t, n, 128<<20)
	ref := b.values.add(1, value)
	var wg sync.WaitGroup
	for _, a := range agents {
		for range 2 {
			wg.Go(func() {
				got, err := a.value(t.Context(), ref)
				if err != nil {
					t.Error(err)
				} else if !bytes.Equal(got, value) {
					t.Error("the value is another one")
				}
			})
		}
	}
	wg.Wait()
	received := int64(0)
	for i, a := range agents {
		received += a.results.conn.Stats().Received
		if held := brokers[i].Reserved(); held < size || held > size+4<<20 {
			t.Errorf("executor %d reserves %d bytes for a value of %d", i, held, size)
		}
		if x, y := a.received.values[ref], must(t, a, ref); &x.value[0] != &y[0] {
			t.Error("a second copy")
		}
	}
	t.Logf("the driver sent %.2f times the value, %d bytes in all", float64(b.sent.Load())/size, received)
	if received > 3*size || b.sent.Load() < size || received < b.sent.Load() {
		t.Errorf("the driver sent %d bytes of pieces, %d in all, for a value of %d", b.sent.Load(), received, size)
	}
	for i, a := range agents {
		a.endJob(1)
		if held := brokers[i].Reserved(); held != 0 {
			t.Errorf("executor %d reserves %d bytes when the job is over", i, held)
		}
	}
	b.values.drop(1)
	if _, err := agents[0].value(t.Context(), ref); err == nil {
		t.Error("a value of a job that is over was had")
	}
}

func must(t *testing.T, a *agent, r broadcast.Ref) []byte {
	t.Helper()
	v, err := a.value(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestBroadcastDamaged: bytes that are not those named are never given out, nor is
// a value for which memory has no room; both leave nothing.
func TestBroadcastDamaged(t *testing.T) {
	b, agents, brokers := peers(t, 2, 32<<20)
	value := make([]byte, 5<<20+7)
	ref := b.values.add(1, value)
	must(t, agents[0], ref)
	value[3<<20]++ // the second executor may get it from the first, or as it is now
	bad := b.values.add(1, value)
	value[0]++
	if _, err := agents[1].value(t.Context(), bad); !errors.Is(err, broadcast.ErrDamaged) {
		t.Errorf("a damaged value: %v", err)
	}
	huge := b.values.add(1, make([]byte, 64<<20))
	if _, err := agents[1].value(t.Context(), huge); err == nil {
		t.Error("a value larger than the budget was had")
	}
	if held := brokers[1].Reserved(); held != 0 {
		t.Errorf("%d bytes are left", held)
	}
	forged := ref
	forged.Hash[0]++
	if _, err := agents[1].value(t.Context(), forged); err == nil {
		t.Error("a value that is not offered was had")
	}
	agents[0].endJob(1)
}

// TestBroadcastLost: the executor that has every piece goes away; the driver sends
// them again.
func TestBroadcastLost(t *testing.T) {
	b, agents, _ := peers(t, 3, 64<<20)
	value := bytes.Repeat([]byte("0123456789"), 1<<19)
	ref := b.values.add(1, value)
	must(t, agents[0], ref)
	agents[0].endJob(1) // its blocks are gone, but nobody knows
	if got := must(t, agents[1], ref); !bytes.Equal(got, value) {
		t.Error("the value is another one")
	}
	b.values.lose("1")
	if got := must(t, agents[2], ref); !bytes.Equal(got, value) {
		t.Error("the value is another one")
	}
	for _, a := range agents {
		a.endJob(1)
	}
}
