package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Token is the secret of a cluster: who has it may join it and submit to it.
type Token [32]byte

// tokenPrefix begins a token's text, so that it is known for what it is wherever
// it turns up.
const tokenPrefix = "millrace-token-1-"

// clusterLifetime is how long certificates of a cluster are valid. They live in
// the memory of masters and workers, which may run for years.
const clusterLifetime = 10 * 365 * 24 * time.Hour

// NewToken makes a token.
func NewToken() Token {
	var t Token
	rand.Read(t[:]) // never fails
	return t
}

// Secret returns the token's text. It has no String, lest it be printed by
// mistake.
func (t Token) Secret() string { return tokenPrefix + hex.EncodeToString(t[:]) }

// Format implements fmt.Formatter: a token never shows itself.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, tokenPrefix+"…") }

// ParseToken is the reverse of Secret.
func ParseToken(s string) (Token, error) {
	var t Token
	digits, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(t) {
		return t, errors.New("identity: that is not a token")
	}
	return Token(b), nil
}

// Authority returns the authority of the token's cluster. Every process that has
// the token makes the same one, apart from the certificate's serial number.
func (t Token) Authority() (*Authority, error) {
	seed, err := hkdf.Key(sha256.New, t[:], nil, "millrace cluster authority 1", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	key := ed25519.NewKeyFromSeed(seed)
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return newAuthority("cluster-"+hex.EncodeToString(sum[:8]), key, clusterLifetime)
}

// maxSecretFile bounds a file with a token or a credential.
const maxSecretFile = maxEncoded

// readSecret reads a file that nobody else may read (I4).
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxSecretFile:
		return nil, fmt.Errorf("%s is not a file with a token", path)
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("others may read %s: its mode is %04o, and has to be 0600", path, info.Mode().Perm())
	}
	b := make([]byte, info.Size())
	n, err := f.ReadAt(b, 0)
	if n < len(b) {
		return nil, err
	}
	return b, nil
}

// ReadToken reads a token from a file of mode 0600.
func ReadToken(path string) (Token, error) {
	b, err := readSecret(path)
	if err != nil {
		return Token{}, err
	}
	t, err := ParseToken(string(b))
	if err != nil {
		return t, fmt.Errorf("%s does not hold a token", path)
	}
	return t, nil
}

// MakeToken reads the token of a file, which it makes, with a new token, if it is
// not there.
func MakeToken(path string) (_ Token, made bool, err error) {
	t, err := ReadToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return t, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return t, false, err
	}
	t = NewToken()
	f, err := os.CreateTemp(filepath.Dir(path), ".token-") // mode 0600
	if err != nil {
		return t, false, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(t.Secret() + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return t, false, err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) { // somebody was faster: theirs counts
		t, err = ReadToken(path)
		return t, false, err
	} else if err != nil {
		return t, false, err
	}
	return t, true, nil
}

// Load returns the credential of a process from a file of mode 0600: it holds a
// cluster's token, out of which a credential for the role and id is made, or a
// credential of that role.
func Load(path string, role Role, id string) (*Credential, error) {
	b, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte("-----BEGIN ")) {
		c, err := Decode(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if c.Name.Role != role {
			return nil, fmt.Errorf("%s holds the credential of a %s, not of a %s", path, c.Name.Role, role)
		}
		return c, nil
	}
	t, err := ParseToken(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s does not hold a token", path)
	}
	a, err := t.Authority()
	if err != nil {
		return nil, err
	}
	return a.Issue(role, id)
}
