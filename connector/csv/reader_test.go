package csv

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/sql"
)

// TestFilteredRows: behind a filter the other columns are made of the rows that
// passed alone, so that a value that is none of its type matters there only; all
// memory is given back, after an early close too.
func TestFilteredRows(t *testing.T) {
	var b strings.Builder
	for range 50_000 {
		b.WriteString("1,x,some text\n2,5,more of it\n")
	}
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	schema, err := sql.ParseSchema("a INT, b INT, c STRING")
	if err != nil {
		t.Fatal(err)
	}
	ctx, c := context.Background(), New()
	broker := memory.NewBroker(64 << 20)
	live, _ := memory.SlabBytes()
	for _, x := range []struct {
		equals int64
		early  bool
		rows   int
		class  diag.Class
	}{{2, false, 50_000, ""}, {2, true, 0, ""}, {3, false, 0, ""}, {1, false, 0, diag.MalformedRecord}} {
		tab, err := c.Open(ctx, catalog.TableRef{Path: path, Schema: schema, Options: map[string]string{"mode": "FAILFAST"}})
		if err != nil {
			t.Fatal(err)
		}
		r := broker.Reserve("scan", 0)
		req := connector.ScanRequest{Columns: []int{0, 1, 2}, Project: []int{1, 2}, Memory: r, Filters: []expr.Expr{
			expr.NewCall("=", columnar.BoolType, &expr.Column{Index: 0, Typ: columnar.Int32Type, Null: true}, expr.Lit(x.equals, columnar.Int32Type)),
		}}
		splits, err := c.Splits(ctx, tab.Descriptor(), req)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Scan(ctx, tab.Descriptor(), splits[0].Data, req)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for !x.early {
			var out *columnar.Batch
			if out, err = s.Next(ctx); err != nil {
				break
			}
			if r.Held() == 0 {
				t.Error("nothing is charged")
			}
			for i := range out.Selected() {
				if k := out.RowAt(i); out.Cols[0].Int64At(k) != 5 || string(out.Cols[1].BytesAt(k)) != "more of it" {
					t.Fatalf("a row of %d %q", out.Cols[0].Int64At(k), out.Cols[1].BytesAt(k))
				}
			}
			rows += out.Selected()
		}
		if rows != x.rows || diag.ClassOf(err) != x.class || x.class == "" && err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("a = %d: %d rows, %v", x.equals, rows, err)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if r.Held() != 0 {
			t.Errorf("a = %d: %d bytes are held after the end", x.equals, r.Held())
		}
		r.Close()
	}
	if now, _ := memory.SlabBytes(); now != live {
		t.Errorf("%d bytes of slabs, %d before", now, live)
	}
}

func TestOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		key, value, says string
		class            diag.Class
	}{
		{"encoding", "ISO-8859-1", "iconv", diag.Unsupported},
		{"mode", "LENIENT", "DROPMALFORMED", diag.InvalidArgument},
		{"headers", "true", "header", diag.InvalidArgument},
		{"header", "maybe", "true or false", diag.InvalidArgument},
		{"sep", "", "separator", diag.InvalidArgument},
		{"quote", "<<", "one ASCII character", diag.InvalidArgument},
		{"comment", ",", "another meaning", diag.InvalidArgument},
		{"dateFormat", "yyyy-bb", "bb", diag.InvalidArgument},
		{"timestampFormat", "yyyy [HH", "[", diag.InvalidArgument},
		{"timeZone", "Mars", "Mars", diag.InvalidArgument},
		{"samplingRatio", "2", "up to 1", diag.InvalidArgument},
		{"enforceSchema", "false", "not supported", diag.Unsupported},
	} {
		_, err := New().Open(context.Background(), catalog.TableRef{Path: path, Options: map[string]string{x.key: x.value}})
		if diag.ClassOf(err) != x.class || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s = %q: %v", x.key, x.value, err)
		}
	}
}
