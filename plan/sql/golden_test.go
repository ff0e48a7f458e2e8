package sql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/golden"
)

// The files under testdata hold cases: text, a line ----, the outcome, a line
// ====. What a file's text is, its name says: expr*, type*, schema*, split*, or
// statements.
func TestGolden(t *testing.T) {
	golden.Cases(t, "testdata/*.txt", func(_ *testing.T, name, in string) string { return outcome(name, in) })
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
