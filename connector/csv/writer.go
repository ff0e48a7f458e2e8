package csv

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// flushBytes is how much text is gathered before it is written.
const flushBytes = 1 << 20

// writer writes records as Spark does, which the reader of this package reads
// back with equal options (and multiLine, if values hold line breaks):
//
//   - W1 A null is the null text, the empty string a pair of quotes (or
//     emptyValue). By default the reader takes both for null, as Spark's; with a
//     nullValue it tells them apart.
//   - W2 A text is quoted if it holds a separator, quote or line break, begins
//     like a comment or byte order mark, or has white space at an end.
//   - W3 Inside of quotes the escape character stands before a quote and before
//     itself.
type writer struct {
	dir, name string
	file      *os.File
	out       io.Writer
	zip       *gzip.Writer
	f         format
	fields    []field
	buf       []byte
	rows      int64
}

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	for _, f := range spec.Schema.Fields {
		if f.Type.IsNested() {
			return diag.New(diag.Unsupported, "column %s of type %s cannot be written as CSV", f.Name, f.Type).WithRemedy("select its parts as columns of their own")
		}
	}
	o, err := parseOptions(spec.Options, "")
	if err != nil {
		return err
	}
	switch o.compression {
	case "", "none", "uncompressed", "gzip":
		return nil
	}
	return diag.New(diag.InvalidArgument, "CSV files cannot be written with the compression %q", o.compression).WithRemedy("use none or gzip")
}

// NewWriter implements connector.WriterConnector.
func (c *Connector) NewWriter(_ context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	o, err := parseOptions(spec.Options, "")
	if err != nil {
		return nil, err
	}
	w := &writer{dir: spec.Dir, name: spec.FileName(task, attempt, ".csv"), f: newFormat(&o), fields: make([]field, len(spec.Schema.Fields))}
	if o.compression == "gzip" {
		w.name += ".gz"
	}
	if w.file, err = os.CreateTemp(spec.Dir, "."+w.name+".*"); err != nil {
		return nil, fs.ExplainWrite(err, spec.Dir)
	}
	w.out = w.file
	if o.compression == "gzip" {
		w.zip = gzip.NewWriter(w.file)
		w.out = w.zip
	}
	if !o.Header {
		return w, nil
	}
	for i, f := range spec.Schema.Fields {
		if i > 0 {
			w.buf = append(w.buf, o.Sep...)
		}
		if w.buf, err = w.f.appendText(w.buf, []byte(f.Name)); err != nil {
			w.Abort()
			return nil, err
		}
	}
	w.buf = append(w.buf, w.f.end)
	return w, nil
}

// Write appends the rows that count.
func (w *writer) Write(_ context.Context, b *columnar.Batch) error {
	for c := range b.Cols {
		if err := w.fields[c].prepare(&w.f, &b.Cols[c], b); err != nil {
			return w.named(err, b, c)
		}
	}
	lonely := len(b.Cols) == 1 && w.f.null == ""
	n := b.Selected()
	for i := range n {
		r := i
		if b.Sel != nil {
			r = int(b.Sel[i])
		}
		for c := range w.fields {
			if c > 0 {
				if len(w.f.sep) == 1 {
					w.buf = append(w.buf, w.f.sep[0])
				} else {
					w.buf = append(w.buf, w.f.sep...)
				}
			}
			x := &w.fields[c]
			if x.valid != nil && !x.valid.Get(r) || x.never {
				if lonely { // an empty line would be no record
					w.buf = append(w.buf, w.f.empty...)
				} else {
					w.buf = append(w.buf, w.f.null...)
				}
				continue
			}
			var err error
			if w.buf, err = x.append(w.buf, &w.f, r); err != nil {
				return w.named(err, b, c)
			}
		}
		w.buf = append(w.buf, w.f.end)
		if len(w.buf) >= flushBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	w.rows += int64(n)
	return nil
}

func (w *writer) named(err error, b *columnar.Batch, c int) error {
	if e, ok := err.(*diag.Error); ok {
		return e.WithPath(w.dir)
	}
	return err
}

func (w *writer) flush() error {
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	if err != nil {
		return fs.ExplainWrite(err, filepath.Join(w.dir, w.name))
	}
	return nil
}

// Commit finishes the file under its name; if that fails, nothing stays.
func (w *writer) Commit(context.Context) (_ []connector.File, err error) {
	target := filepath.Join(w.dir, w.name)
	defer func() {
		if err != nil {
			w.Abort()
			err = fs.ExplainWrite(err, target)
		}
	}()
	if err := w.flush(); err != nil {
		return nil, err
	}
	if w.zip != nil {
		if err := w.zip.Close(); err != nil {
			return nil, err
		}
	}
	info, err := w.file.Stat()
	if err != nil {
		return nil, err
	}
	if err := w.file.Chmod(0o644); err != nil {
		return nil, err
	}
	if err := w.file.Close(); err != nil {
		return nil, err
	}
	if err := os.Rename(w.file.Name(), target); err != nil {
		return nil, err
	}
	return []connector.File{{Path: w.name, Rows: w.rows, Bytes: info.Size()}}, nil
}

// Abort removes what was written.
func (w *writer) Abort() error {
	w.file.Close()
	return os.Remove(w.file.Name())
}
