// Package csv reads and writes separated text as Spark does.
//
//	Open: header, and types if they are to be inferred     Splits: byte ranges
//	Scan: lines.Reader ─ text ─► scanner ─ cells ─► cells.Rules ─► vectors
//
// A range is read in blocks; the scanner cuts a block into records and cells
// without looking at values; then whole columns are made of cells: first those
// that filters need, the others for the rows that passed.
//
// Malformed records are those with a field too few or too many or a value that is
// none of its column's type. By mode they are read as far as they go, with nulls
// and, if the table has such a column, their text in _corrupt_record
// (PERMISSIVE); left out (DROPMALFORMED); or an error with path, line and column
// (FAILFAST). The number of fields counts whatever columns a query needs; values
// count in the columns that it needs.
//
// A record belongs to the range in which it begins. With multiLine, quotes may
// hold line breaks, so that a file cannot be cut safely and is one split.
//
// It is tested by cases whose answers Spark gave (testdata/spark.json), by files
// cut at every byte, by random round trips and by a fuzz target.
package csv

import (
	"context"
	"encoding/binary"
	"encoding/json"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// Connector implements connector.Connector and connector.WriterConnector.
type Connector struct{ memo memo }

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return "csv" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".csv", ".tsv", ".tbl"} }

// splitBytes is the size of a split of a large file.
const splitBytes = 16 << 20

// descriptor is a table as scans need it. Types has the corrupt record's column
// too; the file does not.
type descriptor struct {
	Files []fs.File       `json:"f"`
	Opts  options         `json:"o"`
	Names []string        `json:"c"`
	Types []columnar.Type `json:"t"`
}

// corrupt returns the column that malformed records go to, −1 if there is none.
func (d *descriptor) corrupt() int {
	for i, n := range d.Names {
		if n == d.Opts.Corrupt && d.Types[i].Kind == columnar.String {
			return i
		}
	}
	return -1
}

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

// Open implements connector.Connector. Without a schema, the first record tells
// how many columns there are, and their names with the option header; they are
// strings, or with inferSchema of the types that all records have.
func (c *Connector) Open(ctx context.Context, ref catalog.TableRef) (connector.Table, error) {
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	o, err := parseOptions(ref.Options, found[0].Path)
	if err != nil {
		return nil, err
	}
	if o.Zone == "" {
		o.Zone = ref.Zone
	}
	d := descriptor{Files: found, Opts: o}
	schema := ref.Schema
	if schema == nil {
		if schema, err = c.memo.schema(ctx, found, &o, ref.Options); err != nil {
			return nil, err
		}
	}
	size := int64(0)
	for _, f := range found {
		size += f.Size
	}
	open := &columnar.Schema{}
	for _, f := range schema.Fields {
		if !cells.Supported(f.Type) {
			return nil, diag.New(diag.Unsupported, "column %s of type %s cannot be read from CSV", f.Name, f.Type).WithPath(ref.Path).
				WithRemedy("read it as a string")
		}
		f.Nullable = true // a file can always leave a value out
		open.Fields = append(open.Fields, f)
		d.Names, d.Types = append(d.Names, f.Name), append(d.Types, f.Type)
	}
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return &table{name: "csv " + ref.Path, schema: open, desc: catalog.Descriptor{Connector: c.Name(), Data: data},
		stats: catalog.Statistics{Rows: float64(size) / 100, Bytes: float64(size)}}, nil
}

// Splits implements connector.Connector.
func (c *Connector) Splits(_ context.Context, d catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	var desc descriptor
	if err := json.Unmarshal(d.Data, &desc); err != nil {
		return nil, diag.New(diag.Internal, "the description of a CSV table is damaged: %v", err)
	}
	var out []connector.Split
	for i, f := range desc.Files {
		if req.Skip != nil && req.Skip(f.Path) {
			continue
		}
		for _, r := range ranges(f, &desc.Opts) {
			b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(i)), uint64(r.from)), uint64(r.end))
			out = append(out, connector.Split{Data: b, Path: f.Path, Rows: -1, Bytes: r.end - r.from})
		}
	}
	return out, nil
}

// span is a range of a file.
type span struct{ from, end int64 }

// ranges cuts a file where it may be cut.
func ranges(f fs.File, o *options) (out []span) {
	step := int64(splitBytes)
	if o.MultiLine || lines.Compressed(f.Path) {
		step = max(f.Size, 1)
	}
	for at := int64(0); at < f.Size; at += step {
		out = append(out, span{at, min(at+step, f.Size)})
	}
	return out
}

// Scan implements connector.Connector.
func (c *Connector) Scan(_ context.Context, d catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	var desc descriptor
	if err := json.Unmarshal(d.Data, &desc); err != nil {
		return nil, diag.New(diag.Internal, "the description of a CSV table is damaged: %v", err)
	}
	var parts [3]uint64
	for i := range parts {
		v, n := binary.Uvarint(split)
		if n <= 0 {
			return nil, diag.New(diag.Internal, "a split of a CSV table is damaged")
		}
		parts[i], split = v, split[n:]
	}
	if parts[0] >= uint64(len(desc.Files)) {
		return nil, diag.New(diag.Internal, "a split of a CSV table is damaged")
	}
	return newReader(&desc, desc.Files[parts[0]].Path, span{int64(parts[1]), int64(parts[2])}, req)
}
