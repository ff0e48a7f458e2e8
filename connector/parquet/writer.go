package parquet

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/parquet/encode"
	"github.com/millrace-engine/millrace/internal/diag"
)

// rowGroupRows is the default number of rows of a row group.
const rowGroupRows = 122_880

// maxGroupRows bounds the rows of a row group, which is buffered as a whole.
const maxGroupRows = 16 << 20

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	for k := range spec.Options {
		switch k {
		case "compression", "row_group_rows", "file_name":
		default:
			return diag.New(diag.InvalidArgument, "there is no Parquet option %q", k).WithRemedy("options are compression and row_group_rows")
		}
	}
	if _, ok := encode.Codecs[strings.ToLower(spec.Options["compression"])]; !ok {
		return diag.New(diag.InvalidArgument, "there is no Parquet compression %q", spec.Options["compression"]).WithRemedy("use snappy, zstd, lz4, gzip or none")
	}
	if n, ok := spec.Options["row_group_rows"]; ok {
		if x, err := strconv.Atoi(n); err != nil || x < 1 || x > maxGroupRows {
			return diag.New(diag.InvalidArgument, "row_group_rows needs a whole number from 1 to %d, not %q", maxGroupRows, n)
		}
	}
	names := map[string]bool{}
	for _, f := range spec.Schema.Fields {
		if name := strings.ToLower(f.Name); names[name] {
			return diag.New(diag.InvalidArgument, "there are several columns named %s, which a Parquet file cannot tell apart", f.Name).
				WithRemedy("give each a name of its own with AS")
		} else {
			names[name] = true
		}
	}
	return encode.Check(spec.Schema)
}

// writer writes one task's file: under a hidden temporary name until it is
// complete.
type writer struct {
	dir, name string
	file      *os.File
	buf       *bufio.Writer
	w         *encode.File
	scratch   *memory.Scratch
	done      bool
}

// NewWriter implements connector.WriterConnector.
func (c *Connector) NewWriter(_ context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	name := spec.Options["file_name"]
	if name == "" {
		name = spec.FileName(task, attempt, ".parquet")
	}
	w := &writer{dir: spec.Dir, name: name, scratch: memory.NewScratch(nil)}
	opts := encode.Options{Codec: encode.Codecs[strings.ToLower(spec.Options["compression"])], GroupRows: rowGroupRows}
	if n, ok := spec.Options["row_group_rows"]; ok {
		opts.GroupRows, _ = strconv.Atoi(n)
	}
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		return nil, fs.Explain(err, spec.Dir)
	}
	var err error
	if w.file, err = os.CreateTemp(spec.Dir, "."+name+".*"); err != nil {
		return nil, fs.Explain(err, spec.Dir)
	}
	w.buf = bufio.NewWriterSize(w.file, 1<<18)
	if w.w, err = encode.NewFile(w.buf, spec.Schema, opts, w.scratch); err != nil {
		return nil, errors.Join(w.failed(err), w.Abort())
	}
	return w, nil
}

// failed names the file in an error, unless it is the user's already.
func (w *writer) failed(err error) error {
	var e *diag.Error
	if errors.As(err, &e) {
		return err
	}
	return diag.New(diag.WriteFailed, "%s cannot be written: %v", filepath.Join(w.dir, w.name), err).WithPath(w.dir).WithCause(err).
		WithRemedy("check the free space and the permissions of the directory")
}

// Write implements connector.Writer.
func (w *writer) Write(_ context.Context, b *columnar.Batch) error {
	if err := w.w.Write(b); err != nil {
		return w.failed(err)
	}
	return nil
}

// Buffered implements connector.Buffering.
func (w *writer) Buffered() int64 { return w.w.Buffered() }

// Flush implements connector.Buffering: it ends the row group.
func (w *writer) Flush() error {
	if err := w.w.Flush(); err != nil {
		return w.failed(err)
	}
	return nil
}

// Commit implements connector.Writer: the file gets its name once it is
// complete.
func (w *writer) Commit(context.Context) (_ []connector.File, err error) {
	defer func() {
		if err != nil {
			w.Abort() // nothing stays (C3)
		}
	}()
	size, err := w.w.Close()
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
	w.scratch.Close()
	return []connector.File{{Path: w.name, Rows: w.w.Rows(), Bytes: size}}, nil
}

// Abort implements connector.Writer.
func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	w.scratch.Close()
	w.file.Close() // it may be closed already
	if err := os.Remove(w.file.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fs.Explain(err, w.file.Name())
	}
	return nil
}
