// Package csv reads and writes separated text as Spark does.
//
//	Open: header, and types if they are to be inferred     Splits: byte ranges
//	Scan: lines.Reader ─ text ─► scanner ─ cells ─► cells.Rules ─► vectors
//
// A range is read in blocks; the scanner cuts a block into records and cells
// without looking at values; then whole columns are made of cells: first those
// that filters need, the others for the rows that passed.
//
// Malformed are records with a field too few or too many, whatever columns a
// query needs, or with a value that is none of its column's type, in the columns
// that it needs; see connector/records for what becomes of them. FAILFAST refuses
// odd quotes, too. docs/adr says where this differs from Spark.
//
// A record belongs to the range in which it begins. With multiLine, quotes may
// hold line breaks, so that a file cannot be cut safely and is one split.
//
// It is tested by cases whose answers Spark gave (testdata/spark.json), by files
// cut at every byte, by random round trips and by a fuzz target.
package csv

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// Connector implements connector.WriterConnector.
type Connector struct{ memo records.Memo }

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return "csv" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".csv", ".tsv", ".tbl"} }

// descriptor is a table as scans need it.
type descriptor struct {
	Files []fs.File     `json:"f"`
	Opts  options       `json:"o"`
	Table records.Table `json:"t"`
}

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
	d := descriptor{Files: found, Opts: o, Table: records.Table{Corrupt: o.Corrupt, Mode: o.Mode}}
	schema := ref.Schema
	if schema == nil {
		if schema, err = c.memo.Schema(found, ref.Options, func() (*columnar.Schema, error) { return infer(ctx, found, &o) }); err != nil {
			return nil, err
		}
	}
	open := &columnar.Schema{}
	for _, f := range schema.Fields {
		if !cells.Supported(f.Type) {
			return nil, diag.New(diag.Unsupported, "column %s of type %s cannot be read from CSV", f.Name, f.Type).WithPath(ref.Path).
				WithRemedy("read it as a string")
		}
		f.Nullable = true // a file can always leave a value out
		open.Fields = append(open.Fields, f)
		d.Table.Names, d.Table.Types = append(d.Table.Names, f.Name), append(d.Table.Types, f.Type)
	}
	size := float64(fs.Size(found))
	return connector.NewTable(c, ref.Path, open, catalog.Statistics{Rows: size / 100, Bytes: size}, d)
}

// Splits implements connector.Connector.
func (c *Connector) Splits(_ context.Context, d catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	var desc descriptor
	if err := connector.Describe(d, &desc); err != nil {
		return nil, err
	}
	return records.Splits(desc.Files, desc.Opts.MultiLine, req), nil
}

// Scan implements connector.Connector.
func (c *Connector) Scan(_ context.Context, d catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	var desc descriptor
	if err := connector.Describe(d, &desc); err != nil {
		return nil, err
	}
	part, err := records.Decode(desc.Files, split)
	if err != nil {
		return nil, err
	}
	return records.NewReader(&desc.Table, req, func(width int, judged bool) (records.Source, error) {
		want := -1
		if judged {
			want = desc.Table.Fields()
		}
		return newSource(part, newScanner(&desc.Opts, width, want), &desc.Table, req.Memory)
	})
}
