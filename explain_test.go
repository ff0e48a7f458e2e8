package millrace_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// EXPLAIN ANALYZE is a table per stage: rows, batches, bytes, time and memory of
// each operator, in line, the plan last.
func TestAnalysis(t *testing.T) {
	s := openTPCH(t, "local[2]")
	got, err := frame(t, s, "SELECT l_returnflag, count(*) AS n FROM lineitem JOIN orders ON l_orderkey = o_orderkey GROUP BY 1 ORDER BY n").Explain(context.Background(), "analyze")
	if err != nil {
		t.Fatal(err)
	}
	got, plans, _ := strings.Cut(got, "\n\n== Initial plan ==\n")
	if initial, final, ok := strings.Cut(plans, "\n== Final plan ==\n"); !ok || strings.Count(initial, "Scan parquet") != 2 || strings.Count(final, "Scan parquet") != 2 {
		t.Errorf("the plans are\n%s", plans)
	}
	stages := strings.Split(got, "\n\n")
	if !regexp.MustCompile(`^[0-9.]+ ms, \d stages, \d+ tasks$`).MatchString(stages[0]) {
		t.Errorf("the head is %q", stages[0])
	}
	scans := 0
	for _, st := range stages[1:] {
		lines := strings.Split(st, "\n")
		if !regexp.MustCompile(`^stage \d, \d+ tasks?, [0-9.]+ ms( \(a task [0-9.]+ to [0-9.]+ ms\))?( → exchange \d \w+.*, [0-9.]+ (Ki|Mi)?B)?$`).MatchString(lines[0]) {
			t.Errorf("a stage begins with %q", lines[0])
		}
		at := -1
		for i, l := range lines[1:] {
			if i == 0 {
				at = utf8.RuneCountInString(l[:strings.Index(l, "operator")])
				continue
			}
			cells := []rune(l)
			if cells[at-1] != ' ' || i == 1 && cells[at] == ' ' {
				t.Errorf("not in line:\n%s", st)
			}
			if strings.Contains(l, "Scan parquet") {
				scans++
				if !regexp.MustCompile(`^ +\d+ +\d+ +[0-9.]+ (Ki|Mi)B +[0-9.]+ +`).MatchString(l) || !strings.Contains(lines[i+2], "read ") {
					t.Errorf("a scan is\n%s\n%s", l, lines[i+2])
				}
			}
		}
	}
	if scans != 2 || !strings.Contains(got, " 60175 ") {
		t.Errorf("%d scans in\n%s", scans, got)
	}
}
