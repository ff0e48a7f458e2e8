package report_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/bench/cached"
	"github.com/millrace-engine/millrace/bench/cluster"
	"github.com/millrace-engine/millrace/bench/functions"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/kernels"
	"github.com/millrace-engine/millrace/bench/report"
	"github.com/millrace-engine/millrace/bench/shuffle"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/golden"
)

func measure(ms ...float64) harness.Measure {
	return harness.Measure{MS: ms, CPU: ms, Median: harness.Median(ms), Min: slices.Min(ms), Max: slices.Max(ms), MAD: harness.MAD(ms), RSS: int64(ms[0]) << 20, Rows: 1, Answer: harness.Same}
}

// results writes result files as runs have them: two scale factors, two numbers
// of threads, two limits of memory, a rival that refuses a query and one that is wrong.
func results(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run := func(name string, threads int, sf, factor float64, memory int64) {
		ours, theirs := measure(10*factor, 11*factor, 12*factor), measure(20*factor, 22*factor, 21*factor)
		ours.Runtime = &harness.Runtime{GC: 0.5 * factor, Busy: 10 * factor, Allocs: 400, Bytes: 1 << 20, Batches: 20, Operators: 4}
		near := theirs
		near.Answer = harness.Near
		wrong := measure(1, 1, 1)
		wrong.Answer = "row 1, column x: 8, not 7 (millrace)"
		slow := measure(30*factor, 33*factor, 30*factor)
		suite, _, _ := strings.Cut(name, "-")
		r := &harness.Result{Format: harness.Format, Suite: suite, Title: map[string]string{"tpch": "TPC-H", "memory": "More than memory holds"}[suite] + ", scale factor " + map[float64]string{1: "1", 10: "10"}[sf], SF: sf, Data: "Parquet files", Bytes: 5 << 20,
			Threads: threads, Memory: memory, Runs: 3, Command: "millrace bench run tpch", Started: "2026-01-02T03:04:05Z", Seconds: 12,
			Machine: harness.Machine{CPU: "Test CPU", Cores: 2, Memory: 8 << 30, Kernel: "Linux"},
			Engines: []harness.EngineInfo{{Name: "millrace", Version: "v1", RSS: 12 << 20}, {Name: "duckdb", Version: "2.0", RSS: 24 << 20, Settings: map[string]string{"threads": "2", "a": "b"}}, {Name: "polars", Version: "3.0", RSS: 6 << 20}},
			Queries: []harness.QueryResult{
				{Name: "q01", Engines: map[string]harness.Measure{"millrace": ours, "duckdb": near, "polars": {Error: "no such\nfunction"}}},
				{Name: "q02", Title: "a title", Engines: map[string]harness.Measure{"millrace": slow, "duckdb": theirs, "polars": wrong}},
				{Name: "q03", Engines: map[string]harness.Measure{"millrace": slow, "duckdb": theirs, "polars": ours}},
			},
			Notes: []string{"spark did not open: no Java"}}
		if threads == 1 {
			r.Others = 0.2
		}
		if err := r.Write(filepath.Join(dir, name+".json")); err != nil {
			t.Fatal(err)
		}
	}
	run("tpch-sf10", 2, 10, 9, 0)
	run("tpch-sf10-1GiB", 2, 10, 30, 1<<30)
	run("tpch-sf1-t1", 1, 1, 1.9, 0)
	run("tpch-sf1-t2", 2, 1, 1, 0)
	run("memory-sf1", 2, 1, 4, 96<<20)
	k := &kernels.Result{Started: "2026-01-02T03:04:05Z", Machine: harness.Machine{CPU: "Test CPU"}, Copy: 20, Kernels: []kernels.Timing{{Name: "hash", NS: 1.5, Bytes: 16, Share: 0.5}}}
	if err := k.Write(filepath.Join(dir, "kernels.json")); err != nil {
		t.Fatal(err)
	}
	s := &shuffle.Result{Started: "2026-01-02T03:04:05Z", Machine: harness.Machine{CPU: "Test CPU", Cores: 2},
		Gates: []shuffle.Gate{{Name: "fast enough", Value: 900, Unit: "MB/s", Limit: "memcpy", Of: 1000, Need: 0.5, Aim: 0.8}, {Name: "too slow", Value: 25, Unit: "ms", Need: 20, Most: true, Note: "p99 30 ms"},
			{Name: "broken", Unit: "ms", Need: 1, Most: true, Error: "no network"}},
		Ways: []shuffle.Way{{Name: "QUIC", Stream: 500, Fetch: 900, Processor: 2.5, Small: 300}}}
	if err := s.Write(filepath.Join(dir, "shuffle.json")); err != nil {
		t.Fatal(err)
	}
	c := &cluster.Result{Started: "2026-01-02T03:04:05Z", Command: "millrace bench cluster", Data: "data/sf10", Machine: harness.Machine{CPU: "Test CPU", Cores: 2}, Runs: 3, Others: 0.3,
		Places: []cluster.Place{{Name: "in one process", Master: "local[2]"}, {Name: "in executors", Master: "local-cluster[2,1,64]", Need: 1.15}, {Name: "on disk", Master: "local-cluster[2,1,64]", Need: 1.4}},
		Queries: []cluster.Row{
			{Query: "q01", Figs: []cluster.Figure{{Best: 1000, CPU: 2000}, {Best: 1100, CPU: 2100, Written: 8 << 20}, {Best: 1300, CPU: 2200, Written: 8 << 20, Spilled: 4 << 20}}, Same: true},
			{Query: "q02", Figs: []cluster.Figure{{Best: 10, CPU: 20}, {Best: 11, CPU: 20}, {Best: 300, CPU: 20}}}}}
	if err := c.Write(filepath.Join(dir, "cluster.json")); err != nil {
		t.Fatal(err)
	}
	f := &functions.Result{Started: "2026-01-02T03:04:05Z", Command: "millrace bench functions", Machine: harness.Machine{CPU: "Test CPU", Cores: 2}, Others: 0.1, Rows: 1000, Runs: 3,
		Figures: []functions.Figure{{Function: "upper", Form: "built-in", Seconds: 1, MAD: 0.01, Processor: 1.1, Alone: 50, Query: 1, Share: 1},
			{Function: "upper", Form: "Go", Seconds: 1.2, Processor: 1.3, Alone: 60, Loop: 58, Query: 0.83, Share: 0.8, Need: 0.7}, {Function: "upper", Form: "WebAssembly", Seconds: 10, Alone: 900, Query: 0.1, Share: 0.05, Need: 0.2}},
		Starts: []functions.Start{{What: "without artifacts", Seconds: 0.01, Processor: 0.009, RSS: 20 << 20}, {What: "with a file", Seconds: 0.02, Processor: 0.012, RSS: 21 << 20, Store: true}}}
	if err := f.Write(filepath.Join(dir, "functions.json")); err != nil {
		t.Fatal(err)
	}
	kept := &cached.Result{Started: "2026-01-02T03:04:05Z", Command: "millrace bench cache", Machine: harness.Machine{CPU: "Test CPU", Cores: 2}, Rows: []cached.Row{
		{Job: "q01", Way: "parquet", Millis: 130, CPU: 250, Same: true}, {Job: "q01", Way: "csv", Millis: 900, CPU: 1800, Same: true}, {Job: "q01", Way: "cached", Millis: 100, CPU: 190, Same: true},
		{Job: "q01", Way: "parquet", Memory: "192MiB", Millis: 130, CPU: 250, Same: true}, {Job: "q01", Way: "cached MEMORY_ONLY", Memory: "192MiB", Millis: 120, CPU: 230, Same: true},
		{Job: "hot table", Way: "scans of 10 times the memory", Memory: "64MiB", Millis: 2, CPU: 4, Hits: 95, Same: true},
		{Job: "k-means", Way: "csv", Millis: 3000, CPU: 5000, Same: true}, {Job: "k-means", Way: "persisted", Millis: 1000, CPU: 1500, Same: true}}}
	if err := kept.Write(filepath.Join(dir, "cache.json")); err != nil {
		t.Fatal(err)
	}
	notes := "# Notes\nfor readers\n\n## tpch\n- q02: the join\n  builds twice.\n## tpch 10\n- q02: at this scale the scan.\n"
	if err := os.WriteFile(filepath.Join(dir, "notes.md"), []byte(notes), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The text and the charts of known results.
func TestReport(t *testing.T) {
	dir := results(t)
	in, err := report.Load([]string{filepath.Join(dir, "*.json")}, filepath.Join(dir, "notes.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := report.Make(in, "docs/bench")
	got := map[string]string{"report.md": r.Text, "tpch-sf1-t2.svg": r.Charts["tpch-sf1-t2.svg"]}
	for name, text := range got {
		golden.File(t, filepath.Join("testdata", name), text)
	}
	for name, svg := range r.Charts {
		if !strings.Contains(r.Text, "docs/bench/"+name) || !strings.HasSuffix(svg, "</svg>\n") {
			t.Errorf("chart %s is not shown or not whole", name)
		}
	}
	out := filepath.Join(t.TempDir(), "sub")
	if err := r.Write(filepath.Join(out, "B.md"), filepath.Join(out, "charts")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(out, "charts", "tpch-sf10.svg")); err != nil || string(b) != r.Charts["tpch-sf10.svg"] {
		t.Error(err)
	}
}

// Notes that nothing would show, or that nobody could read, are refused.
func TestNotes(t *testing.T) {
	dir := results(t)
	notes := filepath.Join(dir, "notes.md")
	for text, class := range map[string]diag.Class{
		"## tpch\n- q99: nothing\n": diag.InvalidArgument,
		"## tpch\nprose\n":          diag.MalformedRecord,
		"## tpch\n- no colon\n":     diag.MalformedRecord,
		"## unmeasured\n- x: y\n":   "",
		"prose\n":                   "",
	} {
		if err := os.WriteFile(notes, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := report.Load([]string{filepath.Join(dir, "*.json")}, notes); diag.ClassOf(err) != class {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := report.Load([]string{filepath.Join(dir, "gone.json")}, notes); diag.ClassOf(err) != diag.PathNotFound {
		t.Error(err)
	}
}

// BENCHMARKS.md and the charts are what the committed results say: nobody edits
// them, and nobody forgets to write them.
func TestCommitted(t *testing.T) {
	root := filepath.Join("..", "..")
	in, err := report.Load([]string{filepath.Join(root, "bench", "results", "*.json")}, filepath.Join(root, "bench", "results", "notes.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := report.Make(in, "docs/bench")
	same := func(path, text string) {
		if b, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(b) != text {
			t.Errorf("%s is not what the results in bench/results say (%v): run `millrace bench report`", path, err)
		}
	}
	same("BENCHMARKS.md", r.Text)
	for name, svg := range r.Charts {
		same("docs/bench/"+name, svg)
	}
	charts, err := filepath.Glob(filepath.Join(root, "docs", "bench", "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range charts {
		if !slices.Contains(slices.Collect(maps.Keys(r.Charts)), filepath.Base(c)) {
			t.Errorf("%s is a chart of no result", c)
		}
	}
}
