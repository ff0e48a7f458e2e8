package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Run benchmarks", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(runCommand(), reportCommand(), kernelsCommand(), benchShuffleCommand(), engineCommand(), tpchCommand(), filtersCommand(), skewCommand(), cacheCommand(), benchFunctionsCommand(), benchClusterCommand(), chaosCommand())
	return c
}

// tpchRun is what bench tpch was asked for.
type tpchRun struct {
	sf                    float64
	data, queries, master string
	memory, answers, json string
	profile               string
	runs                  int
	conf                  []string
}

func tpchCommand() *cobra.Command {
	var o tpchRun
	c := &cobra.Command{
		Use:   "tpch",
		Short: "Run TPC-H and check its answers",
		Long: `Run the 22 queries of TPC-H and check their answers.

Without --data the data is made in a temporary directory first. Answers are known
for scale factors 0.01, 0.1 and 1; others are "unverified" unless --answers names
a directory with them.`,
		Example: "  millrace bench tpch --sf 0.1\n  millrace bench tpch --sf 1 --data /data/tpch --queries 1,6 --runs 5 --json out.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := c.Flags()
	f.Float64Var(&o.sf, "sf", 0.1, "scale factor; 1 is about 1 GB of text")
	f.StringVar(&o.data, "data", "", "directory with TABLE.parquet files, made by bench tpch gen")
	f.StringVar(&o.queries, "queries", "", "queries to run, as 1,6 (default: all)")
	f.IntVar(&o.runs, "runs", 1, "how often each query runs; the best time counts")
	f.StringVar(&o.answers, "answers", "", "directory with the expected answers q01.csv …")
	f.StringVar(&o.json, "json", "", "write the times to this file as JSON")
	f.StringVar(&o.profile, "cpuprofile", "", "write a processor profile of the queries to this file, for go tool pprof")
	sessionFlags(c, &o.master, &o.conf, &o.memory)
	c.AddCommand(genCommand(), queriesCommand())
	return c
}

// tpchTimes is the JSON form of a run.
type tpchTimes struct {
	Engine string             `json:"engine"`
	SF     float64            `json:"sf"`
	MS     map[string]float64 `json:"ms"`
	Total  float64            `json:"total_ms"`
	RSS    int64              `json:"peak_rss_bytes"`
}

func (o *tpchRun) run(ctx context.Context) error {
	list, err := numbers(o.queries)
	if err != nil {
		return err
	}
	if o.runs < 1 {
		return fmt.Errorf("%w: --runs must be at least 1", errUsage)
	}
	dir := o.data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "millrace-tpch-*"); err != nil {
			return diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
		}
		defer os.RemoveAll(dir)
		start := time.Now()
		if err := generate(ctx, o.sf, "parquet", dir); err != nil {
			return err
		}
		fmt.Printf("data at scale factor %g made in %.1f s\n", o.sf, time.Since(start).Seconds())
	}
	var answers *tpch.Answers
	if o.answers != "" {
		if answers, err = tpch.AnswersFrom(o.answers); err != nil {
			return err
		}
	} else if answers, _, err = tpch.AnswersAt(o.sf); err != nil {
		return err
	}
	opts, err := options(o.conf, o.memory)
	if err != nil {
		return err
	}
	s, closed, err := open(ctx, o.master, opts)
	if err != nil {
		return err
	}
	defer closed()
	if err := views(ctx, s, dir); err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return fs.ExplainWrite(err, o.profile)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return diag.New(diag.Internal, "the profile cannot be taken: %v", err)
		}
		defer pprof.StopCPUProfile()
	}
	rep := tpchTimes{Engine: "millrace", SF: o.sf, MS: map[string]float64{}}
	wrong := 0
	for _, n := range list {
		ms, rows, verdict, err := o.query(ctx, s, n, answers)
		if err != nil {
			if ctx.Err() != nil {
				return diag.New(diag.Cancelled, "the benchmark was cancelled")
			}
			text, _ := tpch.Query(n)
			fmt.Printf("q%02d  failed\n", n)
			fmt.Fprintln(os.Stderr, diag.Render(err, text))
			wrong++
			continue
		}
		if verdict != "right" && verdict != "unverified" {
			wrong++
		}
		rep.MS[fmt.Sprintf("q%02d", n)] = ms
		rep.Total += ms
		fmt.Printf("q%02d %9.1f ms %7d rows  %s\n", n, ms, rows, verdict)
	}
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) == nil {
		rep.RSS = int64(ru.Maxrss) << 10
	}
	fmt.Printf("total %7.1f ms, peak memory %d MiB\n", rep.Total, rep.RSS>>20)
	if err := writeJSON(o.json, rep); err != nil {
		return err
	}
	if wrong > 0 {
		fmt.Printf("%d of %d queries are wrong\n", wrong, len(list))
		return errShown
	}
	return nil
}

