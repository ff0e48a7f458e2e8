package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
)

const protocol = "test/1"

func issue(t *testing.T, a *Authority, role Role, id string) *Credential {
	t.Helper()
	c, err := a.Issue(role, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func authority(t *testing.T, app string) *Authority {
	t.Helper()
	a, err := NewAuthority(app)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// meet connects a client and a server, lets the server say a byte, and returns
// what each saw.
func meet(server, client *tls.Config) (serverErr, clientErr error) {
	a, b := net.Pipe()
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() {
		s := tls.Server(a, server)
		_, err := s.Write([]byte{1})
		s.Close()
		done <- err
	}()
	c := tls.Client(b, client)
	_, clientErr = io.ReadFull(c, make([]byte, 1))
	b.Close()
	return <-done, clientErr
}

// TestHandshake: processes of an application meet if they are who the other
// wants; all others are refused by the side that should.
func TestHandshake(t *testing.T) {
	a, foreign, twin := authority(t, "app-1"), authority(t, "app-2"), authority(t, "app-1")
	driver, one, two := issue(t, a, Driver, "0"), issue(t, a, Executor, "1"), issue(t, a, Executor, "2")
	name := func(c *Credential) Name { return c.Name }
	at := func(c *Credential, when time.Duration) *Credential {
		d := *c
		d.clock = func() time.Time { return time.Now().Add(when) }
		return &d
	}
	made := func(n Name, now time.Time, valid time.Duration) *Credential {
		c, err := a.issue(n, now, valid)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	expired := made(Name{"app-1", Executor, "1"}, time.Now().Add(-2*time.Hour), time.Hour)
	early := made(Name{"app-1", Executor, "1"}, time.Now().Add(time.Hour), time.Hour)
	other := made(Name{"app-9", Executor, "1"}, time.Now(), time.Hour) // an authority gone wild
	anonymous := one.Client(protocol, name(two))
	anonymous.Certificates = nil
	showing := func(c *Credential) *tls.Config { // trusts the server, but shows another's certificate
		t := one.Client(protocol, name(two))
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.cert, nil }
		return t
	}
	old := one.Client(protocol, name(two))
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for _, c := range []struct {
		what           string
		server, client *tls.Config
		want           string // in one of the errors
	}{
		{"executor to executor", two.Server(protocol, Executor), one.Client(protocol, name(two)), ""},
		{"executor to driver", driver.Server(protocol, Executor), one.Client(protocol, name(driver)), ""},
		{"to any executor", two.Server(protocol, Driver), driver.Client(protocol, Name{App: "app-1", Role: Executor}), ""},
		{"a role that may not", driver.Server(protocol, Driver), one.Client(protocol, name(driver)), "no business"},
		{"another id", two.Server(protocol, Executor), one.Client(protocol, Name{"app-1", Executor, "3"}), "was expected"},
		{"another role", two.Server(protocol, Executor), one.Client(protocol, Name{"app-1", Driver, "2"}), "was expected"},
		{"another protocol", two.Server("test/2", Executor), one.Client(protocol, name(two)), "protocol"},
		{"a foreign client", two.Server(protocol, Executor), showing(issue(t, foreign, Executor, "1")), "unknown authority"},
		{"a foreign server", issue(t, foreign, Executor, "2").Server(protocol, Executor), one.Client(protocol, name(two)), "unknown authority"},
		{"an authority of the same name", two.Server(protocol, Executor), showing(issue(t, twin, Executor, "1")), "certificate"},
		{"a server of the same name's authority", issue(t, twin, Executor, "2").Server(protocol, Executor), one.Client(protocol, name(two)), "certificate"},
		{"no certificate", two.Server(protocol, Executor), anonymous, "certificate"},
		{"TLS 1.2", two.Server(protocol, Executor), old, "protocol version"},
		{"an expired client", two.Server(protocol, Executor), expired.Client(protocol, name(two)), "expired"},
		{"an expired server", expired.Server(protocol, Executor), two.Client(protocol, name(one)), "expired"},
		{"a client that is not valid yet", two.Server(protocol, Executor), early.Client(protocol, name(two)), "not yet valid"},
		{"after the authority's time", at(two, 2*lifetime).Server(protocol, Executor), at(one, 2*lifetime).Client(protocol, name(two)), "expired"},
		{"a client of another application, genuine", two.Server(protocol, Executor), other.Client(protocol, name(two)), "another application"},
		{"a server of another application, genuine", other.Server(protocol, Executor), two.Client(protocol, name(other)), "another application"},
	} {
		serverErr, clientErr := meet(c.server, c.client)
		if err := errors.Join(serverErr, clientErr); c.want == "" && err != nil || c.want != "" && (clientErr == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: server %v, client %v, want %q", c.what, serverErr, clientErr, c.want)
		}
	}
}

// TestCode: a credential survives its encoding; mixed or damaged ones do not.
func TestCode(t *testing.T) {
	a, b := authority(t, "app-1"), authority(t, "app-1")
	one, two := issue(t, a, Executor, "1"), issue(t, b, Executor, "2")
	encode := func(c *Credential) []byte {
		e, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := encode(one)
	d, err := Decode(e)
	if err != nil || d.Name != one.Name {
		t.Fatalf("%v, %v", d, err)
	}
	if s, c := meet(d.Server(protocol, Executor), one.Client(protocol, one.Name)); s != nil || c != nil {
		t.Errorf("a decoded credential is refused: %v, %v", s, c)
	}
	split := func(e []byte) [][]byte { return bytes.SplitAfter(e, []byte("-----\n-----")) }
	if len(split(e)) != 3 {
		t.Fatalf("%d blocks of PEM", len(split(e)))
	}
	x, y := split(e), split(encode(two))
	for what, bad := range map[string][]byte{
		"nothing": nil, "half": e[:len(e)/2], "another key": bytes.Join([][]byte{x[0], y[1], x[2]}, nil), "another authority": bytes.Join([][]byte{x[0], x[1], y[2]}, nil),
		"too long": append(bytes.Repeat([]byte("x"), maxEncoded), e...),
	} {
		if c, err := Decode(bad); err == nil {
			t.Errorf("%s is accepted as %v", what, c.Name)
		}
	}
	for i := 0; i < len(e); i += 7 {
		bad := bytes.Clone(e)
		bad[i] ^= 0x15
		if c, err := Decode(bad); err == nil && c.Name != one.Name {
			t.Errorf("damage at %d makes %v", i, c.Name)
		}
	}
}

// TestNames: names that could be paths or URIs of something else are refused.
func TestNames(t *testing.T) {
	for _, s := range []string{"app-1/executor/3", "A_b.c/driver/0"} {
		if n, err := ParseName(s); err != nil || n.String() != s {
			t.Errorf("%s: %v, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "a", "a/executor", "a/executor/", "/executor/1", "a/king/1", "../executor/1", "a/executor/..", "a/executor/1/2", "a/executor/%2e",
		"a/executor/x y", "a/executor/é", strings.Repeat("a", 65) + "/executor/1", "a:1/executor/1"} {
		if n, err := ParseName(s); err == nil {
			t.Errorf("%q is accepted as %v", s, n)
		}
	}
	a := authority(t, "app-1")
	if _, err := a.Issue(Executor, "../x"); err == nil {
		t.Error("a credential is issued for ../x")
	}
	if _, err := NewAuthority("a/b"); err == nil {
		t.Error("an authority is made for a/b")
	}
	// A certificate whose URI has a port, a user or a second name is nobody's.
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"millrace://app-1:80/executor/1", "https://app-1/executor/1", "millrace://app-1/executor/1/2"} {
		c, err := template("x", time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = []*url.URL{parsed}
		der, err := x509.CreateCertificate(rand.Reader, c, a.cert, public, a.key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := holder(leaf); err == nil {
			t.Errorf("%s names %v", u, n)
		}
	}
}
