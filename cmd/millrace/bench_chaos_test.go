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

// TestChaosScenes: what a fault costs is measured, and accumulators stay exact.
func TestChaosScenes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("finds processes in /proc")
	}
	data := t.TempDir()
	if status, _, errs := invoke(t, "bench", "tpch", "gen", "--sf", "0.01", "--out", data); status != 0 {
		t.Fatal(errs)
	}
	for _, args := range [][]string{
		{"half", "--queries", "3", "--runs", "1", "--most", "1000"}, // how long it takes is not the test's business
		{"straggler", "--queries", "3", "--runs", "1", "--most", "1000"},
		{"accumulate", "--kills", "2"},
	} {
		status, text, errs := invoke(t, append(append([]string{"bench", "chaos"}, args...), "--sf", "0.01", "--data", data)...)
		if status != 0 {
			t.Errorf("%v: status %d\n%s%s", args, status, text, errs)
		}
	}
	if status, _, _ := invoke(t, "bench", "chaos", "half", "--queries", "3", "--runs", "1", "--most", "0.0001", "--sf", "0.01", "--data", data); status != failed {
		t.Error("it may take no time at all")
	}
}
