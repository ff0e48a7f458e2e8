package csv

import (
	"context"
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// strs makes a batch of string columns; nil is null.
func strs(rows [][]any) *columnar.Batch {
	b := &columnar.Batch{Schema: &columnar.Schema{}, Rows: len(rows)}
	for c := range rows[0] {
		v := columnar.Vector{Type: columnar.StringType, Len: len(rows), Valid: columnar.NewBitmap(len(rows))}
		off := []int32{0}
		for r := range rows {
			if s, ok := rows[r][c].(string); ok {
				v.Valid.Set(r)
				v.Bytes = append(v.Bytes, s...)
			}
			off = append(off, int32(len(v.Bytes)))
		}
		v.Data = columnar.BytesOf(off)
		b.Cols = append(b.Cols, v)
		b.Schema.Fields = append(b.Schema.Fields, columnar.Field{Name: string(rune('a' + c)), Type: columnar.StringType, Nullable: true})
	}
	return b
}

// there writes a batch and returns the file.
func there(t *testing.T, b *columnar.Batch, o map[string]string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	w, err := New().NewWriter(context.Background(), connector.WriteSpec{Dir: dir, Schema: b.Schema, Options: o}, 3, 1)
	if err != nil {
		return "", err
	}
	if err := w.Write(context.Background(), b); err != nil {
		w.Abort()
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%v was left behind", left)
		}
		return "", err
	}
	files, err := w.Commit(context.Background())
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, files[0].Path), nil
}

// back reads strings, nil for null.
func back(t *testing.T, path string, s *columnar.Schema, o map[string]string) [][]any {
	t.Helper()
	ctx, c := context.Background(), New()
	options := map[string]string{"multiLine": "true"}
	for k, v := range o {
		options[k] = v
	}
	tab, err := c.Open(ctx, catalog.TableRef{Path: path, Options: options, Schema: s})
	if err != nil {
		t.Fatal(err)
	}
	req := connector.ScanRequest{}
	for i := range s.Fields {
		req.Columns, req.Project = append(req.Columns, i), append(req.Project, i)
	}
	splits, err := c.Splits(ctx, tab.Descriptor(), req)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]any
	for _, x := range splits {
		r, err := c.Scan(ctx, tab.Descriptor(), x.Data, req)
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
			for i := range b.Rows {
				row := make([]any, len(b.Cols))
				for k := range b.Cols {
					if !b.Cols[k].NullAt(i) {
						row[k] = string(text.AppendValue(nil, &b.Cols[k], i, time.UTC))
					}
				}
				out = append(out, row)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// nasty are values that a careless writer loses.
var nasty = []any{nil, "", "NULL", `"`, `""`, `\`, `a\`, `a,\`, `\\`, `\"`, `,"\`, ",", "a,b", "|", "x\ny", "x\r\ny", "\r", "\n", " a ", "\ufeffa", "a;b", "'", "null", "ä€😀"}

func TestWriteReadBack(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	for _, o := range []map[string]string{
		{}, {"header": "true"}, {"sep": "|"}, {"sep": `\t`, "header": "true"}, {"nullValue": "NULL"}, {"quote": "'"}, {"escape": `"`}, {"escape": ""}, {"escape": "x"}, {"quoteAll": "true"},
		{"nullValue": "NULL", "ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}, {"comment": "a", "sep": "||"}, {"compression": "gzip"},
	} {
		for range 20 {
			rows := make([][]any, 1+rnd.Intn(40))
			for r := range rows {
				for range 3 {
					rows[r] = append(rows[r], nasty[rnd.Intn(len(nasty))])
				}
			}
			b := strs(rows)
			path, err := there(t, b, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				for k, v := range r {
					if v == "" && o["nullValue"] == "" || v == o["nullValue"] { // W1
						r[k] = nil
					}
				}
			}
			if d := cmp.Diff(rows, back(t, path, b.Schema, o)); d != "" {
				raw, _ := os.ReadFile(path)
				t.Fatalf("options %v: %s\n%q", o, d, raw)
			}
		}
	}
}

// TestWriteText pins what others read.
func TestWriteText(t *testing.T) {
	path, err := there(t, strs([][]any{{"a", nil}, {"", `x"y`}, {"p,q", `c\d`}}), map[string]string{"header": "true"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("a,b\na,\n\"\",\"x\\\"y\"\n\"p,q\",c\\d\n", string(raw)); d != "" {
		t.Error(d)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, test := range []struct {
		rows    [][]any
		options map[string]string
	}{
		{[][]any{{"a,b", "c"}}, map[string]string{"quote": ""}},
		{[][]any{{"a", "c"}}, map[string]string{"colour": "red"}},
	} {
		if _, err := there(t, strs(test.rows), test.options); diag.ClassOf(err) != diag.InvalidArgument {
			t.Errorf("%v with %v: %v", test.rows, test.options, err)
		}
	}
	// A null in the only column is no empty line, which would be no record.
	for _, o := range []map[string]string{{"nullValue": "-"}, nil} {
		if path, err := there(t, strs([][]any{{nil}, {"x"}}), o); err != nil {
			t.Error(err)
		} else if d := cmp.Diff([][]any{{nil}, {"x"}}, back(t, path, strs([][]any{{nil}}).Schema, o)); d != "" {
			t.Error(d)
		}
	}
}
