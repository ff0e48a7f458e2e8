package parquet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go/encoding/thrift"

	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// footers reads footers. One is read by the first that asks for it; others who want
// the same one wait for it, and nobody else.
type footers struct {
	front *front.Cache // keeps them; nil: they are read whenever somebody asks
	mu    sync.Mutex
	busy  map[string]*reading // by identity
}

// reading is a footer that is being read.
type reading struct {
	done chan struct{}
	f    *file
	err  error
}

// file is a file's footer.
type file struct {
	path string
	size int64
	time time.Time
	os   *os.File // of a reader's own copy; nil of those that are kept
	// key names this version of the file.
	key   string
	front *front.Cache
	looks *looks // of a reader's own copy
	meta  *metadata
	cols  []columnar.Field
	// leaves tells, per column of cols, where and how its values are stored.
	leaves []leaf
	// bounds are the columns' statistics per row group; they are shared.
	bounds [][]catalog.ColumnStatistics
}

// chunk is the description of a column chunk.
func (f *file) chunk(group int, l leaf) *columnMetaData {
	return &f.meta.RowGroups[group].Columns[l.chunk].MetaData
}

// looks counts look-ups of footers and page indexes.
type looks struct{ hits, misses int64 }

func (l *looks) add(hit bool) {
	switch {
	case l == nil:
	case hit:
		l.hits++
	default:
		l.misses++
	}
}

// open returns the footer of a file as it is now, and whether it was there.
func (c *footers) open(path string) (f *file, hit bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, fs.Explain(err, path)
	}
	key := fmt.Sprintf("%s|%d|%x", path, info.Size(), fs.Stamp(info))
	if f, ok := front.Get[*file](c.front, front.Footer, key); ok {
		return f, true, nil
	}
	c.mu.Lock()
	r, ok := c.busy[key]
	if !ok {
		r = &reading{done: make(chan struct{})}
		c.busy[key] = r
	}
	c.mu.Unlock()
	if ok {
		<-r.done
		return r.f, false, r.err
	}
	if r.f, r.err = read(path); r.err == nil {
		r.f.key, r.f.front = key, c.front
		c.front.Put(front.Footer, key, r.f, r.f.bytes())
	}
	c.mu.Lock()
	delete(c.busy, key)
	c.mu.Unlock()
	close(r.done)
	return r.f, false, r.err
}

// What the parts of a footer take in memory, about: of a column of the file, and of a
// chunk with its statistics.
const (
	columnBytes = 512
	chunkBytes  = 640
)

// bytes returns about what a footer takes in memory.
func (f *file) bytes() int64 {
	n := int64(1024 + len(f.path) + columnBytes*len(f.meta.Schema))
	for g := range f.meta.RowGroups {
		for i := range f.meta.RowGroups[g].Columns {
			st := &f.meta.RowGroups[g].Columns[i].MetaData.Statistics
			n += int64(chunkBytes + 2*len(st.MinValue) + 2*len(st.MaxValue))
		}
	}
	return n
}

// guard turns a panic of a library into an error.
func guard(path string, err *error) {
	if p := recover(); p != nil {
		*err = corrupt(path, fmt.Errorf("%v", p))
	}
}

func corrupt(path string, err error) error {
	return diag.New(diag.CorruptFile, "%s is not a readable Parquet file: %v", path, err).WithPath(path).WithCause(err).
		WithRemedy("check that the file was written and copied completely")
}

// read decodes a file's footer.
func read(path string) (_ *file, err error) {
	defer guard(path, &err)
	h, err := os.Open(path)
	if err != nil {
		return nil, fs.Explain(err, path)
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return nil, fs.Explain(err, path)
	}
	f := &file{path: path, size: info.Size(), time: info.ModTime()}
	if f.meta, err = readFooter(h, f.size, path); err != nil {
		if e := (*diag.Error)(nil); !errors.As(err, &e) {
			err = corrupt(path, err)
		}
		return nil, err
	}
	if f.cols, f.leaves, err = schemaOf(f.meta, path); err != nil {
		return nil, err
	}
	for g := range f.meta.RowGroups {
		f.bounds = append(f.bounds, f.statistics(g))
	}
	return f, nil
}

