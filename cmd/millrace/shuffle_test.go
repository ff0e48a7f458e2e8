package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestShuffleCat keeps the output of an exchange, prints it in several forms, and
// queries it.
func TestShuffleCat(t *testing.T) {
	dir := t.TempDir()
	var ids bytes.Buffer
	for i := range 1000 {
		fmt.Fprintln(&ids, i%100)
	}
	source := filepath.Join(dir, "ids.csv")
	if err := os.WriteFile(source, ids.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "kept")
	status, out, errs := invoke(t, "sql", "--master", "local[1]", "--conf", "sql.shuffle.partitions=4", "--conf", "shuffle.keep="+kept, "--format", "csv", "-c", "SELECT sum(n) FROM (SELECT _c0, count(*) n FROM '"+source+"' GROUP BY 1)")
	if status != 0 || strings.TrimSpace(string(out)) != "1000" {
		t.Fatalf("%d: %s%s", status, out, errs)
	}
	files, err := filepath.Glob(filepath.Join(kept, "app-*", "job-*", "*.mrs"))
	if err != nil {
		t.Fatal(err)
	}
	groups := ""
	for _, f := range files {
		status, out, errs = invoke(t, "shuffle", "cat", f, "--summary", "--format", "json")
		var s fileSummary
		if err := json.Unmarshal(out, &s); status != 0 || err != nil {
			t.Fatalf("%d: %s%s", status, out, errs)
		}
		if s.Rows == 100 {
			groups = f
			if s.Partitions != 4 || len(s.Filled) != 4 || s.Filled[1].Rows == 0 || s.Filled[1].RowHash == "" {
				t.Errorf("the summary is %s", out)
			}
		}
	}
	if groups == "" {
		t.Fatalf("none of %q has the 100 groups", files)
	}
	lines := 0
	for p := range 4 {
		if status, out, errs = invoke(t, "shuffle", "cat", groups, "--format", "csv", "--partition", fmt.Sprint(p)); status != 0 {
			t.Fatalf("%d: %s", status, errs)
		}
		lines += bytes.Count(out, []byte("\n"))
	}
	status, out, errs = invoke(t, "shuffle", "cat", groups, "--format", "csv")
	if n := bytes.Count(out, []byte("\n")); status != 0 || n != 100 || lines != 100 || !bytes.Contains(out, []byte(",10\n")) {
		t.Errorf("%d: %d rows, by partition %d: %s", status, n, lines, errs)
	}
	for format, part := range map[string]string{"table": "+---", "json": `":10`, "arrow": "\xff\xff\xff\xff", "markdown": "| --- |"} {
		if status, out, errs = invoke(t, "shuffle", "cat", groups, "--format", format); status != 0 || !strings.Contains(string(out), part) {
			t.Errorf("%s: %d: %.200s%s", format, status, out, errs)
		}
	}
	if status, out, errs = invoke(t, "shuffle", "cat", groups, "--summary"); status != 0 || !strings.Contains(string(out), "100 rows in 4 of 4 partitions") {
		t.Errorf("%d: %s%s", status, out, errs)
	}
	if status, out, errs = invoke(t, "sql", "--format", "csv", "-c", "SELECT count(*) FROM '"+groups+"'"); strings.TrimSpace(string(out)) != "100" {
		t.Errorf("%d: %s%s", status, out, errs)
	}

	data, err := os.ReadFile(groups)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.mrs")
	if err := os.WriteFile(cut, data[:len(data)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		status int
		text   string
		args   []string
	}{
		{failed, "error[FAILED_READ_FILE]: " + cut, []string{cut}},
		{failed, "error[FAILED_READ_FILE]: " + cut, []string{cut, "--summary"}},
		{failed, "error[PATH_NOT_FOUND]", []string{cut + "x"}},
		{failed, "error[PATH_NOT_FOUND]", []string{cut + "x", "--summary"}},
		{usage, "no format", []string{groups, "--format", "xml"}},
		{usage, "no format", []string{groups, "--format", "csv", "--summary"}},
		{usage, "--partition", []string{groups, "--partition", "-3"}},
		{usage, "arg(s)", nil},
	} {
		if status, _, errs := invoke(t, append([]string{"shuffle", "cat"}, x.args...)...); status != x.status || !strings.Contains(errs, x.text) || strings.Contains(errs, ".go:") {
			t.Errorf("%q: %d: %s", x.args, status, errs)
		}
	}
}
