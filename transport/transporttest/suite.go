// Package transporttest tests transports.
//
//	Run        the conformance suite that every implementation passes
//	Network    a simulated network: delay, loss, reordering, partitions
//
// It imports transport, internal/identity and the standard library.
package transporttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// Fixture is an implementation to test: the transports of an executor that
// listens and of one that connects to it.
type Fixture struct {
	Server, Client         transport.Transport
	ServerName, ClientName identity.Name
	Addr                   transport.Addr // where to listen
	// Stranger belongs to another application, Nobody listens at Nowhere.
	Stranger transport.Transport
	Nowhere  transport.Addr
	// Ahead bounds the bytes of a stream that nobody reads.
	Ahead int
	// Limit is the streams that are not urgent which a peer may have at once; 0:
	// any number.
	Limit int
}

// patience is how long anything may take before it counts as a hang.
const patience = 30 * time.Second

// suite is a fixture at work.
type suite struct {
	Fixture
	t        *testing.T
	ctx      context.Context
	listener transport.Listener
	conn     transport.Conn
}

// start listens and connects.
func start(t *testing.T, f Fixture, h transport.Handler) *suite {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	s := &suite{Fixture: f, t: t, ctx: ctx}
	t.Cleanup(stop)
	var err error
	if s.listener, err = f.Server.Listen(ctx, f.Addr, h, identity.Executor); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.check(s.listener.Close()) })
	if s.conn, err = f.Client.Dial(ctx, s.peer()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.check(s.conn.Close()) })
	if s.conn.Peer() != f.ServerName {
		t.Fatalf("the peer is %s, want %s", s.conn.Peer(), f.ServerName)
	}
	return s
}

func (s *suite) peer() transport.Peer {
	return transport.Peer{Addr: s.listener.Addr(), Name: s.ServerName}
}

func (s *suite) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) open(u transport.Urgency) transport.Stream {
	s.t.Helper()
	x, err := s.conn.Open(s.ctx, u)
	s.check(err)
	return x
}

// within runs f, which must not hang.
func (s *suite) within(what string, f func()) {
	s.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		s.t.Fatalf("%s hangs\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// kind checks an error's kind and, of Cancelled, its code.
func (s *suite) kind(what string, err error, code uint32, kinds ...transport.Kind) {
	s.t.Helper()
	var e *transport.Error
	if !errors.As(err, &e) {
		s.t.Fatalf("%s: %v is no error of a transport", what, err)
	}
	for _, k := range kinds {
		if e.Kind == k && (k != transport.Cancelled || code == 0 || e.Code == code || e.Code == 0) {
			return
		}
	}
	s.t.Fatalf("%s: %v, want one of %v with code %d", what, err, kinds, code)
}

// echo answers with what comes.
func echo(_ context.Context, _ identity.Name, x transport.Stream) {
	if _, err := io.Copy(x, x); err == nil {
		_ = x.CloseWrite()
	}
}

// exchange sends b and returns what comes back.
func (s *suite) exchange(x transport.Stream, b []byte) ([]byte, error) {
	defer x.Cancel(transport.CodeUser)
	failed := make(chan error, 1)
	go func() {
		var err error
		if len(b) > 0 {
			_, err = x.Write(b)
		}
		failed <- errors.Join(err, x.CloseWrite())
	}()
	got, err := io.ReadAll(x)
	return got, errors.Join(err, <-failed)
}

func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewPCG(seed, 7)
	for i := 0; i+8 <= n; i += 8 {
		v := r.Uint64()
		for k := range 8 {
			b[i+k] = byte(v >> (8 * k))
		}
	}
	return b
}

// Run tests an implementation. make is called for each part; what it opens must
// be closed by t.Cleanup.
func Run(t *testing.T, make func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Fixture)
	}{
		{"Echo", testEcho}, {"Concurrent", testConcurrent}, {"Bulk", testBulk}, {"Identity", testIdentity}, {"CancelByClient", testCancelByClient},
		{"CancelByServer", testCancelByServer}, {"CancelWakes", testCancelWakes}, {"Context", testContext}, {"HandlerReturns", testHandlerReturns},
		{"Unread", testUnread}, {"Limit", testLimit}, {"ConnClose", testConnClose}, {"ListenerClose", testListenerClose}, {"Refused", testRefused},
		{"Misuse", testMisuse}, {"Stats", testStats}, {"Churn", testChurn},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			t.Run("x", func(t *testing.T) { c.test(t, make(t)) })
			settled(t, before)
		})
	}
}

