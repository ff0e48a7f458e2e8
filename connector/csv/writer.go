package csv

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// flushBytes is how much text is gathered before it is written.
const flushBytes = 256 << 10

// writer writes records that the reader of this package reads back the same
// with equal options (and multiLine, if values hold line breaks):
//
//   - W1 A null is the null text without quotes; a value that reads like it, an
//     empty string too, is quoted.
//   - W2 Inside of quotes a quote is doubled, and so is the escape character.
type writer struct {
	dir, name string
	file      *os.File
	o         options
	special   [256]bool // bytes for which a field is quoted
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
	_, err := parseOptions(spec.Options, "")
	return err
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
	w := &writer{dir: spec.Dir, name: spec.FileName(task, attempt, ".csv"), o: o}
	for _, c := range []byte("\r\n\xef" + o.Sep + o.Quote) { // 0xef begins a byte order mark
		w.special[c] = true
	}
	if w.file, err = os.CreateTemp(spec.Dir, "."+w.name+".*"); err != nil {
		return nil, fs.ExplainWrite(err, spec.Dir)
	}
	if o.Header {
		for i, f := range spec.Schema.Fields {
			if err := w.field([]byte(f.Name), i, true); err != nil {
				w.Abort()
				return nil, err
			}
		}
		w.buf = append(w.buf, '\n')
	}
	return w, nil
}

// field appends one field of a record. Text fields are quoted if they are empty
// or read like a null.
func (w *writer) field(s []byte, column int, isText bool) error {
	if column > 0 {
		w.buf = append(w.buf, w.o.Sep...)
	}
	quote := isText && (len(s) == 0 || string(s) == w.o.Null)
	for _, c := range s {
		quote = quote || w.special[c]
	}
	if !quote {
		w.buf = append(w.buf, s...)
		return nil
	}
	if w.o.Quote == "" {
		return diag.New(diag.InvalidArgument, "the value %q needs quotes, which the option quote turns off", clip(s)).WithPath(w.dir).
			WithRemedy("set the option quote, or another sep or nullValue")
	}
	q := w.o.Quote[0]
	escape := q
	if w.o.Escape != "" {
		escape = w.o.Escape[0]
	}
	w.buf = append(w.buf, q)
	for _, c := range s {
		if c == q || c == escape { // W2
			w.buf = append(w.buf, c)
		}
		w.buf = append(w.buf, c)
	}
	w.buf = append(w.buf, q)
	return nil
}

// Write appends the rows that count.
func (w *writer) Write(_ context.Context, b *columnar.Batch) error {
	var value []byte
	for i := range b.Selected() {
		r := b.RowAt(i)
		for c := range b.Cols {
			v := &b.Cols[c]
			if v.NullAt(r) {
				if len(b.Cols) == 1 && w.o.Null == "" {
					return diag.New(diag.InvalidArgument, "a null in the only column of a CSV file would be an empty line, which is not read").WithPath(w.dir).
						WithRemedy("set the option nullValue")
				}
				if c > 0 {
					w.buf = append(w.buf, w.o.Sep...)
				}
				w.buf = append(w.buf, w.o.Null...) // W1
				continue
			}
			value = text.AppendValue(value[:0], v, r, time.UTC)
			if err := w.field(value, c, v.Type.IsBytes()); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, '\n')
		if len(w.buf) >= flushBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	w.rows += int64(b.Selected())
	return nil
}

func (w *writer) flush() error {
	_, err := w.file.Write(w.buf)
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