// opened returns a copy of the footer with the file open, which must be closed. A
// file that was replaced meanwhile is refused.
func (f *file) opened() (*file, error) {
	h, err := os.Open(f.path)
	if err != nil {
		return nil, fs.Explain(err, f.path)
	}
	info, err := h.Stat()
	if err == nil && (info.Size() != f.size || !info.ModTime().Equal(f.time)) {
		err = corrupt(f.path, errors.New("it changed while it was read"))
	}
	if err != nil {
		h.Close()
		return nil, fs.Explain(err, f.path)
	}
	out := *f
	out.os, out.looks = h, &looks{}
	return &out, nil
}

// together is how many footers are read at once.
const together = 16

// each calls f with the footers of files, in their order. Some are read at once.
func (c *footers) each(ctx context.Context, files []fs.File, f func(fs.File, *file) error) error {
	for len(files) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(together, len(files))
		var wg sync.WaitGroup
		var found [together]*file
		var errs [together]error
		for i, x := range files[:n] {
			if n == 1 {
				found[i], _, errs[i] = c.open(x.Path)
				continue
			}
			wg.Go(func() { found[i], _, errs[i] = c.open(x.Path) })
		}
		wg.Wait()
		for i, x := range files[:n] {
			if errs[i] != nil {
				return errs[i]
			}
			if err := f(x, found[i]); err != nil {
				return err
			}
		}
		files = files[n:]
	}
	return nil
}

// signature is the length of what follows a footer that is signed.
const signature = 28

// readFooter decodes the metadata. Its length is checked before so much is
// allocated.
func readFooter(r io.ReaderAt, size int64, path string) (*metadata, error) {
	var head [4]byte
	var tail [8]byte
	if size < 12 {
		return nil, fmt.Errorf("it has %d bytes", size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, err
	}
	if string(tail[4:]) == "PARE" {
		return nil, diag.New(diag.Unsupported, "%s is encrypted, which cannot be read yet", path).WithPath(path)
	}
	if string(head[:]) != "PAR1" || string(tail[4:]) != "PAR1" {
		return nil, errors.New("it does not begin and end with PAR1")
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > size-12 {
		return nil, fmt.Errorf("a footer of %d bytes in a file of %d", n, size)
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-8-n); err != nil {
		return nil, err
	}
	m := &metadata{}
	in := new(thrift.CompactProtocol).NewReaderFromBytes(bytes.Clone(b))
	if err := thrift.NewDecoder(in).Decode(m); err != nil {
		return nil, fmt.Errorf("its footer is damaged: %w", err)
	}
	if left := len(b) - in.BytesRead(); left != 0 && left != signature {
		return nil, fmt.Errorf("%d bytes follow its footer", left)
	}
	for g := range m.RowGroups {
		for i := range m.RowGroups[g].Columns {
			c := &m.RowGroups[g].Columns[i]
			switch {
			case c.CryptoMetadata.Value != nil:
				return nil, diag.New(diag.Unsupported, "%s has encrypted columns, which cannot be read yet", path).WithPath(path)
			case c.FilePath != "":
				return nil, diag.New(diag.Unsupported, "%s has column chunks in another file, %s, which cannot be read yet", path, c.FilePath).WithPath(path)
			}
		}
	}
	return m, nil
}

// readable checks that the columns of a scan can be read.
func (f *file) readable(columns []int) error {
	for _, c := range columns {
		if c < 0 || c >= len(f.cols) {
			return corrupt(f.path, errors.New("it changed while it was read"))
		}
		if n := f.leaves[c].nest; n != nil && !n.readable() {
			return diag.New(diag.Unsupported, "column %s of %s has a struct without fields, which cannot be read", f.cols[c].Name, f.path).
				WithPath(f.path).WithRemedy("select the other columns by name")
		}
	}
	return nil
}
