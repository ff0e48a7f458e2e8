package parquet_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// BenchmarkScan reads lineitem from the directory MILLRACE_TPCH.
func BenchmarkScan(b *testing.B) {
	dir := os.Getenv("MILLRACE_TPCH")
	if dir == "" {
		b.Skip("MILLRACE_TPCH names no directory with lineitem.parquet")
	}
	ctx := context.Background()
	c := parquet.New()
	t, err := c.Open(ctx, catalog.TableRef{Path: filepath.Join(dir, "lineitem.parquet")})
	if err != nil {
		b.Fatal(err)
	}
	for _, test := range []struct {
		name string
		cols []int
	}{
		{"quantity-price-discount-shipdate", []int{4, 5, 6, 10}},
		{"flags", []int{8, 9, 13, 14}},
		{"comment", []int{15}},
		{"all", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				req := connector.ScanRequest{Columns: test.cols}
				for i := range test.cols {
					req.Project = append(req.Project, i)
				}
				if rows := scanAll(b, c, t.Descriptor(), req, nil); float64(rows) != t.Statistics().Rows {
					b.Fatalf("%d rows, want %v", rows, t.Statistics().Rows)
				}
			}
		})
	}
}

// scanAll reads every split and returns the number of rows.
func scanAll(t testing.TB, c connector.Connector, d catalog.Descriptor, req connector.ScanRequest, each func(*columnar.Batch)) int64 {
	t.Helper()
	ctx := context.Background()
	splits, err := c.Splits(ctx, d, req)
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	for _, s := range splits {
		r, err := c.Scan(ctx, d, s.Data, req)
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
			rows += int64(b.Selected())
			if each != nil {
				each(b)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// BenchmarkWrite writes lineitem of the directory MILLRACE_TPCH, into
// MILLRACE_WRITE if that is set. Reading is part of it.
func BenchmarkWrite(b *testing.B) {
	dir, out := os.Getenv("MILLRACE_TPCH"), os.Getenv("MILLRACE_WRITE")
	if dir == "" {
		b.Skip("MILLRACE_TPCH names no directory with lineitem.parquet")
	}
	if out == "" {
		out = b.TempDir()
	}
	ctx := context.Background()
	c := parquet.New()
	for _, compression := range []string{"snappy", "zstd", "none"} {
		b.Run(compression, func(b *testing.B) {
			t, err := c.Open(ctx, catalog.TableRef{Path: filepath.Join(dir, "lineitem.parquet")})
			if err != nil {
				b.Fatal(err)
			}
			for range b.N {
				w, err := c.NewWriter(ctx, connector.WriteSpec{Dir: out, Schema: t.Schema(), Options: map[string]string{"compression": compression, "file_name": compression + ".parquet"}}, 0, 0)
				if err != nil {
					b.Fatal(err)
				}
				req := connector.ScanRequest{}
				for i := range t.Schema().Fields {
					req.Columns, req.Project = append(req.Columns, i), append(req.Project, i)
				}
				scanAll(b, c, t.Descriptor(), req, func(x *columnar.Batch) {
					if err := w.Write(ctx, x); err != nil {
						b.Fatal(err)
					}
				})
				files, err := w.Commit(ctx)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(files[0].Bytes)/1e6, "MB")
			}
		})
	}
}
