// Package message cuts a stream into messages.
//
//	┌────────────┬──────┬─────────┐
//	│ length u32 │ kind │ payload │   little-endian; length is that of the payload
//	└────────────┴──────┴─────────┘
//
// Kinds are the user's, from 1 on. A payload is bytes, or JSON of a value that
// both sides know.
//
// Invariants:
//
//   - F1 A payload longer than the user's bound is refused on both sides before
//     memory is taken for it; memory grows with what arrives, not with what is
//     promised.
//
// It imports the standard library only, and is fuzzed.
package message

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Kind says what a message holds.
type Kind uint8

// ErrMalformed is wrapped by every refusal of a message.
var ErrMalformed = errors.New("malformed message")

// Conn reads and writes messages. One goroutine may read while several write.
type Conn struct {
	r   io.Reader
	max int
	buf []byte

	mu  sync.Mutex
	w   io.Writer
	out []byte
}

// New returns the messages of a stream, with payloads of at most max bytes.
func New(s io.ReadWriter, max int) *Conn { return &Conn{r: s, w: s, max: max} }

// Send writes a value as JSON.
func (c *Conn) Send(k Kind, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.Write(k, b)
}

// keep is the size up to which buffers are kept for the next message, apart that
// from which on a last part is written as it is, not copied behind the others.
const (
	keep  = 4 << 20
	apart = 64 << 10
)

// Write writes a message of bytes, which may be in several parts.
func (c *Conn) Write(k Kind, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > c.max {
		return fmt.Errorf("%w: %d bytes, more than %d", ErrMalformed, n, c.max)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(binary.LittleEndian.AppendUint32(c.out[:0], uint32(n)), byte(k))
	var last []byte
	for i, p := range parts {
		if i == len(parts)-1 && len(p) >= apart {
			last = p
			break
		}
		c.out = append(c.out, p...)
	}
	_, err := c.w.Write(c.out)
	if err == nil && last != nil {
		_, err = c.w.Write(last)
	}
	if cap(c.out) > keep {
		c.out = nil
	}
	return err
}

// Read returns the next message; its payload is valid until the next Read. At the
// end of the stream it returns io.EOF, amidst a message io.ErrUnexpectedEOF.
func (c *Conn) Read() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n, k := int(binary.LittleEndian.Uint32(head[:])), Kind(head[4])
	if n > c.max || k == 0 {
		return 0, nil, fmt.Errorf("%w: kind %d of %d bytes", ErrMalformed, k, n)
	}
	if cap(c.buf) > keep {
		c.buf = nil
	}
	c.buf = c.buf[:0]
	for len(c.buf) < n { // F1
		at, step := len(c.buf), min(n-len(c.buf), 1<<20)
		if cap(c.buf)-at < step {
			c.buf = append(make([]byte, 0, max(2*cap(c.buf), at+step)), c.buf...)
		}
		c.buf = c.buf[:at+step]
		if _, err := io.ReadFull(c.r, c.buf[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
	}
	return k, c.buf, nil
}

// Decode reads a payload of JSON.
func Decode[T any](b []byte) (v T, err error) {
	if err = json.Unmarshal(b, &v); err != nil {
		err = fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return v, err
}