// writeJSON writes a value to a file, none if that has no name.
func writeJSON(path string, v any) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err = os.WriteFile(tmp, append(b, '\n'), 0o644); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return diag.New(diag.WriteFailed, "%s cannot be written: %v", path, err).WithPath(path)
	}
	return nil
}

// views makes the tables of TPC-H in a directory known to a session.
func views(ctx context.Context, s *millrace.Session, dir string) error {
	for _, t := range dbgen.Tables() {
		path := filepath.Join(dir, t.Name+".parquet")
		if err := s.Read().Parquet(path).CreateOrReplaceTempView(ctx, t.Name); err != nil {
			return err
		}
	}
	return nil
}

func (o *tpchRun) query(ctx context.Context, s *millrace.Session, n int, answers *tpch.Answers) (best float64, rows int, verdict string, err error) {
	text, err := tpch.Query(n)
	if err != nil {
		return 0, 0, "", err
	}
	verdict = "unverified"
	for run := range o.runs {
		start := time.Now()
		df, err := s.SQL(ctx, text)
		if err != nil {
			return 0, 0, "", err
		}
		r, err := df.Run(ctx)
		if err == nil {
			err = r.Fetch()
		}
		if err != nil {
			return 0, 0, "", err
		}
		ms := float64(time.Since(start).Microseconds()) / 1000
		if run == 0 || ms < best {
			best = ms
		}
		rows = r.Len()
		if answers == nil {
			continue
		}
		var got [][]string
		if err := r.Each(func(v []string, _ []bool) error { got = append(got, append([]string{}, v...)); return nil }); err != nil {
			return 0, 0, "", err
		}
		verdict = "right"
		if err := answers.Check(n, r.Schema, got); err != nil {
			return best, rows, "WRONG: " + err.Error(), nil
		}
	}
	return best, rows, verdict, nil
}

func numbers(list string) ([]int, error) {
	var out []int
	if list == "" {
		for n := 1; n <= tpch.Queries; n++ {
			out = append(out, n)
		}
		return out, nil
	}
	for _, x := range strings.Split(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(x))
		if err != nil || n < 1 || n > tpch.Queries {
			return nil, fmt.Errorf("%w: --queries needs numbers from 1 to %d, as 1,6; not %q", errUsage, tpch.Queries, x)
		}
		out = append(out, n)
	}
	return out, nil
}

func generate(ctx context.Context, sf float64, format, dir string) error {
	show, clear := status()
	defer clear()
	return tpch.Gen(ctx, tpch.GenOptions{SF: sf, Format: format, Dir: dir, Workers: runtime.GOMAXPROCS(0), Progress: func(table string) { show("made a part of " + table) }})
}

func genCommand() *cobra.Command {
	var sf float64
	var format, out string
	c := &cobra.Command{
		Use:   "gen",
		Short: "Make TPC-H data",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out names the directory for the data", errUsage)
			}
			return generate(cmd.Context(), sf, format, out)
		},
	}
	c.Flags().Float64Var(&sf, "sf", 1, "scale factor")
	c.Flags().StringVar(&format, "format", "parquet", "parquet or tbl")
	c.Flags().StringVar(&out, "out", "", "directory for the data")
	return c
}

func queriesCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "queries",
		Short: "Write the 22 queries as q01.sql …",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out names the directory for the queries", errUsage)
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return diag.New(diag.WriteFailed, "%s cannot be made: %v", out, err).WithPath(out)
			}
			for n := 1; n <= tpch.Queries; n++ {
				text, err := tpch.Query(n)
				if err != nil {
					return err
				}
				name := filepath.Join(out, fmt.Sprintf("q%02d.sql", n))
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					return diag.New(diag.WriteFailed, "%s cannot be written: %v", name, err).WithPath(name)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "directory for the queries")
	return c
}
