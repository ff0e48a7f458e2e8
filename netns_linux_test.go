package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
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
	"github.com/millrace-engine/millrace/transport/quic"
)

// namespaces are two network namespaces with a cable between them. Processes stay
// where they are: sockets belong to the namespace in which they were opened.
type namespaces struct {
	names, addrs, links [2]string
}

// cable makes them, or skips the test where that is not permitted.
func cable(t *testing.T) *namespaces {
	t.Helper()
	tag := fmt.Sprintf("%05x", rand.Uint32N(1<<20))
	n := &namespaces{}
	for i := range n.names {
		n.names[i], n.links[i], n.addrs[i] = fmt.Sprint("mr", tag, i), fmt.Sprint("mv", tag, i), fmt.Sprint("10.99.7.", i+1)
	}
	t.Cleanup(func() {
		for _, x := range n.names {
			_ = exec.Command("ip", "netns", "del", x).Run() // it may not have been made
		}
	})
	steps := []string{"link add " + n.links[0] + " type veth peer name " + n.links[1]}
	for i, x := range n.names {
		steps = append([]string{"netns add " + x}, steps...)
		in := "-n " + x + " "
		steps = append(steps, "link set "+n.links[i]+" netns "+x, in+"addr add "+n.addrs[i]+"/24 dev "+n.links[i], in+"link set "+n.links[i]+" up", in+"link set lo up")
	}
	for _, s := range steps {
		if out, err := exec.Command("ip", strings.Fields(s)...).CombinedOutput(); err != nil {
			t.Skipf("network namespaces are not permitted here: ip %s: %v: %s", s, err, out)
		}
	}
	return n
}

// limit bounds what each end may send, in megabits a second.
func (n *namespaces) limit(t *testing.T, rate int) {
	t.Helper()
	for i, x := range n.names {
		args := strings.Fields(fmt.Sprintf("netns exec %s tc qdisc replace dev %s root tbf rate %dmbit burst 64kb latency 50ms", x, n.links[i], rate))
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("tc does not limit rates here: %v: %s", err, out)
		}
	}
}

// open opens a socket in a namespace.
func (n *namespaces) open(i int) func(ctx context.Context, address string) (net.PacketConn, error) {
	return func(ctx context.Context, address string) (c net.PacketConn, err error) {
		done := make(chan struct{})
		go func() { // on a thread of its own, which ends with it if it cannot go back
			defer close(done)
			runtime.LockOSThread()
			home, herr := os.Open("/proc/thread-self/ns/net")
			there, terr := os.Open(filepath.Join("/var/run/netns", n.names[i]))
			if err = errors.Join(herr, terr); err != nil {
				return
			}
			defer home.Close()
			defer there.Close()
			if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
				return
			}
			var lc net.ListenConfig
			c, err = lc.ListenPacket(ctx, "udp", address)
			if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
		}()
		<-done
		return c, err
	}
}

// crossing is an application whose processes are in both namespaces.
type crossing struct {
	*namespaces
	authority *identity.Authority
}

func cross(t *testing.T) *crossing {
	t.Helper()
	n := cable(t)
	a, err := identity.NewAuthority("app")
	if err != nil {
		t.Fatal(err)
	}
	return &crossing{n, a}
}

// carrier is the transport of a process in a namespace.
func (c *crossing) carrier(t *testing.T, i int, role identity.Role, id string, order transport.Order) (transport.Transport, identity.Name) {
	t.Helper()
	x, err := c.authority.Issue(role, id)
	if err != nil {
		t.Fatal(err)
	}
	return quic.New(x, quic.Options{Egress: transport.NewEgress(4, order), Connections: 1, ListenPacket: c.open(i)}), x.Name
}

func (c *crossing) at(i int) transport.Addr {
	return transport.Addr("quic://" + net.JoinHostPort(c.addrs[i], "0"))
}

