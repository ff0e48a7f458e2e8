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
	"math"
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
	// leaves tells, per column of cols, where and how its values are stored.
	leaves []leaf
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
	if f.cols, f.leaves, err = schemaOf(f.pq, path); err != nil {
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

// maxDepth bounds the nesting of a schema.
const maxDepth = 64

// leaf says how a column of a file becomes a column of the table.
type leaf struct {
	chunk    int   // position among the column chunks; −1: nested, not readable yet
	scale    int64 // stored times become µs: multiplied by it, or divided by −scale if negative; 0: as they are
	unsigned bool  // stored integers have no sign
	half     bool  // FLOAT16 in two bytes
}

// schemaOf maps the columns of a file to types. Nested columns have their type,
// so that the others can be read beside them.
func schemaOf(f *pq.File, path string) ([]columnar.Field, []leaf, error) {
	r := schemaReader{els: f.Metadata().Schema, at: 1, path: path}
	var fields []columnar.Field
	var leaves []leaf
	for r.at < len(r.els) {
		f, l, err := r.field(0)
		if err != nil {
			return nil, nil, err
		}
		fields, leaves = append(fields, f), append(leaves, l)
	}
	return fields, leaves, nil
}

// schemaReader walks the flattened tree of schema elements.
type schemaReader struct {
	els   []format.SchemaElement
	at    int // next element
	chunk int // next column chunk
	path  string
}

// field reads an element and what lies below it.
func (r *schemaReader) field(depth int) (columnar.Field, leaf, error) {
	if r.at >= len(r.els) || depth > maxDepth {
		return columnar.Field{}, leaf{}, corrupt(r.path, errors.New("its schema is cut off or too deep"))
	}
	e := &r.els[r.at]
	r.at++
	f := columnar.Field{Name: e.Name, Nullable: !e.RepetitionType.Valid || e.RepetitionType.V == format.Optional}
	repeated := e.RepetitionType.Valid && e.RepetitionType.V == format.Repeated
	l := leaf{chunk: -1}
	var err error
	if e.Type.Valid {
		if f.Type, l, err = typeOf(e); err != nil {
			return f, l, diag.New(diag.Unsupported, "column %s of %s: %v", e.Name, r.path, err).WithPath(r.path).WithCause(err)
		}
		l.chunk = r.chunk
		r.chunk++
	} else if f.Type, err = r.group(e, depth); err != nil {
		return f, l, err
	}
	if repeated {
		f.Type, f.Nullable, l.chunk = columnar.ListType(f.Type, false), false, -1
	}
	return f, l, nil
}

// group reads the children of a group and names its type by its annotation.
func (r *schemaReader) group(e *format.SchemaElement, depth int) (columnar.Type, error) {
	var kids []columnar.Field
	for range e.NumChildren.V {
		k, _, err := r.field(depth + 1)
		if err != nil {
			return columnar.Type{}, err
		}
		kids = append(kids, k)
	}
	_, list := e.LogicalType.Value.(*format.ListType)
	_, dict := e.LogicalType.Value.(*format.MapType)
	if c := e.ConvertedType; c.Valid {
		list = list || c.V == deprecated.List
		dict = dict || c.V == deprecated.Map || c.V == deprecated.MapKeyValue
	}
	if len(kids) == 1 && kids[0].Type.Kind == columnar.List {
		item := kids[0].Type.Nested.Fields[0]
		inner := item.Type.Nested
		switch {
		case dict && item.Type.Kind == columnar.Struct && len(inner.Fields) == 2:
			return columnar.MapType(inner.Fields[0].Type, inner.Fields[1].Type, inner.Fields[1].Nullable), nil
		case list && item.Type.Kind == columnar.Struct && len(inner.Fields) == 1 && kids[0].Name != "array" && kids[0].Name != e.Name+"_tuple":
			return columnar.ListType(inner.Fields[0].Type, inner.Fields[0].Nullable), nil
		case list:
			return kids[0].Type, nil
		}
	}
	return columnar.StructType(kids...), nil
}

// timeScale is the leaf.scale of a unit.
func timeScale(u format.TimeUnit) int64 {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return 1000
	case *format.NanoSeconds:
		return -1000
	}
	return 0
}

// integerType returns the type of an annotated integer: unsigned ones become the
// next wider signed type, as in Spark.
func integerType(bits int, signed bool) (columnar.Type, leaf, error) {
	at := map[int]int{8: 0, 16: 1, 32: 2, 64: 3}
	i, ok := at[bits]
	if !ok {
		return columnar.Type{}, leaf{}, fmt.Errorf("integers of %d bits do not exist", bits)
	}
	if !signed {
		i++
	}
	return []columnar.Type{columnar.Int8Type, columnar.Int16Type, columnar.Int32Type, columnar.Int64Type, columnar.DecimalType(20, 0)}[i], leaf{unsigned: !signed}, nil
}

