package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/engine"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/peers"
	"github.com/millrace-engine/millrace/bench/suite"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

// benchRun is what bench run was asked for.
type benchRun struct {
	engines, queries, conf []string
	sf                     float64
	threads, runs          int
	memory                 string
	budget, limit          time.Duration
	data, files            string
	python, out, profile   string
}

func runCommand() *cobra.Command {
	var o benchRun
	c := &cobra.Command{
		Use:   "run {tpch|micro|memory}",
		Short: "Measure Millrace and its rivals on the same work",
		Long: `Measure Millrace and its rivals on the same queries over the same files.

Each engine is one process for the whole run, with its best settings for the
threads and memory given. Queries are interleaved: a warm-up on each engine, whose
answers are compared, then rounds of one run on each. The result, written to
--out, holds every time, medians and spread, peak memory, the machine and the
versions; "millrace bench report" makes BENCHMARKS.md of such files.

When the budget ends, the run stops with a note and keeps the queries that it
measured. Ctrl-C writes nothing.`,
		Example: `  make peers
  millrace bench run tpch --sf 1 --data /data/tpch1 --threads 2 --runs 5 --out bench/results/tpch-sf1-t2.json
  millrace bench run memory --sf 1 --memory 96MiB --data /data/memory1 --runs 1 --out bench/results/memory-sf1.json
  millrace bench run micro --engines millrace,duckdb,polars --data /data/micro --runs 5 --out bench/results/micro-t2.json`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"tpch", "micro", "memory"},
		RunE:      func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	f := c.Flags()
	f.StringSliceVar(&o.engines, "engines", []string{"millrace", "duckdb"}, "engines to measure: millrace, duckdb, polars, datafusion, spark")
	f.Float64Var(&o.sf, "sf", 1, "scale factor of the data")
	f.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "threads that each engine may use")
	f.StringVar(&o.memory, "memory", "", "memory that each engine may use, as 4GiB (default: what it takes by itself)")
	f.DurationVar(&o.budget, "budget", time.Hour, "time for all of it, data excepted")
	f.DurationVar(&o.limit, "limit", 5*time.Minute, "time for one run of one query; an engine that takes longer is left out")
	f.IntVar(&o.runs, "runs", 5, "measured runs of each query")
	f.StringSliceVar(&o.queries, "queries", nil, "queries to run, as q01,q06 (default: all)")
	f.StringVar(&o.data, "data", "", "directory with the data, made there if missing (default: a temporary one)")
	f.StringVar(&o.files, "files", "millrace", "who wrote the Parquet files: millrace, or duckdb, which then rewrites them into DATA/duckdb")
	f.StringVar(&o.python, "python", peers.Python, "the Python that has the rivals installed")
	f.StringVar(&o.out, "out", "", "write the result to this file as JSON")
	f.StringVar(&o.profile, "profile", "", "write processor profiles of Millrace to this directory, QUERY.pprof, after each query was measured")
	f.StringArrayVar(&o.conf, "conf", nil, "a setting of Millrace as key=value (repeatable)")
	return c
}

func (o *benchRun) run(ctx context.Context, name string) (err error) {
	switch {
	case o.threads < 1 || o.threads > 1024:
		return fmt.Errorf("%w: --threads must be from 1 to 1024", errUsage)
	case o.runs < 1:
		return fmt.Errorf("%w: --runs must be at least 1", errUsage)
	case o.files != "millrace" && o.files != "duckdb":
		return fmt.Errorf("%w: --files must be millrace or duckdb, not %q", errUsage, o.files)
	}
	opts := harness.Options{Threads: o.threads, Runs: o.runs, Budget: o.budget, Limit: o.limit, Profile: o.profile, Command: "millrace " + strings.Join(os.Args[1:], " "), Done: o.line}
	for _, q := range o.queries {
		if len(q) > 0 && q[0] >= '0' && q[0] <= '9' { // as bench tpch has them
			q = fmt.Sprintf("q%02s", q)
		}
		opts.Queries = append(opts.Queries, q)
	}
	if o.memory != "" {
		if opts.Memory, err = settings.Bytes(o.memory); err != nil {
			return err
		}
	}
	if opts.Scratch, err = os.MkdirTemp("", "millrace-bench-*"); err != nil {
		return diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
	}
	defer os.RemoveAll(opts.Scratch)
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return fs.ExplainWrite(err, o.profile)
		}
	}
	list, err := o.contenders(opts.Scratch)
	if err != nil {
		return err
	}
	if o.data == "" {
		o.data = filepath.Join(opts.Scratch, "data")
	}
	if o.data, err = filepath.Abs(o.data); err != nil {
		return diag.New(diag.PathNotFound, "%v", err)
	}
	progress, clear := status()
	defer clear()
	opts.Progress = progress
	s, err := suite.Open(ctx, name, suite.Options{SF: o.sf, Dir: o.data, Workers: runtime.GOMAXPROCS(0), Progress: func(what string) { progress("making " + what) }})
	if err != nil {
		return err
	}
	if o.files == "duckdb" {
		progress("rewriting the data by DuckDB")
		duckdb, err := peers.Engine("duckdb", o.python, opts.Scratch)
		if err != nil {
			return err
		}
		if err := harness.Rewrite(ctx, s, duckdb, o.threads, filepath.Join(o.data, "duckdb"), opts.Scratch); err != nil {
			return err
		}
	}
	res, err := harness.Run(ctx, s, list, opts)
	if err != nil {
		return err
	}
	clear()
	if o.out != "" {
		if err := res.Write(o.out); err != nil {
			return err
		}
	}
	return o.summary(res)
}

