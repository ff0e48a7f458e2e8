package ipc

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

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	aipc "github.com/apache/arrow-go/v18/arrow/ipc"
	amem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/golden"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// maxFuzzRows ends scans of files that claim many rows in few bytes.
const maxFuzzRows = 1 << 16

// scanAll reads a file and returns its rows as text.
func scanAll(path string) (rows []string, err error) {
	ctx, c := context.Background(), New()
	t, err := c.Open(ctx, catalog.TableRef{Path: path})
	if err != nil {
		return nil, err
	}
	req := connector.ScanRequest{BatchRows: 100}
	for i := range t.Schema().Fields {
		req.Columns, req.Project = append(req.Columns, i), append(req.Project, i)
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
			rows = append(rows, textOf(b)...)
		}
		if err := r.Close(); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// textOf returns a batch's rows as text.
func textOf(b *columnar.Batch) (rows []string) {
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
	return rows
}

// tiny returns a file and streams, plain and compressed, that hold every type
// that is read.
func tiny(t testing.TB) map[string][]byte {
	types := []arrow.DataType{arrow.Null, arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Int32,
		arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String,
		arrow.BinaryTypes.LargeString, arrow.BinaryTypes.Binary, arrow.BinaryTypes.StringView, arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Timestamp_ms,
		&arrow.Decimal128Type{Precision: 20, Scale: 2}, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}}
	fields := make([]arrow.Field, len(types))
	for i, x := range types {
		fields[i] = arrow.Field{Name: fmt.Sprintf("c%d", i), Type: x, Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(amem.NewGoAllocator(), schema)
	for i := range types {
		for _, s := range []string{"7", "", "1"} {
			text := s
			switch types[i].ID() {
			case arrow.BOOL:
				text = map[string]string{"7": "true", "1": "false"}[s]
			case arrow.DATE32:
				text = "1996-01-02"
			case arrow.TIMESTAMP:
				text = "1996-01-02T03:04:05Z"
			case arrow.BINARY:
				text = "AAE="
			}
			if s == "" || types[i].ID() == arrow.NULL {
				b.Field(i).AppendNull()
			} else if err := b.Field(i).AppendValueFromString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	rec := b.NewRecordBatch()
	out := map[string][]byte{}
	for name, o := range map[string][]aipc.Option{"stream": nil, "stream-lz4": {aipc.WithLZ4()}, "stream-zstd": {aipc.WithZstd()}} {
		var buf bytes.Buffer
		w := aipc.NewWriter(&buf, append(o, aipc.WithSchema(schema))...)
		if err := errors.Join(w.Write(rec), w.Close()); err != nil {
			t.Fatal(err)
		}
		out[name] = buf.Bytes()
	}
	var buf bytes.Buffer
	w, err := aipc.NewFileWriter(&buf, aipc.WithSchema(schema))
	if err == nil {
		err = errors.Join(w.Write(rec), w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	out["file"] = buf.Bytes()
	return out
}

// TestCorpus reads the committed files: they must scan to the same rows as the
// ones written now, each form to the same.
func TestCorpus(t *testing.T) {
	want := ""
	for name, data := range tiny(t) {
		old := golden.Seed(t, "FuzzScan", name, data)
		for _, b := range [][]byte{data, old} {
			file := filepath.Join(t.TempDir(), "x.arrow")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			rows, err := scanAll(file)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if n := map[bool]int{true: 6, false: 3}[name == "file"]; len(rows) != n {
				t.Fatalf("%s: %d rows, want %d", name, len(rows), n)
			}
			got := strings.Join(rows[:3], "\n")
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: %s\nwant %s", name, got, want)
			}
		}
	}
	if !strings.HasPrefix(want, "|null|true|7|7|7|7|7|7") || strings.Count(want, "null") != 17+2 {
		t.Errorf("rows are\n%s", want)
	}
}

// FuzzScan: any bytes give rows or a *diag.Error.
func FuzzScan(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.arrow")
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