func decimalType(precision, scale int32) (columnar.Type, leaf, error) {
	if precision < 1 || precision > columnar.MaxPrecision || scale < 0 || scale > precision {
		return columnar.Type{}, leaf{}, fmt.Errorf("decimal(%d,%d) is out of range", precision, scale)
	}
	return columnar.DecimalType(int(precision), int(scale)), leaf{}, nil
}

// typeOf maps a leaf of the schema to a type.
func typeOf(e *format.SchemaElement) (columnar.Type, leaf, error) {
	switch l := e.LogicalType.Value.(type) {
	case *format.DecimalType:
		return decimalType(l.Precision, l.Scale)
	case *format.DateType:
		return columnar.DateType, leaf{}, nil
	case *format.TimeType:
		return columnar.TimeType, leaf{scale: timeScale(l.Unit)}, nil
	case *format.TimestampType:
		if l.IsAdjustedToUTC {
			return columnar.TimestampType, leaf{scale: timeScale(l.Unit)}, nil
		}
		return columnar.TimestampNTZType, leaf{scale: timeScale(l.Unit)}, nil
	case *format.IntType:
		return integerType(int(l.BitWidth), l.IsSigned)
	case *format.StringType, *format.EnumType, *format.JsonType:
		return columnar.StringType, leaf{}, nil
	case *format.Float16Type:
		if e.Type.V == format.FixedLenByteArray && e.TypeLength.V == 2 {
			return columnar.Float32Type, leaf{half: true}, nil
		}
	}
	if e.ConvertedType.Valid {
		switch c := e.ConvertedType.V; c {
		case deprecated.UTF8, deprecated.Enum, deprecated.Json:
			return columnar.StringType, leaf{}, nil
		case deprecated.Decimal:
			return decimalType(e.Precision.V, e.Scale.V)
		case deprecated.Date:
			return columnar.DateType, leaf{}, nil
		case deprecated.TimeMillis:
			return columnar.TimeType, leaf{scale: 1000}, nil
		case deprecated.TimeMicros:
			return columnar.TimeType, leaf{}, nil
		case deprecated.TimestampMillis:
			return columnar.TimestampType, leaf{scale: 1000}, nil
		case deprecated.TimestampMicros:
			return columnar.TimestampType, leaf{}, nil
		case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			return integerType(8<<(c-deprecated.Uint8), false)
		case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64:
			return integerType(8<<(c-deprecated.Int8), true)
		}
	}
	switch e.Type.V {
	case format.Boolean:
		return columnar.BoolType, leaf{}, nil
	case format.Int32:
		return columnar.Int32Type, leaf{}, nil
	case format.Int64:
		return columnar.Int64Type, leaf{}, nil
	case format.Float:
		return columnar.Float32Type, leaf{}, nil
	case format.Double:
		return columnar.Float64Type, leaf{}, nil
	case format.ByteArray, format.FixedLenByteArray:
		return columnar.BinaryType, leaf{}, nil
	case format.Int96:
		return columnar.TimestampType, leaf{}, nil
	}
	return columnar.Type{}, leaf{}, fmt.Errorf("the physical type %v is not supported", e.Type.V)
}

