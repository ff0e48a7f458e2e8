package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	aipc "github.com/apache/arrow-go/v18/arrow/ipc"
	amem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// messages hands the library a stream's messages, or those that one record of a
// file needs, each checked before. It implements aipc.MessageReader.
//
//	stream  schema | dictionaries | record, dictionary, record, …
//	file    "ARROW1" 0 0 | a stream | footer | uint32 its bytes | "ARROW1"
//	message 0xffffffff | uint32 bytes of metadata, 0: the end | metadata | body
type messages struct {
	r       io.ReaderAt
	at, end int64   // what is left of the stream, or the part of a file read now
	queue   []block // of a file: what is to be read after the schema
	schema  *schema // nil before the first message
	once    map[int64]bool

	memory memory.Reservation // nil: nobody counts
	held   int64              // bytes of the present message and of all dictionaries
	kept   int64              // bytes of all dictionaries
	bytes  int64              // read so far
}

var magic = [8]byte{'A', 'R', 'R', 'O', 'W', '1'}

const tail = 4 + 6 // a footer's length and the magic after it

// openMessages returns the messages of a file or stream of size bytes; of a file
// the schema alone, and the blocks of its dictionaries and records.
func openMessages(r io.ReaderAt, size int64) (m *messages, dictionaries, records []block, err error) {
	m = &messages{r: r, end: size}
	var head [8]byte
	if err := m.read(head[:], 0); err != nil {
		return nil, nil, nil, err
	}
	if string(head[:6]) != string(magic[:6]) {
		return m, nil, nil, nil
	}
	var foot [tail]byte
	if err := m.read(foot[:], size-tail); err != nil {
		return nil, nil, nil, err
	}
	n := int64(binary.LittleEndian.Uint32(foot[:]))
	limit := size - tail - n
	if string(foot[4:]) != string(magic[:6]) || limit < 8 {
		return nil, nil, nil, errors.New("it does not end with a footer")
	}
	footer := make([]byte, n)
	if err := m.read(footer, limit); err != nil {
		return nil, nil, nil, err
	}
	dictionaries, records, err = checkFooter(footer, limit)
	m.at, m.end, m.once = 8, limit, map[int64]bool{}
	return m, dictionaries, records, err
}

// read fills b from a place; an end is unexpected.
func (m *messages) read(b []byte, at int64) error {
	if at < 0 {
		return io.ErrUnexpectedEOF
	}
	n, err := m.r.ReadAt(b, at)
	m.bytes += int64(n)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Retain implements aipc.MessageReader.
func (m *messages) Retain() {}

// Release implements aipc.MessageReader.
func (m *messages) Release() { m.hold(0) }

// Message implements aipc.MessageReader. The message is the collector's.
func (m *messages) Message() (*aipc.Message, error) {
	if file := m.once != nil; file && m.schema != nil {
		if len(m.queue) == 0 {
			return nil, io.EOF
		}
		b := m.queue[0]
		m.queue, m.at, m.end = m.queue[1:], b.at, b.at+b.meta+b.body
	}
	meta, err := m.metadata()
	if err != nil {
		return nil, err
	}
	c, err := checkMessage(meta)
	if err != nil {
		return nil, err
	}
	if c.body > m.end-m.at {
		return nil, fmt.Errorf("a message's body of %d bytes is cut short", c.body)
	}
	if err := m.hold(m.kept + c.body); err != nil {
		return nil, err
	}
	body := make([]byte, c.body)
	if err := m.read(body, m.at); err != nil {
		return nil, err
	}
	m.at += c.body
	raw, err := m.check(c, body)
	if err == nil {
		err = m.hold(m.kept + c.body + raw)
	}
	if err != nil {
		return nil, err
	}
	if c.header == headerDictionary {
		m.kept = m.held
	}
	return aipc.NewMessage(amem.NewBufferBytes(meta), amem.NewBufferBytes(body)), nil
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
		if err := m.read(word[:], m.at); err != nil {
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
	err := m.read(meta, m.at)
	m.at += int64(n)
	return meta, err
}

// check checks a message's content against its body and returns how many bytes
// decompressing takes.
func (m *messages) check(c message, body []byte) (raw int64, err error) {
	switch {
	case m.schema == nil && c.header == headerSchema:
		m.schema, err = checkSchema(c.table)
		return 0, err
	case m.schema != nil && c.header == headerRecord:
		return checkRecord(c.table, m.schema.columns, body)
	case m.schema != nil && c.header == headerDictionary:
		id, delta, raw, err := m.schema.checkDictionary(c.table, body)
		if err == nil && m.once != nil && !delta {
			if m.once[id] {
				return 0, fmt.Errorf("dictionary %d comes twice", id)
			}
			m.once[id] = true
		}
		return raw, err
	}
	return 0, fmt.Errorf("a message of kind %d is out of place", c.header)
}

// hold makes n the reserved bytes of the present message.
func (m *messages) hold(n int64) error {
	if m.memory == nil {
		return nil
	}
	if n < m.held {
		m.memory.Shrink(m.held - n)
	} else if !m.memory.TryGrow(n - m.held) {
		return diag.New(diag.MemoryLimit, "a record of an Arrow file takes %d MiB, more than the memory budget has left", n>>20).
			WithRemedy("raise --memory, or write the file in smaller records")
	}
	m.held = n
	return nil
}
