package csv

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

type writer struct {
	dir, name string
	file      *os.File
	buf       *bufio.Writer
	w         *csv.Writer
	row       []string
	rows      int64
	null      string
}

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	if len(spec.PartitionBy) > 0 {
		return diag.New(diag.Unsupported, "partitioned writes are not supported yet")
	}
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
	w := &writer{dir: spec.Dir, name: fmt.Sprintf("part-%05d-%d.csv", task, attempt), row: make([]string, spec.Schema.Len()), null: o.Null}
	if w.file, err = os.CreateTemp(spec.Dir, "."+w.name+".*"); err != nil {
		return nil, fs.Explain(err, spec.Dir)
	}
	w.buf = bufio.NewWriterSize(w.file, 1<<18)
	w.w = csv.NewWriter(w.buf)
	w.w.Comma = rune(o.Sep[0])
	if o.Header {
		for i, f := range spec.Schema.Fields {
			w.row[i] = f.Name
		}
		return w, w.w.Write(w.row)
	}
	return w, nil
}

func (w *writer) failed(err error) error {
	return diag.New(diag.WriteFailed, "%s cannot be written: %v", filepath.Join(w.dir, w.name), err).WithPath(w.dir).WithCause(err).
		WithRemedy("check the free space and the permissions of the directory")
}

func (w *writer) Write(_ context.Context, b *columnar.Batch) error {
	for i := range b.Selected() {
		r := b.RowAt(i)
		for c := range b.Cols {
			w.row[c] = w.null
			if !b.Cols[c].NullAt(r) {
				w.row[c] = string(text.AppendValue(nil, &b.Cols[c], r, time.UTC))
			}
		}
		if err := w.w.Write(w.row); err != nil {
			return w.failed(err)
		}
	}
	w.rows += int64(b.Selected())
	return nil
}

func (w *writer) Commit(context.Context) ([]connector.File, error) {
	w.w.Flush()
	err := w.w.Error()
	if err == nil {
		err = w.buf.Flush()
	}
	info, serr := w.file.Stat()
	if err == nil {
		err = serr
	}
	if err == nil {
		err = w.file.Close()
	}
	if err == nil {
		err = os.Chmod(w.file.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(w.file.Name(), filepath.Join(w.dir, w.name))
	}
	if err != nil {
		return nil, w.failed(err)
	}
	return []connector.File{{Path: w.name, Rows: w.rows, Bytes: info.Size()}}, nil
}

func (w *writer) Abort() error {
	w.file.Close()
	return os.Remove(w.file.Name())
}
