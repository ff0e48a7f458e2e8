package identity

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Credential is a process's certificate with its key, and the authority that it
// trusts. It is immutable.
type Credential struct {
	Name  Name
	cert  tls.Certificate
	root  *x509.Certificate
	roots *x509.CertPool
	clock func() time.Time // nil: time.Now
}

// Refusal is why a peer with a genuine certificate is not let in.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return "identity: " + r.Reason }

// Server returns a configuration that lets in processes of the same application
// that have one of the roles. It speaks one protocol (ALPN).
func (c *Credential) Server(protocol string, roles ...Role) *tls.Config {
	t := c.config(protocol)
	t.ClientAuth, t.ClientCAs = tls.RequireAndVerifyClientCert, c.roots
	t.VerifyConnection = func(s tls.ConnectionState) error {
		n, err := c.peer(s, protocol)
		if err == nil && !slices.Contains(roles, n.Role) {
			err = &Refusal{fmt.Sprintf("%s has no business here", n)}
		}
		return err
	}
	return t
}

// Client returns a configuration that connects to want alone; without an ID, to
// any process of its role.
func (c *Credential) Client(protocol string, want Name) *tls.Config {
	t := c.config(protocol)
	t.RootCAs, t.ServerName = c.roots, host
	t.VerifyConnection = func(s tls.ConnectionState) error {
		n, err := c.peer(s, protocol)
		if err == nil && (n.App != want.App || n.Role != want.Role || want.ID != "" && n.ID != want.ID) {
			err = &Refusal{fmt.Sprintf("%s answers where %s was expected", n, want)}
		}
		return err
	}
	return t
}

func (c *Credential) config(protocol string) *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{c.cert},
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{protocol},
		SessionTicketsDisabled: true, // I1
		Time:                   c.clock,
	}
}

// peer returns who is at the other end of a connection whose chain was verified.
func (c *Credential) peer(s tls.ConnectionState, protocol string) (Name, error) {
	n, err := Peer(s)
	switch {
	case err != nil:
		return n, err
	case s.NegotiatedProtocol != protocol:
		return n, &Refusal{fmt.Sprintf("%s does not speak %s", n, protocol)}
	case n.App != c.Name.App:
		return n, &Refusal{fmt.Sprintf("%s belongs to another application than %s", n, c.Name)}
	}
	return n, nil
}

// Peer returns who is at the other end of a connection that Server or Client
// verified.
func Peer(s tls.ConnectionState) (Name, error) {
	if len(s.PeerCertificates) == 0 {
		return Name{}, &Refusal{"the peer shows no certificate"}
	}
	return holder(s.PeerCertificates[0])
}

// The blocks of an encoded credential, in this order.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// maxEncoded bounds an encoded credential in bytes.
const maxEncoded = 16 << 10

// Encode returns the credential as PEM: certificate, private key, authority. Keep
// it from others' eyes.
func (c *Credential) Encode() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(c.cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, b := range []pem.Block{{Type: blockCertificate, Bytes: c.cert.Certificate[0]}, {Type: blockKey, Bytes: key}, {Type: blockCertificate, Bytes: c.root.Raw}} {
		out = append(out, pem.EncodeToMemory(&b)...)
	}
	return out, nil
}

// Decode is the reverse of Encode. It checks that the parts belong together.
func Decode(b []byte) (*Credential, error) {
	if len(b) > maxEncoded {
		return nil, fmt.Errorf("identity: a credential has %d bytes", len(b))
	}
	var parts [3][]byte
	for i, kind := range []string{blockCertificate, blockKey, blockCertificate} {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil || block.Type != kind {
			return nil, errors.New("identity: a credential is not certificate, key and authority")
		}
		parts[i] = block.Bytes
	}
	root, err := x509.ParseCertificate(parts[2])
	if err != nil {
		return nil, fmt.Errorf("identity: an authority's certificate is damaged: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(parts[1])
	if err != nil {
		return nil, fmt.Errorf("identity: a private key is damaged: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("identity: a private key is of another kind")
	}
	c, err := newCredential(parts[0], key, root)
	if err != nil {
		return nil, err
	}
	if err := c.cert.Leaf.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("identity: a certificate is not its authority's: %w", err)
	}
	if public, ok := c.cert.Leaf.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, errors.New("identity: a private key is not its certificate's")
	}
	return c, nil
}
