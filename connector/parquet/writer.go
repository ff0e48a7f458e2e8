package parquet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

// rowGroupRows is the default number of rows of a row group.
const rowGroupRows = 122_880

// maxDictionary is the size at which a column gives its dictionary up.
const maxDictionary = 1 << 20

var codecs = map[string]compress.Codec{
	"": &pq.Snappy, "snappy": &pq.Snappy, "zstd": &pq.Zstd, "lz4": &pq.Lz4Raw, "gzip": &pq.Gzip, "none": &pq.Uncompressed, "uncompressed": &pq.Uncompressed,
}

// Check implements connector.WriterConnector.
func (c *Connector) Check(spec connector.WriteSpec) error {
	for k := range spec.Options {
		switch k {
		case "compression", "row_group_rows", "file_name":
		default:
			return diag.New(diag.InvalidArgument, "there is no Parquet option %q", k).WithRemedy("options are compression and row_group_rows")
		}
	}
	if _, ok := codecs[strings.ToLower(spec.Options["compression"])]; !ok {
		return diag.New(diag.InvalidArgument, "there is no Parquet compression %q", spec.Options["compression"]).WithRemedy("use snappy, zstd, lz4, gzip or none")
	}
	if n, ok := spec.Options["row_group_rows"]; ok {
		if x, err := strconv.Atoi(n); err != nil || x < 1 {
			return diag.New(diag.InvalidArgument, "row_group_rows needs a whole number above 0, not %q", n)
		}
	}
	if len(spec.PartitionBy) > 0 {
		return diag.New(diag.Unsupported, "partitioned writes are not supported yet")
	}
	names := map[string]bool{}
	for _, f := range spec.Schema.Fields {
		if name := strings.ToLower(f.Name); names[name] {
			return diag.New(diag.InvalidArgument, "there are several columns named %s, which a Parquet file cannot tell apart", f.Name).
				WithRemedy("give each a name of its own with AS")
		} else {
			names[name] = true
		}
		if _, err := nodeOf(f); err != nil {
			return err
		}
	}
	return nil
}

// group is a schema whose columns keep their order.
type group struct {
	pq.Group
	fields []pq.Field
}

func (g group) Fields() []pq.Field { return g.fields }

type field struct {
	pq.Node
	name string
}

func (f field) Name() string                           { return f.name }
func (f field) Value(base reflect.Value) reflect.Value { return base }

func nodeOf(f columnar.Field) (pq.Node, error) {
	var n pq.Node
	switch t := f.Type; t.Kind {
	case columnar.Bool:
		n = pq.Leaf(pq.BooleanType)
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64:
		n = pq.Int(8 * t.FixedWidth())
	case columnar.Float32:
		n = pq.Leaf(pq.FloatType)
	case columnar.Float64:
		n = pq.Leaf(pq.DoubleType)
	case columnar.Decimal:
		switch {
		case t.Precision <= 9:
			n = pq.Decimal(int(t.Scale), int(t.Precision), pq.Int32Type)
		case t.Precision <= 18:
			n = pq.Decimal(int(t.Scale), int(t.Precision), pq.Int64Type)
		default:
			n = pq.Decimal(int(t.Scale), int(t.Precision), pq.FixedLenByteArrayType(16))
		}
	case columnar.String:
		n = pq.Encoded(pq.String(), &pq.RLEDictionary)
	case columnar.Binary:
		n = pq.Leaf(pq.ByteArrayType)
	case columnar.Date:
		n = pq.Date()
	case columnar.Time:
		n = pq.Time(pq.Microsecond)
	case columnar.Timestamp, columnar.TimestampNTZ:
		n = pq.TimestampAdjusted(pq.Microsecond, t.Kind == columnar.Timestamp)
	default:
		return nil, diag.New(diag.Unsupported, "column %s of type %s cannot be written to Parquet yet", f.Name, t).WithRemedy("cast it to string")
	}
	if f.Nullable {
		n = pq.Optional(n)
	}
	return n, nil
}

type writer struct {
	dir, name string
	file      *os.File
	buf       *bufio.Writer
	w         *pq.Writer
	schema    *columnar.Schema
	values    []pq.Value
	group     int
	inGroup   int
	rows      int64
}

