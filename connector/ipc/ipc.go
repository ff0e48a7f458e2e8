// Package ipc reads Arrow IPC files and streams, and writes them: files into
// directories, streams to standard output. A record of a file is a split; a
// stream is one.
//
//	file ─► messages ─► flat, verify ─► arrow-go's reader ─► columnar/ipc ─► batches
//	        framing,    every offset,   only checked bytes   copies
//	        memory      count, length
//
// Arrow's library trusts what a file claims, so nothing reaches it unchecked:
//
//	I1  every table, vector and string lies inside of its metadata, every buffer
//	    inside of its body, and every column has the buffers that its rows need.
//	I2  what is allocated is bounded by the file's own size, or by what a codec
//	    can make of it, and reserved before.
//	I3  a panic of the library is an error that names the file.
//
// It imports columnar, connector, plan/catalog, plan/eval and arrow-go. FuzzScan
// feeds it any bytes, TestWriteScan reads back what it writes.
package ipc

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	aipc "github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/ipc"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
)

// Connector implements connector.WriterConnector.
type Connector struct{}

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return "arrow" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".arrow", ".arrows", ".feather", ".ipc"} }

type table struct {
	name   string
	schema *columnar.Schema
	stats  catalog.Statistics
	desc   catalog.Descriptor
}

func (t *table) Name() string                   { return t.name }
func (t *table) Schema() *columnar.Schema       { return t.schema }
func (t *table) Statistics() catalog.Statistics { return t.stats }
func (t *table) Descriptor() catalog.Descriptor { return t.desc }

// source is an open file or stream. Its reader is the library's, which sees
// only bytes that were checked.
type source struct {
	path     string
	os       *os.File
	messages *messages
	reader   *aipc.Reader
	schema   *columnar.Schema

	dictionaries, records []block // of a file
	file                  bool
}

// guard makes the library's panics errors: what a check missed, or what is
// wrong in the values themselves.
func guard(path string, err *error) {
	if p := recover(); p != nil {
		*err = corrupt(path, fmt.Errorf("%v", p))
	}
}

// corrupt says what is wrong with a file; an error that explains itself stays.
func corrupt(path string, err error) error {
	if own := (*diag.Error)(nil); errors.As(err, &own) {
		if own.Path == "" {
			own.WithPath(path)
		}
		return own
	}
	return diag.New(diag.CorruptFile, "%s is not a readable Arrow IPC file: %v", path, err).WithPath(path).WithCause(err).
		WithRemedy("check that the file was written and copied completely")
}

func open(path string, mem memory.Reservation) (_ *source, err error) {
	f, oerr := os.Open(path)
	if oerr != nil {
		return nil, fs.Explain(oerr, path)
	}
	s := &source{path: path, os: f}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	defer guard(path, &err)
	info, err := f.Stat()
	if err != nil {
		return nil, fs.Explain(err, path)
	}
	if s.messages, s.dictionaries, s.records, err = openMessages(f, info.Size()); err != nil {
		return nil, corrupt(path, err)
	}
	s.file, s.messages.memory = s.messages.once != nil, mem
	if s.reader, err = aipc.NewReaderFromMessageReader(s.messages); err != nil {
		return nil, corrupt(path, err)
	}
	s.schema, err = ipc.FromArrowSchema(s.reader.Schema())
	return s, err
}

// choose makes a record of a file the one that is read.
func (s *source) choose(record uint64) error {
	if record >= uint64(len(s.records)) {
		return corrupt(s.path, errors.New("it changed while it was read"))
	}
	s.messages.queue = append(s.dictionaries, s.records[record])
	return nil
}

// next returns the next record, valid until the next call; io.EOF ends.
func (s *source) next() (rec arrow.RecordBatch, err error) {
	defer guard(s.path, &err)
	if s.reader.Next() {
		return s.reader.RecordBatch(), nil
	}
	if err := s.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, corrupt(s.path, err)
	}
	return nil, io.EOF
}

func (s *source) close() error {
	if s.reader != nil {
		s.reader.Release()
	}
	if s.messages != nil {
		s.messages.Release()
	}
	return s.os.Close()
}

// Open implements connector.Connector.
func (c *Connector) Open(_ context.Context, ref catalog.TableRef) (connector.Table, error) {
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	t := &table{name: "arrow " + ref.Path, stats: catalog.Unknown()}
	for i, f := range found {
		s, err := open(f.Path, nil)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			t.schema = s.schema
		} else if !t.schema.Equal(s.schema) {
			err = diag.New(diag.TypeMismatch, "%s and %s have different columns", found[0].Path, f.Path).WithPath(f.Path).WithRemedy("read files with different columns one by one")
		}
		if err = errors.Join(err, s.close()); err != nil {
			return nil, err
		}
		t.stats.Bytes = max(t.stats.Bytes, 0) + float64(f.Size)
	}
	t.stats.Rows = t.stats.Bytes / 50
	data, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	t.desc = catalog.Descriptor{Connector: c.Name(), Data: data}
	return t, nil
}

// Splits implements connector.Connector.
func (c *Connector) Splits(_ context.Context, d catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	var found []fs.File
	if err := json.Unmarshal(d.Data, &found); err != nil {
		return nil, diag.New(diag.Internal, "the description of an Arrow table is damaged: %v", err)
	}
	var out []connector.Split
	for i, f := range found {
		if req.Skip != nil && req.Skip(f.Path) {
			continue
		}
		s, err := open(f.Path, nil)
		if err != nil {
			return nil, err
		}
		n := 1
		if s.file {
			n = len(s.records)
		}
		for r := range n {
			out = append(out, connector.Split{Data: binary.AppendUvarint(binary.AppendUvarint(nil, uint64(i)), uint64(r)), Path: f.Path, Rows: -1, Bytes: f.Size / int64(n)})
		}
		if err := s.close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Scan implements connector.Connector.
func (c *Connector) Scan(_ context.Context, d catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	var found []fs.File
	i, n := binary.Uvarint(split)
	record, m := binary.Uvarint(split[max(n, 0):])
	if err := json.Unmarshal(d.Data, &found); err != nil || n <= 0 || m <= 0 || i >= uint64(len(found)) {
		return nil, diag.New(diag.Internal, "a split of an Arrow table is damaged")
	}
	r := &reader{req: req, scratch: memory.NewScratch(req.Memory)}
	var err error
	if len(req.Filters) > 0 {
		if r.filter, err = eval.CompileFilter(req.Filters, req.Eval); err != nil {
			return nil, err
		}
	}
	if r.src, err = open(found[i].Path, req.Memory); err != nil {
		return nil, err
	}
	if r.src.file {
		err = r.src.choose(record)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
