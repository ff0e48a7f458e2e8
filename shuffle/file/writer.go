package file

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/shuffle"
)

const (
	// maxChunk is about the most bytes of rows in a chunk, unless a single row has
	// more.
	maxChunk = 4 << 20
	// writeBytes is what is written in one go at least.
	writeBytes = 256 << 10
)

// Writer writes a file. It is used by one goroutine at a time and ends with Close,
// before which Commit makes the file be there.
type Writer struct {
	info   Info
	codec  chunk.Codec
	root   *os.Root
	temp   string
	file   *os.File
	schema []byte
	buf    []byte // not written yet
	end    int64  // of what is written, and of buf
	parts  []part
	named  bool
	closed bool
}

// part is what was written of a partition.
type part struct {
	chunks []entry
	shuffle.Part
}

// Create begins a file below root, which has its name from Commit on.
func Create(root *os.Root, info Info, schema *columnar.Schema, codec chunk.Codec) (*Writer, error) {
	name := info.Name()
	if err := root.Mkdir(path.Dir(name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	w := &Writer{info: info, codec: codec, root: root, temp: name + "." + rand.Text() + ".tmp", schema: chunk.AppendSchema(nil, schema), parts: make([]part, info.Partitions)}
	var err error
	if w.file, err = root.OpenFile(w.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	w.buf = append(info.header(w.schema), w.schema...)
	w.end = int64(len(w.buf))
	return w, nil
}

// Append adds the rows of a batch that count to a partition. It returns the bytes
// that it stored. After an error nothing can be committed any more.
func (w *Writer) Append(partition int, b *columnar.Batch) (stored int64, err error) {
	n := b.Selected()
	if n == 0 {
		return 0, nil
	}
	size := b.DataBytes()
	if size > maxChunk && n > 1 {
		if b.Sel != nil {
			b = kernel.Compact(b, nil)
		}
		for _, x := range []*columnar.Batch{kernel.SliceBatch(b, 0, n/2, nil), kernel.SliceBatch(b, n/2, n-n/2, nil)} {
			m, err := w.Append(partition, x)
			if stored += m; err != nil {
				return stored, err
			}
		}
		return stored, nil
	}
	from := len(w.buf)
	if w.buf, err = chunk.Append(w.buf, b, w.codec); err != nil {
		return 0, err
	}
	data := w.buf[from:]
	if len(data) > math.MaxUint32 {
		return 0, corrupt("a chunk of %d bytes", len(data))
	}
	p := &w.parts[partition]
	p.chunks = append(p.chunks, entry{w.end, len(data), n, xxhash.Sum64(data)})
	p.Add(b)
	p.Bytes += size
	w.end += int64(len(data))
	if len(w.buf) >= writeBytes {
		err = w.flush()
	}
	return int64(len(data)), err
}

func (w *Writer) flush() error {
	_, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	if cap(w.buf) > 2*maxChunk {
		w.buf = nil
	}
	return err
}

// Commit writes the footer, gives the file its name (M1) and returns it open for
// reading until Close.
func (w *Writer) Commit() (*File, error) {
	meta := xxhash.New()
	meta.Write(w.info.header(w.schema))
	meta.Write(w.schema)
	foot := footer{directory: w.end}
	from := len(w.buf)
	for p := range w.parts {
		for _, e := range w.parts[p].chunks {
			w.buf = e.append(w.buf)
		}
		foot.chunks += len(w.parts[p].chunks)
	}
	for p := range w.parts {
		if x := &w.parts[p]; x.chunks != nil {
			w.buf = filled{p, len(x.chunks), x.Part}.append(w.buf)
			foot.filled++
			foot.total = foot.total.Plus(x.Sum)
		}
	}
	meta.Write(w.buf[from:])
	foot.meta = meta.Sum64()
	size := w.end + int64(len(w.buf)-from) + footerBytes
	w.buf = foot.append(w.buf)
	if err := w.flush(); err != nil {
		return nil, err
	}
	f, err := Open(w.file, size)
	if err != nil {
		return nil, err
	}
	if err := w.root.Rename(w.temp, w.info.Name()); err != nil {
		return nil, err
	}
	w.named = true
	return f, nil
}

// Close closes the file, and removes it unless Commit was successful. It is
// idempotent.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	err := w.file.Close()
	if !w.named {
		err = errors.Join(err, w.root.Remove(w.temp))
	}
	return err
}
