package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// invoke runs the command and returns its exit status, output and errors.
func invoke(t *testing.T, args ...string) (int, []byte, string) {
	t.Helper()
	files := [2]*os.File{}
	for i := range files {
		f, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = files[0], files[1]
	status := run(args)
	os.Stdout, os.Stderr = out, errs
	var text [2][]byte
	for i, f := range files {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		text[i] = b
	}
	return status, text[0], string(text[1])
}

// TestBinaryFormats: what --format arrow and parquet print reads back the same,
// and a query that fails leaves no file behind that could be taken for a result.
func TestBinaryFormats(t *testing.T) {
	var ids bytes.Buffer
	for i := range 200_000 {
		fmt.Fprintln(&ids, i)
	}
	source := filepath.Join(t.TempDir(), "ids.csv")
	if err := os.WriteFile(source, ids.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	source = "(SELECT CAST(_c0 AS BIGINT) id FROM '" + source + "')"
	query := `SELECT id, CAST(id * 1.5 AS DECIMAL(10,1)) d, IF(id % 3 = 0, NULL, concat('s', id)) s, DATE '2024-02-29' dt, id % 2 = 0 b,
		INTERVAL '1 02:03:04' DAY TO SECOND i, INTERVAL '1-2' YEAR TO MONTH m, NULL n FROM ` + source + ` ORDER BY id`
	const check = "SELECT count(*), sum(id), sum(d), count(s), max(s), max(dt), count_if(b), max(i), max(m), count(n) FROM "
	status, want, errs := invoke(t, "sql", "-c", check+"("+query+")", "--format", "csv")
	if status != 0 || !strings.HasPrefix(string(want), "200000,19999900000,") {
		t.Fatalf("%d: %s%s", status, want, errs)
	}
	for _, format := range []string{"arrow", "parquet"} {
		query := query
		if format == "parquet" { // which has neither intervals nor columns without a type
			query = strings.NewReplacer("INTERVAL '1 02:03:04' DAY TO SECOND", "1", "INTERVAL '1-2' YEAR TO MONTH", "2", "NULL n", "CAST(NULL AS INT) n").Replace(query)
		}
		status, want, errs := invoke(t, "sql", "-c", check+"("+query+")", "--format", "csv")
		if status != 0 {
			t.Fatal(errs)
		}
		status, data, errs := invoke(t, "sql", "-c", "CREATE TEMPORARY VIEW v AS "+query+"; SELECT * FROM v", "--format", format)
		if status != 0 || errs != "" {
			t.Fatalf("%s: %d %s", format, status, errs)
		}
		path := filepath.Join(t.TempDir(), "x."+format)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		status, got, errs := invoke(t, "sql", "-c", check+"'"+path+"'", "--format", "csv")
		if status != 0 || !bytes.Equal(got, want) {
			t.Errorf("%s: %d %s%s, want %s", format, status, got, errs, want)
		}
		status, data, errs = invoke(t, "sql", "-c", "SELECT 1/(id - 150000) FROM "+source, "--format", format)
		if status != failed || !strings.Contains(errs, "DIVIDE_BY_ZERO") || bytes.HasSuffix(data, []byte("PAR1")) || bytes.HasSuffix(data, make([]byte, 4)) {
			t.Errorf("%s of a failing query: %d, %d bytes, %s", format, status, len(data), errs)
		}
		status, data, errs = invoke(t, "sql", "-c", "SELECT 1 a; SELECT 2 b", "--format", format)
		if status != failed || !strings.Contains(errs, "holds one") || len(data) == 0 {
			t.Errorf("two results as %s: %d %s", format, status, errs)
		}
	}
}

// TestPlaceInScript: a statement's error shows the line of the script.
func TestPlaceInScript(t *testing.T) {
	status, out, errs := invoke(t, "sql", "--format", "tsv", "-c", "SELECT 1;\n\nSELECT 2,\n  1/0;\nSELECT 3")
	if status != failed || string(out) != "1\n" || !strings.Contains(errs, "at line 4, column 4\n  4 |   1/0;\n    |    ^") {
		t.Errorf("%d %q %s", status, out, errs)
	}
}