// settled fails if goroutines stay.
func settled(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

// testEcho: bytes of every size come back, one stream after the other.
func testEcho(t *testing.T, f Fixture) {
	s := start(t, f, echo)
	for i, n := range []int{0, 1, 5, 100, 4095, 4096, 65_536, transport.Quantum - 5, transport.Quantum, transport.Quantum + 1, 3_000_001} {
		b := noise(n, uint64(i))
		s.within("an echo", func() {
			if got, err := s.exchange(s.open(transport.Normal), b); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
			}
		})
	}
}

// testConcurrent: many streams at once keep their bytes apart.
func testConcurrent(t *testing.T, f Fixture) {
	s := start(t, f, echo)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			b := noise(1+i*3571, uint64(i))
			x, err := s.conn.Open(s.ctx, transport.Urgency(i%8))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := s.exchange(x, b); err != nil || !bytes.Equal(got, b) {
				t.Errorf("stream %d: %d of %d bytes came back, %v", i, len(got), len(b), err)
			}
		})
	}
	s.within("60 streams", wg.Wait)
}

// testBulk: a large answer arrives whole, read in pieces of random sizes.
func testBulk(t *testing.T, f Fixture) {
	const size = 24 << 20
	b := noise(size, 1)
	s := start(t, f, func(_ context.Context, _ identity.Name, x transport.Stream) {
		for rest := b; len(rest) > 0; {
			k := min(len(rest), 1+rand.IntN(700_000))
			if _, err := x.Write(rest[:k]); err != nil {
				return
			}
			rest = rest[k:]
		}
		_ = x.CloseWrite()
	})
	s.within("a large answer", func() {
		x := s.open(transport.Normal)
		defer x.Cancel(transport.CodeUser)
		s.check(x.CloseWrite())
		h, buf, n := sha256.New(), make([]byte, 300_000), 0
		for {
			k, err := x.Read(buf[:1+rand.IntN(len(buf))])
			h.Write(buf[:k])
			n += k
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("after %d bytes: %v", n, err)
				return
			}
		}
		if want := sha256.Sum256(b); n != size || !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("%d of %d bytes, or others", n, size)
		}
	})
}

// testIdentity: the handler knows who asks.
func testIdentity(t *testing.T, f Fixture) {
	s := start(t, f, func(_ context.Context, from identity.Name, x transport.Stream) {
		fmt.Fprint(x, from)
		_ = x.CloseWrite()
	})
	got, err := s.exchange(s.open(transport.Control), nil)
	if err != nil || string(got) != f.ClientName.String() {
		t.Errorf("%s, %v", got, err)
	}
}

// endless writes until it fails, and tells how.
func endless(failed chan<- error) transport.Handler {
	return func(_ context.Context, _ identity.Name, x transport.Stream) {
		b := make([]byte, 100_000)
		for {
			if _, err := x.Write(b); err != nil {
				failed <- err
				return
			}
		}
	}
}

// testCancelByClient: the handler of a cancelled stream fails, others go on.
func testCancelByClient(t *testing.T, f Fixture) {
	failed := make(chan error, 1)
	s := start(t, f, func(ctx context.Context, n identity.Name, x transport.Stream) {
		if b := make([]byte, 1); must(io.ReadFull(x, b)) && b[0] == 1 {
			endless(failed)(ctx, n, x)
			return
		}
		echo(ctx, n, x)
	})
	s.within("cancelling", func() {
		x := s.open(transport.Normal)
		if _, err := x.Write([]byte{1}); err != nil {
			t.Error(err)
		}
		if _, err := io.CopyN(io.Discard, x, 3<<20); err != nil {
			t.Error(err)
		}
		x.Cancel(77)
		x.Cancel(78)
		_, err := x.Read(make([]byte, 1))
		s.kind("reading what was cancelled", err, 77, transport.Cancelled)
		_, err = x.Write([]byte("x"))
		s.kind("writing what was cancelled", err, 77, transport.Cancelled)
		s.kind("the handler", <-failed, 77, transport.Cancelled, transport.Lost)
		if got, err := s.exchange(s.open(transport.Normal), []byte("0hello")); err != nil || string(got) != "hello" {
			t.Errorf("the next stream: %q, %v", got, err)
		}
	})
}

func must(_ int, err error) bool { return err == nil }

