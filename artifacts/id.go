package artifacts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// ID is the SHA-256 of an artifact's bytes. It is printed as 64 hexadecimal digits.
type ID [sha256.Size]byte

// String is the ID in full.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short is enough of the ID for people.
func (id ID) Short() string { return id.String()[:12] }

// MarshalText and UnmarshalText are the printed form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText takes exactly the printed form (A1).
func (id *ID) UnmarshalText(b []byte) error {
	x, err := ParseID(string(b))
	*id = x
	return err
}

// ParseID is the reverse of String; it takes nothing else (A1).
func ParseID(s string) (id ID, err error) {
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("artifacts: %.80q is no SHA-256", s)
	}
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return ID{}, fmt.Errorf("artifacts: %.80q is no SHA-256", s)
		}
	}
	_, err = hex.Decode(id[:], []byte(s))
	return id, err
}

// Kind is what an artifact is for.
type Kind uint8

// A file is read by the program's functions, a library has functions for SQL (a
// WebAssembly module) or is loaded by the program's, a program is run by executors.
const (
	File Kind = iota + 1
	Library
	Program
)

func (k Kind) String() string {
	if k < File || k > Program {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return [...]string{"", "file", "library", "program"}[k]
}

// Ref is an artifact of a session: the name is how the session calls it, never a
// path.
type Ref struct {
	ID   ID
	Kind Kind
	Name string
	Size int64
}

// Offer is what a driver tells its executors: the session's artifacts in order, and
// where they are to be had.
type Offer struct {
	Refs   []Ref
	Server string // host:port
	Token  string
}
