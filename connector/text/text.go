// Package text reads lines of text as a table of one column, value, and writes
// such a table. Every line is a row, an empty one too.
//
//	option wholetext: a file is a row        option lineSep: what ends lines
//
// It is tested by files whose lines are known.
package text

import (
	"bytes"
	"context"
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// Connector implements connector.WriterConnector.
type Connector struct{}

var _ connector.WriterConnector = (*Connector)(nil)

// New returns the connector.
func New() *Connector { return &Connector{} }

// Name implements connector.Connector.
func (c *Connector) Name() string { return "text" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".txt", ".text", ".log"} }

// options are a table's options, as they travel.
type options struct {
	Stop  byte `json:"l,omitempty"` // line separator; 0: \n, \r\n and \r
	Whole bool `json:"w,omitempty"`
	gzip  bool
}

func parseOptions(in map[string]string) (o options, err error) {
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		opt := records.Option{Format: "text", Key: k, Value: in[k]}
		switch strings.ToLower(k) {
		case "linesep":
			o.Stop, err = opt.LineEnd()
		case "wholetext":
			o.Whole, err = opt.Flag()
		case "encoding", "charset":
			err = opt.Encoding()
		case "compression", "codec":
			o.gzip, err = opt.Compression()
		default:
			err = opt.Unknown([]string{"wholetext", "lineSep", "encoding", "compression"})
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// descriptor is a table as scans need it.
type descriptor struct {
	Files []fs.File     `json:"f"`
	Opts  options       `json:"o"`
	Table records.Table `json:"t"`
}

// Open implements connector.Connector. A schema can only name the column.
func (c *Connector) Open(_ context.Context, ref catalog.TableRef) (connector.Table, error) {
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	o, err := parseOptions(ref.Options)
	if err != nil {
		return nil, err
	}
	schema := columnar.NewSchema(columnar.Field{Name: "value", Type: columnar.StringType, Nullable: true})
	if s := ref.Schema; s != nil {
		if s.Len() != 1 || s.Fields[0].Type.Kind != columnar.String {
			return nil, diag.New(diag.TypeMismatch, "text has one column of type string, not %s", s).WithPath(ref.Path).WithRemedy("leave the schema out, or read the files as csv")
		}
		schema = columnar.NewSchema(columnar.Field{Name: s.Fields[0].Name, Type: columnar.StringType, Nullable: true})
	}
	size := float64(fs.Size(found))
	return connector.NewTable(c, ref.Path, schema, catalog.Statistics{Rows: size / 80, Bytes: size},
		descriptor{Files: found, Opts: o, Table: records.Table{Names: []string{schema.Fields[0].Name}, Types: []columnar.Type{columnar.StringType}}})
}

// Splits implements connector.Connector.
func (c *Connector) Splits(_ context.Context, d catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	var desc descriptor
	if err := connector.Describe(d, &desc); err != nil {
		return nil, err
	}
	return records.Splits(desc.Files, desc.Opts.Whole, req), nil
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
	return records.NewReader(&desc.Table, req, func(int, bool) (records.Source, error) {
		in, err := lines.Open(part.Path, part.From, part.End, desc.Opts.Stop, req.Memory)
		if err != nil {
			return nil, err
		}
		return &source{Feed: records.Feed{In: in}, o: desc.Opts, rules: cells.Rules{KeepEmpty: true}, sheet: cells.Sheet{Width: 1}}, nil
	})
}

// source implements records.Source.
type source struct {
	records.Feed
	o     options
	rules cells.Rules
	sheet cells.Sheet
}

// Next implements records.Source.
func (x *source) Next(limit int) error {
	return x.Fill(&x.sheet, limit, func(t []byte, at, left int, final bool) (int, bool, error) {
		for x.sheet.Rows < limit && at < min(left, len(t)) {
			n := -1
			if !x.o.Whole {
				n = lines.End(t[at:], x.o.Stop)
			}
			end, next := at+n, 0
			switch {
			case n >= 0 && (final || t[end] != '\r' || end+1 < len(t)):
				next = at + lines.Behind(t[at:], n)
			case final:
				end, next = len(t), len(t)
			}
			if next == 0 {
				break
			}
			x.sheet.Cells = append(x.sheet.Cells, cells.Make(cells.Plain, at, end))
			x.sheet.Rows++
			at = next
		}
		return at, at >= left, nil
	})
}

// Sheet implements records.Source.
func (x *source) Sheet() *cells.Sheet { return &x.sheet }

// Span implements records.Source.
func (x *source) Span(row int) (begin, end int) { return x.sheet.Cells[row].Span() }

// Vector implements records.Source.
func (x *source) Vector(k int, t columnar.Type, rows []uint16, mem *memory.Scratch) columnar.Vector {
	return x.rules.Vector(&x.sheet, k, t, rows, mem, nil)
}

// Malformed implements records.Source; no line is.
func (x *source) Malformed() error { return nil }

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	if s := spec.Schema; s.Len() != 1 || s.Fields[0].Type.Kind != columnar.String {
		return diag.New(diag.TypeMismatch, "text is written from one column of type string, not %s", s).WithRemedy("select one, as by concat, or write csv or json")
	}
	_, err := parseOptions(spec.Options)
	return err
}

// NewWriter implements connector.WriterConnector. A null is an empty line.
func (c *Connector) NewWriter(ctx context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	o, err := parseOptions(spec.Options)
	if err != nil {
		return nil, err
	}
	if o.Stop == 0 {
		o.Stop = '\n'
	}
	return records.NewWriter(ctx, spec, task, attempt, ".txt", o.gzip, func(out *records.Out) (connector.Encoder, error) {
		return &writer{Out: out, end: o.Stop, dir: spec.Dir}, nil
	})
}

type writer struct {
	*records.Out
	end byte
	dir string
}

// Write implements connector.Encoder. A value that holds the line separator would
// be read back as several: it is refused.
func (w *writer) Write(b *columnar.Batch) error {
	v := &b.Cols[0]
	for i := range b.Selected() {
		if r := b.RowAt(i); !v.NullAt(r) {
			s := v.BytesAt(r)
			if bytes.IndexByte(s, w.end) >= 0 || w.end == '\n' && bytes.IndexByte(s, '\r') >= 0 {
				return diag.New(diag.InvalidArgument, "the value %q holds a line break", records.Clip(s)).WithPath(w.dir).WithRemedy("set the option lineSep, or write csv or json")
			}
			w.Buf = append(w.Buf, s...)
		}
		w.Buf = append(w.Buf, w.end)
		if err := w.Spill(); err != nil {
			return err
		}
	}
	w.Count += int64(b.Selected())
	return nil
}
