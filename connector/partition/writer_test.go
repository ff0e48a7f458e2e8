package partition

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/csv"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
)

// rows is a batch of n equal rows of a value and its partition.
func rows(v, k int64, n int) *columnar.Batch {
	return &columnar.Batch{Rows: n, Cols: []columnar.Vector{
		eval.Constant(k, columnar.Int64Type, n), eval.Constant(v, columnar.Int64Type, n)}}
}

var schema = columnar.NewSchema(columnar.Field{Name: "k", Type: columnar.Int64Type}, columnar.Field{Name: "v", Type: columnar.Int64Type})

// TestOpenFiles writes full batches to more directories than may be open, again
// and again: files end and others begin, and no row is lost (P5).
func TestOpenFiles(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	c := Wrap(csv.New()).(connector.WriterConnector)
	cw, err := c.NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: schema, PartitionBy: []int{0}}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := cw.(*writer)
	const parts = maxOpen + 10
	for round := range int64(3) {
		for k := range int64(parts) {
			if err := w.Write(ctx, rows(round, k, columnar.MaxRows)); err != nil {
				t.Fatal(err)
			}
			if len(w.opens) > maxOpen {
				t.Fatalf("%d files are open", len(w.opens))
			}
		}
	}
	files, err := w.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	total, names := int64(0), map[string]bool{}
	for _, f := range files {
		total += f.Rows
		names[f.Path] = true
		if _, err := os.Stat(filepath.Join(dir, f.Path)); err != nil {
			t.Error(err)
		}
	}
	if total != 3*parts*columnar.MaxRows || len(names) != len(files) || len(files) <= parts {
		t.Errorf("%d rows in %d files of %d names", total, len(files), len(names))
	}
}

// TestBudget writes under a budget that holds less than a row group: it is
// written in smaller ones, the rows are all there, nothing stays reserved.
func TestBudget(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	broker := memory.NewBroker(1 << 20)
	r := broker.Reserve("write", 0)
	c := Wrap(parquet.New()).(connector.WriterConnector)
	w, err := c.NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: schema, PartitionBy: []int{0}, Memory: r}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(40) {
		if err := w.Write(ctx, rows(i, i%3, columnar.MaxRows)); err != nil {
			t.Fatal(err)
		}
	}
	if r.Held() == 0 {
		t.Error("nothing is reserved")
	}
	if _, err := w.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if r.Held() != 0 {
		t.Errorf("%d bytes stay reserved", r.Held())
	}
	tab, err := c.Open(ctx, catalog.TableRef{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := c.Splits(ctx, tab.Descriptor(), connector.ScanRequest{Columns: []int{0, 1}, Project: []int{0, 1}})
	if err != nil || len(splits) <= 3 {
		t.Fatalf("%d row groups, want more than one a file: %v", len(splits), err)
	}
	n := 0
	for _, s := range splits {
		rd, err := c.Scan(ctx, tab.Descriptor(), s.Data, connector.ScanRequest{Columns: []int{0, 1}, Project: []int{0, 1}})
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := rd.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n += b.Selected()
			if v, k := b.Cols[0].Int64At(0), b.Cols[1].Int64At(0); v%3 != k {
				t.Fatalf("value %d in partition %d", v, k)
			}
		}
		if err := rd.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n != 40*columnar.MaxRows {
		t.Errorf("%d rows", n)
	}
}

// TestAbort leaves no file, whether it was open or complete.
func TestAbort(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	w, err := Wrap(csv.New()).(connector.WriterConnector).NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: schema, PartitionBy: []int{0}}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for k := range int64(maxOpen + 1) {
			if err := w.Write(ctx, rows(1, k, columnar.MaxRows)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	err = filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			t.Errorf("%s was left behind", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEscape: every byte that a path cannot hold comes back.
func TestEscape(t *testing.T) {
	var all []byte
	for i := 1; i < 256; i++ {
		all = append(all, byte(i))
	}
	s := escape(string(all))
	if got := unescape(s); got != string(all) {
		t.Errorf("%q", got)
	}
	if filepath.Base(s) != s {
		t.Errorf("%q is no name", s)
	}
	for in, want := range map[string]string{"%": "%", "%4": "%4", "%41": "A", "%zz": "%zz", "a%2fb": "a/b", "%%41": "%A"} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
