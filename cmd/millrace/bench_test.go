package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/cluster"
	"github.com/millrace-engine/millrace/bench/harness"
)

// asProgram makes the test binary the program.
const asProgram = "MILLRACE_TEST_PROGRAM"

// The test binary is the program too: bench run starts it again as an engine, tests
// of clusters as each of their parts.
func TestMain(m *testing.M) {
	millrace.Main()
	if len(os.Args) > 1 && os.Args[1] == "bench" || os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// From a run over a rival, which is Millrace in its place, to the report.
func TestBenchRun(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(dir, "python")
	if err := os.WriteFile(python, []byte(fmt.Sprintf("#!/bin/sh\nexec '%s' bench engine\n", self)), 0o755); err != nil {
		t.Fatal(err)
	}
	data, out := filepath.Join(dir, "data"), filepath.Join(dir, "results", "micro.json")
	status, text, errs := invoke(t, "bench", "run", "micro", "--sf", "0.001", "--data", data, "--engines", "millrace,duckdb", "--python", python,
		"--threads", "2", "--memory", "256MiB", "--runs", "2", "--out", out)
	if status != 0 || errs != "" || !strings.Contains(string(text), "duckdb") {
		t.Fatalf("%d: %s%s", status, text, errs)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var r harness.Result
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Queries) != 10 || r.Threads != 2 || r.Memory != 256<<20 || r.Runs != 2 || len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
	for _, q := range r.Queries {
		for name, m := range q.Engines {
			if !m.OK() || m.Answer != harness.Same || len(m.MS) != 2 || m.Hash == "" {
				t.Errorf("%s, %s: %+v", q.Name, name, m)
			}
		}
	}
	md := filepath.Join(dir, "B.md")
	status, _, errs = invoke(t, "bench", "report", "--in", out, "--notes", filepath.Join(dir, "none"), "--out", md, "--charts", filepath.Join(dir, "charts"))
	if status != 0 {
		t.Fatal(errs)
	}
	if b, err := os.ReadFile(md); err != nil || !strings.Contains(string(b), "charts/micro.svg") || !strings.Contains(string(b), "10 of 10") {
		t.Errorf("%s (%v)", b, err)
	}
}

// What cannot be measured is told before anything is made.
// TestBenchCluster compares places on little data: the figures are there, whatever
// they are.
func TestBenchCluster(t *testing.T) {
	dir := t.TempDir()
	data, out := filepath.Join(dir, "data"), filepath.Join(dir, "cluster.json")
	if status, text, errs := invoke(t, "bench", "tpch", "gen", "--sf", "0.01", "--out", data); status != 0 {
		t.Fatalf("%d: %s%s", status, text, errs)
	}
	status, text, errs := invoke(t, "bench", "cluster", "--data", data, "--queries", "3,18", "--memory", "128MiB", "--runs", "1", "--scratch", dir, "--json", out)
	if status != 0 && status != failed || errs != "" || strings.Contains(string(text), "DIFFER") {
		t.Fatalf("%d: %s%s", status, text, errs)
	}
	r, err := harness.Load[cluster.Result](out, "result")
	if err != nil {
		t.Fatal(err)
	}
	all := r.All()
	if len(r.Queries) != 2 || !all.Same || all.Figs[0].Best <= 0 || all.Figs[1].Written == 0 || all.Figs[1].Spilled != 0 || all.Figs[2].Spilled == 0 {
		t.Errorf("%s%+v", text, all)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "millrace-bench-*")); left != nil {
		t.Errorf("%v is left", left)
	}
}

func TestBenchRunUsage(t *testing.T) {
	for _, x := range []struct {
		args, want string
		status     int
	}{
		{"run tpch --threads 0", "--threads", usage},
		{"run tpch --runs 0", "--runs", usage},
		{"run tpch --files excel", "--files", usage},
		{"run tpch --engines millrace,millrace", "twice", usage},
		{"run tpch --budget soon", "--budget", usage},
		{"run", "arg(s)", usage},
		{"cluster", "--data", usage},
		{"cluster --data x --executors 0", "--executors", usage},
		{"run tpch --engines duckdb --python /nowhere/python", "make peers", failed},
		{"run tpcds --engines millrace", "use tpch, micro or memory", failed},
		{"run tpch --memory 3", "16MiB", failed},
		{"report --in /nowhere/r.json --out /nowhere/B.md", "/nowhere/r.json", failed},
	} {
		status, text, errs := invoke(t, append([]string{"bench"}, strings.Fields(x.args)...)...)
		if status != x.status || !strings.Contains(errs, x.want) {
			t.Errorf("%s: %d, %s%s", x.args, status, text, errs)
		}
	}
}
