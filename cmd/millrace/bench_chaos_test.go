package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/millrace-engine/millrace/bench/chaos"
)

// TestChaos kills some executors and cuts some connections, of a local cluster and
// of a standalone one that the command starts; what it writes says so.
func TestChaos(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("finds processes in /proc")
	}
	t.Setenv(asProgram, "1")
	for _, cluster := range []string{"local", "standalone"} {
		out := filepath.Join(t.TempDir(), "chaos.json")
		status, text, errs := invoke(t, "bench", "chaos", "--sf", "0.01", "--kills", "3", "--queries", "3,5,9,18", "--faults", "kill", "--cluster", cluster, "--json", out)
		b, err := os.ReadFile(out)
		var r chaos.Report
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		if status != 0 || err != nil || r.Faults[chaos.Kill].Struck < 3 || r.Right != r.Queries || r.Right == 0 {
			t.Errorf("%s: status %d, %v\n%s%s", cluster, status, err, text, errs)
		}
	}
	for _, args := range [][]string{{"--faults", "frogs"}, {"--cluster", "x"}, {"--kills", "0"}} {
		if status, _, _ := invoke(t, append([]string{"bench", "chaos"}, args...)...); status != usage {
			t.Errorf("%v: status %d", args, status)
		}
	}
	if status, _, _ := invoke(t, "bench", "chaos", "--sf", "0.3", "--data", t.TempDir()); status != failed {
		t.Error("answers are known at scale factor 0.3")
	}
}
