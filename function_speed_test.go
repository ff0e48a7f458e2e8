package millrace_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
)

// registerSpeed is a part of what TestMain gives to millrace.Main.
func registerSpeed(r *millrace.Registry) { millrace.Scalar1(r, "go_upper", strings.ToUpper) }

// BenchmarkFunctions calls upper over 10 M different strings, end to end, the engine's
// own, one in Go and one in WebAssembly, and reports which share of the engine's speed
// the others have: of whole queries, and of what they take beyond a query without.
func BenchmarkFunctions(b *testing.B) {
	s, err := millrace.Open(b.Context(), "local[1]", millrace.WithSetting("artifact.dir", filepath.Join(b.TempDir(), "store")))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	run := func(query string) time.Duration {
		begin := time.Now()
		d, err := s.SQL(b.Context(), query)
		if err == nil {
			_, err = d.Collect(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(begin)
	}
	run("ADD LIBRARY '" + guest + "'")
	run("CREATE FUNCTION shout(x STRING) RETURNS STRING USING LIBRARY 'text.wasm'")
	names := []string{"", "upper", "go_upper", "shout"}
	best := map[string]time.Duration{}
	for b.Loop() {
		for _, f := range names {
			t := run("SELECT sum(length(" + f + "(concat('Customer number ', id)))) FROM range(10000000)")
			if old, ok := best[f]; !ok || t < old {
				best[f] = t
			}
		}
	}
	for _, f := range names[1:] {
		b.ReportMetric(10/best[f].Seconds(), f+"-Mrows/s")
		b.ReportMetric(100*best["upper"].Seconds()/best[f].Seconds(), f+"-%query")
		b.ReportMetric(100*(best["upper"]-best[""]).Seconds()/(best[f]-best[""]).Seconds(), f+"-%function")
	}
	b.ReportMetric(0, "ns/op")
}

// The library in C does what that in Go does, where there is a compiler for it.
func TestLibraryInC(t *testing.T) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("there is no clang")
	}
	path := filepath.Join(t.TempDir(), "c.wasm")
	out, err := exec.Command(clang, "--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-o", path, "artifacts/wasm/examples/c/text.c").CombinedOutput()
	if err != nil {
		t.Skipf("clang cannot make WebAssembly here: %s", out)
	}
	s := open(t, "local[2]", millrace.WithSetting("artifact.dir", filepath.Join(t.TempDir(), "store")))
	for _, q := range []string{"ADD LIBRARY '" + path + "'", "CREATE FUNCTION c_shout(x STRING) RETURNS STRING USING LIBRARY 'c.wasm' SYMBOL 'shout'"} {
		if _, err := s.SQL(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if got := rendered(t, s, "SELECT c_shout(x) FROM VALUES ('Bern'), (NULL), (''), ('größe') t(x) ORDER BY x"); got != "[NULL] [] [BERN] [GRößE]" {
		t.Error(got)
	}
}
