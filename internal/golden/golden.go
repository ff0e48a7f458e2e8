// Package golden compares what a test makes with files under testdata, and writes
// those files anew when the test runs with -rewrite.
//
//	Cases  files of many cases: text, a line ----, its outcome, a line ====
//	File   a whole file
//	Seed   an entry of the corpus of a fuzz target, which go test reads, too
//
// Only tests import it; its own tests run it over files of a temporary directory.
package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write what the tests find into testdata")

// Names returns the files that match a pattern, at least one.
func Names(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return files
}

// Cases runs the cases of every file that matches a pattern in a subtest that has
// the file's name without its ending. Spaces around outcomes do not count.
func Cases(t *testing.T, pattern string, outcome func(t *testing.T, name, in string) string) {
	for _, file := range Names(t, pattern) {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for _, c := range strings.Split("\n"+string(data), "\n====\n") {
				if c = strings.TrimSpace(c); c == "" {
					continue
				}
				in, want, _ := strings.Cut(c+"\n", "\n----\n")
				got := strings.TrimSpace(outcome(t, name, in))
				if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" && !*rewrite {
					t.Errorf("%s\n(-want +got; -rewrite if that is right)\n%s", in, diff)
				}
				fmt.Fprintf(&out, "%s\n----\n%s\n====\n", strings.TrimSpace(in), got)
			}
			if *rewrite {
				write(t, file, out.String())
			}
		})
	}
}

// File compares a whole file with what it should hold.
func File(t testing.TB, path, got string) {
	t.Helper()
	if *rewrite {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -rewrite if that is right)\n%s", path, diff)
	}
}

// Seed returns the bytes that are committed under a name in a fuzz target's
// corpus, so that a test can tell whether old bytes are still understood. With
// -rewrite it first writes the given ones.
func Seed(t testing.TB, target, name string, data []byte) []byte {
	t.Helper()
	const head, tail = "go test fuzz v1\n[]byte(", ")\n"
	path := filepath.Join("testdata", "fuzz", target, name)
	if *rewrite {
		write(t, path, head+strconv.Quote(string(data))+tail)
	}
	entry, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (-rewrite writes it)", err)
	}
	old, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(string(entry), head), tail))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return []byte(old)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
