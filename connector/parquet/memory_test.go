package parquet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// What a scan holds is counted, in ample memory and where there is none, and a split
// says about how much it takes at least.
func TestScanMemory(t *testing.T) {
	ctx, r := context.Background(), rand.New(rand.NewPCG(5, 5))
	const rows, columns = 50_000, 6
	b := &columnar.Batch{Schema: &columnar.Schema{}, Rows: rows}
	req := connector.ScanRequest{}
	for c := range columns {
		xs := make([]int64, rows)
		for i := range xs {
			xs[i] = r.Int64N(1 << 20) // 60 % of the file's bytes
		}
		b.Schema.Fields = append(b.Schema.Fields, columnar.Field{Name: fmt.Sprint("c", c), Type: columnar.Int64Type})
		b.Cols = append(b.Cols, columnar.Vector{Type: columnar.Int64Type, Len: rows, Width: 8, Data: columnar.BytesOf(xs)})
		req.Columns, req.Project = append(req.Columns, c), append(req.Project, c)
	}
	dir := t.TempDir()
	w, err := parquet.New().NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: b.Schema}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < rows; from += columnar.MaxRows {
		if err := w.Write(ctx, kernel.SliceBatch(b, from, min(columnar.MaxRows, rows-from), nil)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	c := parquet.New()
	table, err := c.Open(ctx, catalog.TableRef{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := c.Splits(ctx, table.Descriptor(), req)
	if err != nil || len(splits) != 1 {
		t.Fatalf("%d splits, %v", len(splits), err)
	}
	for _, budget := range []int64{1 << 30, 1 << 20} {
		memory.TrimSlabs(0)
		before, _ := memory.SlabBytes()
		broker := memory.NewBroker(budget)
		req.Memory = broker.Reserve("scan", 0)
		scanAll(t, c, table.Descriptor(), req, func(*columnar.Batch) {
			live, _ := memory.SlabBytes()
			if held := req.Memory.Held(); held < live-before {
				t.Fatalf("in %d bytes: %d are counted of %d in slabs", budget, held, live-before)
			}
		})
		if n := req.Memory.Held(); n != 0 {
			t.Errorf("%d bytes stay", n)
		}
		if peak, least := req.Memory.Peak(), splits[0].Memory; least > peak || least < peak/4 {
			t.Errorf("a scan takes %d bytes of %d; its split says %d", peak, budget, least)
		}
		req.Memory.Close()
		if n := broker.Reserved(); n != 0 {
			t.Errorf("%d bytes stay reserved", n)
		}
	}
}
