package tpch_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/internal/diag"
)

// names lists a directory, hidden entries too.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// Workers render pieces in any order; the file must be the sequence.
func TestGenText(t *testing.T) {
	const sf = 0.02
	dir := t.TempDir()
	for _, format := range []string{"tbl", "csv"} {
		if err := tpch.Gen(context.Background(), tpch.GenOptions{SF: sf, Format: format, Dir: dir, Workers: 5}); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range dbgen.Tables() {
		var want bytes.Buffer
		if err := dbgen.WriteTBL(context.Background(), &want, table.Name, sf, 0, 1); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, table.Name+".tbl"))
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s.tbl is not the sequence of its parts (%v)", table.Name, err)
		}
		csv, err := os.ReadFile(filepath.Join(dir, table.Name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		if head, _, _ := strings.Cut(string(csv), "\n"); head != strings.Join(fields(table), ",") {
			t.Errorf("the header of %s.csv is %q", table.Name, head)
		}
		if lines := int64(bytes.Count(csv, []byte("\n"))); lines != dbgen.Rows(table.Name, sf)+1 {
			t.Errorf("%s.csv has %d lines", table.Name, lines)
		}
	}
	if got := names(t, dir); len(got) != 16 {
		t.Errorf("left behind: %v", got)
	}
}

func fields(t dbgen.Table) (out []string) {
	for _, f := range t.Schema.Fields {
		out = append(out, f.Name)
	}
	return out
}

// rows counts the rows of a Parquet table.
func rows(t *testing.T, path string) (n int64) {
	t.Helper()
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*")); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := pq.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		n += f.NumRows()
	}
	return n
}

// Data made over older data replaces it: files of an older, larger table mixed
// with newer ones would be read together and give wrong answers.
func TestGenReplaces(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "part.parquet")
	if err := os.MkdirAll(stale, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stale, "part-00099.parquet"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sf      float64
		workers int
		folder  bool // orders is large enough to be one
	}{{0.07, 3, true}, {0.01, 1, false}, {0.07, 1, true}} {
		pieces := map[string]int{}
		progress := func(table string) { pieces[table]++ }
		if err := tpch.Gen(context.Background(), tpch.GenOptions{SF: c.sf, Format: "parquet", Dir: dir, Workers: c.workers, Progress: progress}); err != nil {
			t.Fatal(err)
		}
		for _, table := range dbgen.Tables() {
			if got, want := rows(t, filepath.Join(dir, table.Name+".parquet")), dbgen.Rows(table.Name, c.sf); got != want {
				t.Errorf("%s at scale factor %g has %d rows, expected %d", table.Name, c.sf, got, want)
			}
			if pieces[table.Name] == 0 {
				t.Errorf("no progress on %s", table.Name)
			}
		}
		info, err := os.Stat(filepath.Join(dir, "orders.parquet"))
		if err != nil || info.IsDir() != c.folder {
			t.Errorf("orders at scale factor %g: folder %v (%v)", c.sf, info.IsDir(), err)
		}
		if got := names(t, dir); len(got) != 8 {
			t.Errorf("left behind: %v", got)
		}
	}
}

// A cancelled run leaves what was there, and nothing of its own.
func TestGenCancelled(t *testing.T) {
	for _, format := range []string{"parquet", "csv", "tbl"} {
		dir := t.TempDir()
		kept := filepath.Join(dir, "region."+format)
		if err := os.WriteFile(kept, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		err := tpch.Gen(ctx, tpch.GenOptions{SF: 0.02, Format: format, Dir: dir, Workers: 2, Progress: func(string) { cancel() }})
		var e *diag.Error
		if !errors.As(err, &e) || e.Class != diag.Cancelled || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", format, err)
		}
		if b, err := os.ReadFile(kept); err != nil || string(b) != "old" {
			t.Errorf("%s: the old table became %q (%v)", format, b, err)
		}
		if got := names(t, dir); len(got) != 1 {
			t.Errorf("%s: left behind: %v", format, got)
		}
	}
}

func TestGenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]tpch.GenOptions{
		"scale":     {SF: 0, Format: "tbl", Dir: dir},
		"format":    {SF: 1, Format: "orc", Dir: dir},
		"directory": {SF: 0.001, Format: "tbl", Dir: file},
	} {
		var e *diag.Error
		if err := tpch.Gen(context.Background(), o); !errors.As(err, &e) {
			t.Errorf("%s: %v is no error for users", name, err)
		}
	}
}
