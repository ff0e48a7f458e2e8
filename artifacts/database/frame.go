package database

import (
	"bufio"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// The kinds of frames.
const (
	kOpen byte = iota + 1
	kQuery
	kNext
	kFree
	kExec
	kBegin
	kCommit
	kRollback
	kOK
	kColumns
	kRows
	kResult
	kFailure
)

// maxFrame bounds a frame (B1), maxRows the bytes of rows after which one is sent.
const (
	maxFrame = 64 << 20
	maxRows  = 256 << 10
)

var errFrame = errors.New("database: malformed frame")

// wire is one end of the pipe.
type wire struct {
	r *bufio.Reader
	w *bufio.Writer
	b []byte // of the frame that was read last
}

func newWire(r io.Reader, w io.Writer) *wire {
	return &wire{r: bufio.NewReaderSize(r, 64<<10), w: bufio.NewWriterSize(w, 64<<10)}
}

// send writes a frame: its kind and fields.
func (w *wire) send(frame []byte) error {
	if len(frame) > maxFrame {
		return fmt.Errorf("%d bytes at once are more than %d", len(frame), maxFrame)
	}
	w.w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(frame)))) // errors come with Flush
	w.w.Write(frame)
	return w.w.Flush()
}

// receive reads a frame, valid until the next. An end between frames is io.EOF.
func (w *wire) receive() (kind byte, f fields, err error) {
	var head [4]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, f, err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if n < 1 || n > maxFrame {
		return 0, f, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	w.b = w.b[:0]
	for n > 0 { // what is declared is not allocated before it is there
		k := min(n, 1<<20)
		at := len(w.b)
		w.b = append(w.b, make([]byte, k)...)
		if _, err := io.ReadFull(w.r, w.b[at:]); err != nil {
			return 0, f, fmt.Errorf("%w: %w", errFrame, err)
		}
		n -= k
	}
	return w.b[0], fields{b: w.b[1:]}, nil
}

// fields reads the fields of a frame; after the first that is malformed all are zero,
// and err says so.
type fields struct {
	b   []byte
	err error
}

func (f *fields) fail() { f.b, f.err = nil, errFrame }

func (f *fields) uint() uint64 {
	x, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.fail()
		return 0
	}
	f.b = f.b[n:]
	return x
}

func (f *fields) int() int64 {
	x, n := binary.Varint(f.b)
	if n <= 0 {
		f.fail()
		return 0
	}
	f.b = f.b[n:]
	return x
}

func (f *fields) text() string { return string(f.bytes()) }

func (f *fields) bytes() []byte {
	n := f.uint()
	if n > uint64(len(f.b)) {
		f.fail()
		return nil
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

// count is a number of things of a byte at least each.
func (f *fields) count() int {
	n := f.uint()
	if n > uint64(len(f.b)) {
		f.fail()
		return 0
	}
	return int(n)
}

func putText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// putValue writes a value of database/sql/driver.
func putValue(b []byte, v driver.Value) ([]byte, error) {
	switch x := v.(type) {
	case nil:
		return append(b, 'n'), nil
	case int64:
		return binary.AppendVarint(append(b, 'i'), x), nil
	case float64:
		return binary.LittleEndian.AppendUint64(append(b, 'f'), math.Float64bits(x)), nil
	case bool:
		if x {
			return append(b, 't'), nil
		}
		return append(b, 'u'), nil
	case []byte:
		return putText(append(b, 'b'), string(x)), nil
	case string:
		return putText(append(b, 's'), x), nil
	case time.Time:
		at, err := x.MarshalBinary()
		return putText(append(b, 'd'), string(at)), err
	}
	return b, fmt.Errorf("a value of Go type %T cannot be passed to a driver in an artifact", v)
}

func (f *fields) value() driver.Value {
	if len(f.b) == 0 {
		f.fail()
		return nil
	}
	tag := f.b[0]
	f.b = f.b[1:]
	switch tag {
	case 'n':
		return nil
	case 'i':
		return f.int()
	case 'f':
		if len(f.b) < 8 {
			f.fail()
			return nil
		}
		x := math.Float64frombits(binary.LittleEndian.Uint64(f.b))
		f.b = f.b[8:]
		return x
	case 't', 'u':
		return tag == 't'
	case 'b':
		return append([]byte{}, f.bytes()...)
	case 's':
		return f.text()
	case 'd':
		var at time.Time
		if at.UnmarshalBinary(f.bytes()) != nil {
			f.fail()
		}
		return at
	}
	f.fail()
	return nil
}

func putValues(b []byte, vs []driver.Value) (_ []byte, err error) {
	b = binary.AppendUvarint(b, uint64(len(vs)))
	for _, v := range vs {
		if b, err = putValue(b, v); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (f *fields) values() []driver.Value {
	out := make([]driver.Value, f.count())
	for i := range out {
		out[i] = f.value()
	}
	return out
}
