package ipc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
)

// TestWriteScan writes batches of every flat type, constants and nulls among
// them, in records of several sizes, and reads them back.
func TestWriteScan(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	types := []columnar.Type{columnar.NullType, columnar.BoolType, columnar.Int8Type, columnar.Int16Type, columnar.Int32Type, columnar.Int64Type, columnar.Float32Type,
		columnar.Float64Type, columnar.DecimalType(9, 2), columnar.DecimalType(38, 4), columnar.StringType, columnar.BinaryType, columnar.DateType, columnar.TimestampType,
		columnar.TimestampNTZType, columnar.DayTimeType, columnar.YearMonthType}
	schema := &columnar.Schema{}
	for i, typ := range types {
		schema.Fields = append(schema.Fields, columnar.Field{Name: fmt.Sprint("c", i), Type: typ, Nullable: true})
	}
	const rows = 500
	values := func(typ columnar.Type) columnar.Vector {
		v := columnar.Vector{Type: typ, Len: rows, Width: uint8(typ.FixedWidth()), Valid: columnar.NewBitmap(rows)}
		for i := range rows {
			v.Valid.SetTo(i, r.IntN(4) > 0)
		}
		switch {
		case typ.Kind == columnar.Null:
			v.Valid = nil
		case typ.Kind == columnar.Bool:
			v.Data = columnar.NewBitmap(rows)
			for i := range v.Data {
				v.Data[i] = byte(r.Uint32())
			}
		case typ.IsBytes():
			off := make([]int32, rows+1)
			for i := range rows {
				v.Bytes = append(v.Bytes, strings.Repeat("é", r.IntN(20))...)
				off[i+1] = int32(len(v.Bytes))
			}
			v.Data = columnar.BytesOf(off)
		case typ.Kind == columnar.Decimal:
			v.Width = 8
			wide := make([]int64, rows)
			for i := range wide {
				wide[i] = r.Int64N(1_000_000_000) - 500_000_000
			}
			v.Data = columnar.BytesOf(wide)
		case typ.Kind == columnar.Float32:
			x := make([]float32, rows)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			v.Data = columnar.BytesOf(x)
		case typ.Kind == columnar.Float64:
			x := make([]float64, rows)
			for i := range x {
				x[i] = r.NormFloat64()
			}
			v.Data = columnar.BytesOf(x)
		default:
			v.Data = make([]byte, rows*int(v.Width))
			for i := range v.Data {
				v.Data[i] = byte(r.IntN(2)) // small numbers: dates stay in range
			}
		}
		return v
	}
	b := &columnar.Batch{Schema: schema, Rows: rows}
	for _, typ := range types {
		b.Cols = append(b.Cols, values(typ))
	}
	b.Cols[4] = eval.Constant(int64(7), columnar.Int32Type, rows)
	for i := range rows { // rows that do not count must not appear
		if i%3 > 0 {
			b.Sel = append(b.Sel, uint16(i))
		}
	}
	for _, options := range []map[string]string{{}, {"record_rows": "1"}, {"record_rows": "13", "compression": "lz4"}, {"record_rows": "400", "compression": "ZSTD"}} {
		var want []string
		for range 2 {
			want = append(want, textOf(b)...)
		}
		spec := connector.WriteSpec{Dir: t.TempDir(), Schema: schema, Options: options}
		w, err := New().NewWriter(context.Background(), spec, 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.Write(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		files, err := w.Commit(context.Background())
		if err != nil || len(files) != 1 || files[0].Path != "part-00003-1.arrow" || files[0].Rows != int64(len(want)) {
			t.Fatalf("%v, %v", files, err)
		}
		path := filepath.Join(spec.Dir, files[0].Path)
		if info, err := os.Stat(path); err != nil || info.Size() != files[0].Bytes || info.Mode().Perm() != 0o644 {
			t.Errorf("%v, %v", info, err)
		}
		got, err := scanAll(path)
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%v: %d rows, want %d, %v", options, len(got), len(want), err)
		}
		var buf bytes.Buffer
		e, err := New().NewEncoder(&buf, spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(e.Write(b), e.Write(b)); err != nil {
			t.Fatal(err)
		}
		if n, err := e.Close(); err != nil || n != int64(buf.Len()) {
			t.Errorf("%d bytes of %d, %v", n, buf.Len(), err)
		}
		got, err = scanBytes(t, buf.Bytes())
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("stream %v: %d rows, want %d, %v", options, len(got), len(want), err)
		}
	}
}

// TestWriteAborts: nothing stays of a writer that is aborted, and wrong options
// are refused.
func TestWriteAborts(t *testing.T) {
	spec := connector.WriteSpec{Dir: t.TempDir(), Schema: &columnar.Schema{Fields: []columnar.Field{{Name: "x", Type: columnar.Int64Type}}}}
	w, err := New().NewWriter(context.Background(), spec, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := &columnar.Batch{Schema: spec.Schema, Rows: 5, Cols: []columnar.Vector{eval.Constant(int64(1), columnar.Int64Type, 5)}}
	if err := errors.Join(w.Write(context.Background(), b), w.Abort(), w.Abort()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(spec.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v stays, %v", left, err)
	}
	for _, o := range []map[string]string{{"compression": "brotli"}, {"record_rows": "0"}, {"record_rows": "x"}, {"codec": "lz4"}} {
		spec.Options = o
		var e *diag.Error
		if _, err := New().NewWriter(context.Background(), spec, 0, 0); !errors.As(err, &e) || e.Class != diag.InvalidArgument {
			t.Errorf("%v: %v", o, err)
		}
	}
}