// testCancelByServer: the client learns the code.
func testCancelByServer(t *testing.T, f Fixture) {
	s := start(t, f, func(_ context.Context, _ identity.Name, x transport.Stream) {
		if _, err := x.Write([]byte("part")); err == nil {
			_, _ = io.ReadFull(x, make([]byte, 4))
			x.Cancel(99)
		}
	})
	s.within("being cancelled", func() {
		x := s.open(transport.Normal)
		defer x.Cancel(transport.CodeUser)
		if _, err := x.Write([]byte("read")); err != nil {
			t.Error(err)
		}
		_, err := io.ReadAll(x)
		s.kind("reading", err, 99, transport.Cancelled)
		if e := (*transport.Error)(nil); errors.As(err, &e) && e.Code != 99 {
			t.Errorf("the code is %d", e.Code)
		}
	})
}

// testCancelWakes: Cancel wakes who reads and who writes at the same end.
func testCancelWakes(t *testing.T, f Fixture) {
	release := make(chan struct{})
	s := start(t, f, func(ctx context.Context, _ identity.Name, x transport.Stream) {
		select { // neither reads nor writes
		case <-release:
		case <-ctx.Done():
		}
	})
	defer close(release)
	s.within("waking", func() {
		x, y := s.open(transport.Normal), s.open(transport.Normal)
		ended := make(chan error, 2)
		go func() {
			_, err := x.Read(make([]byte, 1))
			ended <- err
		}()
		go func() {
			b := make([]byte, 1<<20)
			var err error
			for err == nil {
				_, err = y.Write(b)
			}
			ended <- err
		}()
		time.Sleep(20 * time.Millisecond) // so that both wait, most of the time
		x.Cancel(5)
		y.Cancel(5)
		for range 2 {
			s.kind("waiting", <-ended, 5, transport.Cancelled)
		}
	})
}

// testContext: the context that a stream was opened with cancels it, and one that
// has ended opens and dials nothing.
func testContext(t *testing.T, f Fixture) {
	release := make(chan struct{})
	s := start(t, f, func(ctx context.Context, _ identity.Name, x transport.Stream) {
		select {
		case <-release:
		case <-ctx.Done():
		}
	})
	defer close(release)
	s.within("contexts", func() {
		ctx, stop := context.WithCancel(s.ctx)
		defer stop()
		x, err := s.conn.Open(ctx, transport.Normal)
		if err != nil {
			t.Error(err)
			return
		}
		go stop()
		_, err = x.Read(make([]byte, 1))
		s.kind("reading", err, transport.CodeContext, transport.Cancelled)
		_, err = s.conn.Open(ctx, transport.Normal)
		s.kind("opening", err, transport.CodeContext, transport.Cancelled)
		_, err = f.Client.Dial(ctx, s.peer())
		s.kind("dialling", err, 0, transport.Cancelled, transport.Lost)
	})
}

// testHandlerReturns: a handler that returns without CloseWrite is no end of
// file; one that has not read everything has answered all the same.
func testHandlerReturns(t *testing.T, f Fixture) {
	answer := noise(1<<20, 3)
	s := start(t, f, func(_ context.Context, _ identity.Name, x transport.Stream) {
		var b [1]byte
		if _, err := io.ReadFull(x, b[:]); err != nil {
			return
		}
		_, err := x.Write(answer)
		if b[0] == 1 && err == nil {
			_ = x.CloseWrite()
		}
	})
	s.within("handlers that return", func() {
		for range 3 {
			x := s.open(transport.Normal)
			if _, err := x.Write([]byte{0}); err != nil {
				t.Error(err)
			}
			_, err := io.ReadAll(x)
			s.kind("an answer without end", err, transport.CodeUnfinished, transport.Cancelled)
			x.Cancel(0)
			x = s.open(transport.Normal)
			if _, err := x.Write([]byte("\x01 and what nobody reads")); err != nil {
				t.Error(err)
			}
			got, err := io.ReadAll(x)
			if err != nil || !bytes.Equal(got, answer) {
				t.Errorf("%d of %d bytes, %v", len(got), len(answer), err)
			}
			x.Cancel(0)
		}
	})
}

