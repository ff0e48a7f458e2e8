package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// record is a record's metadata, checked while its buffers are walked. Only the
// buffers of wanted columns are read.
//
//	node    rows int64 | nulls int64, one a column
//	buffer  place in the body int64 | bytes int64
//	        compressed: bytes when decompressed int64, -1: they are not | the bytes
type record struct {
	*flat
	m                     *messages
	at, size              int64 // the body
	codec                 int
	rows                  int64
	nodes, buffers, views flatVector
	buffer, view          int // the next of each
}

// newRecord checks what a record says of itself as a whole.
func newRecord(m *messages, t flatTable, columns int, at, size int64) *record {
	r := &record{flat: t.flat, m: m, at: at, size: size, codec: codecNone, rows: t.longAt(0), nodes: t.vector(1, 16), buffers: t.vector(2, 16), views: t.vector(4, 8)}
	if c, there := t.child(3); there {
		r.codec = c.byteAt(0, codecLZ4)
		if method := c.byteAt(1, 0); t.err == nil && (r.codec != codecLZ4 && r.codec != codecZstd || method != 0) {
			t.fail("a record is compressed by codec %d, method %d", r.codec, method)
		}
	}
	if r.rows < 0 || r.rows > maxRows {
		t.fail("a record claims %d rows", r.rows)
	}
	if t.err == nil && r.nodes.n < columns {
		t.fail("a record of %d columns describes %d", columns, r.nodes.n)
	}
	return r
}

// column checks the next column, i, and returns its buffers if it is wanted:
// validity (nil if nothing is null) and what its layout says.
func (r *record) column(i int, l layout, wanted bool) (buffers [][]byte, nulls int64) {
	rows, nulls := r.int64(r.nodes.place(i)), r.int64(r.nodes.place(i)+8)
	if rows != r.rows || nulls < 0 || nulls > rows {
		r.fail("column %d of a record of %d rows has %d rows, %d nulls", i+1, r.rows, rows, nulls)
	}
	if l.shape == empty {
		return nil, nulls
	}
	if l.shape == nested {
		r.fail("column %d is nested", i+1)
	}
	buffers = append(buffers, r.next((rows+7)/8, nulls > 0, wanted))
	need := (rows*l.bits + 7) / 8
	if l.shape == lengthy {
		need = (rows + 1) * l.bits / 8
	}
	buffers = append(buffers, r.next(need, rows > 0, wanted))
	switch l.shape {
	case lengthy:
		buffers = append(buffers, r.next(0, true, wanted))
	case viewing:
		if r.view >= r.views.n {
			r.fail("column %d does not say how many buffers it has", i+1)
			break
		}
		n := r.int64(r.views.place(r.view))
		if r.view++; n < 0 || n > int64(r.buffers.n-r.buffer) {
			r.fail("column %d claims %d buffers", i+1, n)
		}
		for ; n > 0 && r.err == nil; n-- {
			buffers = append(buffers, r.next(0, true, wanted))
		}
	}
	return buffers, nulls
}

// next checks the next buffer and loads it if it is there to be used and wanted:
// then it must hold need bytes.
func (r *record) next(need int64, used, wanted bool) []byte {
	if r.buffer >= r.buffers.n {
		r.fail("a record has only %d buffers", r.buffers.n)
	}
	place := r.buffers.place(r.buffer)
	r.buffer++
	from, n := r.int64(place), r.int64(place+8)
	if r.err == nil && (from < 0 || n < 0 || n > 0 && (n > r.size || from > r.size-n)) {
		r.fail("a buffer of %d bytes at %d lies outside of its record of %d", n, from, r.size)
	}
	if r.err != nil || !used || !wanted {
		return nil
	}
	b, err := r.load(from, n)
	if err != nil {
		r.fail("%w", err)
	} else if int64(len(b)) < need {
		r.fail("a buffer of %d bytes should have %d", len(b), need)
	}
	return b
}

// load reads a buffer and decompresses it.
func (r *record) load(from, n int64) ([]byte, error) {
	b, err := r.m.bytes(r.at+from, n)
	if err != nil || r.codec == codecNone || n == 0 {
		return b, err
	}
	if n < 8 {
		return nil, fmt.Errorf("a compressed buffer has %d bytes", n)
	}
	raw, stored := int64(binary.LittleEndian.Uint64(b)), n-8
	if b = b[8:]; raw == -1 {
		return b, nil
	}
	limit := 255*stored + 64
	if r.codec == codecZstd {
		limit = 1<<15*stored + 64 // a block of 128 KiB takes four bytes
	}
	if raw < 0 || raw > min(limit, maxRaw) {
		return nil, fmt.Errorf("%d compressed bytes claim to be %d", stored, raw)
	}
	if err := r.m.pay(raw); err != nil {
		return nil, err
	}
	out := make([]byte, raw)
	if r.codec == codecZstd {
		return r.m.decode.unzstd(out, b)
	}
	return out, r.m.decode.unlz4(out, b)
}

// decoders decompress. They are made when first needed, and used by one goroutine.
type decoders struct {
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// unlz4 fills out from frames.
func (d *decoders) unlz4(out, b []byte) error {
	if d.lz4 == nil {
		d.lz4 = lz4.NewReader(nil)
	}
	d.lz4.Reset(bytes.NewReader(b))
	if _, err := io.ReadFull(d.lz4, out); err != nil {
		return err
	}
	if n, err := d.lz4.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return errors.New("a compressed buffer holds more than it claims")
	}
	return nil
}

// unzstd fills out from frames. It needs little more memory than out, whatever
// the frames claim.
func (d *decoders) unzstd(out, b []byte) ([]byte, error) {
	if d.zstd == nil {
		var err error
		if d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecodeAllCapLimit(true)); err != nil {
			return nil, err
		}
	}
	got, err := d.zstd.DecodeAll(b, out[:0:len(out)])
	if err == nil && len(got) != len(out) {
		err = errors.New("a compressed buffer holds less than it claims")
	}
	return got, err
}

func (d *decoders) close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}
