// Package parquet reads and writes Parquet files by parquet-go's page API.
//
//	Open: footers ─► schema, statistics       Splits: one per row group
//	Scan: filter columns batch by batch ─► survivors ─► other columns
//
// Dictionary pages keep their codes: a string column is a dictionary vector
// whose dictionary lives as long as its row group is read. Every call into
// parquet-go is guarded: a file that makes it panic is refused as corrupt.
package parquet

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
)

// Connector implements connector.Connector.
type Connector struct {
	mu    sync.Mutex
	files map[string]*file // by path; size and time must agree
	order []string
}

// New returns the connector.
func New() *Connector { return &Connector{files: map[string]*file{}} }

// maxCached bounds the number of footers kept.
const maxCached = 256

// Name implements connector.Connector.
func (c *Connector) Name() string { return "parquet" }

// Extensions implements connector.Connector.
func (c *Connector) Extensions() []string { return []string{".parquet", ".pq"} }

// file is an open file's footer. The descriptor stays open until the footer
// leaves the cache and no reader is left: it is closed by the runtime then.
type file struct {
	path string
	size int64
	time time.Time
	os   *os.File
	pq   *pq.File
	cols []columnar.Field
}

// guard turns a panic of the library into an error.
func guard(path string, err *error) {
	if p := recover(); p != nil {
		*err = corrupt(path, fmt.Errorf("%v", p))
	}
}

func corrupt(path string, err error) error {
	return diag.New(diag.CorruptFile, "%s is not a readable Parquet file: %v", path, err).WithPath(path).WithCause(err).
		WithRemedy("check that the file was written and copied completely")
}

