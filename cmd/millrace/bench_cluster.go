package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/cluster"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

// clusterRun is what bench cluster was asked for.
type clusterRun struct {
	cluster.Options
	queries, memory, json string
}

func benchClusterCommand() *cobra.Command {
	var o clusterRun
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Show what it costs to run TPC-H in several processes instead of one",
		Long: `Run the queries of TPC-H in this process, in executors that are processes of
their own, and in those with all output of exchanges written to disk (the setting
shuffle.keep), by turns, with the same cores and memory; and compare the answers.

The best time of each query counts. The exit status is 1 if an answer differs, or
if all queries together take more than 1.15 times as long in executors as in one
process, or 1.4 times with all output on disk.`,
		Example: "  millrace bench cluster --data /data/tpch10 --json bench/results/cluster.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := c.Flags()
	f.StringVar(&o.Data, "data", "", "directory with TABLE.parquet files, made by bench tpch gen")
	f.StringVar(&o.queries, "queries", "", "queries to run, as 1,6 (default: all)")
	f.IntVar(&o.Executors, "executors", 2, "executors")
	f.IntVar(&o.Cores, "cores", 1, "cores of each")
	f.StringVar(&o.memory, "memory", "4GiB", "memory of each")
	f.IntVar(&o.Runs, "runs", 3, "measured runs of each query")
	f.StringVar(&o.Scratch, "scratch", "", "directory for output of exchanges on disk (default: a temporary one)")
	f.StringVar(&o.json, "json", "", "write the numbers to this file as JSON, for bench report")
	return c
}

func (o *clusterRun) run(ctx context.Context) (err error) {
	switch {
	case o.Data == "":
		return fmt.Errorf("%w: --data names the directory with the data", errUsage)
	case o.Executors < 1 || o.Cores < 1 || o.Runs < 1:
		return fmt.Errorf("%w: --executors, --cores and --runs must be at least 1", errUsage)
	}
	if o.Queries, err = numbers(o.queries); err != nil {
		return err
	}
	memory, err := settings.Bytes(o.memory)
	if err != nil {
		return err
	}
	o.MiB, o.Spill = int(memory>>20), true
	if o.Scratch, err = os.MkdirTemp(o.Scratch, "millrace-bench-*"); err != nil {
		return diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
	}
	defer os.RemoveAll(o.Scratch)
	fmt.Printf("%-5s %10s %10s %6s %10s %6s %14s %14s\n", "query", "local, ms", "cluster", "÷", "on disk", "÷", "exchanged, MiB", "on disk, MiB")
	o.Done = printPlaces
	res, err := cluster.Measure(ctx, o.Options)
	if err != nil {
		return err
	}
	res.Command = "millrace " + strings.Join(os.Args[1:], " ")
	all := res.All()
	printPlaces(all)
	fmt.Printf("processor time of all processes: %.1f s, %.1f s, %.1f s; other programs took %.0f %% of the machine\n", all.Figs[0].CPU/1000, all.Figs[1].CPU/1000, all.Figs[2].CPU/1000, 100*res.Others)
	if o.json != "" {
		if err := res.Write(o.json); err != nil {
			return err
		}
	}
	if !res.OK() {
		fmt.Printf("answers are the same: %t; in executors %.2f times the time, at most %g is allowed; with all output on disk %.2f, at most %g\n",
			all.Same, all.Ratio(1), cluster.NeedFits, all.Ratio(2), cluster.NeedSpilled)
		return errShown
	}
	return nil
}

func printPlaces(r cluster.Row) {
	note := ""
	if !r.Same {
		note = "  ANSWERS DIFFER"
	}
	a, b, c := r.Figs[0], r.Figs[1], r.Figs[2]
	fmt.Printf("%-5s %10.1f %10.1f %6.2f %10.1f %6.2f %14d %14d%s\n", r.Query, a.Best, b.Best, r.Ratio(1), c.Best, r.Ratio(2), c.Written>>20, c.Spilled>>20, note)
}
