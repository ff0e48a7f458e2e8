package ipc

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	aipc "github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/ipc"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
)

// recordRows is the default number of rows of a record, which is buffered as a
// whole and is a split when it is read; maxRecordBytes ends it before.
const (
	recordRows     = 65_536
	maxRecordRows  = 16 << 20
	maxRecordBytes = 64 << 20
)

// codecs are the values of the option compression.
var codecs = map[string][]aipc.Option{"": nil, "none": nil, "lz4": {aipc.WithLZ4()}, "zstd": {aipc.WithZstd()}}

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	for k := range spec.Options {
		if k != "compression" && k != "record_rows" {
			return diag.New(diag.InvalidArgument, "there is no Arrow option %q", k).WithRemedy("options are compression and record_rows")
		}
	}
	if _, ok := codecs[strings.ToLower(spec.Options["compression"])]; !ok {
		return diag.New(diag.InvalidArgument, "there is no Arrow compression %q", spec.Options["compression"]).WithRemedy("use lz4, zstd or none")
	}
	if n, ok := spec.Options["record_rows"]; ok {
		if x, err := strconv.Atoi(n); err != nil || x < 1 || x > maxRecordRows {
			return diag.New(diag.InvalidArgument, "record_rows needs a whole number from 1 to %d, not %q", maxRecordRows, n)
		}
	}
	_, err := ipc.ToArrowSchema(spec.Schema)
	return err
}

// NewWriter implements connector.WriterConnector: it writes an Arrow IPC file.
func (c *Connector) NewWriter(_ context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	return connector.NewFileWriter(spec.Dir, spec.FileName(task, attempt, ".arrow"), func(w io.Writer) (connector.Encoder, error) {
		return newEncoder(w, spec, true)
	}, func() {})
}

// NewEncoder writes a table's rows as an Arrow IPC stream. The options are those
// of files.
func (c *Connector) NewEncoder(w io.Writer, spec connector.WriteSpec) (connector.Encoder, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	return newEncoder(w, spec, false)
}

// records is what the library's writers of files and streams have in common.
type records interface {
	Write(arrow.RecordBatch) error
	Close() error
}

// encoder gathers rows into records and writes them.
type encoder struct {
	out     counter
	w       records
	schema  *columnar.Schema
	arrow   *arrow.Schema
	rows    *kernel.Appender
	perRec  int
	written int64 // rows
}

// counter counts what goes through.
type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	return n, err
}

func newEncoder(w io.Writer, spec connector.WriteSpec, file bool) (*encoder, error) {
	e := &encoder{out: counter{Writer: w}, schema: spec.Schema, perRec: recordRows}
	if n, ok := spec.Options["record_rows"]; ok {
		e.perRec, _ = strconv.Atoi(n)
	}
	var err error
	if e.arrow, err = ipc.ToArrowSchema(spec.Schema); err != nil {
		return nil, err
	}
	types := make([]columnar.Type, spec.Schema.Len())
	for i, f := range spec.Schema.Fields {
		types[i] = f.Type
	}
	e.rows = kernel.NewAppender(types, nil)
	opts := append([]aipc.Option{aipc.WithSchema(e.arrow)}, codecs[strings.ToLower(spec.Options["compression"])]...)
	if file {
		e.w, err = aipc.NewFileWriter(&e.out, opts...)
		return e, err
	}
	e.w = aipc.NewWriter(&e.out, opts...)
	return e, nil
}

// Write implements connector.Encoder.
func (e *encoder) Write(b *columnar.Batch) error {
	if err := e.rows.Append(b); err != nil {
		return err
	}
	if e.rows.Len() >= e.perRec || e.rows.Bytes() > maxRecordBytes {
		return e.Flush()
	}
	return nil
}

// Buffered implements connector.Encoder.
func (e *encoder) Buffered() int64 { return e.rows.Bytes() }

// Flush implements connector.Encoder: it writes records of at most perRec rows.
func (e *encoder) Flush() error {
	all := e.rows.Len()
	b := e.rows.Take(e.schema)
	for from := 0; from < all; from += e.perRec {
		part := kernel.SliceBatch(b, from, min(e.perRec, all-from), nil)
		rec, err := ipc.ToArrow(part, e.arrow)
		if err != nil {
			return err
		}
		if err := e.w.Write(rec); err != nil {
			return err
		}
		e.written += int64(part.Rows)
	}
	return nil
}

// Close implements connector.Encoder.
func (e *encoder) Close() (int64, error) {
	if err := e.Flush(); err != nil {
		return 0, err
	}
	err := e.w.Close()
	return e.out.n, err
}

// Rows implements connector.Encoder.
func (e *encoder) Rows() int64 { return e.written }
