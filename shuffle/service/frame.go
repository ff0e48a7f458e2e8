package service

import (
	"encoding/binary"
	"fmt"

	"github.com/millrace-engine/millrace/shuffle"
	"github.com/millrace-engine/millrace/transport/message"
)

// maxMessage bounds a message: a chunk with a single wide row, or a request.
const maxMessage = 96 << 20

// The kinds of messages. A stream has one fetch or diagnose, and its answer.
const (
	kindFetch     message.Kind = iota + 1 // request
	kindChunk                             // head, then what the codec encoded
	kindEnd                               // end
	kindGone                              // map tasks, as numbers
	kindBusy                              // milliseconds to wait
	kindDamaged                           // end: what the holder has from there on does not verify
	kindDiagnose                          // diagnose
	kindDiagnosis                         // a place
	kindShown                             // head; 1 if the file of a region follows, 0 if it is the last one; a sheet (columnar/chunk)
)

// headBytes is the head of a chunk:
//
//	nonce u32, of the request │ seq u32, of the answer │ block u32, of the request │ row u64, of the block │ codec u8, of the request
const headBytes = 4 + 4 + 4 + 8 + 1

// head says which rows a chunk has.
type head struct {
	nonce uint32
	seq   uint32
	block int
	row   int64
	codec int
}

func (h head) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, h.nonce)
	b = binary.LittleEndian.AppendUint32(b, h.seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.block))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.row))
	return append(b, byte(h.codec))
}

func parseHead(b []byte) (h head, rest []byte, err error) {
	if len(b) < headBytes {
		return h, nil, fmt.Errorf("%w: a chunk of %d bytes", message.ErrMalformed, len(b))
	}
	h.nonce, h.seq, h.block = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), int(binary.LittleEndian.Uint32(b[8:]))
	h.row, h.codec = int64(binary.LittleEndian.Uint64(b[12:])), int(b[20])
	return h, b[headBytes:], nil
}

// end is how the answer to a nonce ends: how many chunks it had, and where it
// stopped: before a row of a block. That block is the number of blocks when all
// was sent.
type end struct {
	nonce         uint32
	chunks, block int
	row           int64
}

func (e end) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(e.nonce))
	b = binary.AppendUvarint(b, uint64(e.chunks))
	b = binary.AppendUvarint(b, uint64(e.block))
	return binary.AppendUvarint(b, uint64(e.row))
}

func parseEnd(b []byte) (end, error) {
	d := numbers{b: b}
	e := end{nonce: uint32(d.next(1<<32 - 1)), chunks: int(d.next(1 << 40)), block: int(d.next(maxBlocks)), row: int64(d.next(1 << 56))}
	return e, d.end("an end")
}

// encodeMaps is the content of a kindGone.
func encodeMaps(maps []int) []byte {
	b := binary.AppendUvarint(nil, uint64(len(maps)))
	for _, m := range maps {
		b = binary.AppendUvarint(b, uint64(m))
	}
	return b
}

func parseMaps(b []byte) ([]int, error) {
	d := numbers{b: b}
	n := d.next(maxBlocks)
	out := make([]int, 0, min(n, uint64(len(b)))) // a byte each at least
	for range n {
		if d.bad {
			break
		}
		out = append(out, int(d.next(maxID)))
	}
	if err := d.end("a list of map tasks"); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: nothing is gone", message.ErrMalformed)
	}
	return out, nil
}

func parseDamage(b []byte) (shuffle.Damage, error) {
	if len(b) != 1 || !shuffle.Damage(b[0]).Valid() {
		return 0, fmt.Errorf("%w: no place of damage", message.ErrMalformed)
	}
	return shuffle.Damage(b[0]), nil
}

// numbers reads numbers until something is wrong; then all are zero.
type numbers struct {
	b   []byte
	bad bool
}

// next returns the next number, which is at most most.
func (d *numbers) next(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > most || d.bad {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// text returns the next string of at most most bytes.
func (d *numbers) text(most uint64) string {
	n := d.next(most)
	if n > uint64(len(d.b)) {
		d.bad = true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// end is an error if something was wrong, or is left.
func (d *numbers) end(what string) error {
	if d.bad || len(d.b) > 0 {
		return fmt.Errorf("%w: %s", message.ErrMalformed, what)
	}
	return nil
}
