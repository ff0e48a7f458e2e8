package auto

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/local"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
	"github.com/millrace-engine/millrace/transport/transporttest"
)

// apps issues credentials of an application.
func app(t *testing.T, id string) func(id string) *identity.Credential {
	t.Helper()
	a, err := identity.NewAuthority(id)
	if err != nil {
		t.Fatal(err)
	}
	return func(id string) *identity.Credential {
		c, err := a.Issue(identity.Executor, id)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// over returns a transport over these schemes; packets of QUIC go through n.
func over(c *identity.Credential, n *transporttest.Network, schemes ...string) *Transport {
	o := quic.Options{Connections: 1}
	if n != nil {
		o.ListenPacket = func(ctx context.Context, address string) (net.PacketConn, error) {
			var lc net.ListenConfig
			p, err := lc.ListenPacket(ctx, "udp", address)
			if err != nil {
				return nil, err
			}
			return n.PacketConn(p), nil
		}
	}
	all := map[string]transport.Transport{local.Scheme: local.New(c.Name, local.Options{}), quic.Scheme: quic.New(c, o), tcp.Scheme: tcp.New(c, tcp.Options{})}
	by := map[string]transport.Transport{}
	for _, s := range schemes {
		by[s] = all[s]
	}
	return New(by)
}

// TestConformance: over all at once it is a transport like the others.
func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Fixture {
		issue := app(t, "app-1")
		server, client := issue("1"), issue("2")
		return transporttest.Fixture{
			Server: over(server, nil, "local", "quic", "tcp"), Client: over(client, nil, "local", "quic", "tcp"), ServerName: server.Name, ClientName: client.Name,
			Stranger: over(app(t, "app-2")("2"), nil, "local", "tcp"),
			Addr:     Join(transport.Addr("local://"+filepath.Join(t.TempDir(), "s")), "quic://127.0.0.1:0", "tcp://127.0.0.1:0"), Ahead: 8 << 20,
		}
	})
}

// answer serves the name of the scheme that a question came by.
func answer(scheme string) transport.Handler {
	return func(_ context.Context, _ identity.Name, x transport.Stream) {
		_, _ = x.Write([]byte(scheme))
		_ = x.CloseWrite()
	}
}

// world is an executor that says by which way it was reached.
type world struct {
	name  identity.Name
	addrs map[string]transport.Addr
	issue func(string) *identity.Credential
}

func listen(t *testing.T, n *transporttest.Network) *world {
	t.Helper()
	w := &world{addrs: map[string]transport.Addr{}, issue: app(t, "app-1")}
	c := w.issue("1")
	w.name = c.Name
	for scheme, at := range map[string]transport.Addr{"local": transport.Addr("local://" + filepath.Join(t.TempDir(), "s")), "quic": "quic://127.0.0.1:0", "tcp": "tcp://127.0.0.1:0"} {
		l, err := over(c, n, scheme).Listen(context.Background(), at, answer(scheme), identity.Executor)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		w.addrs[scheme] = l.Addr()
	}
	return w
}

// reach dials and returns by which way.
func (w *world) reach(t *testing.T, from *Transport, at transport.Addr) (string, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	c, err := from.Dial(ctx, transport.Peer{Addr: at, Name: w.name})
	if err != nil {
		return "", err
	}
	defer c.Close()
	x, err := c.Open(ctx, transport.Control)
	if err != nil {
		return "", err
	}
	defer x.Cancel(0)
	b, err := io.ReadAll(x)
	return string(b), err
}

// TestChoice: the first address that leads to the peer is taken.
func TestChoice(t *testing.T) {
	w := listen(t, nil)
	l, q, c := w.addrs["local"], w.addrs["quic"], w.addrs["tcp"]
	missing := transport.Addr("local://" + filepath.Join(t.TempDir(), "missing"))
	stale := filepath.Join(t.TempDir(), "stale")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stranger := transport.Addr("local://" + filepath.Join(t.TempDir(), "stranger"))
	s, err := over(w.issue("9"), nil, "local").Listen(context.Background(), stranger, answer("stranger"), identity.Executor)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, x := range []struct {
		what    string
		schemes []string
		at      transport.Addr
		want    string
	}{
		{"the first", []string{"local", "quic", "tcp"}, Join(l, q, c), "local"},
		{"another first", []string{"local", "quic", "tcp"}, Join(q, l, c), "quic"},
		{"not all schemes", []string{"tcp"}, Join(l, q, c), "tcp"},
		{"a socket of another host", []string{"local", "quic", "tcp"}, Join(missing, q, c), "quic"},
		{"a file that is no socket", []string{"local", "tcp"}, Join(transport.Addr("local://"+stale), c), "tcp"},
		{"somebody else's socket", []string{"local", "tcp"}, Join(stranger, c), "tcp"},
		{"nobody at the first port", []string{"tcp"}, Join("tcp://127.0.0.1:1", c), "tcp"},
	} {
		if got, err := w.reach(t, over(w.issue("2"), nil, x.schemes...), x.at); err != nil || got != x.want {
			t.Errorf("%s: %q, %v, want %s", x.what, got, err, x.want)
		}
	}
	foreign := over(app(t, "app-2")("2"), nil, "quic", "tcp")
	if _, err := w.reach(t, foreign, Join(q, c)); transport.KindOf(err) != transport.Refused || strings.Contains(err.Error(), "tcp://") {
		t.Errorf("a foreign certificate: %v", err)
	}
	if _, err := w.reach(t, over(w.issue("2"), nil, "tcp"), Join(l, q)); err == nil {
		t.Error("an address is dialled without a transport")
	}
	if _, err := w.reach(t, over(w.issue("2"), nil, "local", "tcp"), Join(missing, "tcp://127.0.0.1:1")); transport.KindOf(err) != transport.Lost || !strings.Contains(err.Error(), "missing") {
		t.Errorf("nobody anywhere: %v", err)
	}
}

// TestBlocked: where UDP does not get through TCP is used, and the next dial does
// not wait for that.
func TestBlocked(t *testing.T) {
	n := transporttest.NewNetwork(1, 0, 0, 0)
	w := listen(t, n)
	at := Join(w.addrs["quic"], w.addrs["tcp"])
	from := over(w.issue("2"), n, "quic", "tcp")
	n.Cut()
	if first := from.known(at)[0]; first != w.addrs["quic"] {
		t.Errorf("%s is tried first", first)
	}
	for range 2 {
		if got, err := w.reach(t, from, at); err != nil || got != "tcp" {
			t.Errorf("%q, %v", got, err)
		}
		if first := from.known(at)[0]; first != w.addrs["tcp"] {
			t.Errorf("%s is tried first after QUIC did not answer", first)
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	if _, err := over(w.issue("3"), n, "quic", "tcp").Dial(ctx, transport.Peer{Addr: w.addrs["quic"], Name: w.name}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("out of time: %v", err)
	}
}
