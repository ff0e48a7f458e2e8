package shuffle_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/shuffle"
)

func TestMain(m *testing.M) {
	millrace.Main()
	os.Exit(m.Run())
}

// Every gate can be measured, every way carries all rows, and the result survives
// its file.
func TestMeasure(t *testing.T) {
	told := 0
	r, err := shuffle.Measure(t.Context(), shuffle.Options{Version: "test", Round: 10 * time.Millisecond, Batches: 4, Done: func(shuffle.Gate) { told++ },
		Only: func(name string) bool { return !strings.Contains(name, "1,000,000") }})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Gates) < 14 || len(r.Ways) != 4 || told != len(r.Gates) {
		t.Fatalf("%d gates, %d told, %d ways", len(r.Gates), told, len(r.Ways))
	}
	for _, g := range r.Gates {
		if g.Error != "" || g.Value <= 0 || g.Limit != "" && g.Of <= 0 {
			t.Errorf("%+v", g)
		}
	}
	for _, w := range r.Ways {
		if w.Fetch <= 0 || w.Small <= 0 {
			t.Errorf("%+v", w)
		}
	}
	path := filepath.Join(t.TempDir(), "shuffle.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if again, err := harness.Load[shuffle.Result](path, "result"); err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("%+v, %v", again, err)
	}
}

// A gate is passed at its need, on the side that it names, and not without a figure.
func TestGates(t *testing.T) {
	for _, x := range []struct {
		g  shuffle.Gate
		ok bool
	}{
		{shuffle.Gate{Value: 50, Limit: "l", Of: 100, Need: 0.5}, true},
		{shuffle.Gate{Value: 49, Limit: "l", Of: 100, Need: 0.5}, false},
		{shuffle.Gate{Value: 19, Need: 20, Most: true}, true},
		{shuffle.Gate{Value: 21, Need: 20, Most: true}, false},
		{shuffle.Gate{Value: 1, Limit: "l", Of: 100, Need: 0.5, Most: true}, true},
		{shuffle.Gate{Value: 0, Limit: "l", Of: 0, Need: 0.5, Most: true}, false},
		{shuffle.Gate{Error: "x", Need: 20, Most: true}, false},
	} {
		r := shuffle.Result{Gates: []shuffle.Gate{x.g}}
		if x.g.OK() != x.ok || (len(r.Failed()) == 0) != x.ok {
			t.Errorf("%+v: %v", x.g, x.g.OK())
		}
	}
}
