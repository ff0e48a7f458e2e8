package suite_test

import (
	"os"
	"testing"

	"github.com/millrace-engine/millrace/bench/suite"
	"github.com/millrace-engine/millrace/internal/diag"
)

// A suite has its data in place, made where it is missing and taken where not.
func TestOpen(t *testing.T) {
	for name, want := range map[string]struct{ tables, queries int }{"tpch": {8, 22}, "micro": {6, 10}, "memory": {5, 5}} {
		dir := t.TempDir()
		for _, fresh := range []bool{true, false} {
			made := 0
			s, err := suite.Open(t.Context(), name, suite.Options{SF: 0.001, Dir: dir, Workers: 2, Progress: func(string) { made++ }})
			if err != nil {
				t.Fatal(err)
			}
			if (made > 0) != fresh {
				t.Errorf("%s: %d files were made", name, made)
			}
			if s.Name != name || s.SF != 0.001 || len(s.Tables) != want.tables || len(s.Queries) != want.queries || s.Bytes == 0 {
				t.Errorf("%s: %+v", name, s)
			}
			for table, path := range s.Tables {
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s: %v", table, err)
				}
			}
		}
	}
	if _, err := suite.Open(t.Context(), "tpcds", suite.Options{SF: 1, Dir: t.TempDir()}); diag.ClassOf(err) != diag.InvalidArgument {
		t.Error(err)
	}
}
