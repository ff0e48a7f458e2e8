package standalone_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/master"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/worker"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
)

var nowhere = slog.New(slog.NewTextHandler(io.Discard, nil))

// listening notes where somebody listens.
type listening struct {
	transport.Transport
	at chan transport.Addr
}

func (l listening) Listen(ctx context.Context, at transport.Addr, h transport.Handler, roles ...identity.Role) (transport.Listener, error) {
	x, err := l.Transport.Listen(ctx, at, h, roles...)
	if err == nil {
		l.at <- x.Addr()
	}
	return x, err
}

func authorityOf(t *testing.T, token identity.Token) *identity.Authority {
	t.Helper()
	a, err := token.Authority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *identity.Authority, role identity.Role, id string) *identity.Credential {
	t.Helper()
	c, err := a.Issue(role, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// port is somewhere that a process of a cluster or application listens.
type port struct {
	what string
	peer transport.Peer
	own  *identity.Authority // who may come in is of this
	// roles are let in; verbs are those that each may use, of all kinds of messages.
	roles map[identity.Role][]message.Kind
	verbs []message.Kind // that there are
	tries bool           // what is said is answered, a verb that a role may not use by a refusal
}

// complete fails the test if the roles of a port do not have the verbs that there are: a
// new verb has to say here who may use it.
func (p *port) complete(t *testing.T) {
	t.Helper()
	var have []message.Kind
	for _, kinds := range p.roles {
		have = append(have, kinds...)
	}
	slices.Sort(have)
	if have = slices.Compact(have); !slices.Equal(have, p.verbs) {
		t.Errorf("the roles at the %s have verbs %v, and there are %v", p.what, have, p.verbs)
	}
}

// allRoles are the roles that there are.
var allRoles = []identity.Role{identity.Driver, identity.Executor, identity.Master, identity.Worker, identity.Client}

// TestRefusals tries every verb at every port of a cluster and an application:
// without TLS, without a certificate, with another cluster's token, with another
// application's certificate, with each role that has no business there. Nobody gets
// an answer but those who should.
func TestRefusals(t *testing.T) {
	ctx := t.Context()
	cluster, wrong := authorityOf(t, identity.NewToken()), authorityOf(t, identity.NewToken())
	app, err := identity.NewAuthority("app-1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := identity.NewAuthority("app-2")
	if err != nil {
		t.Fatal(err)
	}
	twin, err := identity.NewAuthority("app-1") // of the same name
	if err != nil {
		t.Fatal(err)
	}
	m, err := master.Start(ctx, master.Config{Transport: standalone.Control(issue(t, cluster, identity.Master, "m")), At: "tcp://127.0.0.1:0", Dir: t.TempDir(), Policy: master.Spread, Log: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ports := []port{{"master", transport.Peer{Addr: m.Addr(), Name: identity.Name{App: cluster.App(), Role: identity.Master}}, cluster, map[identity.Role][]message.Kind{
		identity.Worker: {standalone.Join}, identity.Client: {standalone.Register, standalone.Submit, standalone.Status, standalone.StopDriver, standalone.DrainWorker}}, master.Verbs(), true}}

	for _, scheme := range []string{tcp.Scheme, quic.Scheme} {
		carry := func(c *identity.Credential) transport.Transport {
			if scheme == tcp.Scheme {
				return tcp.New(c, tcp.Options{})
			}
			return quic.New(c, quic.Options{})
		}
		b, err := remote.Listen(ctx, remote.Config{Transport: carry(issue(t, app, identity.Driver, "driver")), At: transport.Addr(scheme + "://127.0.0.1:0"), Outputs: shuffle.NewTracker()})
		if err != nil {
			t.Fatal(err)
		}
		blocks := listening{carry(issue(t, app, identity.Executor, "1")), make(chan transport.Addr, 1)}
		var running sync.WaitGroup
		running.Go(func() {
			err := remote.Run(ctx, remote.AgentConfig{Transport: blocks, App: "app-1", At: transport.Addr(scheme + "://127.0.0.1:0"),
				Driver:   transport.Peer{Addr: b.Addr(), Name: identity.Name{App: "app-1", Role: identity.Driver}},
				Executor: executor.Config{ID: "1", Slots: 1, Broker: memory.NewBroker(64 << 20), Tables: connector.NewRegistry()}})
			if err != nil {
				t.Errorf("the executor ended with %v", err)
			}
		})
		defer running.Wait()
		defer b.Close(ctx)
		if err := b.Await(ctx, 1); err != nil {
			t.Fatal(err)
		}
		ports = append(ports,
			port{"driver over " + scheme, transport.Peer{Addr: b.Addr(), Name: identity.Name{App: "app-1", Role: identity.Driver}}, app,
				map[identity.Role][]message.Kind{identity.Executor: {1, 13, 19}}, remote.Verbs(), false}, // hello, result, spread
			port{"executor over " + scheme, transport.Peer{Addr: <-blocks.at, Name: identity.Name{App: "app-1", Role: identity.Executor}}, app,
				map[identity.Role][]message.Kind{identity.Executor: {1, 7}}, service.Verbs(), false}) // fetch, diagnose
	}

	for _, p := range ports {
		p.complete(t)
		scheme, at := p.peer.Addr.Split()
		carry := func(c *identity.Credential) transport.Transport {
			if scheme == tcp.Scheme {
				return tcp.New(c, tcp.Options{})
			}
			return quic.New(c, quic.Options{})
		}
		for _, k := range p.verbs {
			if scheme != tcp.Scheme {
				break // there is no QUIC without TLS
			}
			if answer := plain(at, k); answer != "" {
				t.Errorf("%s answers verb %d without TLS: %q", p.what, k, answer)
			}
			if answer := anonymous(at, k); answer != "" {
				t.Errorf("%s answers verb %d without a certificate: %q", p.what, k, answer)
			}
		}
		for _, role := range allRoles {
			for who, a := range map[string]*identity.Authority{"the wrong token": wrong, "another application": other, "an application of the same name": twin, "the cluster": cluster, "the application": app} {
				verbs, in := p.roles[role]
				in = in && a == p.own
				want := p.peer
				want.Name.App = a.App() // as far as the intruder can tell
				from := carry(issue(t, a, role, "1x"))
				for _, k := range p.verbs {
					if in {
						break
					}
					if conn, err := from.Dial(ctx, want); err == nil {
						answer := asked(ctx, conn, k)
						conn.Close()
						t.Errorf("%s lets a %s of %s in, whose verb %d is answered by %v", p.what, role, who, k, answer)
					} else if transport.KindOf(err) != transport.Refused {
						t.Errorf("%s does not refuse verb %d of a %s of %s, but: %v", p.what, k, role, who, err)
					}
				}
				if !in {
					continue
				}
				conn, err := from.Dial(ctx, want)
				if err != nil {
					t.Errorf("%s does not let a %s in: %v", p.what, role, err)
					continue
				}
				if p.tries {
					tryVerbs(t, p.what, role, conn, verbs)
				}
				conn.Close()
			}
		}
	}
}

// asked begins a stream with a verb and returns what is answered.
func asked(ctx context.Context, conn transport.Conn, k message.Kind) any {
	s, err := conn.Open(ctx, transport.Control)
	if err != nil {
		return err
	}
	defer s.Cancel(transport.CodeContext)
	f := message.New(s, standalone.MaxMessage)
	if err := f.Write(k, []byte("{}")); err != nil {
		return err
	}
	answer, _, err := f.Read()
	if err != nil {
		return err
	}
	return answer
}

// plain begins with a verb without TLS and returns what is answered.
func plain(at string, k message.Kind) string {
	c, err := net.Dial("tcp", at)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.Write(framed(k))
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // so that whoever waits for more has it
	b, _ := io.ReadAll(c)
	if strings.HasPrefix(string(b), "\x15\x03") { // a TLS alert
		return ""
	}
	return string(b)
}

// framed is a message with nothing in it.
func framed(k message.Kind) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, 2), byte(k), '{', '}')
}

// anonymous shakes hands without a certificate, begins with a verb and returns what is
// said then.
func anonymous(at string, k message.Kind) string {
	c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{transport.Protocol}})
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.Write(framed(k))
	b, _ := io.ReadAll(c)
	return string(b)
}

