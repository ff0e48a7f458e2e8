package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

var server, client = identity.Name{App: "app-1", Role: identity.Executor, ID: "1"}, identity.Name{App: "app-1", Role: identity.Executor, ID: "2"}

func record(kind byte, b ...byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(b))), b...)
}

// claim is the head of a record that claims n bytes.
func claim(kind byte, n uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{kind}, n) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var open = record(kindOpen, byte(transport.Normal), 0, 0, 0, 0)

// malformed are what a peer must not send within a stream or instead of one.
var malformed = map[string][]byte{
	"an unknown kind":         record(99),
	"a record that is longer": claim(kindData, transport.Quantum+1),
	"the longest claim":       claim(kindData, 1<<32-1),
	"empty data":              record(kindData),
	"an end with bytes":       record(kindEnd, 1),
	"a short cancel":          record(kindCancel, 1, 2),
	"a long cancel":           record(kindCancel, make([]byte, 5)...),
	"a second open":           open,
	"a welcome":               record(kindWelcome),
	"a ping within a stream":  record(kindPing),
	"a descriptor":            record(kindFile, 0),
	"half a head":             {kindData, 1},
	"half of its data":        join(claim(kindData, 100), []byte("half")),
}

// serve lets a server serve what a client sends, and returns what it answered
// until it was quiet for some time.
func serve(t testing.TB, sent []byte, quiet time.Duration, h transport.Handler) []byte {
	t.Helper()
	a, b := net.Pipe()
	s := NewServer(h, nil, 0)
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(Socket{Conn: a, Break: a.Close}, client)
	}()
	go func() {
		_, _ = b.Write(sent)
		_ = b.SetReadDeadline(time.Now().Add(quiet))
	}()
	got, _ := io.ReadAll(b)
	_ = b.Close()
	select {
	case <-served:
	case <-time.After(20 * time.Second):
		t.Fatal("the server hangs")
	}
	s.Close()
	return got
}

// TestServerRefuses: what breaks the form ends the connection; the handler sees a
// failure, not an end.
func TestServerRefuses(t *testing.T) {
	for what, bad := range malformed {
		heard := make(chan error, 1)
		serve(t, join(open, record(kindData, 'x'), bad), moment, func(_ context.Context, _ identity.Name, x transport.Stream) {
			_, err := io.ReadAll(x)
			heard <- err
		})
		if err := <-heard; transport.KindOf(err) != transport.Lost {
			t.Errorf("%s: the handler hears %v", what, err)
		}
	}
	for what, bad := range malformed {
		if what == "a second open" || strings.HasPrefix(what, "a ping") {
			continue // fine at this place
		}
		if got := serve(t, bad, moment, func(context.Context, identity.Name, transport.Stream) { t.Errorf("%s is a stream", what) }); len(got) > 0 {
			t.Errorf("%s is answered by %x", what, got)
		}
	}
	for what, bad := range map[string][]byte{"urgency 9": record(kindOpen, 9, 0, 0, 0, 0), "a short open": record(kindOpen, 1)} {
		serve(t, bad, moment, func(context.Context, identity.Name, transport.Stream) { t.Errorf("%s is a stream", what) })
	}
	if got := serve(t, record(kindPing), moment, nil); !bytes.Equal(got, record(kindPong)) {
		t.Errorf("a ping is answered by %x", got)
	}
}

// dial returns a client whose peer sends these bytes on each line.
func dial(t testing.TB, sent []byte) (*Client, error) {
	return NewClient(context.Background(), server, func(context.Context, identity.Name) (Socket, identity.Name, error) {
		a, b := net.Pipe()
		go func() {
			_, _ = b.Write(sent)
			_ = b.SetReadDeadline(time.Now().Add(moment))
			_, _ = io.Copy(io.Discard, b)
			_ = b.Close()
		}()
		return Socket{Conn: a, Break: a.Close}, server, nil
	}, Options{})
}

// TestClientRefuses: a client takes nothing but a welcome, and whatever breaks the
// form ends its stream.
func TestClientRefuses(t *testing.T) {
	for what, bad := range malformed {
		if c, err := dial(t, bad); what != "a welcome" && err == nil {
			c.Close()
			t.Errorf("%s is a welcome", what)
		} else if err == nil {
			c.Close()
		}
		c, err := dial(t, join(record(kindWelcome), record(kindData, 'x'), bad))
		if err != nil {
			t.Fatal(err)
		}
		x, err := c.Open(context.Background(), transport.Normal)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(x); transport.KindOf(err) != transport.Lost || string(got) != "x" && what != "half of its data" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		c.Close()
	}
}

// FuzzServer: a server survives any bytes.
func FuzzServer(f *testing.F) {
	for _, bad := range malformed {
		f.Add(join(open, record(kindData, 'x'), bad))
	}
	f.Add(join(open, record(kindData, 'a', 'b'), record(kindEnd), open, record(kindEnd), record(kindPing)))
	f.Fuzz(func(t *testing.T, sent []byte) {
		serve(t, sent, 2*time.Millisecond, func(_ context.Context, _ identity.Name, x transport.Stream) {
			if _, err := io.Copy(x, x); err == nil {
				_ = x.CloseWrite()
			} else if transport.KindOf(err) == 0 {
				t.Errorf("an error of another kind: %v", err)
			}
		})
	})
}
