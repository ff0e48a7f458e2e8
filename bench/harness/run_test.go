package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
)

func suiteOf(words ...string) *Suite {
	s := &Suite{Name: "fake", Title: "Fake", SF: 1, Tables: map[string]string{"lineitem": "/data/lineitem.parquet"}}
	for i, w := range words {
		s.Queries = append(s.Queries, Query{Name: "q" + strconv.Itoa(i+1), SQL: w})
	}
	return s
}

func runs(t *testing.T, s *Suite, o Options, engines ...string) *Result {
	t.Helper()
	o.Threads, o.Scratch = 2, t.TempDir()
	o.Runs = max(o.Runs, 3)
	var list []Engine
	for _, e := range engines {
		list = append(list, engineNamed(t, e))
	}
	r, err := Run(t.Context(), s, list, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The figures of a run are those that the engines reported, after the warm-up.
func TestRunMeasures(t *testing.T) {
	t.Parallel()
	var seen []string
	r := runs(t, suiteOf("same", "same"), Options{Done: func(q QueryResult) { seen = append(seen, q.Name) }}, "a", "b")
	if len(r.Queries) != 2 || !slices.Equal(seen, []string{"q1", "q2"}) {
		t.Fatalf("queries %v, told %v", r.Queries, seen)
	}
	m := r.Queries[1].Engines["b"] // calls 5 to 8, the first of them the warm-up
	if !slices.Equal(m.MS, []float64{6, 7, 8}) || !slices.Equal(m.CPU, []float64{12, 14, 16}) || m.Median != 7 || m.Min != 6 || m.Max != 8 || m.MAD != 1 {
		t.Errorf("measured %+v", m)
	}
	if m.Rows != 1 || m.Answer != Same || m.Hash == "" || m.Runtime.Allocs != 7 || !m.OK() {
		t.Errorf("measured %+v", m)
	}
	if e := r.Engines[1]; e.Name != "b" || e.Version != "1.0" || e.Settings["threads"] != "2" || e.Settings["lineitem"] != "/data/lineitem.parquet" {
		t.Errorf("engine %+v", e)
	}
	if _, err := os.Stat("/proc/self/clear_refs"); err == nil && (m.RSS == 0 || r.Engines[1].RSS < m.RSS || r.Engines[1].Idle == 0) {
		t.Errorf("memory %d, of the engine %d, idle %d", m.RSS, r.Engines[1].RSS, r.Engines[1].Idle)
	}
	if r.Machine.Cores == 0 || r.Others < 0 || r.Others > 1 || r.Started == "" || r.Format != Format {
		t.Errorf("result %+v", r)
	}
}

// An engine that errs, answers otherwise or ends spoils one query for itself and
// nothing for the others.
func TestRunFailures(t *testing.T) {
	t.Parallel()
	r := runs(t, suiteOf("odd", "refuse", "grow", "die", "babble", "average", "same"), Options{}, "exact", "good", "wrong")
	at := func(q, engine string) Measure {
		for _, x := range r.Queries {
			if x.Name == q {
				return x.Engines[engine]
			}
		}
		t.Fatalf("no %s", q)
		return Measure{}
	}
	if m := at("q1", "wrong"); m.OK() || m.Answer != "row 1, column x: 8, not 7 (exact)" {
		t.Errorf("wrong answer: %+v", m)
	}
	if m := at("q1", "good"); !m.OK() {
		t.Errorf("right answer: %+v", m)
	}
	if m := at("q2", "wrong"); m.OK() || m.Error != "syntax error" || m.MS != nil {
		t.Errorf("refused: %+v", m)
	}
	if m := at("q2", "exact"); m.Answer != Same || len(m.MS) != 3 {
		t.Errorf("beside a refusal: %+v", m)
	}
	if m := at("q3", "good"); !strings.Contains(m.Error, "in the run before") {
		t.Errorf("other rows each time: %+v", m)
	}
	if m := at("q4", "good"); m.Error != "the process has ended: out of luck" {
		t.Errorf("died: %+v", m)
	}
	if m := at("q5", "good"); m.Error != `the process has ended: it answered "hello\n"` {
		t.Errorf("babbled: %+v", m)
	}
	if m := at("q6", "good"); m.Answer != Near || at("q6", "exact").Answer != Same || !m.OK() {
		t.Errorf("double for decimal: %+v", m)
	}
	if m := at("q7", "good"); m.Answer != Same || !slices.Equal(m.MS, []float64{6, 7, 8}) { // a process that was started anew after q5
		t.Errorf("after all that: %+v", m)
	}
}

// A query that takes too long is left out; when the budget ends, whole rounds are
// kept and the rest is named.
func TestRunBounds(t *testing.T) {
	t.Parallel()
	t.Run("limit", func(t *testing.T) {
		t.Parallel()
		r := runs(t, suiteOf("hang 1", "same"), Options{Limit: 2 * time.Second}, "a")
		if m := r.Queries[0].Engines["a"]; m.Error != "no answer within 2s" {
			t.Errorf("hanging: %+v", m)
		}
		if m := r.Queries[1].Engines["a"]; !m.OK() || m.Answer != Alone {
			t.Errorf("next: %+v", m)
		}
	})
	t.Run("budget", func(t *testing.T) {
		t.Parallel()
		r := runs(t, suiteOf("same", "hang 7", "same"), Options{Budget: 3 * time.Second}, "a") // 4 calls, then 5 … in the second run
		if len(r.Queries) != 2 || len(r.Queries[0].Engines["a"].MS) != 3 || len(r.Queries[1].Engines["a"].MS) != 1 {
			t.Errorf("kept %+v", r.Queries)
		}
		if want := "the budget of 3s ended before q2, q3 had been measured in whole"; !slices.Equal(r.Notes, []string{want}) {
			t.Errorf("notes %q", r.Notes)
		}
	})
}

// An engine that is not there is a note, unless none is.
func TestRunWithoutEngine(t *testing.T) {
	t.Parallel()
	r := runs(t, suiteOf("same"), Options{}, "absent", "a")
	if want := "absent did not open: the package absent is not installed"; !slices.Equal(r.Notes, []string{want}) || len(r.Engines) != 1 {
		t.Errorf("notes %q, engines %v", r.Notes, r.Engines)
	}
	for _, e := range []Engine{engineNamed(t, "absent"), {Name: "gone", Command: []string{"/nowhere/engine"}}} {
		_, err := Run(t.Context(), suiteOf("same"), []Engine{e}, Options{Threads: 1, Runs: 1, Scratch: t.TempDir()})
		var d *diag.Error
		if !errors.As(err, &d) || !strings.Contains(d.Message, e.Name) {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	_, err := Run(t.Context(), suiteOf("same"), []Engine{engineNamed(t, "a")}, Options{Threads: 1, Runs: 1, Scratch: t.TempDir(), Queries: []string{"q9"}})
	if diag.ClassOf(err) != diag.InvalidArgument || !strings.Contains(err.Error(), "it has q1") {
		t.Errorf("unknown query: %v", err)
	}
}

// Cancelling in the middle ends the processes and keeps nothing.
func TestRunCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	scratch := t.TempDir()
	o := Options{Threads: 1, Runs: 3, Scratch: scratch, Progress: func(what string) {
		if strings.Contains(what, "run 2") {
			cancel()
		}
	}}
	r, err := Run(ctx, suiteOf("same", "same"), []Engine{engineNamed(t, "a"), engineNamed(t, "b")}, o)
	if r != nil || diag.ClassOf(err) != diag.Cancelled {
		t.Fatalf("%v, %v", r, err)
	}
	for _, e := range []string{"a", "b"} {
		b, err := os.ReadFile(filepath.Join(scratch, e, "pid"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(string(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s is still there: %v", e, err)
		}
	}
}

// An engine that takes the machine's memory is ended.
func TestGuard(t *testing.T) {
	t.Parallel()
	if status([]int{os.Getpid()}, "VmRSS") == 0 {
		t.Skip("the system does not tell the memory of processes")
	}
	p, err := start(engineNamed(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.call(t.Context(), Request{Op: "run", SQL: "hang 1"}, 1)
	if !errors.Is(err, errGone) || !strings.Contains(err.Error(), "more than the machine can spare") {
		t.Errorf("%v", err)
	}
}

// Profiles are taken apart from what is measured, of engines that can.
func TestProfile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := engineNamed(t, "a"), engineNamed(t, "b")
	b.Profiles = true
	r, err := Run(t.Context(), suiteOf("same", "hang 10"), []Engine{a, b}, Options{Threads: 1, Runs: 3, Scratch: t.TempDir(), Profile: dir, Limit: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "q1.pprof")); err != nil || string(got) != "b" {
		t.Errorf("%q, %v", got, err)
	}
	if m := r.Queries[1].Engines["b"]; !m.OK() || !slices.Equal(m.MS, []float64{7, 8, 9}) { // 1 to 4, the profile, the warm-up
		t.Errorf("%+v", m)
	}
	if want := "b has no profile of q2: no answer within 2s"; !slices.Equal(r.Notes, []string{want}) {
		t.Errorf("notes %q", r.Notes)
	}
}

// A conversion passes the file and its columns on; a suite can be rewritten.
func TestConvertAndRewrite(t *testing.T) {
	t.Parallel()
	s := suiteOf("same")
	s.Queries[0].Convert = &Conversion{CSV: "in.csv", Columns: []Column{{"a", "BIGINT"}}}
	s.Queries[0].SQL = "columns"
	r := runs(t, s, Options{}, "a", "b")
	if m := r.Queries[0].Engines["b"]; m.Answer != Same || len(m.MS) != 3 {
		t.Errorf("conversion: %+v", m)
	}
	dir := filepath.Join(t.TempDir(), "duckdb")
	for range 2 { // made, then taken
		s := suiteOf("same")
		s.Data = "files"
		if err := Rewrite(t.Context(), s, engineNamed(t, "a"), 1, dir, t.TempDir()); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(s.Tables["lineitem"])
		if err != nil || string(b) != "lineitem" || s.Bytes != int64(len(b)) || s.Data != "files, written anew by a" {
			t.Errorf("%q, %v, %+v", b, err, s)
		}
	}
}

// A result is read as it was written, and others are refused.
func TestResultFile(t *testing.T) {
	t.Parallel()
	r := runs(t, suiteOf("same"), Options{}, "a")
	path := filepath.Join(t.TempDir(), "sub", "r.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || got.Queries[0].Engines["a"].Median != r.Queries[0].Engines["a"].Median || got.Machine != r.Machine {
		t.Errorf("%+v, %v", got, err)
	}
	for text, class := range map[string]diag.Class{"{": diag.MalformedRecord, `{"format":99}`: diag.MalformedRecord} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); diag.ClassOf(err) != class {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Read(path + "x"); diag.ClassOf(err) != diag.PathNotFound {
		t.Error(err)
	}
}