// tryVerbs sends every kind of message there may be: a role is refused all but its
// own, in words.
func tryVerbs(t *testing.T, what string, role identity.Role, conn transport.Conn, own []message.Kind) {
	for k := message.Kind(1); k != 0; k++ {
		s, err := conn.Open(t.Context(), transport.Control)
		if err != nil {
			t.Fatal(err)
		}
		f := message.New(s, standalone.MaxMessage)
		if err := f.Write(k, []byte("[]")); err != nil { // which no verb takes
			t.Fatal(err)
		}
		answer, _, err := f.Read()
		mine := false
		for _, o := range own {
			mine = mine || o == k
		}
		switch {
		case k == standalone.Status && mine: // takes anything
			if err != nil || answer != standalone.State {
				t.Errorf("%s answers its %s's verb %d by %d, %v", what, role, k, answer, err)
			}
		case mine && err == nil: // it got as far as reading the body, where it ends
			t.Errorf("%s answers its %s's verb %d with a bad body by %d", what, role, k, answer)
		case !mine && (err != nil || answer != standalone.Refused):
			t.Errorf("%s answers verb %d of a %s by %d, %v", what, k, role, answer, err)
		}
		s.Cancel(transport.CodeContext)
	}
}

// TestWorkerRefuses: a worker tells nothing to a master that is none, or another
// cluster's, and ends with the reason.
func TestWorkerRefuses(t *testing.T) {
	cluster, wrong := authorityOf(t, identity.NewToken()), authorityOf(t, identity.NewToken())
	for what, self := range map[string]*identity.Credential{
		"another cluster's master": issue(t, wrong, identity.Master, "m"), "a worker": issue(t, cluster, identity.Worker, "m"), "a client": issue(t, cluster, identity.Client, "m"),
	} {
		l, err := standalone.Control(self).Listen(t.Context(), "tcp://127.0.0.1:0", func(_ context.Context, from identity.Name, s transport.Stream) {
			t.Errorf("%s opens a stream to %s", from, what)
		}, allRoles...)
		if err != nil {
			t.Fatal(err)
		}
		err = worker.Run(t.Context(), worker.Config{Transport: standalone.Control(issue(t, cluster, identity.Worker, "w")), Master: l.Addr(), ID: "w", Size: standalone.Size{Cores: 1, Memory: 1 << 30},
			Dir: filepath.Join(t.TempDir(), "w"), Authority: cluster, Log: nowhere})
		if err == nil || !strings.Contains(err.Error(), "token") {
			t.Errorf("%s: the worker ends with %v", what, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
