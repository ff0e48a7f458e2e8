package csv

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/sql"
)

// sparkCase is a file, how it is read, and what Apache Spark 4.3 read.
type sparkCase struct {
	Why, Body, Schema string
	Options           map[string]string
	Types             string // "name type, …"
	Rows              [][]*string
	Error             string
}

// readAll returns the columns, and the rows as text, nil for null.
func readAll(c connector.Connector, ref catalog.TableRef, batch int) (types string, rows [][]*string, err error) {
	ctx := context.Background()
	t, err := c.Open(ctx, ref)
	if err != nil {
		return "", nil, err
	}
	var parts []string
	req := connector.ScanRequest{BatchRows: batch}
	for i, f := range t.Schema().Fields {
		req.Columns, req.Project = append(req.Columns, i), append(req.Project, i)
		parts = append(parts, f.Name+" "+f.Type.String())
	}
	splits, err := c.Splits(ctx, t.Descriptor(), req)
	if err != nil {
		return "", nil, err
	}
	for _, s := range splits {
		r, err := c.Scan(ctx, t.Descriptor(), s.Data, req)
		if err != nil {
			return "", nil, err
		}
		defer r.Close()
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return "", nil, err
			}
			for i := range b.Selected() {
				row := make([]*string, len(b.Cols))
				for k := range b.Cols {
					if v := &b.Cols[k]; !v.NullAt(b.RowAt(i)) {
						s := string(text.AppendValue(nil, v, b.RowAt(i), time.UTC))
						row[k] = &s
					}
				}
				rows = append(rows, row)
			}
		}
	}
	return strings.Join(parts, ", "), rows, nil
}

// schemaOf parses the columns of a case.
func schemaOf(t *testing.T, ddl string) *columnar.Schema {
	t.Helper()
	if ddl == "" {
		return nil
	}
	s, err := sql.ParseSchema(ddl)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSpark reads every case in batches of one and of all rows, and compares with
// Spark's answers.
func TestSpark(t *testing.T) {
	data, err := os.ReadFile("testdata/spark.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []sparkCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 100 {
		t.Fatalf("only %d cases", len(cases))
	}
	// What differs knowingly: odd quotes are errors in FAILFAST.
	stricter := map[string]bool{"quote not closed, failfast": true}
	for _, c := range cases {
		path := filepath.Join(t.TempDir(), "x.csv")
		if err := os.WriteFile(path, []byte(c.Body), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, batch := range []int{1, 0} {
			ref := catalog.TableRef{Path: path, Options: c.Options, Schema: schemaOf(t, c.Schema)}
			types, rows, err := readAll(New(), ref, batch)
			if c.Error != "" || stricter[c.Why] {
				if diag.ClassOf(err) != diag.MalformedRecord && diag.ClassOf(err) != diag.Unsupported {
					t.Errorf("%s: no error but %v: %v", c.Why, err, show(rows))
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.Why, err)
				continue
			}
			// A year beyond 9999 has a sign in Spark.
			for _, r := range c.Rows {
				for k, v := range r {
					if v != nil && strings.HasPrefix(*v, "+1") {
						x := (*v)[1:]
						r[k] = &x
					}
				}
			}
			if d := cmp.Diff(c.Types, types); d != "" {
				t.Errorf("%s %v %s\n%q: %s", c.Why, c.Options, c.Schema, c.Body, d)
			}
			if d := cmp.Diff(c.Rows, rows); d != "" && len(c.Rows)+len(rows) > 0 {
				t.Errorf("%s %v %s\n%q:\nSpark %v\n here %v", c.Why, c.Options, c.Schema, c.Body, show(c.Rows), show(rows))
			}
		}
	}
}

func show(rows [][]*string) (out [][]string) {
	for _, r := range rows {
		var row []string
		for _, v := range r {
			if v == nil {
				row = append(row, "∅")
			} else {
				row = append(row, "«"+*v+"»")
			}
		}
		out = append(out, row)
	}
	return out
}
