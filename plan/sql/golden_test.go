package sql

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/internal/diag"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// The files under testdata hold cases: text, a line ----, the outcome, a line
// ====. What a file's text is, its name says: expr*, type*, schema*, split*, or
// statements.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for _, c := range strings.Split(strings.TrimSpace(string(data)), "\n====\n") {
				in, want, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(c), "\n===="), "\n----\n")
				in = strings.TrimSuffix(in, "\n----")
				got := strings.TrimRight(outcome(filepath.Base(file), in), "\n")
				if !*rewrite {
					if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
						t.Errorf("%s\n%s", in, diff)
					}
				}
				fmt.Fprintf(&out, "%s\n----\n%s\n====\n", in, got)
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// outcome parses a case and renders the result or the error.
func outcome(file, in string) string {
	switch {
	case strings.HasPrefix(file, "expr"):
		var b strings.Builder
		for _, line := range strings.Split(in, "\n") {
			e, err := ParseExpr(line)
			if err != nil {
				b.WriteString(render(err, line))
			} else {
				b.WriteString(dumpExpr(e))
			}
		}
		return b.String()
	case strings.HasPrefix(file, "type"):
		var b strings.Builder
		for _, line := range strings.Split(in, "\n") {
			typ, err := ParseType(line)
			if err != nil {
				b.WriteString(render(err, line))
			} else {
				b.WriteString(typ.String() + "\n")
			}
		}
		return b.String()
	case strings.HasPrefix(file, "schema"):
		s, err := ParseSchema(in)
		if err != nil {
			return render(err, in)
		}
		return s.String()
	case strings.HasPrefix(file, "split"):
		list, err := Split(in)
		if err != nil {
			return render(err, in)
		}
		var b strings.Builder
		for _, s := range list {
			fmt.Fprintf(&b, "%d %q %v\n", s.Offset, s.Text, s.Terminated)
		}
		return b.String()
	}
	p, err := Parse(in)
	if err != nil {
		return render(err, in)
	}
	return dumpPlan(p)
}

func render(err error, in string) string {
	var e *diag.Error
	if !errors.As(err, &e) {
		return "NOT A DIAG ERROR: " + err.Error()
	}
	return diag.Render(err, in) + "\n"
}