func (c *Connector) open(path string) (f *file, err error) {
	defer guard(path, &err)
	info, serr := os.Stat(path)
	if serr != nil {
		return nil, fs.Explain(serr, path)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.files[path]; ok && f.size == info.Size() && f.time.Equal(info.ModTime()) {
		return f, nil
	}
	h, serr := os.Open(path)
	if serr != nil {
		return nil, fs.Explain(serr, path)
	}
	f = &file{path: path, size: info.Size(), time: info.ModTime(), os: h}
	if err = footerFits(h, info.Size()); err != nil {
		h.Close()
		return nil, corrupt(path, err)
	}
	if f.pq, err = pq.OpenFile(h, info.Size(), pq.SkipBloomFilters(true), pq.ReadBufferSize(1<<18)); err != nil {
		h.Close()
		return nil, corrupt(path, err)
	}
	if f.cols, err = schemaOf(f.pq, path); err != nil {
		h.Close()
		return nil, err
	}
	if _, ok := c.files[path]; !ok {
		c.order = append(c.order, path)
	}
	c.files[path] = f
	if len(c.order) > maxCached {
		delete(c.files, c.order[0])
		c.order = c.order[1:]
	}
	return f, nil
}

// footerFits verifies that the footer's length lies within the file: the library
// allocates as much as is claimed.
func footerFits(r io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < 12 {
		return fmt.Errorf("it has %d bytes", size)
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size-12 {
		return fmt.Errorf("a footer of %d bytes in a file of %d", n, size)
	}
	return nil
}

// schemaOf maps the columns of a file to types.
func schemaOf(f *pq.File, path string) ([]columnar.Field, error) {
	els := f.Metadata().Schema
	var out []columnar.Field
	for i := 1; i < len(els); i++ {
		e := &els[i]
		if e.NumChildren.Valid && e.NumChildren.V > 0 || e.RepetitionType.Valid && e.RepetitionType.V == format.Repeated {
			return nil, diag.New(diag.Unsupported, "column %s of %s is nested, which is not supported yet", e.Name, path).WithPath(path)
		}
		t, err := typeOf(e)
		if err != nil {
			return nil, diag.New(diag.Unsupported, "column %s of %s: %v", e.Name, path, err).WithPath(path)
		}
		out = append(out, columnar.Field{Name: e.Name, Type: t, Nullable: !e.RepetitionType.Valid || e.RepetitionType.V == format.Optional})
	}
	return out, nil
}

func typeOf(e *format.SchemaElement) (columnar.Type, error) {
	kind := e.Type.V
	switch l := e.LogicalType.Value.(type) {
	case *format.DecimalType:
		if l.Precision < 1 || l.Precision > columnar.MaxPrecision || l.Scale < 0 || l.Scale > l.Precision {
			return columnar.Type{}, fmt.Errorf("decimal(%d,%d) is out of range", l.Precision, l.Scale)
		}
		return columnar.DecimalType(int(l.Precision), int(l.Scale)), nil
	case *format.DateType:
		return columnar.DateType, nil
	case *format.TimestampType:
		if l.IsAdjustedToUTC {
			return columnar.TimestampType, nil
		}
		return columnar.TimestampNTZType, nil
	case *format.IntType:
		t := map[int8]columnar.Type{8: columnar.Int8Type, 16: columnar.Int16Type, 32: columnar.Int32Type, 64: columnar.Int64Type}[l.BitWidth]
		if !l.IsSigned { // Spark widens unsigned integers
			t = map[int8]columnar.Type{8: columnar.Int16Type, 16: columnar.Int32Type, 32: columnar.Int64Type, 64: columnar.DecimalType(20, 0)}[l.BitWidth]
		}
		return t, nil
	case *format.StringType, *format.EnumType, *format.JsonType:
		return columnar.StringType, nil
	}
	if e.ConvertedType.Valid {
		switch e.ConvertedType.V {
		case deprecated.UTF8, deprecated.Enum, deprecated.Json:
			return columnar.StringType, nil
		case deprecated.Decimal:
			return columnar.DecimalType(int(e.Precision.V), int(e.Scale.V)), nil
		case deprecated.Date:
			return columnar.DateType, nil
		case deprecated.TimestampMicros, deprecated.TimestampMillis:
			return columnar.TimestampType, nil
		case deprecated.Int8:
			return columnar.Int8Type, nil
		case deprecated.Int16:
			return columnar.Int16Type, nil
		}
	}
	switch kind {
	case format.Boolean:
		return columnar.BoolType, nil
	case format.Int32:
		return columnar.Int32Type, nil
	case format.Int64:
		return columnar.Int64Type, nil
	case format.Float:
		return columnar.Float32Type, nil
	case format.Double:
		return columnar.Float64Type, nil
	case format.ByteArray, format.FixedLenByteArray:
		return columnar.BinaryType, nil
	case format.Int96:
		return columnar.TimestampType, nil
	}
	return columnar.Type{}, fmt.Errorf("the physical type %v is not supported", kind)
}

// descriptor is what executors open a table from.
type descriptor struct {
	Files []fs.File `json:"f"`
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

// Open implements connector.Connector.
func (c *Connector) Open(ctx context.Context, ref catalog.TableRef) (_ connector.Table, err error) {
	defer guard(ref.Path, &err)
	found, err := fs.Find(ref.Path)
	if err != nil {
		return nil, err
	}
	t := &table{name: "parquet " + ref.Path}
	for i, x := range found {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := c.open(x.Path)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			t.schema = &columnar.Schema{Fields: f.cols}
			t.stats.Columns = make([]catalog.ColumnStatistics, len(f.cols))
			for k := range t.stats.Columns {
				t.stats.Columns[k].Distinct = -1
			}
		} else if !sameColumns(t.schema.Fields, f.cols) {
			return nil, diag.New(diag.TypeMismatch, "%s and %s have different columns", found[0].Path, x.Path).WithPath(x.Path).
				WithRemedy("read files with different columns one by one")
		}
		t.stats.Bytes += float64(x.Size)
		for g, rg := range f.pq.RowGroups() {
			t.stats.Rows += float64(rg.NumRows())
			b := f.bounds(g)
			for k := range b {
				widen(&t.stats.Columns[k], b[k], i == 0 && g == 0)
			}
		}
	}
	data, err := json.Marshal(descriptor{found})
	if err != nil {
		return nil, err
	}
	t.desc = catalog.Descriptor{Connector: c.Name(), Data: data}
	return t, nil
}

func sameColumns(a, b []columnar.Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !a[i].Type.Equal(b[i].Type) {
			return false
		}
	}
	return true
}

func widen(s *catalog.ColumnStatistics, o catalog.ColumnStatistics, first bool) {
	s.NullCount += o.NullCount
	if first {
		s.Min, s.Max = o.Min, o.Max
		return
	}
	if s.Min == nil || o.Min == nil {
		s.Min, s.Max = nil, nil
		return
	}
	if eval.Order(o.Min, s.Min) < 0 {
		s.Min = o.Min
	}
	if eval.Order(o.Max, s.Max) > 0 {
		s.Max = o.Max
	}
}

// bounds returns the statistics of a row group's columns.
func (f *file) bounds(g int) []catalog.ColumnStatistics {
	chunks := f.pq.RowGroups()[g].ColumnChunks()
	out := make([]catalog.ColumnStatistics, len(f.cols))
	for i, c := range chunks {
		out[i].Distinct = -1
		fc, ok := c.(*pq.FileColumnChunk)
		if !ok || i >= len(out) {
			continue
		}
		out[i].NullCount = float64(fc.NullCount())
		lo, hi, ok := fc.Bounds()
		if ok {
			out[i].Min, out[i].Max = literal(lo, f.cols[i].Type), literal(hi, f.cols[i].Type)
			if out[i].Min == nil || out[i].Max == nil {
				out[i].Min, out[i].Max = nil, nil
			}
		}
	}
	return out
}

// literal returns a bound as a literal's value, nil where that would not be
// exact.
func literal(v pq.Value, t columnar.Type) any {
	switch t.Kind {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Date:
		switch v.Kind() {
		case pq.Int32:
			return int64(v.Int32())
		case pq.Int64:
			return v.Int64()
		}
	case columnar.Decimal:
		switch v.Kind() {
		case pq.Int32:
			return columnar.Int128Of(int64(v.Int32()))
		case pq.Int64:
			return columnar.Int128Of(v.Int64())
		}
	case columnar.String:
		if v.Kind() == pq.ByteArray && len(v.ByteArray()) < 32 {
			return string(v.ByteArray())
		}
	case columnar.Float64:
		if v.Kind() == pq.Double && v.Double() == v.Double() {
			return v.Double()
		}
	}
	return nil
}

// Splits implements connector.Connector: one split per row group that may hold
// matching rows.
func (c *Connector) Splits(ctx context.Context, d catalog.Descriptor, req connector.ScanRequest) (_ []connector.Split, err error) {
	path := ""
	defer func() {
		if p := recover(); p != nil {
			err = corrupt(path, fmt.Errorf("%v", p))
		}
	}()
	var desc descriptor
	if err := json.Unmarshal(d.Data, &desc); err != nil {
		return nil, diag.New(diag.Internal, "the description of a Parquet table is damaged: %v", err)
	}
	var out []connector.Split
	for i, x := range desc.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		path = x.Path
		f, err := c.open(x.Path)
		if err != nil {
			return nil, err
		}
		for g, rg := range f.pq.RowGroups() {
			if rg.NumRows() == 0 || f.pruned(g, req) {
				continue
			}
			s := connector.Split{Rows: rg.NumRows(), Data: binary.AppendUvarint(binary.AppendUvarint(nil, uint64(i)), uint64(g))}
			for _, col := range req.Columns {
				s.Bytes += f.pq.Metadata().RowGroups[g].Columns[col].MetaData.TotalCompressedSize
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// pruned reports whether statistics say that no row of a group matches.
func (f *file) pruned(g int, req connector.ScanRequest) bool {
	if len(req.Filters) == 0 {
		return false
	}
	all := f.bounds(g)
	stats := make([]catalog.ColumnStatistics, len(req.Columns))
	for i, c := range req.Columns {
		stats[i] = all[c]
	}
	for _, e := range req.Filters {
		if eval.Prune(e, stats) {
			return true
		}
	}
	return false
}

// Scan implements connector.Connector.
func (c *Connector) Scan(_ context.Context, d catalog.Descriptor, split []byte, req connector.ScanRequest) (connector.Reader, error) {
	var desc descriptor
	if err := json.Unmarshal(d.Data, &desc); err != nil {
		return nil, diag.New(diag.Internal, "the description of a Parquet table is damaged: %v", err)
	}
	i, n := binary.Uvarint(split)
	g, m := binary.Uvarint(split[max(0, n):])
	if n <= 0 || m <= 0 || i >= uint64(len(desc.Files)) {
		return nil, diag.New(diag.Internal, "a split of a Parquet table is damaged")
	}
	f, err := c.open(desc.Files[i].Path)
	if err != nil {
		return nil, err
	}
	if g >= uint64(len(f.pq.RowGroups())) {
		return nil, corrupt(f.path, errors.New("it changed while it was read"))
	}
	return newReader(f, int(g), req)
}
