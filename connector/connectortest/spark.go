// Package connectortest tests formats against answers that Apache Spark gave.
//
// It imports columnar, connector, plan/catalog and diag, and is imported by tests
// alone.
package connectortest

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

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// sparkCase is a file, how it is read, and what Apache Spark 4.3 read.
type sparkCase struct {
	Why, Body, Schema string
	Options           map[string]string
	Types             string // "name type, …"
	Rows              [][]*string
	Error             string
}

// Read returns the columns of a table, "name type, …", and its rows as text, nil
// for null.
func Read(c connector.Connector, ref catalog.TableRef, batchRows int) (types string, rows [][]*string, err error) {
	ctx := context.Background()
	t, err := c.Open(ctx, ref)
	if err != nil {
		return "", nil, err
	}
	var parts []string
	req := connector.ScanRequest{BatchRows: batchRows}
	for i, f := range t.Schema().Fields {
		req.Columns, req.Project = append(req.Columns, i), append(req.Project, i)
		parts = append(parts, f.Name+" "+f.Type.String())
	}
	splits, err := c.Splits(ctx, t.Descriptor(), req)
	if err != nil {
		return "", nil, err
	}
	for _, s := range splits {
		if rows, err = scan(ctx, c, t, s, req, rows); err != nil {
			return "", nil, err
		}
	}
	return strings.Join(parts, ", "), rows, nil
}

func scan(ctx context.Context, c connector.Connector, t connector.Table, s connector.Split, req connector.ScanRequest, rows [][]*string) ([][]*string, error) {
	r, err := c.Scan(ctx, t.Descriptor(), s.Data, req)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range b.Selected() {
			row := make([]*string, len(b.Cols))
			for k := range b.Cols {
				if v := &b.Cols[k]; v.Len != b.Rows {
					return nil, errors.New("a vector is not as long as its batch")
				} else if !v.NullAt(b.RowAt(i)) {
					s := string(text.AppendValue(nil, v, b.RowAt(i), time.UTC))
					row[k] = &s
				}
			}
			rows = append(rows, row)
		}
	}
}

// Spark reads every case of testdata/spark.json, in batches of one row and of all,
// and compares with Spark's answers. parse reads a schema; strict names the cases
// that are errors here though not in Spark.
func Spark(t *testing.T, c func() connector.Connector, ending string, parse func(string) (*columnar.Schema, error), strict ...string) {
	data, err := os.ReadFile("testdata/spark.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []sparkCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, x := range cases {
		for _, s := range strict {
			if s == x.Why {
				x.Error = "here"
			}
		}
		path := filepath.Join(t.TempDir(), "x"+ending)
		if err := os.WriteFile(path, []byte(x.Body), 0o600); err != nil {
			t.Fatal(err)
		}
		ref := catalog.TableRef{Path: path, Options: x.Options}
		if x.Schema != "" {
			if ref.Schema, err = parse(x.Schema); err != nil {
				t.Fatal(err)
			}
		}
		for _, batch := range []int{1, 0} {
			types, rows, err := Read(c(), ref, batch)
			if x.Error != "" {
				if k := diag.ClassOf(err); k != diag.MalformedRecord && k != diag.Unsupported {
					t.Errorf("%s: no error but %v: %v", x.Why, err, Show(rows))
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", x.Why, err)
				continue
			}
			if x.Types != types {
				t.Errorf("%s %v\n%q:\nSpark %s\n here %s", x.Why, x.Options, x.Body, x.Types, types)
			}
			if got, want := Show(rows), Show(x.Rows); got != want {
				t.Errorf("%s %v %s\n%q:\nSpark %v\n here %v", x.Why, x.Options, x.Schema, x.Body, want, got)
			}
		}
	}
}

// Show is rows on lines, nulls as ∅.
func Show(rows [][]*string) string {
	var b strings.Builder
	for _, r := range rows {
		for _, v := range r {
			if v == nil {
				b.WriteString(" ∅")
			} else {
				b.WriteString(" «" + *v + "»")
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
