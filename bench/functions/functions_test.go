package functions

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv("FUNCTIONS_TEST_START") != "" {
		os.Exit(0)
	}
	millrace.Main(Register)
	os.Exit(m.Run())
}

// Every form of every function is measured and gives what the engine's own gives,
// processes are started and looked at, and the result survives its file.
func TestMeasure(t *testing.T) {
	told, begun := 0, 0
	r, err := Measure(t.Context(), Options{Version: "test", Rows: 20000, Runs: 2, Libraries: []string{"../../artifacts/wasm/testdata/text.wasm", "../../artifacts/wasm/testdata/text_c.wasm"},
		Start: func(ctx context.Context, store, file string) *exec.Cmd {
			c := exec.CommandContext(ctx, os.Args[0])
			c.Env = append(os.Environ(), "FUNCTIONS_TEST_START=1")
			if file != "" {
				if err := os.MkdirAll(store, 0o700); err != nil {
					t.Error(err)
				}
			}
			return c
		},
		Done: func(Figure) { told++ }, Started: func(Start) { begun++ }})
	if err != nil {
		t.Fatal(err)
	}
	own, wasm := 0, 0
	for _, f := range r.Figures {
		if f.Seconds <= 0 { // processor times of so few rows may be too small to see
			t.Errorf("%+v", f)
		}
		if f.Form == "built-in" {
			own++
		} else if (f.Loop > 0) != strings.HasPrefix(f.Form, "Go") || f.Need == 0 {
			t.Errorf("%+v", f)
		} else if f.Loop == 0 {
			wasm++
		}
	}
	if own != 3 || wasm != 2 || told != len(r.Figures) || told < 9 {
		t.Errorf("%d functions, %d of libraries, %d of %d told", own, wasm, told, len(r.Figures))
	}
	if len(r.Starts) != 2 || begun != 2 || r.Starts[0].Store || !r.Starts[1].Store || r.Starts[0].Seconds <= 0 {
		t.Errorf("%+v", r.Starts)
	}
	path := filepath.Join(t.TempDir(), "functions.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if again, err := harness.Load[Result](path, "result"); err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("%+v, %v", again, err)
	}
}

// A form that gives other values than the engine's own is no result.
func TestOtherValues(t *testing.T) {
	s, err := millrace.Open(t.Context(), "local[1]")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := work{forms: []form{{call: "upper"}, {call: "bench_reverse"}}}
	if err := w.check(t.Context(), s); err == nil || !strings.Contains(err.Error(), "bench_reverse gives other values than upper for 5000 of 5000 strings") {
		t.Error(err)
	}
}

// Gates are missed by what is too slow, and by starts that cost something.
func TestGates(t *testing.T) {
	cheap := []Start{{Seconds: 1, RSS: 100}, {Seconds: 1, RSS: 100, Store: true}}
	for _, x := range []struct {
		r    Result
		want int
	}{
		{Result{Figures: []Figure{{Query: 0.7, Need: 0.7}, {Query: 1}}, Starts: cheap}, 0},
		{Result{Figures: []Figure{{Query: 0.69, Need: 0.7}, {Query: 0.19, Need: 0.2}}}, 2},
		{Result{Starts: []Start{{Seconds: 1, RSS: 100, Store: true}, {Seconds: 1, RSS: 100}}}, 1},
		{Result{Starts: []Start{{Seconds: 1.2, RSS: 100}, {Seconds: 1, RSS: 100}}}, 1},
		{Result{Starts: []Start{{Seconds: 1, RSS: 120}, {Seconds: 1, RSS: 100}}}, 1},
	} {
		if got := x.r.Failed(); got != x.want {
			t.Errorf("%+v: %d gates are missed, not %d", x.r, got, x.want)
		}
	}
}

// The function of vectors makes letters large as strings.ToUpper does.
func TestUpper(t *testing.T) {
	as := []string{"", "abc", "größe", "ä", "aé", "éa", "Z9{", "\xff", "a\x80"}
	got := make([]string, len(as))
	upper(as, got)
	var want []string
	for _, a := range as {
		want = append(want, strings.ToUpper(a))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
