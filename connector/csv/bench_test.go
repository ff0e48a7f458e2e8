package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// items writes rows like those of TPC-H's lineitem.
func items(b *testing.B, rows int) (path string, schema *columnar.Schema) {
	b.Helper()
	rnd := rand.New(rand.NewSource(1))
	words := []string{"carefully", "final", "deposits", "sleep", "the", "furiously", "regular", "packages"}
	var text []byte
	for i := range rows {
		text = fmt.Appendf(text, "%d,%d,%d,%d,%d.00,%d.%02d,0.0%d,0.0%d,%c,%c,199%d-%02d-%02d,1996-01-%02d,1997-12-%02d,%s,%s,", i/4+1, rnd.Intn(200_000), rnd.Intn(10_000), i%7+1,
			rnd.Intn(50)+1, rnd.Intn(90_000)+900, rnd.Intn(100), rnd.Intn(10), rnd.Intn(9), "NRA"[rnd.Intn(3)], "OF"[rnd.Intn(2)], rnd.Intn(10), rnd.Intn(12)+1, rnd.Intn(28)+1, rnd.Intn(31)+1, rnd.Intn(31)+1,
			[]string{"DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"}[rnd.Intn(4)], []string{"AIR", "TRUCK", "MAIL", "REG AIR"}[rnd.Intn(4)])
		for range 2 + rnd.Intn(4) {
			text = append(append(text, words[rnd.Intn(len(words))]...), ' ')
		}
		text = append(text, "x\n"...)
	}
	path = filepath.Join(b.TempDir(), "items.csv")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	money := columnar.DecimalType(15, 2)
	for i, t := range []columnar.Type{columnar.Int64Type, columnar.Int64Type, columnar.Int64Type, columnar.Int64Type, money, money, money, money, columnar.StringType, columnar.StringType,
		columnar.DateType, columnar.DateType, columnar.DateType, columnar.StringType, columnar.StringType, columnar.StringType} {
		if schema == nil {
			schema = &columnar.Schema{}
		}
		schema.Fields = append(schema.Fields, columnar.Field{Name: fmt.Sprintf("c%d", i), Type: t, Nullable: true})
	}
	b.SetBytes(int64(len(text)))
	return path, schema
}

// each reads a file and passes its batches on.
func each(b *testing.B, path string, schema *columnar.Schema, columns []int, f func(*columnar.Batch) error) {
	ctx, c := context.Background(), New()
	t, err := c.Open(ctx, catalog.TableRef{Path: path, Schema: schema})
	if err != nil {
		b.Fatal(err)
	}
	req := connector.ScanRequest{Columns: columns}
	for i := range columns {
		req.Project = append(req.Project, i)
	}
	splits, err := c.Splits(ctx, t.Descriptor(), req)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range splits {
		r, err := c.Scan(ctx, t.Descriptor(), s.Data, req)
		if err != nil {
			b.Fatal(err)
		}
		for {
			x, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = f(x)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	all := make([]int, 16)
	for i := range all {
		all[i] = i
	}
	for _, x := range []struct {
		name    string
		columns []int
	}{{"count", nil}, {"one", []int{5}}, {"ints", all[:4]}, {"decimals", all[4:8]}, {"dates", all[10:13]}, {"strings", all[13:]}, {"all", all}} {
		b.Run(x.name, func(b *testing.B) {
			path, schema := items(b, 200_000)
			b.ReportAllocs()
			for b.Loop() {
				each(b, path, schema, x.columns, func(*columnar.Batch) error { return nil })
			}
		})
	}
}

func BenchmarkInfer(b *testing.B) {
	path, _ := items(b, 200_000)
	for b.Loop() {
		if _, err := New().Open(context.Background(), catalog.TableRef{Path: path, Options: map[string]string{"inferSchema": "true"}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	path, schema := items(b, 8192)
	var batch columnar.Batch
	columns := make([]int, 16)
	for i := range columns {
		columns[i] = i
	}
	dir := b.TempDir()
	ctx := context.Background()
	each(b, path, schema, columns, func(x *columnar.Batch) error {
		batch = *x
		b.ReportAllocs()
		for b.Loop() {
			w, err := New().NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: schema}, 0, 0)
			if err != nil {
				return err
			}
			for range 4 {
				if err := w.Write(ctx, &batch); err != nil {
					return err
				}
			}
			if _, err := w.Commit(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	b.SetBytes(4 * 1 << 20)
}
