package millrace_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

const guest = "artifacts/wasm/testdata/text.wasm"

// A library of WebAssembly gives the same in this process and in executors of their
// own; a guest that misbehaves fails its query alone.
func TestLibrary(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,256]"} {
		t.Run(master, func(t *testing.T) {
			s := open(t, master, millrace.WithSetting("artifact.dir", filepath.Join(t.TempDir(), "store")), millrace.WithSetting("function.memory", "64MiB"), millrace.WithSetting("function.time", "2s"))
			exec := func(query string) {
				t.Helper()
				if _, err := s.SQL(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			exec("ADD LIBRARY '" + guest + "'")
			exec("CREATE FUNCTION shout(x STRING) RETURNS STRING USING LIBRARY 'text.wasm'")
			for query, want := range map[string]string{
				"SELECT shout(x) FROM VALUES ('Bern'), (NULL), (''), ('größe') t(x) ORDER BY x": "[NULL] [] [BERN] [GRößE]",
				"SELECT shout('const')": "[CONST]",
				"SELECT count(*), sum(length(shout(concat('row ', id)))) FROM range(20000)":        "[20000 168890]",
				"SELECT count(*) FROM range(20000) WHERE shout(concat('a', id)) LIKE 'A1%'":        "[11111]",
				"SELECT max(shout(concat('a', id))) FROM range(20000) WHERE id % 3 = 0 AND id < 7": "[A6]",
			} {
				if got := rendered(t, s, query); got != want {
					t.Errorf("%s: %s", query, got)
				}
			}
			for name, said := range map[string]string{"forever": "was stopped", "greedy": "", "trap": "", "outside": "out of bounds", "wild": "outside its memory"} {
				exec(fmt.Sprintf("CREATE OR REPLACE FUNCTION bad(x STRING) RETURNS STRING USING LIBRARY 'text.wasm' SYMBOL '%s'", name))
				_, err := rows(t, s, "SELECT bad(concat('x', id)) FROM range(10)")
				if e := failure(err); e == nil || e.Class != diag.FunctionFailed || !strings.Contains(e.Message, said) {
					t.Errorf("%s: %v", name, err)
				}
				if got := rendered(t, s, "SELECT shout('on')"); got != "[ON]" {
					t.Errorf("after %s: %s", name, got)
				}
			}
			exec("CREATE OR REPLACE FUNCTION bad(x STRING) RETURNS STRING USING LIBRARY 'text.wasm' SYMBOL 'nothing'")
			if _, err := rows(t, s, "SELECT bad('x')"); diag.ClassOf(err) != diag.FunctionFailed {
				t.Error(err)
			}
			exec("DROP FUNCTION bad")
			for _, query := range []string{"SELECT bad('x')", "CREATE FUNCTION f(x STRING) RETURNS STRING USING LIBRARY 'no.wasm'", "CREATE FUNCTION upper(x STRING) RETURNS STRING USING LIBRARY 'text.wasm'",
				"CREATE FUNCTION f(x ARRAY<INT>) RETURNS STRING USING LIBRARY 'text.wasm'", "CREATE FUNCTION f() RETURNS STRING USING LIBRARY 'text.wasm'", "CREATE FUNCTION shout(x STRING) RETURNS STRING USING LIBRARY 'text.wasm'"} {
				if _, err := rows(t, s, query); failure(err) == nil {
					t.Errorf("%s: %v", query, err)
				}
			}
		})
	}
}

// The library in C does what that in Go does.
func TestLibraryInC(t *testing.T) {
	s := open(t, "local[2]", millrace.WithSetting("artifact.dir", filepath.Join(t.TempDir(), "store")))
	for _, q := range []string{"ADD LIBRARY 'artifacts/wasm/testdata/text_c.wasm'", "CREATE FUNCTION c_shout(x STRING) RETURNS STRING USING LIBRARY 'text_c.wasm' SYMBOL 'shout'"} {
		if _, err := s.SQL(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if got := rendered(t, s, "SELECT c_shout(x) FROM VALUES ('Bern'), (NULL), (''), ('größe') t(x) ORDER BY x"); got != "[NULL] [] [BERN] [GRößE]" {
		t.Error(got)
	}
}

// Libraries get along with little memory however many batches they are called for.
func TestLibraryMemory(t *testing.T) {
	s := open(t, "local[1]", millrace.WithSetting("artifact.dir", filepath.Join(t.TempDir(), "store")), millrace.WithSetting("function.memory", "24MiB"))
	for i, library := range []string{"text.wasm", "text_c.wasm"} {
		f := fmt.Sprint("shout", i)
		if _, err := s.SQL(t.Context(), "CREATE FUNCTION "+f+"(x STRING) RETURNS STRING USING LIBRARY 'artifacts/wasm/testdata/"+library+"' SYMBOL 'shout'"); err != nil {
			t.Fatal(err)
		}
		if got := rendered(t, s, "SELECT sum(length("+f+"(concat('Customer number ', id)))) FROM range(3000000)"); got != "[67888890]" {
			t.Errorf("%s: %s", library, got)
		}
	}
}

// What a library's runtime says as it gives up is a part of the error.
func TestLibrarySays(t *testing.T) {
	s := open(t, "local[1]", millrace.WithSetting("artifact.dir", filepath.Join(t.TempDir(), "store")), millrace.WithSetting("function.memory", "24MiB"))
	if _, err := s.SQL(t.Context(), "CREATE FUNCTION bad(x STRING) RETURNS STRING USING LIBRARY 'artifacts/wasm/testdata/text.wasm' SYMBOL 'greedy'"); err != nil {
		t.Fatal(err)
	}
	if _, err := rows(t, s, "SELECT bad('x')"); err == nil || !strings.Contains(err.Error(), "runtime: out of memory") {
		t.Error(err)
	}
}