// testUnread: a stream that nobody reads stops its writer, and no other stream.
func testUnread(t *testing.T, f Fixture) {
	var ahead atomic.Int64
	s := start(t, f, func(_ context.Context, _ identity.Name, x transport.Stream) {
		var b [1]byte
		if _, err := io.ReadFull(x, b[:]); err != nil {
			return
		}
		if b[0] == 0 {
			_, _ = x.Write([]byte("fine"))
			_ = x.CloseWrite()
			return
		}
		block := make([]byte, 64<<10)
		for {
			if _, err := x.Write(block); err != nil {
				return
			}
			ahead.Add(int64(len(block)))
		}
	})
	s.within("streams beside one that is not read", func() {
		var idle []transport.Stream
		for range 3 {
			x := s.open(transport.Normal)
			defer x.Cancel(transport.CodeUser)
			if _, err := x.Write([]byte{1}); err != nil {
				t.Error(err)
			}
			idle = append(idle, x)
		}
		for last := int64(-1); last != ahead.Load(); time.Sleep(100 * time.Millisecond) {
			last = ahead.Load()
			for range 10 {
				if got, err := s.exchange(s.open(transport.Normal), []byte{0}); err != nil || string(got) != "fine" {
					t.Errorf("%q, %v", got, err)
					return
				}
			}
		}
		if n := ahead.Load(); n > int64(len(idle)*f.Ahead) {
			t.Errorf("%d bytes are ahead of %d readers", n, len(idle))
		}
	})
}

// testLimit: streams beyond the limit wait their turn, urgent ones do not.
func testLimit(t *testing.T, f Fixture) {
	if f.Limit == 0 {
		return
	}
	s := start(t, f, echo)
	s.within("the limit", func() {
		var busy []transport.Stream
		for range f.Limit {
			busy = append(busy, s.open(transport.Normal))
		}
		urgent := s.open(transport.Straggler)
		if got, err := s.exchange(urgent, []byte("now")); err != nil || string(got) != "now" {
			t.Errorf("%q, %v", got, err)
		}
		ctx, stop := context.WithTimeout(s.ctx, 50*time.Millisecond)
		_, err := s.conn.Open(ctx, transport.Normal)
		stop()
		s.kind("one too many", err, transport.CodeContext, transport.Cancelled)
		opened := make(chan transport.Stream)
		go func() { opened <- s.open(transport.Normal) }()
		busy[0].Cancel(0)
		if got, err := s.exchange(<-opened, []byte("later")); err != nil || string(got) != "later" {
			t.Errorf("%q, %v", got, err)
		}
		for _, x := range busy {
			x.Cancel(0)
		}
	})
}

