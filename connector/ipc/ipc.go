// Package ipc reads Arrow IPC files and streams. A record of a file is a split;
// a stream is one.
package ipc

import (
	"bytes"
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

// Connector implements connector.Connector.
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

// source is an open file or stream.
type source struct {
	path   string
	os     *os.File
	file   *aipc.FileReader // nil: a stream
	stream *aipc.Reader
	schema *columnar.Schema
}

func guard(path string, err *error) {
	if p := recover(); p != nil {
		*err = corrupt(path, fmt.Errorf("%v", p))
	}
}

func corrupt(path string, err error) error {
	return diag.New(diag.CorruptFile, "%s is not a readable Arrow IPC file: %v", path, err).WithPath(path).WithCause(err).
		WithRemedy("check that the file was written and copied completely")
}

func open(path string) (s *source, err error) {
	f, oerr := os.Open(path)
	if oerr != nil {
		return nil, fs.Explain(oerr, path)
	}
	s = &source{path: path, os: f}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	defer guard(path, &err)
	var magic [6]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return nil, corrupt(path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, corrupt(path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, corrupt(path, err)
	}
	bounds := []aipc.Option{aipc.WithMetadataSizeLimit(info.Size()), aipc.WithBodySizeLimit(info.Size()), aipc.WithAllocator(bounded(info.Size()))}
	var schema *arrow.Schema
	if bytes.Equal(magic[:], []byte("ARROW1")) {
		if s.file, err = aipc.NewFileReader(f, bounds...); err != nil {
			return nil, corrupt(path, err)
		}
		schema = s.file.Schema()
	} else {
		if s.stream, err = aipc.NewReaderFromMessageReader(aipc.NewMessageReader(f, bounds...), bounds...); err != nil {
			return nil, corrupt(path, err)
		}
		schema = s.stream.Schema()
	}
	if s.schema, err = ipc.FromArrowSchema(schema); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *source) close() error {
	if s.stream != nil {
		s.stream.Release()
	}
	if s.file != nil {
		s.file.Close()
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
		s, err := open(f.Path)
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
		s, err := open(f.Path)
		if err != nil {
			return nil, err
		}
		n := 1
		if s.file != nil {
			n = s.file.NumRecords()
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
	r := &reader{req: req, record: int(record), scratch: memory.NewScratch(req.Memory)}
	var err error
	if len(req.Filters) > 0 {
		if r.filter, err = eval.CompileFilter(req.Filters, eval.Options{}); err != nil {
			return nil, err
		}
	}
	if r.src, err = open(found[i].Path); err != nil {
		return nil, err
	}
	if r.src.file != nil && r.record >= r.src.file.NumRecords() {
		r.src.close()
		return nil, corrupt(found[i].Path, errors.New("it changed while it was read"))
	}
	return r, nil
}

type reader struct {
	src     *source
	req     connector.ScanRequest
	record  int
	done    bool
	batches []*columnar.Batch
	filter  *eval.Filter
	scratch *memory.Scratch
	out     columnar.Batch
	stats   connector.ScanStats
}

func (r *reader) Stats() connector.ScanStats { return r.stats }

func (r *reader) Close() error {
	if r.src == nil {
		return nil
	}
	err := r.src.close()
	r.src = nil
	r.scratch.Close()
	return err
}

// load reads the next record.
func (r *reader) load() (err error) {
	defer guard(r.src.path, &err)
	var rec arrow.RecordBatch
	if r.src.file != nil {
		if r.done {
			return io.EOF
		}
		r.done = true
		if rec, err = r.src.file.RecordBatch(r.record); err != nil {
			return corrupt(r.src.path, err)
		}
	} else {
		if !r.src.stream.Next() {
			if err := r.src.stream.Err(); err != nil && !errors.Is(err, io.EOF) {
				return corrupt(r.src.path, err)
			}
			return io.EOF
		}
		rec = r.src.stream.RecordBatch()
	}
	size := r.req.BatchRows
	if size <= 0 || size > columnar.MaxRows {
		size = columnar.MaxRows
	}
	r.batches, err = ipc.FromArrow(rec, r.src.schema, r.req.Columns, size)
	return err
}

func (r *reader) Next(ctx context.Context) (*columnar.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(r.batches) == 0 {
			if err := r.load(); err != nil {
				return nil, err
			}
			continue
		}
		b := r.batches[0]
		r.batches = r.batches[1:]
		r.stats.RowsRead += int64(b.Rows)
		if r.filter != nil {
			r.scratch.Reset()
			sel, err := r.filter.Select(b, r.scratch, nil)
			if err != nil {
				return nil, err
			}
			r.stats.RowsPruned += int64(b.Rows - len(sel))
			if len(sel) == 0 {
				continue
			}
			b.Sel = sel
		}
		r.out = columnar.Batch{Rows: b.Rows, Sel: b.Sel, Cols: make([]columnar.Vector, len(r.req.Project))}
		for i, p := range r.req.Project {
			r.out.Cols[i] = b.Cols[p]
		}
		return &r.out, nil
	}
}
