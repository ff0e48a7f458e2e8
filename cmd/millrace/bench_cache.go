package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/cached"
	"github.com/millrace-engine/millrace/bench/harness"
)

// cacheRun is what bench cache was asked for.
type cacheRun struct {
	data, master, memory, quarter, json string
	runs, nodes, files                  int
	hot                                 bool
	conf                                []string
}

func cacheCommand() *cobra.Command {
	var o cacheRun
	c := &cobra.Command{
		Use:   "cache",
		Short: "Show what cached tables save: q1 and q6 over lineitem, PageRank and k-means",
		Long: `Run q1 and q6 of TPC-H over lineitem as Parquet, as CSV and cached, with memory for
all of it and for --quarter; a hot cached table while one of ten times the memory is
scanned (--hot); --files small Parquet files with the cache of footers and page indexes
(cache.front) on and off; then ten rounds of PageRank and k-means from CSV files, with
their data persisted and without. Answers are compared. Times are the least of --runs in
turns, of whole jobs for PageRank and k-means; "cpu ms" is what processors worked for
this process.

Then it says what the ratios must reach. The exit status is 1 if one does not, or an
answer differs.`,
		Example: "  millrace bench cache --data /data/tpch1 --memory 4GiB --quarter 200MiB",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := c.Flags()
	f.StringVar(&o.data, "data", "", "directory with lineitem.parquet, made by bench tpch gen; empty leaves q1 and q6 out")
	f.StringVar(&o.quarter, "quarter", "192MiB", "the budget for runs in little memory")
	f.IntVar(&o.runs, "runs", 5, "how often q1 and q6 run in each way")
	f.IntVar(&o.nodes, "nodes", 100_000, "nodes of the graph; there are 5 times as many edges, and 10 times as many points; 0 leaves both out")
	f.BoolVar(&o.hot, "hot", true, "scan a table of 10 times the memory over a hot cached one")
	f.IntVar(&o.files, "files", 2000, "small Parquet files that are scanned with the cache of footers on and off; 0 leaves them out")
	f.StringVar(&o.json, "json", "", "write the numbers to this file as JSON")
	sessionFlags(c, &o.master, &o.conf, &o.memory)
	return c
}

func (o *cacheRun) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "millrace-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	same := true
	fmt.Printf("%-10s %-24s %10s %10s %10s\n", "job", "way", "memory", "ms", "cpu ms")
	m := cached.Options{Data: o.data, Dir: dir, Quarter: o.quarter, Runs: max(1, o.runs),
		Open: func(memory string, settings ...string) (*millrace.Session, func(), error) {
			if memory == "" {
				memory = o.memory
			}
			opts, err := options(append(slices.Clone(o.conf), settings...), memory)
			if err != nil {
				return nil, nil, err
			}
			return open(ctx, o.master, opts)
		},
		Tell: func(r cached.Row) {
			note := ""
			if r.Hits > 0 {
				note = fmt.Sprintf("  %.1f %% of blocks in memory", r.Hits)
			}
			if !r.Same {
				note, same = "  ANSWERS DIFFER", false
			}
			fmt.Printf("%-10s %-24s %10s %10.1f %10.1f%s\n", r.Job, r.Way, r.Memory, r.Millis, r.CPU, note)
		}}
	res := &cached.Result{Started: time.Now().UTC().Format(time.RFC3339), Command: "millrace " + strings.Join(os.Args[1:], " "), Machine: harness.ThisMachine()}
	if o.data != "" {
		if res.Rows, err = cached.Tables(ctx, m); err != nil {
			return err
		}
	}
	if o.hot {
		rows, err := cached.Hot(ctx, m)
		if err != nil {
			return err
		}
		res.Rows = append(res.Rows, rows...)
	}
	if o.files > 0 {
		rows, err := cached.Files(ctx, m, o.files)
		if err != nil {
			return err
		}
		res.Rows = append(res.Rows, rows...)
	}
	if o.nodes > 0 {
		rows, err := cached.Iterate(ctx, m, o.nodes)
		if err != nil {
			return err
		}
		res.Rows = append(res.Rows, rows...)
	}
	if o.json != "" {
		if err := res.Write(o.json); err != nil {
			return err
		}
	}
	missed := false
	fmt.Println()
	for _, g := range res.Gates() {
		verdict := "passed"
		if !g.OK() {
			verdict, missed = "MISSED", true
		}
		fmt.Printf("%-76s %6.2f  %-6s %s\n", g.What, g.Figure, g.Bound(), verdict)
	}
	if !same || missed {
		return errShown
	}
	return nil
}