// testConnClose: closing a connection ends its streams at both ends.
func testConnClose(t *testing.T, f Fixture) {
	failed := make(chan error, 1)
	s := start(t, f, endless(failed))
	s.within("closing", func() {
		x := s.open(transport.Normal)
		if _, err := io.ReadFull(x, make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		s.check(s.conn.Close())
		s.check(s.conn.Close())
		_, err := io.Copy(io.Discard, x)
		s.kind("reading", err, 0, transport.Closed)
		s.kind("the handler", <-failed, 0, transport.Lost, transport.Cancelled)
		_, err = s.conn.Open(s.ctx, transport.Normal)
		s.kind("opening", err, 0, transport.Closed)
	})
}

// testListenerClose: closing a listener ends its streams and waits for handlers.
func testListenerClose(t *testing.T, f Fixture) {
	var running atomic.Int32
	s := start(t, f, func(ctx context.Context, _ identity.Name, x transport.Stream) {
		running.Add(1)
		defer running.Add(-1)
		_, _ = x.Write([]byte("x"))
		<-ctx.Done()
	})
	s.within("closing", func() {
		x := s.open(transport.Normal)
		defer x.Cancel(0)
		if _, err := io.ReadFull(x, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		s.check(s.listener.Close())
		if n := running.Load(); n != 0 {
			t.Errorf("%d handlers still run", n)
		}
		_, err := io.ReadAll(x)
		s.kind("reading", err, 0, transport.Lost, transport.Cancelled)
		ctx, stop := context.WithTimeout(s.ctx, 300*time.Millisecond)
		defer stop()
		if y, err := s.conn.Open(ctx, transport.Normal); err == nil { // it may not know yet
			_, err = s.exchange(y, []byte("x"))
			s.kind("after the end", err, 0, transport.Lost, transport.Cancelled)
		}
	})
}

// testRefused: whoever is somebody else is told so, on both sides.
func testRefused(t *testing.T, f Fixture) {
	s := start(t, f, echo)
	s.within("refusing", func() {
		for what, name := range map[string]identity.Name{
			"another id":          {App: f.ServerName.App, Role: identity.Executor, ID: "somebody"},
			"another role":        {App: f.ServerName.App, Role: identity.Driver, ID: f.ServerName.ID},
			"another application": {App: "else", Role: identity.Executor, ID: f.ServerName.ID},
		} {
			_, err := f.Client.Dial(s.ctx, transport.Peer{Addr: s.listener.Addr(), Name: name})
			s.kind(what, err, 0, transport.Refused)
		}
		if f.Stranger != nil {
			_, err := f.Stranger.Dial(s.ctx, s.peer())
			s.kind("a stranger", err, 0, transport.Refused)
		}
		if f.Nowhere != "" {
			_, err := f.Client.Dial(s.ctx, transport.Peer{Addr: f.Nowhere, Name: f.ServerName})
			s.kind("nobody", err, 0, transport.Lost)
		}
		if _, err := f.Client.Dial(s.ctx, transport.Peer{Addr: "smoke://signal", Name: f.ServerName}); err == nil {
			t.Error("an address of nothing is dialled")
		}
	})
	other, err := f.Server.Listen(s.ctx, s.listener.Addr(), echo, identity.Driver)
	if err == nil {
		s.check(other.Close())
		t.Error("an address is listened at twice")
	}
}

// testMisuse: what makes no sense is an error, not a surprise.
func testMisuse(t *testing.T, f Fixture) {
	s := start(t, f, echo)
	s.within("misuse", func() {
		if _, err := s.conn.Open(s.ctx, 200); err == nil {
			t.Error("urgency 200 is opened")
		}
		x := s.open(transport.Scrub)
		if err := x.SetUrgency(200); err == nil {
			t.Error("urgency 200 is set")
		}
		s.check(x.SetUrgency(transport.Control))
		if n, err := x.Write(nil); n != 0 || err != nil {
			t.Errorf("writing nothing: %d, %v", n, err)
		}
		if n, err := x.Read(nil); n != 0 || err != nil {
			t.Errorf("reading nothing: %d, %v", n, err)
		}
		s.check(x.CloseWrite())
		if _, err := x.Write([]byte("late")); err == nil {
			t.Error("written after CloseWrite")
		}
		if _, err := io.ReadAll(x); err != nil {
			t.Error(err)
		}
		if _, err := x.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("reading after the end: %v", err)
		}
		x.Cancel(3) // is over
		if _, err := x.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("reading after the end and Cancel: %v", err)
		}
		if s := (&transport.Error{Kind: transport.Cancelled, Code: 3, Op: "read", Peer: "a/b/c"}).Error(); !strings.Contains(s, "code 3") {
			t.Error(s)
		}
	})
}

// testStats: bytes and streams are counted.
func testStats(t *testing.T, f Fixture) {
	s := start(t, f, echo)
	s.within("counting", func() {
		for range 3 {
			if _, err := s.exchange(s.open(transport.Normal), make([]byte, 1000)); err != nil {
				t.Error(err)
			}
		}
		x := s.open(transport.Normal)
		if got := s.conn.Stats(); got.Sent != 3000 || got.Received != 3000 || got.Opened != 4 || got.Open != 1 {
			t.Errorf("%+v", got)
		}
		x.Cancel(0)
		if got := s.conn.Stats(); got.Open != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// testChurn: many short streams, cancelled at random, leave nothing behind and
// never confuse each other.
func testChurn(t *testing.T, f Fixture) {
	s := start(t, f, echo)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := range 60 {
				x, err := s.conn.Open(s.ctx, transport.Urgency(r.IntN(8)))
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				b := noise(r.IntN(200_000), uint64(i))
				if r.IntN(3) == 0 {
					_, _ = x.Write(b[:len(b)/2])
					if r.IntN(2) == 0 && len(b) > 1 { // else there is nothing to come back
						_, _ = x.Read(make([]byte, 1+r.IntN(1000)))
					}
					x.Cancel(uint32(20 + r.IntN(10)))
					continue
				}
				if got, err := s.exchange(x, b); err != nil || !bytes.Equal(got, b) {
					t.Errorf("%d of %d bytes, %v", len(got), len(b), err)
					return
				}
			}
		})
	}
	s.within("churning", wg.Wait)
	if got := s.conn.Stats(); got.Open != 0 || got.Opened != 240 {
		t.Errorf("%+v", got)
	}
}