// NewWriter implements connector.WriterConnector.
func (c *Connector) NewWriter(_ context.Context, spec connector.WriteSpec, task, attempt int) (connector.Writer, error) {
	if err := c.Check(spec); err != nil {
		return nil, err
	}
	name := spec.Options["file_name"]
	if name == "" {
		name = fmt.Sprintf("part-%05d-%d.parquet", task, attempt)
	}
	w := &writer{dir: spec.Dir, name: name, schema: spec.Schema, group: rowGroupRows}
	if n, ok := spec.Options["row_group_rows"]; ok {
		w.group, _ = strconv.Atoi(n)
	}
	g := group{Group: pq.Group{}}
	for _, f := range spec.Schema.Fields {
		n, err := nodeOf(f)
		if err != nil {
			return nil, err
		}
		g.Group[f.Name] = n
		g.fields = append(g.fields, field{n, f.Name})
	}
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		return nil, fs.ExplainWrite(err, spec.Dir)
	}
	var err error
	if w.file, err = os.CreateTemp(spec.Dir, "."+name+".*"); err != nil {
		return nil, fs.ExplainWrite(err, spec.Dir)
	}
	w.buf = bufio.NewWriterSize(w.file, 1<<20)
	w.w = pq.NewWriter(w.buf, pq.NewSchema("schema", g), pq.Compression(codecs[strings.ToLower(spec.Options["compression"])]), pq.DataPageStatistics(true),
		pq.CreatedBy("millrace", "1", "0"), pq.PageBufferSize(128<<10), pq.DictionaryMaxBytes(maxDictionary))
	return w, nil
}

func (w *writer) failed(err error) error {
	return fs.ExplainWrite(err, filepath.Join(w.dir, w.name))
}

func (w *writer) Write(_ context.Context, b *columnar.Batch) (err error) {
	defer guard(w.name, &err)
	n := b.Selected()
	for from := 0; from < n; {
		k := min(n-from, w.group-w.inGroup)
		for i, cw := range w.w.ColumnWriters() {
			if err := w.column(&b.Cols[i], i, b, from, k); err != nil {
				return err
			}
			if _, err := cw.WriteRowValues(w.values); err != nil {
				return w.failed(err)
			}
		}
		from += k
		w.rows += int64(k)
		if w.inGroup += k; w.inGroup == w.group {
			if err := w.w.Flush(); err != nil {
				return w.failed(err)
			}
			w.inGroup = 0
		}
	}
	return nil
}

// column fills values with rows [from, from+n) of the selected ones.
func (w *writer) column(v *columnar.Vector, c int, b *columnar.Batch, from, n int) error {
	if cap(w.values) < n {
		w.values = make([]pq.Value, columnar.MaxRows)
	}
	w.values = w.values[:n]
	f := w.schema.Fields[c]
	def := 0
	if f.Nullable {
		def = 1
	}
	for i := range w.values {
		r := b.RowAt(from + i)
		if v.NullAt(r) {
			if !f.Nullable { // the file has no place for it: it would become a zero
				return diag.New(diag.Internal, "column %s has a null, though its type says that it has none", f.Name).WithPath(w.dir)
			}
			w.values[i] = pq.Value{}.Level(0, 0, c)
			continue
		}
		var x pq.Value
		switch t := f.Type; {
		case t.Kind == columnar.Bool:
			x = pq.BooleanValue(v.Int64At(r) != 0)
		case t.IsBytes():
			x = pq.ByteArrayValue(v.BytesAt(r))
		case t.Kind == columnar.Float32:
			x = pq.FloatValue(float32(v.Float64At(r)))
		case t.Kind == columnar.Float64:
			x = pq.DoubleValue(v.Float64At(r))
		case t.Kind == columnar.Decimal && t.Precision > 18:
			d := v.Int128At(r)
			var raw [16]byte
			for k := range 8 {
				raw[k], raw[8+k] = byte(uint64(d.Hi)>>(56-8*k)), byte(d.Lo>>(56-8*k))
			}
			x = pq.FixedLenByteArrayValue(raw[:])
		case t.Kind == columnar.Decimal && t.Precision <= 9:
			x = pq.Int32Value(int32(v.Int128At(r).Lo))
		case t.Kind == columnar.Decimal:
			x = pq.Int64Value(int64(v.Int128At(r).Lo))
		case t.FixedWidth() == 8:
			x = pq.Int64Value(v.Int64At(r))
		default:
			x = pq.Int32Value(int32(v.Int64At(r)))
		}
		w.values[i] = x.Level(0, def, c)
	}
	return nil
}

func (w *writer) Commit(context.Context) (out []connector.File, err error) {
	defer func() {
		if err != nil {
			w.Abort() // nothing stays (C3)
		}
	}()
	defer guard(w.name, &err)
	if err := w.w.Close(); err != nil {
		return nil, w.failed(err)
	}
	if err := w.buf.Flush(); err != nil {
		return nil, w.failed(err)
	}
	info, err := w.file.Stat()
	if err == nil {
		err = w.file.Chmod(0o644)
	}
	if err == nil {
		err = w.file.Close()
	}
	if err == nil {
		err = os.Rename(w.file.Name(), filepath.Join(w.dir, w.name))
	}
	if err != nil {
		return nil, w.failed(err)
	}
	return []connector.File{{Path: w.name, Rows: w.rows, Bytes: info.Size()}}, nil
}

func (w *writer) Abort() error {
	w.file.Close()
	return os.Remove(w.file.Name())
}
