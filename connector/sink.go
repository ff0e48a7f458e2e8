package connector

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector/fs"
)

// Encoder turns batches into the bytes of one file of a format, written from
// front to back. It is used by one goroutine at a time.
type Encoder interface {
	// Write adds the rows that count; it keeps nothing of the batch.
	Write(b *columnar.Batch) error
	// Buffered returns the bytes of rows that are held back, Flush writes them.
	Buffered() int64
	Flush() error
	// Close writes what is left and what ends the format, and returns the bytes
	// of the whole. It does not close what is written to.
	Close() (int64, error)
	// Rows returns how many rows came.
	Rows() int64
}

// FileWriter is the Writer of formats that have an Encoder: one file, under a
// hidden temporary name until it is complete. It implements Buffering.
type FileWriter struct {
	dir, name string
	file      *os.File
	buf       *bufio.Writer
	encoder   Encoder
	release   func()
	done      bool
}

// NewFileWriter begins the file name in dir. release is called once, when the
// encoder is not needed any more.
func NewFileWriter(dir, name string, begin func(io.Writer) (Encoder, error), release func()) (*FileWriter, error) {
	w := &FileWriter{dir: dir, name: name, release: release}
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		w.file, err = os.CreateTemp(dir, "."+name+".*")
	}
	if err != nil {
		release()
		return nil, fs.ExplainWrite(err, dir)
	}
	w.buf = bufio.NewWriterSize(w.file, 1<<18)
	if w.encoder, err = begin(w.buf); err != nil {
		return nil, errors.Join(w.failed(err), w.Abort())
	}
	return w, nil
}

func (w *FileWriter) failed(err error) error {
	return fs.ExplainWrite(err, filepath.Join(w.dir, w.name))
}

// Write implements Writer.
func (w *FileWriter) Write(_ context.Context, b *columnar.Batch) error {
	return w.failed(w.encoder.Write(b))
}

// Buffered implements Buffering.
func (w *FileWriter) Buffered() int64 { return w.encoder.Buffered() }

// Flush implements Buffering.
func (w *FileWriter) Flush() error { return w.failed(w.encoder.Flush()) }

// Commit implements Writer: the file gets its name once it is complete. If that
// fails, nothing stays.
func (w *FileWriter) Commit(context.Context) (_ []File, err error) {
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	size, err := w.encoder.Close()
	if err == nil {
		err = w.buf.Flush()
	}
	if err == nil {
		err = w.file.Chmod(0o644)
	}
	if err == nil {
		err = w.file.Close()
	}
	if err == nil {
		err = os.Rename(w.file.Name(), filepath.Join(w.dir, w.name))
	}
	if err != nil {
		return nil, w.failed(err)
	}
	w.done = true
	w.release()
	return []File{{Path: w.name, Rows: w.encoder.Rows(), Bytes: size}}, nil
}

// Abort implements Writer.
func (w *FileWriter) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	w.release()
	w.file.Close() // it may be closed already
	if err := os.Remove(w.file.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fs.ExplainWrite(err, w.file.Name())
	}
	return nil
}
