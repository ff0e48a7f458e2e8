// Package lines reads ranges of text files in blocks, for the formats whose
// records are lines.
//
//	file  ──────┬──────────── range ────────────┬──────
//	      …\nab│c\n   records that begin here  x│y\n…
//	            └── skipped                     └── read to its end
//
// Invariants:
//
//   - L1 Every record belongs to exactly one of the ranges that a file is cut
//     into: the one in which its first byte lies.
//   - L2 The text handed out is followed by Pad readable bytes, so that words can
//     be loaded behind its end.
//   - L3 Compressed files (.gz, .bz2, .zst) are one range, read to their end.
//   - L4 A byte order mark at the start of a file is no text.
//
// It imports connector/fs, columnar/memory and diag. It is tested by cutting
// files at every byte.
package lines

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Pad is how many bytes behind the text are readable.
const Pad = 64

// MaxRecord bounds one record.
const MaxRecord = 16 << 20

// blockBytes is the memory that a reader begins with for a large range, fewBytes if
// memory is short, and stepBytes how much it reads at least at a time.
const (
	blockBytes = 2<<20 - Pad
	fewBytes   = 256<<10 - Pad
	stepBytes  = 64 << 10
)

// Compressed reports whether a file is compressed, as its name tells: it cannot
// be cut.
func Compressed(path string) bool {
	return strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".bz2") || strings.HasSuffix(path, ".zst")
}

// open opens a file, decompressed if its name says so.
func open(path string) (io.Reader, func() error, *os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, nil, fs.Explain(err, path)
	}
	fail := func(kind string, err error) (io.Reader, func() error, *os.File, error) {
		f.Close()
		return nil, nil, nil, diag.New(diag.CorruptFile, "%s is not a readable %s file: %v", path, kind, err).WithPath(path)
	}
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(bufio.NewReaderSize(f, stepBytes))
		if err != nil {
			return fail("gzip", err)
		}
		return z, f.Close, nil, nil
	case strings.HasSuffix(path, ".bz2"):
		return bzip2.NewReader(bufio.NewReaderSize(f, stepBytes)), f.Close, nil, nil
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return fail("zstd", err)
		}
		return z, func() error { z.Close(); return f.Close() }, nil, nil
	}
	return f, f.Close, f, nil
}

// Reader holds a window of a file that moves forward: Text is what was read and
// not skipped. It is used by one goroutine at a time.
type Reader struct {
	Path  string
	in    io.Reader
	close func() error
	mem   *memory.Scratch
	grant memory.Reservation
	buf   []byte
	at, n int   // the text is buf[at:n]
	base  int64 // where buf begins in the (decompressed) file
	end   int64 // where the range ends
	eof   bool
	read  int64
}

