package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/golden"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
)

// maxFuzzRows ends scans of files that claim many rows in few bytes: run
// lengths may stand for as many as they like.
const maxFuzzRows = 1 << 16

// scanAll reads a file and returns its rows as text.
func scanAll(path string) (rows []string, err error) {
	ctx, c := context.Background(), New()
	t, err := c.Open(ctx, catalog.TableRef{Path: path})
	if err != nil {
		return nil, err
	}
	req := connector.ScanRequest{BatchRows: 100}
	for i, f := range t.Schema().Fields {
		req.Columns, req.Project = append(req.Columns, i), append(req.Project, i)
		if f.Type.Equal(columnar.Int64Type) { // passes whatever is there, but asks the indexes
			c := &expr.Column{Index: i, Typ: f.Type, Null: f.Nullable}
			req.Filters = append(req.Filters, expr.NewCall("or", columnar.BoolType, expr.NewCall("<", columnar.BoolType, c, expr.Lit(int64(1<<62), f.Type)), expr.NewCall("isnull", columnar.BoolType, c)))
		}
	}
	splits, err := c.Splits(ctx, t.Descriptor(), req)
	if err != nil {
		return nil, err
	}
	for _, s := range splits {
		r, err := c.Scan(ctx, t.Descriptor(), s.Data, req)
		if err != nil {
			return rows, err
		}
		for len(rows) < maxFuzzRows {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return rows, errors.Join(err, r.Close())
			}
			var row []byte
			for i := range b.Selected() {
				row = row[:0]
				for k := range b.Cols {
					row = append(row, '|')
					if v := &b.Cols[k]; v.NullAt(b.RowAt(i)) {
						row = append(row, "null"...)
					} else {
						row = text.AppendValue(row, v, b.RowAt(i), time.UTC)
					}
				}
				rows = append(rows, string(row))
			}
		}
		if err := r.Close(); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// tiny returns files of the package's writer, by name: every type, with and
// without nulls, every compression, several row groups.
func tiny(t testing.TB) map[string][]byte {
	ints := func(xs ...int64) []byte { return columnar.BytesOf(xs) }
	valid := columnar.NewBitmap(3)
	valid.Set(0)
	valid.Set(2)
	off := columnar.BytesOf([]int32{0, 1, 1, 3})
	types := []columnar.Vector{
		{Type: columnar.Int64Type, Width: 8, Data: ints(1, -2, 3)},
		{Type: columnar.Int32Type, Width: 4, Data: columnar.BytesOf([]int32{7, 0, -7})},
		{Type: columnar.Int8Type, Width: 1, Data: []byte{1, 2, 255}},
		{Type: columnar.BoolType, Data: columnar.NewBitmap(3)},
		{Type: columnar.Float64Type, Width: 8, Data: columnar.BytesOf([]float64{0.5, 0, -1})},
		{Type: columnar.Float32Type, Width: 4, Data: columnar.BytesOf([]float32{0.5, 0, -1})},
		{Type: columnar.DecimalType(9, 2), Width: 8, Data: ints(100, 0, -250)},
		{Type: columnar.DecimalType(38, 2), Width: 16, Data: columnar.BytesOf([]columnar.Int128{{Lo: 1, Hi: 1}, {}, {Lo: 5, Hi: -1}})},
		{Type: columnar.StringType, Data: off, Bytes: []byte("abc")},
		{Type: columnar.BinaryType, Data: off, Bytes: []byte{0, 255, 1}},
		{Type: columnar.DateType, Width: 4, Data: columnar.BytesOf([]int32{0, 1, 9000})},
		{Type: columnar.TimestampType, Width: 8, Data: ints(0, 1, 1_000_001)},
	}
	out := map[string][]byte{}
	write := func(name string, cols []columnar.Vector, nullable bool, options map[string]string) {
		dir := t.TempDir()
		b := &columnar.Batch{Schema: &columnar.Schema{}, Rows: 3}
		for i, v := range cols {
			v.Len = 3
			if nullable {
				v.Valid = valid
			}
			b.Cols = append(b.Cols, v)
			b.Schema.Fields = append(b.Schema.Fields, columnar.Field{Name: fmt.Sprintf("c%d", i), Type: v.Type, Nullable: nullable})
		}
		w, err := New().NewWriter(context.Background(), connector.WriteSpec{Dir: dir, Schema: b.Schema, Options: options}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		files, err := w.Commit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, files[0].Path))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = data
	}
	write("types", types, false, map[string]string{"compression": "none"})
	write("nulls", types, true, map[string]string{"compression": "none"})
	for _, c := range []string{"snappy", "zstd", "lz4", "gzip"} {
		write(c, types[8:9], true, map[string]string{"compression": c})
	}
	write("groups", types[:1], false, map[string]string{"compression": "none", "row_group_rows": "2"})
	return out
}

// TestCorpus reads the committed files: they must scan to the same rows as the
// ones written now.
func TestCorpus(t *testing.T) {
	for name, data := range tiny(t) {
		old := golden.Seed(t, "FuzzScan", name, data)
		var rows [2][]string
		for i, b := range [][]byte{data, old} {
			file := filepath.Join(t.TempDir(), "x.parquet")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			if rows[i], err = scanAll(file); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if len(rows[0]) != 3 || strings.Join(rows[0], "\n") != strings.Join(rows[1], "\n") {
			t.Errorf("%s: now %q, committed %q", name, rows[0], rows[1])
		}
	}
}

// others returns files of another writer: nested columns, encodings and codecs that
// this package does not write.
func others(t testing.TB) (out [][]byte) {
	type row struct {
		List  []*int32          `parquet:"list,list"`
		Map   map[string]string `parquet:"map"`
		Place *struct {
			X []string `parquet:"x"`
		} `parquet:"place,optional"`
		Delta int64   `parquet:"delta,delta"`
		Text  string  `parquet:"text,delta"`
		Split float64 `parquet:"split,split"`
		Coded *string `parquet:"coded,optional,dict"`
	}
	x, s := int32(7), "s"
	rows := []row{{List: []*int32{&x, nil}, Map: map[string]string{"k": "v"}, Delta: 5, Text: "abc", Split: 1.5, Coded: &s}, {Delta: 7, Text: "abd"}}
	rows[1].Place = &struct {
		X []string `parquet:"x"`
	}{[]string{"a", "b"}}
	for version, codec := range []compress.Codec{&pq.Uncompressed, &pq.Brotli, &pq.Zstd} {
		var b bytes.Buffer
		w := pq.NewGenericWriter[row](&b, pq.DataPageVersion(1+version%2), pq.Compression(codec), pq.BloomFilters(pq.SplitBlockFilter(10, "delta")))
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		out = append(out, b.Bytes())
	}
	return out
}

// FuzzScan: any bytes give rows or a *diag.Error.
func FuzzScan(f *testing.F) {
	for _, b := range others(f) {
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "x.parquet")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		hangs := time.AfterFunc(20*time.Second, func() { panic("the scan hangs") })
		defer hangs.Stop()
		_, err := scanAll(path)
		var e *diag.Error
		if err != nil && (!errors.As(err, &e) || e.Class == diag.Internal) {
			t.Fatalf("an error of another kind: %v", err)
		}
	})
}
