package partition

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"path/filepath"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Wrap returns a format with partition directories. It can write if the format
// can.
func Wrap(format connector.Connector) connector.Connector {
	p := partitioned{format}
	if w, ok := format.(connector.WriterConnector); ok {
		return &writable{p, w}
	}
	return &p
}

// partitioned implements connector.Connector.
type partitioned struct{ connector.Connector }

// basePath is the option that names the directory below which directories count.
const basePath = "basePath"

// header describes the columns of a table on the wire. It has no names if the
// table has no partition directories.
type header struct {
	Names   []string        `json:"n,omitempty"`
	Types   []columnar.Type `json:"t,omitempty"`
	Columns []int           `json:"c,omitempty"` // per column of the table: the files', or −1−k for partition column k
}

type table struct {
	catalog.Table
	schema *columnar.Schema
	stats  catalog.Statistics
	desc   catalog.Descriptor
}

func (t *table) Schema() *columnar.Schema       { return t.schema }
func (t *table) Statistics() catalog.Statistics { return t.stats }
func (t *table) Descriptor() catalog.Descriptor { return t.desc }

// Open implements connector.Connector.
func (p *partitioned) Open(ctx context.Context, ref catalog.TableRef) (connector.Table, error) {
	files, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	base := ref.Options[basePath]
	if base != "" {
		ref.Options = maps.Clone(ref.Options)
		delete(ref.Options, basePath)
	}
	l, err := discover(files, base)
	if err != nil {
		return nil, err
	}
	if err := l.infer(ref.Schema); err != nil {
		return nil, err
	}
	if ref.Schema != nil && len(l.names) > 0 {
		all, here := ref.Schema, &columnar.Schema{Fields: l.fields()}
		ref.Schema = &columnar.Schema{}
		for _, f := range all.Fields {
			if here.Index(f.Name) < 0 {
				ref.Schema.Fields = append(ref.Schema.Fields, f)
			}
		}
	}
	inner, err := p.Connector.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	t := &table{Table: inner, schema: inner.Schema(), stats: inner.Statistics(), desc: inner.Descriptor()}
	h := header{Names: l.names, Types: l.types}
	if len(l.names) > 0 {
		h.Columns = t.extend(l)
	}
	t.desc.Data, err = encode(h, l, inner.Descriptor().Data)
	return t, err
}

// fields are the partition columns; one is nullable if a directory says null.
func (l *layout) fields() []columnar.Field {
	var out []columnar.Field
	for i, n := range l.names {
		f := columnar.Field{Name: n, Type: l.types[i]}
		for _, vs := range l.dirs {
			f.Nullable = f.Nullable || vs[i] == nil
		}
		out = append(out, f)
	}
	return out
}

// extend adds the partition columns to the schema and the statistics, and returns
// header.Columns.
func (t *table) extend(l *layout) (columns []int) {
	files := t.schema
	t.schema = &columnar.Schema{Fields: append([]columnar.Field{}, files.Fields...)}
	if len(t.stats.Columns) != files.Len() {
		t.stats.Columns = nil
	}
	stats := append([]catalog.ColumnStatistics{}, t.stats.Columns...)
	for len(stats) < files.Len() {
		stats = append(stats, catalog.ColumnStatistics{Distinct: -1, NullCount: -1})
	}
	for i := range files.Fields {
		columns = append(columns, i)
	}
	for k, f := range l.fields() {
		s := l.statistics(k)
		if at := files.Index(f.Name); at >= 0 { // P3
			columns[at], t.schema.Fields[at], stats[at] = -1-k, f, s
			continue
		}
		columns = append(columns, -1-k)
		t.schema.Fields = append(t.schema.Fields, f)
		stats = append(stats, s)
	}
	t.stats.Columns = stats
	return columns
}

// statistics are what the directories tell of a partition column.
func (l *layout) statistics(k int) catalog.ColumnStatistics {
	s := catalog.ColumnStatistics{NullCount: 0}
	seen := map[string]bool{}
	for _, vs := range l.dirs {
		if vs[k] == nil {
			s.NullCount = -1
			continue
		}
		if seen[*vs[k]] {
			continue
		}
		seen[*vs[k]] = true
		v, err := literal(vs[k], l.types[k])
		if err != nil || v.Value == nil {
			continue
		}
		if s.Min == nil || eval.Order(v.Value, s.Min) < 0 {
			s.Min = v.Value
		}
		if s.Max == nil || eval.Order(v.Value, s.Max) > 0 {
			s.Max = v.Value
		}
	}
	s.Distinct = float64(max(len(seen), 1))
	return s
}

