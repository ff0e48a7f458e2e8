package service_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/local"
	"github.com/millrace-engine/millrace/transport/quic"
	"github.com/millrace-engine/millrace/transport/tcp"
)

// issuer is an authority that signs whatever a test wants.
type issuer struct {
	t    *testing.T
	key  ed25519.PrivateKey
	cert *x509.Certificate
}

func newIssuer(t *testing.T, app string) *issuer {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: app}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &issuer{t, key, c}
}

// issue makes the credential of a process, valid from and for some time.
func (a *issuer) issue(name string, from, valid time.Duration) (*identity.Credential, error) {
	a.t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	app, rest, _ := strings.Cut(name, "/")
	begin := time.Now().Add(from)
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: begin.Add(valid), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, DNSNames: []string{"process.millrace"},
		URIs: []*url.URL{{Scheme: "millrace", Host: app, Path: "/" + rest}}}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	var b bytes.Buffer
	for _, x := range []pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: private}, {Type: "CERTIFICATE", Bytes: a.cert.Raw}} {
		if err := pem.Encode(&b, &x); err != nil {
			a.t.Fatal(err)
		}
	}
	return identity.Decode(b.Bytes())
}

func (a *issuer) good(name string) *identity.Credential {
	a.t.Helper()
	c, err := a.issue(name, -time.Hour, 2*time.Hour)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// carriers are the transports that show certificates.
var carriers = map[string]func(c *identity.Credential) transport.Transport{
	"tcp":  func(c *identity.Credential) transport.Transport { return tcp.New(c, tcp.Options{}) },
	"quic": func(c *identity.Credential) transport.Transport { return quic.New(c, quic.Options{Connections: 1}) },
}

// verbs are what a server is asked, as it would be asked well.
var verbs = map[string][]byte{
	"fetch":    {14, 0, 0, 0, 1, 2, 3, 0, 1, 2, 127, 0, 1, 3, 'r', 'a', 'w', 1, 0}, // cut: no verb is reached by who is refused
	"diagnose": {13, 0, 0, 0, 7, 2, 1, 2, 0, 3, 0, 0, 3, 'r', 'a', 'w', 1, 0},
}

// TestStrangers: processes that cannot show who they are, or that have no business
// here, reach no verb, over any transport.
func TestStrangers(t *testing.T) {
	a := newIssuer(t, "app")
	must := func(c *identity.Credential, err error) *identity.Credential {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	strangers := map[string]*identity.Credential{
		"expired":                   must(a.issue("app/executor/2", -2*time.Hour, time.Hour)),
		"not yet valid":             must(a.issue("app/executor/2", time.Hour, time.Hour)),
		"of a foreign authority":    newIssuer(t, "app").good("app/executor/2"),
		"of another application":    a.good("other/executor/2"),
		"of a role without a right": a.good("app/driver/0"),
	}
	for _, path := range []string{"app/executor/../2", "app/executor/..", "../executor/2"} {
		if c, err := a.issue(path, -time.Hour, 2*time.Hour); err == nil {
			t.Errorf("a credential of %s is accepted as %v", path, c.Name)
		}
	}
	x := holding(t, 16<<20, nil, service.Options{}, []int{10})
	for scheme, carrier := range carriers {
		var served atomic.Int64
		l, err := carrier(a.good("app/executor/1")).Listen(t.Context(), transport.Addr(scheme+"://127.0.0.1:0"), func(ctx context.Context, from identity.Name, s transport.Stream) {
			served.Add(1)
			x.server.Serve(ctx, from, s)
		}, identity.Executor)
		if err != nil {
			t.Fatal(err)
		}
		to := transport.Peer{Addr: l.Addr(), Name: named("1")}
		for who, credential := range strangers {
			for verb, asked := range verbs {
				err := ask(t, carrier(credential), to, asked)
				if transport.KindOf(err) != transport.Refused && transport.KindOf(err) != transport.Lost {
					t.Errorf("%s over %s, %s: %v", verb, scheme, who, err)
				}
			}
			c := service.NewClient(carrier(credential), service.Options{Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
			if err := x.whole(t, c, to, nil); err == nil {
				t.Errorf("a fetch over %s by one %s is answered", scheme, who)
			}
			c.Close()
		}
		if n := served.Load(); n != 0 {
			t.Errorf("%d streams of strangers over %s were served", n, scheme)
		}
		// A server that is not who was expected is not asked.
		for _, wrong := range []identity.Name{named("3"), {App: "other", Role: identity.Executor, ID: "1"}, {App: "app", Role: identity.Driver, ID: "1"}} {
			if err := ask(t, carrier(a.good("app/executor/2")), transport.Peer{Addr: l.Addr(), Name: wrong}, verbs["fetch"]); transport.KindOf(err) != transport.Refused {
				t.Errorf("over %s, expecting %s: %v", scheme, wrong, err)
			}
		}
		c := service.NewClient(carrier(a.good("app/executor/2")), service.Options{})
		if err := x.whole(t, c, to, nil); err != nil {
			t.Errorf("over %s: %v", scheme, err)
		}
		c.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// ask dials, sends and returns why there is no answer.
func ask(t *testing.T, from transport.Transport, to transport.Peer, sent []byte) error {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	c, err := from.Dial(ctx, to)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Open(ctx, transport.Normal)
	if err != nil {
		return err
	}
	defer s.Cancel(0)
	if _, err := s.Write(sent); err != nil {
		return err
	}
	_ = s.CloseWrite()
	b, err := io.ReadAll(s)
	if err == nil {
		t.Errorf("%x is answered by %x", sent, b)
	}
	return err
}

// TestMalformed: what is no request ends its stream and nothing else, whichever
// verb it begins with; nothing is allocated for what is only promised.
func TestMalformed(t *testing.T) {
	long := func(kind byte, n uint32) []byte { return append(binary.LittleEndian.AppendUint32(nil, n), kind) }
	text := func(kind byte, s string) []byte { return append(long(kind, uint32(len(s))), s...) }
	x := holding(t, 16<<20, nil, service.Options{}, []int{10})
	carrier, to := x.reach(t, nil)
	for kind := range byte(10) {
		for what, sent := range map[string][]byte{
			"nothing":       {},
			"no body":       long(kind, 0),
			"cut":           long(kind, 100),
			"a bomb":        long(kind, 1<<32-1),
			"too long":      append(long(kind, 5<<20), make([]byte, 5<<20)...),
			"a path":        text(kind, "../../../etc/passwd"),
			"a path as id":  text(kind, `{"Version":1,"Job":"../1","Exchange":"..","Blocks":[["../x",0,0]]}`),
			"many blocks":   text(kind, "\x02\x03\x00\x01\x02\x7f\x00\x01\x03raw\xff\xff\x03"),
			"another form":  text(kind, "\x01\x03\x00\x01\x02\x7f\x00\x01\x03raw\x01\x00\x03\x00"),
			"no codec":      text(kind, "\x02\x03\x00\x01\x02\x7f\x00\x01\x03abc\x01\x00\x03\x00"),
			"numbers above": text(kind, "\x02\x03\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x7f\x00\x01\x03raw\x01\x00\x03\x00"),
		} {
			if err := ask(t, carrier, to, sent); transport.KindOf(err) != transport.Cancelled {
				t.Errorf("kind %d, %s: %v", kind, what, err)
			}
		}
	}
	c := service.NewClient(carrier, service.Options{})
	defer c.Close()
	if err := x.whole(t, c, to, nil); err != nil {
		t.Error(err)
	}
}

// TestUnixStrangers: sockets of the host refuse names that are paths and other
// applications.
func TestUnixStrangers(t *testing.T) {
	x := holding(t, 16<<20, nil, service.Options{}, []int{10})
	at := transport.Addr("local://" + filepath.Join(t.TempDir(), "s"))
	l, err := local.New(named("1"), local.Options{}).Listen(t.Context(), at, x.server.Serve, identity.Executor)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := transport.Peer{Addr: at, Name: named("1")}
	for _, who := range []identity.Name{{App: "app", Role: identity.Executor, ID: "../2"}, {App: "..", Role: identity.Executor, ID: "2"}, {App: "other", Role: identity.Executor, ID: "2"}, {App: "app", Role: identity.Driver, ID: "0"}, {App: "app", Role: "king", ID: "2"}} {
		for verb, asked := range verbs {
			var e *transport.Error
			if err := ask(t, local.New(who, local.Options{}), to, asked); !errors.As(err, &e) || e.Kind != transport.Refused {
				t.Errorf("%s by %s: %v", verb, who, err)
			}
		}
	}
	c := service.NewClient(local.New(named("2"), local.Options{}), service.Options{})
	defer c.Close()
	if err := x.whole(t, c, to, nil); err != nil {
		t.Error(err)
	}
}
