package parquet_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
)

// onlyNulls is a batch of one column whose second row is null.
func onlyNulls(nullable bool) *columnar.Batch {
	valid := columnar.NewBitmap(2)
	valid.Set(0)
	return &columnar.Batch{Schema: columnar.NewSchema(columnar.Field{Name: "a", Type: columnar.TimeType, Nullable: nullable}), Rows: 2,
		Cols: []columnar.Vector{{Type: columnar.TimeType, Width: 8, Len: 2, Valid: valid, Data: columnar.BytesOf([]int64{1_500_000, 7})}}}
}

// TestWriterLeavesNothing: a write that fails or is aborted leaves no file (C3),
// and a null never becomes a zero.
func TestWriterLeavesNothing(t *testing.T) {
	ctx := context.Background()
	start := func(b *columnar.Batch) (connector.Writer, string) {
		dir := t.TempDir()
		w, err := parquet.New().NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: b.Schema}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return w, dir
	}
	empty := func(what, dir string) {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", what, left, err)
		}
	}

	b := onlyNulls(false)
	w, dir := start(b)
	if err := w.Write(ctx, b); diag.ClassOf(err) != diag.Internal {
		t.Errorf("a null in a column without nulls: %v", err)
	}
	w.Abort()
	empty("an aborted write", dir)

	b = onlyNulls(true)
	w, dir = start(b)
	if err := w.Write(ctx, b); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "part-00000-0.parquet", "x"), 0o755); err != nil { // the rename will fail
		t.Fatal(err)
	}
	if _, err := w.Commit(ctx); diag.ClassOf(err) != diag.WriteFailed {
		t.Errorf("a failing commit: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "part-00000-0.parquet")); err != nil {
		t.Fatal(err)
	}
	empty("a failed commit", dir)

	w, dir = start(b)
	if err := w.Write(ctx, b); err != nil {
		t.Fatal(err)
	}
	files, err := w.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, tab := openTable(t, filepath.Join(dir, files[0].Path))
	if d := cmp.Diff([]string{"00:00:01.5", "NULL"}, rowsOf(t, c, tab, identity([]int{0}))); d != "" {
		t.Error(d)
	}
}

func TestWriterChecks(t *testing.T) {
	one := columnar.Field{Name: "a", Type: columnar.Int64Type}
	for _, test := range []struct {
		fields  []columnar.Field
		options map[string]string
		class   diag.Class
	}{
		{[]columnar.Field{one}, map[string]string{"compression": "ZSTD", "row_group_rows": "10"}, ""},
		{[]columnar.Field{one}, map[string]string{"compression": "rar"}, diag.InvalidArgument},
		{[]columnar.Field{one}, map[string]string{"compresion": "zstd"}, diag.InvalidArgument},
		{[]columnar.Field{one}, map[string]string{"row_group_rows": "0"}, diag.InvalidArgument},
		{[]columnar.Field{one, {Name: "A", Type: columnar.StringType}}, nil, diag.InvalidArgument},
		{[]columnar.Field{{Name: "l", Type: columnar.ListType(columnar.Int64Type, true)}}, nil, diag.Unsupported},
	} {
		err := parquet.New().Check(connector.WriteSpec{Schema: columnar.NewSchema(test.fields...), Options: test.options})
		if diag.ClassOf(err) != test.class || test.class == "" && err != nil {
			t.Errorf("%v %v: %v, want %s", test.fields, test.options, err, test.class)
		}
	}
}

// A column has one codec in all row groups of a file, whether compression pays
// in the first or in a later one.
func TestWriterCodec(t *testing.T) {
	ctx := context.Background()
	schema := columnar.NewSchema(columnar.Field{Name: "a", Type: columnar.Int64Type})
	batch := func(noise bool) *columnar.Batch {
		xs := make([]int64, columnar.MaxRows)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range xs {
			xs[i] = int64(i)
			if noise {
				xs[i] = int64(r.Uint64())
			}
		}
		return &columnar.Batch{Schema: schema, Rows: len(xs), Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: len(xs), Data: columnar.BytesOf(xs)}}}
	}
	for _, noisy := range []bool{true, false} {
		dir := t.TempDir()
		w, err := parquet.New().NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: schema, Options: map[string]string{"row_group_rows": "8192"}}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, noise := range []bool{noisy, !noisy} {
			b := batch(noise)
			for _, x := range columnar.View[int64](b.Cols[0].Data, b.Rows) {
				want = append(want, strconv.FormatInt(x, 10))
			}
			if err := w.Write(ctx, b); err != nil {
				t.Fatal(err)
			}
		}
		files, err := w.Commit(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c, tab := openTable(t, filepath.Join(dir, files[0].Path))
		if d := cmp.Diff(want, rowsOf(t, c, tab, identity([]int{0}))); d != "" {
			t.Errorf("noise first: %v: %s", noisy, d)
		}
	}
}
