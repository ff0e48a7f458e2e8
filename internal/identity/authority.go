package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

// lifetime is how long certificates are valid: longer than applications run.
const lifetime = 90 * 24 * time.Hour

// skew is how far clocks of machines may differ.
const skew = 10 * time.Minute

// Authority is an application's certificate authority, or a cluster's. It is safe
// for concurrent use.
type Authority struct {
	app      string
	key      ed25519.PrivateKey
	cert     *x509.Certificate
	lifetime time.Duration // of what it issues
}

// NewAuthority makes the authority of an application.
func NewAuthority(app string) (*Authority, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newAuthority(app, key, lifetime)
}

func newAuthority(app string, key ed25519.PrivateKey, valid time.Duration) (*Authority, error) {
	if err := (Name{App: app, Role: Driver, ID: "0"}).check(); err != nil {
		return nil, err
	}
	t, err := template(app, time.Now(), valid)
	if err != nil {
		return nil, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero, t.KeyUsage = true, true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{app: app, key: key, cert: cert, lifetime: valid}, err
}

// App returns the id of the application or cluster.
func (a *Authority) App() string { return a.app }

func template(subject string, now time.Time, valid time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject, Organization: []string{scheme}},
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(valid),
	}, err
}

// Issue makes the credential of a process of the application or cluster.
func (a *Authority) Issue(role Role, id string) (*Credential, error) {
	return a.issue(Name{App: a.app, Role: role, ID: id}, time.Now(), a.lifetime)
}

func (a *Authority) issue(n Name, now time.Time, valid time.Duration) (*Credential, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	t, err := template(n.String()[:min(64, len(n.String()))], now, valid)
	if err != nil {
		return nil, err
	}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	t.URIs, t.DNSNames = []*url.URL{n.uri()}, []string{host}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	return newCredential(der, key, a.cert)
}

// host is the name by which clients address every server: who it is says its URI.
const host = "process." + scheme

func newCredential(der []byte, key ed25519.PrivateKey, root *x509.Certificate) (*Credential, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("identity: a certificate is damaged: %w", err)
	}
	c := &Credential{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, root: root, roots: x509.NewCertPool()}
	c.roots.AddCert(root)
	c.Name, err = holder(leaf)
	return c, err
}

// holder returns whom a certificate names.
func holder(c *x509.Certificate) (Name, error) {
	if len(c.URIs) != 1 || c.URIs[0].Scheme != scheme {
		return Name{}, fmt.Errorf("identity: a certificate names no process")
	}
	return ParseName(c.URIs[0].Host + c.URIs[0].Path)
}