// contenders says how the engines are started: Millrace is this binary again.
func (o *benchRun) contenders(scratch string) ([]harness.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, diag.New(diag.Internal, "the path of this program is not known: %v", err)
	}
	var list []harness.Engine
	for i, name := range o.engines {
		if slices.Contains(o.engines[:i], name) {
			return nil, fmt.Errorf("%w: --engines names %s twice", errUsage, name)
		}
		if name == "millrace" {
			e := harness.Engine{Name: name, Warmups: 1, Profiles: true, Command: []string{self, "bench", "engine"}}
			for _, kv := range o.conf {
				e.Command = append(e.Command, "--conf", kv)
			}
			list = append(list, e)
			continue
		}
		e, err := peers.Engine(name, o.python, scratch)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// line prints what a query came to.
func (o *benchRun) line(q harness.QueryResult) {
	if terminal(os.Stderr) {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
	fmt.Printf("%-13s", q.Name)
	for _, name := range o.engines {
		switch m, ok := q.Engines[name]; {
		case !ok:
		case m.OK():
			fmt.Printf("  %s %9.1f ms ±%5.1f", name, m.Median, m.MAD)
		default:
			fmt.Printf("  %s %17s", name, "–")
		}
	}
	fmt.Println()
}

// summary prints notes, refusals and differences; answers that differ make the
// command fail.
func (o *benchRun) summary(res *harness.Result) error {
	differ := false
	for _, q := range res.Queries {
		for _, name := range o.engines {
			m := q.Engines[name]
			if m.Error != "" {
				fmt.Printf("%s: %s gave no answer: %s\n", q.Name, name, m.Error)
			} else if len(m.MS) > 0 && !m.OK() {
				fmt.Printf("%s: %s answers otherwise: %s\n", q.Name, name, m.Answer)
				differ = true
			}
		}
	}
	for _, n := range res.Notes {
		fmt.Println("note: " + n)
	}
	for _, e := range res.Engines {
		total, processor, n := 0.0, 0.0, 0
		for _, q := range res.Queries {
			if m := q.Engines[e.Name]; m.OK() {
				total += m.Median
				processor += harness.Median(m.CPU)
				n++
			}
		}
		fmt.Printf("%-11s %-12s %10.1f ms for %d queries, %.1f ms of processors, peak memory %d MiB\n", e.Name, e.Version, total, n, processor, e.RSS>>20)
	}
	if differ {
		return errShown
	}
	return nil
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// status shows what runs now on a terminal, one line that replaces itself; both
// functions do nothing elsewhere.
func status() (show func(string), clear func()) {
	if !terminal(os.Stderr) {
		return func(string) {}, func() {}
	}
	return func(s string) { fmt.Fprintf(os.Stderr, "\r\033[K%.100s", s) }, func() { fmt.Fprint(os.Stderr, "\r\033[K") }
}

// engineCommand answers the harness; it is the process that is measured.
func engineCommand() *cobra.Command {
	var conf []string
	c := &cobra.Command{
		Use:    "engine",
		Short:  "Answer bench run over standard input and output",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := options(conf, "")
			if err != nil {
				return err
			}
			return engine.Serve(cmd.Context(), os.Stdin, os.Stdout, fullVersion(), opts...)
		},
	}
	c.Flags().StringArrayVar(&conf, "conf", nil, "a setting as key=value (repeatable)")
	return c
}
