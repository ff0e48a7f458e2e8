package csv

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/records"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// scanAll opens a file and reads every value of every row.
func scanAll(path string, options map[string]string) (rows int, err error) {
	ctx, c := context.Background(), New()
	t, err := c.Open(ctx, catalog.TableRef{Path: path, Options: options})
	if err != nil {
		return 0, err
	}
	req := connector.ScanRequest{BatchRows: 3}
	for i := range t.Schema().Fields {
		req.Columns, req.Project = append(req.Columns, i), append(req.Project, i)
	}
	splits, err := c.Splits(ctx, t.Descriptor(), req)
	if err != nil {
		return 0, err
	}
	var shown []byte
	for _, s := range splits {
		r, err := c.Scan(ctx, t.Descriptor(), s.Data, req)
		if err != nil {
			return rows, err
		}
		for {
			b, err := r.Next(ctx)
			if err != nil {
				r.Close()
				if errors.Is(err, io.EOF) {
					break
				}
				return rows, err
			}
			for i := range b.Selected() {
				for k := range b.Cols {
					if b.Cols[k].Len != b.Rows {
						return rows, errors.New("a vector is not as long as its batch")
					}
					shown = text.AppendValue(shown[:0], &b.Cols[k], b.RowAt(i), time.UTC)
				}
			}
			rows += b.Selected()
		}
	}
	return rows, nil
}

func fuzzOptions(flags uint16) map[string]string {
	o := map[string]string{}
	for i, k := range []string{"header", "multiLine", "inferSchema", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace"} {
		if flags>>i&1 != 0 {
			o[k] = "true"
		}
	}
	for i, more := range []map[string]string{
		{"mode": "FAILFAST"}, {"mode": "DROPMALFORMED"}, {"sep": "|", "nullValue": "NULL"}, {"quote": "'", "escape": ""}, {"escape": "\""},
		{"comment": "#", "sep": "ab"}, {"lineSep": ";"}, {"dateFormat": "d/M/yyyy", "timestampFormat": "yyyy-MM-dd['T'HH:mm[:ss[.SSS]]][XXX]"},
	} {
		if flags>>(5+i)&1 != 0 {
			for k, v := range more {
				o[k] = v
			}
		}
	}
	return o
}

// FuzzScan: any bytes give rows or a *diag.Error, whatever the options.
func FuzzScan(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.csv")
	f.Fuzz(func(t *testing.T, data []byte, flags uint16) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := scanAll(path, fuzzOptions(flags))
		var e *diag.Error
		if err != nil && (!errors.As(err, &e) || e.Class == diag.Internal) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if rows > len(data)+1 {
			t.Fatalf("%d rows of %d bytes", rows, len(data))
		}
	})
}

// TestSplitsCoverOnce cuts a file at every byte: each record belongs to exactly
// one of the two halves.
func TestSplitsCoverOnce(t *testing.T) {
	data := "id,name\n1,a\r2,\"b,b\"\r\n\n3,\n4,dddd"
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &options{Sep: ",", Quote: '"', Header: true}
	table := &records.Table{Mode: records.FailFast, Names: []string{"id", "name"}, Types: []columnar.Type{columnar.Int32Type, columnar.StringType}}
	for cut := range len(data) {
		var got []int64
		for _, part := range [][2]int64{{0, int64(cut)}, {int64(cut), int64(len(data))}} {
			r, err := records.NewReader(table, connector.ScanRequest{Columns: []int{0, 1}, Project: []int{0}}, func(width int, _ bool) (records.Source, error) {
				return newSource(records.Range{Path: path, From: part[0], End: part[1]}, newScanner(o, width, 2), table, nil)
			})
			if err != nil {
				t.Fatal(err)
			}
			for {
				b, err := r.Next(context.Background())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				for i := range b.Rows {
					got = append(got, b.Cols[0].Int64At(i))
				}
			}
			r.Close()
		}
		if len(got) != 4 || got[0] != 1 || got[1] != 2 || got[2] != 3 || got[3] != 4 {
			t.Errorf("cut at byte %d of %q: rows %v", cut, data, got)
		}
	}
}