// readable refuses the nested columns among those of a scan.
func (f *file) readable(columns []int) error {
	for _, c := range columns {
		if c < 0 || c >= len(f.cols) {
			return corrupt(f.path, errors.New("it changed while it was read"))
		}
		if f.leaves[c].chunk < 0 {
			return diag.New(diag.Unsupported, "column %s of %s is of the nested type %s, which cannot be read yet", f.cols[c].Name, f.path, f.cols[c].Type).
				WithPath(f.path).WithRemedy("select the other columns by name")
		}
	}
	return nil
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
			t.schema = &columnar.Schema{Fields: append([]columnar.Field(nil), f.cols...)}
			t.stats.Columns = make([]catalog.ColumnStatistics, len(f.cols))
			for k := range t.stats.Columns {
				t.stats.Columns[k].Distinct = -1
			}
		} else if !sameColumns(t.schema.Fields, f.cols) {
			return nil, diag.New(diag.TypeMismatch, "%s and %s have different columns", found[0].Path, x.Path).WithPath(x.Path).
				WithRemedy("read files with different columns one by one")
		}
		for k := range f.cols {
			t.schema.Fields[k].Nullable = t.schema.Fields[k].Nullable || f.cols[k].Nullable
		}
		t.stats.Bytes += float64(x.Size)
		for g, rg := range f.pq.RowGroups() {
			if rg.NumRows() <= 0 {
				continue
			}
			for k, b := range f.bounds(g) {
				widen(&t.stats.Columns[k], b, t.stats.Rows == 0)
			}
			t.stats.Rows += float64(rg.NumRows())
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

// maxBound is the length from which on bounds of strings are not kept.
const maxBound = 64

// bounds returns the statistics of a row group's columns. Bounds hold for every
// value or are nil. Only min_value and max_value count: the older fields are
// in an order that depends on the writer.
func (f *file) bounds(g int) []catalog.ColumnStatistics {
	chunks := f.pq.RowGroups()[g].ColumnChunks()
	out := make([]catalog.ColumnStatistics, len(f.cols))
	for i, l := range f.leaves {
		out[i] = catalog.ColumnStatistics{Distinct: -1, NullCount: -1}
		if l.chunk < 0 {
			continue
		}
		c, ok := chunks[l.chunk].(*pq.FileColumnChunk)
		if !ok {
			continue
		}
		lo, hi, ok := c.Bounds()
		if ok {
			out[i].Min, out[i].Max = literal(lo, f.cols[i].Type, l), literal(hi, f.cols[i].Type, l)
			if f.cols[i].Type.IsFloat() {
				out[i].Max = nil // writers leave NaN out, which is greater than all others
			}
		}
		if n := c.NullCount(); ok || n > 0 {
			out[i].NullCount = float64(n)
		}
	}
	return out
}

// literal returns a bound as a literal's value, nil where that would not be a
// bound.
func literal(v pq.Value, t columnar.Type, l leaf) any {
	var x int64
	switch v.Kind() {
	case pq.Int32:
		if x = int64(v.Int32()); l.unsigned {
			x = int64(uint32(x))
		}
	case pq.Int64:
		if x = v.Int64(); l.unsigned && x < 0 {
			return columnar.Int128{Lo: uint64(x)}
		}
	case pq.ByteArray, pq.FixedLenByteArray:
		switch b := v.ByteArray(); {
		case t.Kind == columnar.String && len(b) < maxBound:
			return string(b)
		case t.Kind == columnar.Decimal && len(b) > 0 && len(b) <= 16:
			return bigEndian(b)
		}
		return nil
	case pq.Float:
		return number(float64(v.Float()), t)
	case pq.Double:
		return number(v.Double(), t)
	default:
		return nil
	}
	switch t.Kind {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Date:
		return x
	case columnar.Time, columnar.Timestamp, columnar.TimestampNTZ:
		if y, ok := rescale(x, l.scale); ok {
			return y
		}
	case columnar.Decimal:
		return columnar.Int128Of(x)
	}
	return nil
}

func number(x float64, t columnar.Type) any {
	if math.IsNaN(x) || !t.IsFloat() {
		return nil
	}
	return x
}

// rescale turns a stored time into µs, rounded down; false: it does not fit.
func rescale(x, scale int64) (int64, bool) {
	switch {
	case scale > 0:
		y := x * scale
		return y, y/scale == x
	case scale < 0:
		y := x / -scale
		if x%scale < 0 {
			y--
		}
		return y, true
	}
	return x, true
}

// widen adds the statistics of a row group to those of a table.
func widen(s *catalog.ColumnStatistics, o catalog.ColumnStatistics, first bool) {
	if first {
		*s = o
		return
	}
	if s.NullCount >= 0 && o.NullCount >= 0 {
		s.NullCount += o.NullCount
	} else {
		s.NullCount = -1
	}
	s.Min = outer(s.Min, o.Min, -1)
	s.Max = outer(s.Max, o.Max, 1)
}

// outer returns the lesser (sign −1) or greater (1) of two bounds, nil if one is
// not known.
func outer(a, b any, sign int) any {
	switch {
	case a == nil || b == nil:
		return nil
	case eval.Order(b, a)*sign > 0:
		return b
	}
	return a
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
		if req.Skip != nil && req.Skip(x.Path) {
			continue
		}
		path = x.Path
		f, err := c.open(x.Path)
		if err != nil {
			return nil, err
		}
		if err := f.unchanged(x, req.Columns); err != nil {
			return nil, err
		}
		for g, rg := range f.pq.RowGroups() {
			if rg.NumRows() <= 0 || f.pruned(g, req) {
				continue
			}
			s := connector.Split{Path: x.Path, Rows: rg.NumRows(), Data: binary.AppendUvarint(binary.AppendUvarint(nil, uint64(i)), uint64(g))}
			for _, col := range req.Columns {
				s.Bytes += f.pq.Metadata().RowGroups[g].Columns[f.leaves[col].chunk].MetaData.TotalCompressedSize
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// unchanged checks that a file is still the one that was planned with, and that
// the columns of a scan can be read.
func (f *file) unchanged(x fs.File, columns []int) error {
	if f.size != x.Size {
		return corrupt(f.path, errors.New("it changed while it was read"))
	}
	return f.readable(columns)
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
	if err := f.unchanged(desc.Files[i], req.Columns); err != nil {
		return nil, err
	}
	if g >= uint64(len(f.pq.RowGroups())) {
		return nil, corrupt(f.path, errors.New("it changed while it was read"))
	}
	return newReader(f, int(g), req)
}
