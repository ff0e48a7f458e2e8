// Package json reads and writes JSON lines as Spark does: one document a line, an
// object as a row or an array of them as rows; or, with multiLine, one document a
// file.
//
//	Open: types by all documents         Splits: byte ranges
//	Scan: lines.Reader ─ text ─► scanner ─ cells ─► settle ─► cells.Rules ─► vectors
//	                             checks,            by type    nested columns: cells
//	                             finds keys                    of their parts, again
//
// The scanner checks the whole of a document, wanted or not, and notes where the
// values of wanted keys lie. A value of a type that the column does not have is a
// bad cell: 1.5 is no bigint, "1" neither. Every text is a string, nested values
// included. What malformed records become is connector/records' business.
//
// Invariants:
//
//   - J1 Text that is cells of a sheet was checked: decoding and cutting nested
//     values cannot fail, only meet values of other types.
//   - J2 Recursion is as deep as maxDepth at most.
//
// It is tested by cases whose answers Spark gave (testdata/spark.json), by random
// round trips and by a fuzz target.
package json

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

var _ connector.WriterConnector = (*Connector)(nil)

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return "json" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".json", ".ndjson", ".jsonl"} }

// descriptor is a table as scans need it.
type descriptor struct {
	Files []fs.File     `json:"f"`
	Opts  options       `json:"o"`
	Table records.Table `json:"t"`
}

// Open implements connector.Connector. Without a schema, all documents tell the
// columns and their types; columns are in the order of their names.
func (c *Connector) Open(ctx context.Context, ref catalog.TableRef) (connector.Table, error) {
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	o, err := parseOptions(ref.Options)
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
		if !supported(f.Type) {
			return nil, diag.New(diag.Unsupported, "column %s of type %s cannot be read from JSON", f.Name, f.Type).WithPath(ref.Path).WithRemedy("read it as a string")
		}
		f.Nullable = true
		f.Type = nullable(f.Type)
		open.Fields = append(open.Fields, f)
		d.Table.Names, d.Table.Types = append(d.Table.Names, f.Name), append(d.Table.Types, f.Type)
	}
	size := float64(fs.Size(found))
	return connector.NewTable(c, ref.Path, open, catalog.Statistics{Rows: size / 100, Bytes: size}, d)
}

// supported reports the types that vectors are made of.
func supported(t columnar.Type) bool {
	if !t.IsNested() {
		return cells.Supported(t)
	}
	for i, f := range t.Nested.Fields {
		if !supported(f.Type) || t.Kind == columnar.Map && i == 0 && f.Type.Kind != columnar.String {
			return false
		}
	}
	return true
}

// nullable is a type whose parts may all be null, the keys of maps aside.
func nullable(t columnar.Type) columnar.Type {
	if t.Nested == nil {
		return t
	}
	n := &columnar.Nested{}
	for i, f := range t.Nested.Fields {
		n.Fields = append(n.Fields, columnar.Field{Name: f.Name, Type: nullable(f.Type), Nullable: t.Kind != columnar.Map || i > 0})
	}
	t.Nested = n
	return t
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
	return records.NewReader(&desc.Table, req, func(width int, _ bool) (records.Source, error) {
		names := make([]string, width)
		for k := range names {
			names[k] = desc.Table.Names[desc.Table.Field(k)]
		}
		return newSource(part, newScanner(&desc.Opts, names), &desc.Table, req.Memory)
	})
}
