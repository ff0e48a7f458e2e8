// Package ipc reads Arrow IPC files and streams, and writes them: files into
// directories, streams to standard output. A record of a file is a split; a
// stream is one.
//
//	messages ─► flat, verify ─► record ─► Arrow arrays ─► columnar/ipc ─► batches
//	 framing    every offset,   buffers                    copies
//	            count, length   of wanted columns
//
// Arrow's library trusts what a file claims; it makes schemas and arrays here, out
// of what was checked:
//
//	I1  every table, vector and string lies inside of its metadata, every buffer
//	    inside of its body, and every column has the buffers that its rows need.
//	I2  what is allocated is bounded by the file's own size, or by what a codec
//	    can make of it, and reserved before.
//	I3  a panic of the library is an error that names the file.
//	I4  of columns and dictionaries that a scan does not want no buffer is read.
//
// It imports columnar, connector, plan/catalog, plan/eval and arrow-go. FuzzScan
// feeds it any bytes, TestWriteScan reads back what it writes.
package ipc

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/millrace-engine/millrace/columnar"
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

// Open implements connector.Connector.
func (c *Connector) Open(_ context.Context, ref catalog.TableRef) (connector.Table, error) {
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	var schema *columnar.Schema
	for i, f := range found {
		s, err := open(f.Path, nil)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			schema = s.schema
		} else if !schema.Equal(s.schema) {
			err = diag.New(diag.TypeMismatch, "%s and %s have different columns", found[0].Path, f.Path).WithPath(f.Path).WithRemedy("read files with different columns one by one")
		}
		if err = errors.Join(err, s.close()); err != nil {
			return nil, err
		}
	}
	stats := catalog.Unknown()
	stats.Bytes = float64(fs.Size(found))
	stats.Rows = stats.Bytes / 50
	return connector.NewTable(c, ref.Path, schema, stats, found)
}

// Splits implements connector.Connector.
func (c *Connector) Splits(_ context.Context, d catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	var found []fs.File
	if err := connector.Describe(d, &found); err != nil {
		return nil, err
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
	r.src.want(req.Columns)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
