package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// messages reads the metadata of a stream's messages, or of those that one record
// of a file needs, and bytes of their bodies.
//
//	stream  schema | dictionaries | record, dictionary, record, …
//	file    "ARROW1" 0 0 | a stream | footer | uint32 its bytes | "ARROW1"
//	message 0xffffffff | uint32 bytes of metadata, 0: the end | metadata | body
type messages struct {
	r       io.ReaderAt
	at, end int64   // what is left of the stream, or the part of a file read now
	queue   []block // of a file: what is to be read after the schema
	file    bool
	begun   bool // the schema was read
	decode  decoders

	memory memory.Reservation // nil: nobody counts
	held   int64              // bytes of the present record and of all dictionaries
	kept   int64              // bytes of all dictionaries
	read   int64              // bytes so far
}

var magic = [8]byte{'A', 'R', 'R', 'O', 'W', '1'}

const tail = 4 + 6 // a footer's length and the magic after it

// openMessages returns the messages of a file or stream of size bytes; of a file
// the schema alone, and the blocks of its dictionaries and records.
func openMessages(r io.ReaderAt, size int64) (m *messages, dictionaries, records []block, err error) {
	m = &messages{r: r, end: size}
	var head [8]byte
	if err := m.fill(head[:], 0); err != nil {
		return nil, nil, nil, err
	}
	if string(head[:6]) != string(magic[:6]) {
		return m, nil, nil, nil
	}
	var foot [tail]byte
	if err := m.fill(foot[:], size-tail); err != nil {
		return nil, nil, nil, err
	}
	n := int64(binary.LittleEndian.Uint32(foot[:]))
	limit := size - tail - n
	if string(foot[4:]) != string(magic[:6]) || limit < 8 {
		return nil, nil, nil, errors.New("it does not end with a footer")
	}
	footer := make([]byte, n)
	if err := m.fill(footer, limit); err != nil {
		return nil, nil, nil, err
	}
	dictionaries, records, err = checkFooter(footer, limit)
	m.at, m.end, m.file = 8, limit, true
	return m, dictionaries, records, err
}

// fill reads b from a place; an end is unexpected.
func (m *messages) fill(b []byte, at int64) error {
	if at < 0 {
		return io.ErrUnexpectedEOF
	}
	n, err := m.r.ReadAt(b, at)
	m.read += int64(n)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// bytes returns n bytes at a place, which is known to be within the file.
func (m *messages) bytes(at, n int64) ([]byte, error) {
	if err := m.pay(n); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	return b, m.fill(b, at)
}

// next returns the next message, checked but for its content, and where its body
// is; io.EOF is the end.
func (m *messages) next() (c message, at int64, err error) {
	if m.file && m.begun {
		if len(m.queue) == 0 {
			return c, 0, io.EOF
		}
		b := m.queue[0]
		m.queue, m.at, m.end = m.queue[1:], b.at, b.at+b.meta+b.body
	}
	m.begun = true
	if c.meta, err = m.metadata(); err != nil {
		return c, 0, err
	}
	if c, err = checkMessage(c.meta); err != nil {
		return c, 0, err
	}
	if at = m.at; c.body > m.end-at {
		return c, 0, fmt.Errorf("a message's body of %d bytes is cut short", c.body)
	}
	m.at += c.body
	return c, at, nil
}

// metadata reads the next message's metadata; io.EOF is the end.
func (m *messages) metadata() ([]byte, error) {
	const more = math.MaxUint32 // older writers leave it out
	n := uint32(more)
	for i := 0; i < 2 && n == more; i++ {
		if m.at == m.end && i == 0 {
			return nil, io.EOF
		}
		var word [4]byte
		if m.end-m.at < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		if err := m.fill(word[:], m.at); err != nil {
			return nil, err
		}
		n = binary.LittleEndian.Uint32(word[:])
		m.at += 4
	}
	if n == 0 {
		m.at = m.end
		return nil, io.EOF
	}
	if int64(n) > m.end-m.at {
		return nil, fmt.Errorf("a message's metadata of %d bytes is cut short", n)
	}
	meta := make([]byte, n)
	err := m.fill(meta, m.at)
	m.at += int64(n)
	return meta, err
}

// pay reserves n more bytes for the present record.
func (m *messages) pay(n int64) error {
	if m.memory != nil && !m.memory.TryGrow(n) {
		return diag.New(diag.MemoryLimit, "a record of an Arrow file takes %d MiB and more, which the memory budget does not have left", (m.held+n)>>20).
			WithRemedy("raise --memory, or write the file in smaller records")
	}
	m.held += n
	return nil
}

// keep makes what was paid stay: a dictionary's.
func (m *messages) keep() { m.kept = m.held }

// free gives back what the last record took, or everything.
func (m *messages) free(all bool) {
	if all {
		m.kept = 0
	}
	if m.memory != nil {
		m.memory.Shrink(m.held - m.kept)
	}
	m.held = m.kept
}
