package local

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/internal/link"
	"github.com/millrace-engine/millrace/transport/transporttest"
)

var server, client = identity.Name{App: "app-1", Role: identity.Executor, ID: "1"}, identity.Name{App: "app-1", Role: identity.Executor, ID: "2"}

func addr(t testing.TB, name string) transport.Addr {
	return transport.Addr(Scheme + "://" + filepath.Join(t.TempDir(), name))
}

func fixture(t testing.TB) transporttest.Fixture {
	return transporttest.Fixture{
		Server: New(server, Options{}), Client: New(client, Options{}), ServerName: server, ClientName: client,
		Stranger: New(identity.Name{App: "app-2", Role: identity.Executor, ID: "2"}, Options{}),
		Addr:     addr(t, "s"), Nowhere: addr(t, "nowhere"), Ahead: 8 << 20, Limit: link.DefaultLimit,
	}
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Fixture { return fixture(t) })
}

// connect serves h and opens a stream to it.
func connect(t *testing.T, h transport.Handler) (transport.Stream, transport.Addr) {
	t.Helper()
	f := fixture(t)
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	l, err := f.Server.Listen(ctx, f.Addr, h, identity.Executor)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Client.Dial(ctx, transport.Peer{Addr: f.Addr, Name: server})
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Open(ctx, transport.Normal)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		x.Cancel(0)
		c.Close()
		l.Close()
		stop()
	})
	return x, f.Addr
}

func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	return len(d)
}

// TestFiles: descriptors arrive in their place among the bytes.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	x, _ := connect(t, func(_ context.Context, _ identity.Name, x transport.Stream) {
		for _, text := range []string{"first", "second"} {
			f, err := os.Create(filepath.Join(dir, text))
			if err != nil {
				return
			}
			_, err = f.WriteString(text)
			if err == nil {
				_, err = x.Write([]byte(text[:3]))
			}
			if err == nil {
				err = x.(transport.FileStream).SendFile(f)
			}
			f.Close()
			if err != nil {
				return
			}
		}
		_ = x.CloseWrite()
	})
	for _, text := range []string{"first", "second"} {
		b := make([]byte, 3)
		if _, err := io.ReadFull(x, b); err != nil || string(b) != text[:3] {
			t.Fatalf("%q, %v", b, err)
		}
		f, err := x.(transport.FileStream).ReceiveFile()
		if err != nil {
			t.Fatal(err)
		}
		all := make([]byte, len(text))
		if _, err := f.ReadAt(all, 0); err != nil || string(all) != text {
			t.Errorf("%q, %v", all, err)
		}
		f.Close()
	}
	if _, err := x.(transport.FileStream).ReceiveFile(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

// TestFileMisplaced: a descriptor where bytes were expected, or the reverse, ends
// the stream and leaves no descriptor open.
func TestFileMisplaced(t *testing.T) {
	before := descriptors(t)
	t.Run("x", func(t *testing.T) {
		x, _ := connect(t, func(_ context.Context, _ identity.Name, x transport.Stream) {
			_ = x.(transport.FileStream).SendFile(os.Stdin)
			_ = x.CloseWrite()
		})
		if _, err := x.Read(make([]byte, 1)); transport.KindOf(err) != transport.Lost || !strings.Contains(err.Error(), "descriptor") {
			t.Errorf("a descriptor instead of bytes: %v", err)
		}
		x, _ = connect(t, func(_ context.Context, _ identity.Name, x transport.Stream) {
			_, _ = x.Write([]byte("bytes"))
			_ = x.CloseWrite()
		})
		if _, err := x.(transport.FileStream).ReceiveFile(); transport.KindOf(err) != transport.Lost {
			t.Errorf("bytes instead of a descriptor: %v", err)
		}
	})
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// TestFlood: a peer that passes descriptors which nobody asked for is cut off,
// and they are closed.
func TestFlood(t *testing.T) {
	before := descriptors(t)
	t.Run("x", func(t *testing.T) {
		f := fixture(t)
		l, err := f.Server.Listen(context.Background(), f.Addr, func(context.Context, identity.Name, transport.Stream) {}, identity.Executor)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		path, err := f.Addr.Of(Scheme)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		u := c.(*net.UnixConn)
		if err := say(u, client); err != nil {
			t.Fatal(err)
		}
		if _, err := hear(u); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(u, make([]byte, 5)); err != nil { // the welcome
			t.Fatal(err)
		}
		w := &filing{UnixConn: u}
		for range 100_000 {
			if err = w.WriteWith([]byte{7, 0, 0, 0, 0}, os.Stdin); err != nil { // a ping each
				break
			}
			_ = u.SetReadDeadline(time.Now().Add(time.Second))
			if _, err = io.ReadFull(u, make([]byte, 5)); err != nil {
				break
			}
		}
		if err == nil {
			t.Error("100,000 descriptors are accepted")
		}
	})
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// TestSocket: the file is the user's alone, a stale one is replaced, and what is
// no socket is left alone.
func TestSocket(t *testing.T) {
	_, at := connect(t, func(context.Context, identity.Name, transport.Stream) {})
	path, err := at.Of(Scheme)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	stale := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	echo := func(context.Context, identity.Name, transport.Stream) {}
	again, err := New(server, Options{}).Listen(context.Background(), transport.Addr(Scheme+"://"+stale), echo)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := New(server, Options{}).Listen(context.Background(), transport.Addr(Scheme+"://"+plain), echo); err == nil {
		l.Close()
		t.Error("a file was taken for a socket")
	}
	if b, err := os.ReadFile(plain); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestHello: what does not introduce itself properly is not served.
func TestHello(t *testing.T) {
	_, at := connect(t, func(context.Context, identity.Name, transport.Stream) {})
	path, err := at.Of(Scheme)
	if err != nil {
		t.Fatal(err)
	}
	framed := func(s string) string { return string(append([]byte{byte(len(s))}, s...)) }
	for _, s := range []string{"", "\x00", "\x05sho", framed("short"), framed("millrace/2 app-1/executor/2"), framed("millrace/1 app-1/../executor"), framed("millrace/1 app-9/executor/2"),
		framed(strings.Repeat("x", 255)), framed("millrace/1 app-1/driver/0")} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(s))
		_ = c.(*net.UnixConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		b, err := io.ReadAll(c)
		c.Close()
		if string(b) != framed(hello+server.String()) || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q is answered by %q, %v", s, b, err)
		}
	}
}
