package text

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/connectortest"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

func read(t *testing.T, path string, o map[string]string) (out []string) {
	t.Helper()
	for _, batch := range []int{1, 0} {
		types, rows, err := connectortest.Read(New(), catalog.TableRef{Path: path, Options: o}, batch)
		if err != nil || types != "value string" {
			t.Fatalf("%s: %v", types, err)
		}
		before := out
		out = nil
		for _, r := range rows {
			out = append(out, *r[0])
		}
		if batch == 0 && !cmp.Equal(before, out) {
			t.Errorf("batches of one row: %q, of all: %q", before, out)
		}
	}
	return out
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.txt")
	long := strings.Repeat("long ", 100_000)
	for _, c := range []struct {
		body    string
		options map[string]string
		want    []string
	}{
		{"", nil, nil},
		{"a\nb\r\nc\rd", nil, []string{"a", "b", "c", "d"}},
		{"\n\n x \n", nil, []string{"", "", " x "}},
		{"\ufeffa\n\"b\"\n", nil, []string{"a", `"b"`}},
		{"a;b\n;", map[string]string{"lineSep": ";"}, []string{"a", "b\n"}},
		{"a\nb\n", map[string]string{"wholetext": "true"}, []string{"a\nb\n"}},
		{long + "\n" + long, nil, []string{long, long}},
	} {
		if err := os.WriteFile(path, []byte(c.body), 0o600); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, read(t, path, c.options)); d != "" {
			t.Errorf("%.40q: %s", c.body, d)
		}
	}
}

// column makes a batch of one column of strings.
func column(rows ...string) *columnar.Batch {
	v := columnar.Vector{Type: columnar.StringType, Len: len(rows)}
	off := []int32{0}
	for _, r := range rows {
		v.Bytes = append(v.Bytes, r...)
		off = append(off, int32(len(v.Bytes)))
	}
	v.Data = columnar.BytesOf(off)
	return &columnar.Batch{Schema: columnar.NewSchema(columnar.Field{Name: "value", Type: columnar.StringType}), Rows: len(rows), Cols: []columnar.Vector{v}}
}

func TestWrite(t *testing.T) {
	ctx := context.Background()
	write := func(b *columnar.Batch, o map[string]string) (string, error) {
		dir := t.TempDir()
		w, err := New().NewWriter(ctx, connector.WriteSpec{Dir: dir, Schema: b.Schema, Options: o}, 0, 0)
		if err != nil {
			return "", err
		}
		if err := w.Write(ctx, b); err != nil {
			w.Abort()
			return "", err
		}
		_, err = w.Commit(ctx)
		return dir, err
	}
	for _, o := range []map[string]string{nil, {"compression": "gzip"}, {"lineSep": ";"}} {
		dir, err := write(column("a", "", "b c"), o)
		if err != nil {
			t.Fatal(err)
		}
		sep := map[string]string{}
		if o["lineSep"] != "" {
			sep = o
		}
		if d := cmp.Diff([]string{"a", "", "b c"}, read(t, dir, sep)); d != "" {
			t.Errorf("%v: %s", o, d)
		}
	}
	if _, err := write(column("a\nb"), nil); diag.ClassOf(err) != diag.InvalidArgument {
		t.Errorf("a line break: %v", err)
	}
	two := column("a")
	two.Schema = columnar.NewSchema(two.Schema.Fields[0], columnar.Field{Name: "b", Type: columnar.Int32Type})
	if _, err := write(two, nil); diag.ClassOf(err) != diag.TypeMismatch {
		t.Errorf("two columns: %v", err)
	}
}
