package mrs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/chunk"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/connectortest"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/shuffle/file"
)

var schema = columnar.NewSchema(columnar.Field{Name: "k", Type: columnar.Int64Type, Nullable: true}, columnar.Field{Name: "p", Type: columnar.Int64Type})

// kept writes a file with the rows 0 … n−1 dealt to partitions, k null for every
// tenth, and p the partition. It returns its path.
func kept(t *testing.T, dir string, mapTask, partitions, n int) string {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	info := file.Info{Job: 1, Exchange: 2, Map: mapTask, Partitions: partitions}
	w, err := file.Create(root, info, schema, chunk.LZ4)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for p := range partitions {
		var k, v []int64
		valid := columnar.NewBitmap(n)
		for i := p; i < n; i += partitions {
			valid.SetTo(len(k), i%10 > 0)
			k, v = append(k, int64(i)), append(v, int64(p))
		}
		b := &columnar.Batch{Schema: schema, Rows: len(k), Cols: []columnar.Vector{{Type: columnar.Int64Type, Width: 8, Len: len(k), Valid: valid, Data: columnar.BytesOf(k)}, {Type: columnar.Int64Type, Width: 8, Len: len(k), Data: columnar.BytesOf(v)}}}
		if _, err := w.Append(p, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, info.Name())
}

func want(n, partitions, only int) (out [][]*string) {
	for p := range partitions {
		for i := p; i < n && (only < 0 || p == only); i += partitions {
			k, v := strconv.Itoa(i), strconv.Itoa(p)
			row := []*string{&k, &v}
			if i%10 == 0 {
				row[0] = nil
			}
			out = append(out, row)
		}
	}
	return out
}

// All rows of a file come partition by partition, or those of one, whatever the
// batch size.
func TestRead(t *testing.T) {
	path := kept(t, t.TempDir(), 0, 7, 500)
	for _, size := range []int{0, 1, 13} {
		for _, only := range []int{-1, 3, 99} {
			ref := catalog.TableRef{Path: path}
			if only >= 0 {
				ref.Options = map[string]string{"Partition": strconv.Itoa(only)}
			}
			types, rows, err := connectortest.Read(New(), ref, size)
			if err != nil || types != "k bigint, p bigint" {
				t.Fatal(types, err)
			}
			if d := cmp.Diff(want(500, 7, only), rows); d != "" {
				t.Errorf("batches of %d, partition %d: %s", size, only, d)
			}
		}
	}
}

// Several map tasks' files are one table; filters and columns are applied.
func TestScan(t *testing.T) {
	ctx, c, dir := context.Background(), New(), t.TempDir()
	kept(t, dir, 0, 4, 100)
	kept(t, dir, 1, 4, 50)
	x, err := c.Open(ctx, catalog.TableRef{Path: filepath.Join(dir, "job-1-exchange-2", "*.mrs")})
	if err != nil {
		t.Fatal(err)
	}
	if x.Statistics().Rows != 150 {
		t.Errorf("%v rows are told", x.Statistics().Rows)
	}
	req := connector.ScanRequest{Columns: []int{1, 0}, Project: []int{1}, BatchRows: 10,
		Filters: []expr.Expr{expr.NewCall("isnull", columnar.BoolType, &expr.Column{Index: 1, Typ: columnar.Int64Type, Null: true})}}
	splits, err := c.Splits(ctx, x.Descriptor(), req)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, s := range splits {
		r, err := c.Scan(ctx, x.Descriptor(), s.Data, req)
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Cols) != 1 || !b.Cols[0].NullAt(b.RowAt(0)) {
				t.Fatal("rows that the filter does not select")
			}
			rows += b.Selected()
		}
		if st := r.Stats(); st.BytesRead == 0 || st.RowsRead == 0 || st.RowsPruned == 0 {
			t.Errorf("counters %+v", st)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if rows != 15 {
		t.Errorf("%d rows are null, want 15", rows)
	}
	for _, bad := range [][]byte{nil, {9, 0, 1}, {0, 3, 1}, {0, 0, 200}} {
		if _, err := c.Scan(ctx, x.Descriptor(), bad, req); diag.ClassOf(err) != diag.Internal {
			t.Errorf("split %v: %v", bad, err)
		}
	}
}

// What is no whole file, is damaged or does not fit is an error of the user's, with
// the path.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	path := kept(t, dir, 0, 2, 1000)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(data)
	damaged[len(data)/2] ^= 1
	for name, x := range map[string]struct {
		data  []byte
		ref   catalog.TableRef
		class diag.Class
	}{
		"cut":     {data[:len(data)-1], catalog.TableRef{}, diag.CorruptFile},
		"empty":   {nil, catalog.TableRef{}, diag.CorruptFile},
		"damaged": {damaged, catalog.TableRef{}, diag.CorruptFile},
		"none":    {nil, catalog.TableRef{Path: filepath.Join(dir, "none.mrs")}, diag.PathNotFound},
		"option":  {data, catalog.TableRef{Options: map[string]string{"partition": "x"}}, diag.InvalidArgument},
		"another": {data, catalog.TableRef{Options: map[string]string{"header": "1"}}, diag.InvalidArgument},
	} {
		if x.ref.Path == "" {
			x.ref.Path = filepath.Join(dir, name+".mrs")
			if err := os.WriteFile(x.ref.Path, x.data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := connectortest.Read(New(), x.ref, 0); diag.ClassOf(err) != x.class {
			t.Errorf("%s: %v", name, err)
		}
	}
}
