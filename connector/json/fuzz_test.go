package json

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/connectortest"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/sql"
)

func fuzzOptions(flags uint16) map[string]string {
	o := map[string]string{}
	for i, more := range []map[string]string{
		{"multiLine": "true"}, {"mode": "FAILFAST"}, {"mode": "DROPMALFORMED"}, {"allowUnquotedFieldNames": "true"}, {"allowSingleQuotes": "false"},
		{"prefersDecimal": "true", "inferTimestamp": "true"}, {"primitivesAsString": "true"}, {"dropFieldIfAllNull": "true"}, {"lineSep": ";"},
		{"dateFormat": "d/M/yyyy", "timestampFormat": "yyyy-MM-dd['T'HH:mm[:ss[.SSS]]][XXX]"},
	} {
		if flags>>i&1 != 0 {
			for k, v := range more {
				o[k] = v
			}
		}
	}
	return o
}

// FuzzScan: any bytes give rows or a *diag.Error, whatever the options, with the
// types that they have and with others.
func FuzzScan(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.json")
	schema, err := sql.ParseSchema("a BIGINT, b STRUCT<x:DOUBLE,y:ARRAY<DATE>>, c MAP<STRING,DECIMAL(5,2)>, d ARRAY<STRUCT<x:TIMESTAMP>>, e BINARY, f BOOLEAN, g STRING, _corrupt_record STRING")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, flags uint16) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*columnar.Schema{nil, schema} {
			_, rows, err := connectortest.Read(New(), catalog.TableRef{Path: path, Options: fuzzOptions(flags), Schema: s}, 3)
			var e *diag.Error
			if err != nil && (!errors.As(err, &e) || e.Class == diag.Internal) {
				t.Fatalf("an error of another kind: %v", err)
			}
			if len(rows) > len(data)+1 {
				t.Fatalf("%d rows of %d bytes", len(rows), len(data))
			}
		}
	})
}

// TestSplitsCoverOnce cuts a file at every byte: each record is in one of the two
// halves, those of an array in that in which its line begins.
func TestSplitsCoverOnce(t *testing.T) {
	const data = `{"a":1}` + "\n\n" + `{"a":2,"b":"\n"}` + "\r\n" + ` [{"a":3} , {"a":4}] ` + "\r" + `x` + "\n" + `{"a":6}`
	path := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	table := &records.Table{Names: []string{"a"}, Types: []columnar.Type{columnar.Int64Type}}
	for cut := range int64(len(data)) {
		for _, limit := range []int{1, 100} {
			var got []int64
			for _, part := range []records.Range{{Path: path, End: cut}, {Path: path, From: cut, End: int64(len(data))}} {
				src, err := newSource(part, newScanner(&options{}, table.Names), table, nil)
				if err != nil {
					t.Fatal(err)
				}
				for src.Next(limit) == nil {
					v := src.Vector(0, columnar.Int64Type, nil, nil)
					for i := range v.Len {
						if v.NullAt(i) {
							got = append(got, 5)
						} else {
							got = append(got, v.Int64At(i))
						}
					}
				}
				src.Close()
			}
			if !slices.Equal(got, []int64{1, 2, 3, 4, 5, 6}) {
				t.Errorf("cut at byte %d of %q: rows %v", cut, data, got)
			}
		}
	}
}

// TestWriteReadBack writes what was read, and reads it again.
func TestWriteReadBack(t *testing.T) {
	ctx := context.Background()
	const body = `{"a":1,"b":{"x":1.5,"y":["2024-02-29"]},"c":{"k":1.25,"\"":2},"d":[{"x":"2024-02-29 12:34:56.789"},null,{}],"e":"YWI=","f":true,"g":"\u00e9\n\t\"\\\u0001 /"}
{"b":{},"c":{},"d":[],"e":"","g":""}
{}
{"a":-5,"b":{"x":"NaN","y":[null]},"c":{"k":null},"f":false,"g":"null"}
`
	path := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	schema, err := sql.ParseSchema("a BIGINT, b STRUCT<x:DOUBLE,y:ARRAY<DATE>>, c MAP<STRING,DECIMAL(5,2)>, d ARRAY<STRUCT<x:TIMESTAMP>>, e BINARY, f BOOLEAN, g STRING")
	if err != nil {
		t.Fatal(err)
	}
	_, want, err := connectortest.Read(New(), catalog.TableRef{Path: path, Schema: schema}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []map[string]string{nil, {"ignoreNullFields": "false"}, {"compression": "gzip", "dateFormat": "dd.MM.yyyy", "timestampFormat": "yyyy-MM-dd HH:mm:ss.SSS"}} {
		c := New()
		tab, err := c.Open(ctx, catalog.TableRef{Path: path, Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		req := connector.ScanRequest{Columns: []int{0, 1, 2, 3, 4, 5, 6}, Project: []int{0, 1, 2, 3, 4, 5, 6}}
		splits, err := c.Splits(ctx, tab.Descriptor(), req)
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Scan(ctx, tab.Descriptor(), splits[0].Data, req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		w, err := c.NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: tab.Schema(), Options: o}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		r.Close()
		patterns := map[string]string{}
		for _, k := range []string{"dateFormat", "timestampFormat"} {
			if o[k] != "" {
				patterns[k] = o[k]
			}
		}
		_, got, err := connectortest.Read(c, catalog.TableRef{Path: dir, Schema: schema, Options: patterns}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if g, w := connectortest.Show(got), connectortest.Show(want); g != w {
			t.Errorf("%v:\n got %s\nwant %s", o, g, w)
		}
	}
}