// Open opens the range [from, end) of a file at its first record: records end at
// the byte stop, or if that is 0 at \n, \r\n or \r. Memory is charged to r, which
// may be nil.
func Open(path string, from, end int64, stop byte, r memory.Reservation) (*Reader, error) {
	in, shut, file, err := open(path)
	if err != nil {
		return nil, err
	}
	x := &Reader{Path: path, in: in, close: shut, grant: r, end: end}
	if file == nil {
		x.end = math.MaxInt64
	} else if from > 0 {
		x.base = from - 1
		if _, err := file.Seek(x.base, io.SeekStart); err != nil {
			shut()
			return nil, fs.Explain(err, path)
		}
	}
	size := int64(blockBytes)
	if !memory.Room(r, blockBytes) {
		size = fewBytes
	}
	if file != nil {
		size = min(size, max(end-from, 0)+stepBytes)
	}
	x.mem = memory.NewScratch(r)
	x.buf = x.mem.Bytes(int(size) + Pad)
	if file != nil && from > 0 {
		err = x.seek(stop)
	} else {
		err = x.skipMark()
	}
	if err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// skipMark drops a byte order mark.
func (r *Reader) skipMark() error {
	for r.n < 3 {
		if err := r.More(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if bytes.Equal(r.buf[:3], []byte("\xef\xbb\xbf")) {
		if r.at = 3; r.end > 0 {
			r.end = max(r.end, 4) // the mark is the first record's first byte
		}
	}
	return nil
}

// seek moves behind the record that the byte before the range belongs to.
func (r *Reader) seek(stop byte) error {
	for {
		n := End(r.Text(), stop)
		ok := n >= 0 && (stop != 0 || r.Text()[n] == '\n' || n+1 < len(r.Text()))
		if ok || r.eof {
			if n < 0 {
				n = len(r.Text())
			} else {
				n = Behind(r.Text(), n)
			}
			r.Skip(n)
			return nil
		}
		if n < 0 {
			r.Skip(len(r.Text()))
		} else {
			r.Skip(n)
		}
		if err := r.More(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// End returns where the first record of t ends, −1 if it does not end in t.
func End(t []byte, stop byte) int {
	if stop != 0 {
		return bytes.IndexByte(t, stop)
	}
	n := bytes.IndexByte(t, '\n')
	if n >= 0 {
		t = t[:n]
	}
	if c := bytes.IndexByte(t, '\r'); c >= 0 {
		return c
	}
	return n
}

// Behind returns where the next record begins if one ends at n: behind \r\n it is
// two bytes on.
func Behind(t []byte, n int) int {
	if t[n] == '\r' && n+1 < len(t) && t[n+1] == '\n' {
		return n + 2
	}
	return n + 1
}

// Text returns what was read and not skipped. It is valid until the next More.
func (r *Reader) Text() []byte { return r.buf[r.at:r.n] }

// Offset returns the place of Text in the (decompressed) file.
func (r *Reader) Offset() int64 { return r.base + int64(r.at) }

// Left returns how many bytes behind the begin of Text the range ends; records
// that begin there or later are not of this range.
func (r *Reader) Left() int { return int(min(r.end-r.Offset(), math.MaxInt32)) }

// Skip drops n bytes of Text.
func (r *Reader) Skip(n int) { r.at += n }

// Done reports that all of the file was read: Text ends where the file does.
func (r *Reader) Done() bool { return r.eof }

// BytesRead counts what was read.
func (r *Reader) BytesRead() int64 { return r.read }

// More makes Text longer; io.EOF says that there is no more. A record that is
// longer than MaxRecord is an error.
func (r *Reader) More() error {
	if r.eof {
		return io.EOF
	}
	room := len(r.buf) - Pad
	if room-r.n < stepBytes || r.at > room/2 {
		if r.at == 0 && r.n > MaxRecord {
			return diag.New(diag.MalformedRecord, "a record of %s at byte %d is longer than %d MiB", r.Path, r.base, MaxRecord>>20).WithPath(r.Path).
				WithRemedy("check the options quote, lineSep and multiLine, and that the file is text")
		}
		r.move(room)
	}
	room = len(r.buf) - Pad
	want := room - r.n
	if left := r.end - r.base - int64(r.n); left < int64(want) { // beyond the range a record's rest is enough
		want = min(want, int(max(left, 0))+stepBytes)
	}
	n, err := io.ReadFull(r.in, r.buf[r.n:r.n+want])
	r.n += n
	r.read += int64(n)
	switch {
	case n > 0 && (err == nil || errors.Is(err, io.ErrUnexpectedEOF)):
		return nil
	case errors.Is(err, io.EOF):
		r.eof = true
		return io.EOF
	}
	return diag.New(diag.CorruptFile, "%s cannot be read: %v", r.Path, err).WithPath(r.Path).
		WithRemedy("check that the file was written and copied completely")
}

// move brings the text to the front of the buffer, of a larger one if it fills
// more than half of this.
func (r *Reader) move(room int) {
	text := r.Text()
	if len(text) > room/2 {
		mem := memory.NewScratch(r.grant)
		buf := mem.Bytes(2*room + Pad)
		copy(buf, text)
		r.mem.Close()
		r.mem, r.buf = mem, buf
	} else {
		copy(r.buf, text)
	}
	r.base += int64(r.at)
	r.n -= r.at
	r.at = 0
}

// Close is idempotent.
func (r *Reader) Close() error {
	if r.in == nil {
		return nil
	}
	r.in = nil
	r.buf = nil
	r.at, r.n = 0, 0
	r.mem.Close()
	return r.close()
}

// LineAt returns the number of the line, from 1, that the byte at an offset of
// the (decompressed) file lies in; 0 if the file cannot be read any more. For
// messages.
func LineAt(path string, offset int64) int {
	in, shut, _, err := open(path)
	if err != nil {
		return 0
	}
	defer shut()
	line, last := 1, byte(0)
	b := bufio.NewReaderSize(in, stepBytes)
	for ; offset > 0; offset-- {
		c, err := b.ReadByte()
		if err != nil {
			break
		}
		if c == '\n' && last != '\r' || c == '\r' {
			line++
		}
		last = c
	}
	return line
}