// A descriptor is the header, the directories with their values, each as JSON
// behind its length, and the format's own descriptor. Reading a split needs the
// header alone.
func encode(h header, l *layout, inner []byte) ([]byte, error) {
	var out []byte
	for _, part := range []any{h, l.dirs} {
		if len(h.Names) == 0 {
			part = struct{}{}
		}
		b, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		out = append(binary.AppendUvarint(out, uint64(len(b))), b...)
	}
	return append(out, inner...), nil
}

func damaged() error {
	return diag.New(diag.Internal, "the description of a partitioned table is damaged")
}

// cut takes a length and so many bytes off b.
func cut(b []byte) (part, rest []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, damaged()
	}
	return b[k : k+int(n)], b[k+int(n):], nil
}

// decode reads the header; the directories stay encoded.
func decode(d catalog.Descriptor) (h header, dirs []byte, inner catalog.Descriptor, err error) {
	first, rest, err := cut(d.Data)
	if err == nil {
		dirs, rest, err = cut(rest)
	}
	if err != nil {
		return h, nil, d, err
	}
	if json.Unmarshal(first, &h) != nil || len(h.Types) != len(h.Names) {
		return h, nil, d, damaged()
	}
	for _, c := range h.Columns {
		if c < -len(h.Names) {
			return h, nil, d, damaged()
		}
	}
	d.Data = rest
	return h, dirs, d, nil
}

// Splits implements connector.Connector.
func (p *partitioned) Splits(ctx context.Context, d catalog.Descriptor, req connector.ScanRequest) ([]connector.Split, error) {
	h, encoded, inner, err := decode(d)
	if err != nil || len(h.Names) == 0 {
		if err != nil {
			return nil, err
		}
		return p.Connector.Splits(ctx, inner, req)
	}
	var dirs map[string][]*string
	if err := json.Unmarshal(encoded, &dirs); err != nil {
		return nil, damaged()
	}
	s, err := h.bind(req)
	if err != nil {
		return nil, err
	}
	// Filters on columns of both kinds are applied while reading.
	inward := s.request()
	inward.Filters = nil
	var here []expr.Expr
	for _, f := range req.Filters {
		if s.touches(f) {
			here = append(here, f)
		} else {
			inward.Filters = append(inward.Filters, s.rebind(f, nil))
		}
	}
	skip := map[string]bool{}
	for dir, raw := range dirs {
		values, err := h.literals(raw)
		if err != nil {
			return nil, err
		}
		for _, f := range here {
			if l, ok := s.fold(f, values).(*expr.Literal); ok && l.Value != true {
				skip[dir] = true
			}
		}
	}
	inward.Skip = func(path string) bool { return skip[filepath.Dir(path)] || req.Skip != nil && req.Skip(path) }
	splits, err := p.Connector.Splits(ctx, inner, inward)
	if err != nil {
		return nil, err
	}
	for i := range splits {
		x := &splits[i]
		values, ok := dirs[filepath.Dir(x.Path)]
		if !ok {
			return nil, damaged()
		}
		b, err := json.Marshal(values)
		if err != nil {
			return nil, err
		}
		x.Data = append(append(binary.AppendUvarint(nil, uint64(len(b))), b...), x.Data...)
	}
	return splits, nil
}

// literals reads the values of a directory.
func (h *header) literals(raw []*string) ([]*expr.Literal, error) {
	if len(raw) != len(h.Names) {
		return nil, damaged()
	}
	out := make([]*expr.Literal, len(raw))
	for i, v := range raw {
		var err error
		if out[i], err = literal(v, h.Types[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Scan implements connector.Connector.
func (p *partitioned) Scan(ctx context.Context, d catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	h, _, inner, err := decode(d)
	if err != nil {
		return nil, err
	}
	if len(h.Names) == 0 {
		return p.Connector.Scan(ctx, inner, split, req)
	}
	encoded, rest, err := cut(split)
	if err != nil {
		return nil, err
	}
	var raw []*string
	if err := json.Unmarshal(encoded, &raw); err != nil {
		return nil, damaged()
	}
	values, err := h.literals(raw)
	if err != nil {
		return nil, err
	}
	s, err := h.bind(req)
	if err != nil {
		return nil, err
	}
	r := &reader{scan: s, values: values}
	inward := s.request()
	inward.Filters = nil
	for _, f := range req.Filters {
		e := s.fold(f, values)
		if l, ok := e.(*expr.Literal); ok {
			if l.Value != true {
				return r, nil // no row can match
			}
			continue
		}
		inward.Filters = append(inward.Filters, e)
	}
	if req.Dynamic != nil {
		inward.Dynamic = s.dynamic
	}
	if r.Reader, err = p.Connector.Scan(ctx, inner, rest, inward); err != nil {
		return nil, err
	}
	r.constants()
	return r, nil
}