// TestNamespaces answers TPC-H on a driver and an executor in one network and an
// executor in another, over QUIC, at full speed and at 200 Mbit/s.
func TestNamespaces(t *testing.T) {
	c := cross(t)
	s, err := millrace.OpenOn(t.Context(), func(ctx context.Context, tracker *shuffle.Tracker, results *driver.Results, tables *connector.Registry) (cluster.Backend, error) {
		carrier, _ := c.carrier(t, 0, identity.Driver, "driver", nil)
		b, err := remote.Listen(ctx, remote.Config{Transport: carrier, At: c.at(0), Results: results, Outputs: tracker})
		if err != nil {
			return nil, err
		}
		out := together{b, &sync.WaitGroup{}}
		for i := range 2 {
			carrier, name := c.carrier(t, i, identity.Executor, fmt.Sprint(i+1), nil)
			out.agents.Go(func() {
				err := remote.Run(context.Background(), remote.AgentConfig{Transport: carrier, App: "app", At: c.at(i), Driver: transport.Peer{Addr: b.Addr(), Name: identity.Name{App: "app", Role: identity.Driver}},
					Executor: executor.Config{ID: engine.ExecutorID(name.ID), Slots: 1, Broker: memory.NewBroker(256 << 20), Tables: tables}})
				if err != nil {
					t.Errorf("executor %s: %v", name.ID, err)
				}
			})
		}
		return out, b.Await(ctx, 2)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	dir, err := data()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range dbgen.Tables() {
		register(t, s, x.Name, s.Read().Parquet(filepath.Join(dir, x.Name+".parquet")))
	}
	answerAll(t, s)
	c.limit(t, 200)
	for _, q := range []int{3, 13, 18} {
		if err := answer(t, s, q); err != nil {
			t.Error(err)
		}
	}
}

// TestUrgencyOnTheLine measures urgent answers of 64 KiB while sixteen streams of
// merges take all of a line of 100 Mbit/s, so slow that what else the machine does
// hardly counts. The 99th percentile is at most what an
// idle line takes, two quanta, and a round trip under load; and a quarter of what
// it is without priorities. It measures: with MILLRACE_SLOW only.
func TestUrgencyOnTheLine(t *testing.T) {
	if !slow {
		t.Skip("it measures; MILLRACE_SLOW runs it")
	}
	const rate, streams = 20, 16 // Mbit/s, of merges
	c := cross(t)
	c.limit(t, rate)
	p99 := func(order transport.Order, size, pourers, answers int) time.Duration {
		server, name := c.carrier(t, 0, identity.Executor, fmt.Sprint("a", rand.Uint32()), order)
		client, _ := c.carrier(t, 1, identity.Executor, fmt.Sprint("b", rand.Uint32()), order)
		block := make([]byte, transport.Quantum)
		l, err := server.Listen(t.Context(), c.at(0), func(_ context.Context, _ identity.Name, s transport.Stream) {
			var kind [1]byte
			if _, err := io.ReadFull(s, kind[:]); err != nil {
				return
			}
			for kind[0] == 1 {
				if _, err := s.Write(block); err != nil {
					return
				}
			}
			if _, err := s.Write(block[:size]); err == nil {
				_ = s.CloseWrite()
			}
		}, identity.Executor)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := client.Dial(t.Context(), transport.Peer{Addr: l.Addr(), Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ask := func(u transport.Urgency, kind byte) (transport.Stream, error) {
			s, err := conn.Open(t.Context(), u)
			if err == nil {
				_, err = s.Write([]byte{kind})
			}
			return s, err
		}
		for range pourers {
			s, err := ask(transport.Merge, 1)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, s) }() // ends with the connection
		}
		var took []time.Duration
		for i := range 20 + answers {
			start := time.Now()
			s, err := ask(transport.Gating, 0)
			if err == nil {
				err = s.CloseWrite()
			}
			if err == nil {
				_, err = io.Copy(io.Discard, s)
			}
			if err != nil {
				t.Fatal(err)
			}
			if i >= 20 {
				took = append(took, time.Since(start))
			}
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	byArrival := func(_ time.Time, a, b transport.Ticket) bool { return a.Arrival.Before(b.Arrival) }
	const question = 64 << 10
	idle, trip, loaded, off := p99(nil, question, 0, 100), p99(nil, 1, streams, 200), p99(nil, question, streams, 200), p99(byArrival, question, streams, 20)
	quanta := time.Duration(2 * transport.Quantum * 8 * 1000 / rate)
	t.Logf("p99 idle %v, round trip under load %v, two quanta %v; loaded %v, without priorities %v", idle, trip, quanta, loaded, off)
	if loaded > idle+trip+quanta {
		t.Errorf("an urgent answer takes %v, at most %v is allowed", loaded, idle+trip+quanta)
	}
	if 4*loaded > off {
		t.Errorf("an urgent answer takes %v, without priorities %v", loaded, off)
	}
}
