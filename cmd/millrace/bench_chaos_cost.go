package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/chaos"
	"github.com/millrace-engine/millrace/internal/diag"
)

// halfCommand measures what the loss of an executor costs.
func halfCommand() *cobra.Command {
	c := comparing("half", "9,18,21", 1.6, chaos.Half)
	c.Short = "Measure queries of which an executor is killed when half of the tasks are done"
	c.Long = `Run each query undisturbed, and with one of four executors killed when half of its
tasks are done, and compare the times and the rows.

The exit status is 1 if a query takes more than --most times as long, or its rows
differ.`
	return c
}

// stragglerCommand measures what a slow executor costs.
func stragglerCommand() *cobra.Command {
	c := comparing("straggler", "1,5,9,18", 1.5, chaos.Straggler)
	c.Short = "Measure queries while one executor runs a tenth of the time"
	c.Long = `Run each query with four executors as they are, and with one of them slowed ten times
(SIGSTOP and SIGCONT by turns) under task.speculation, and compare the times and the
rows. The times without speculation are shown, too, and how long it takes until
nothing is left of what losing attempts wrote, while their query goes on: an executor
stands still amidst a task, and goes on when another one has run that.

The exit status is 1 if a query takes more than --most times as long, its rows
differ, or there is something left after 60 s.`
	return c
}

// comparing is a command that prints a comparison.
func comparing(name, queries string, most float64, measure func(context.Context, chaos.Options, int, float64) (*chaos.Comparison, error)) *cobra.Command {
	var x chaosRun
	var runs int
	c := &cobra.Command{
		Use:     name,
		Example: "  millrace bench chaos " + name + " --sf 10 --data /data/tpch10",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runs < 1 {
				return fmt.Errorf("%w: --runs must be at least 1", errUsage)
			}
			done, err := x.prepare(cmd.Context())
			defer done()
			if err != nil {
				return err
			}
			r, err := measure(cmd.Context(), x.o, runs, most)
			if err != nil {
				return err
			}
			r.Print(os.Stdout)
			if err := writeJSON(x.json, r); err != nil {
				return err
			}
			if !r.OK() {
				return errShown
			}
			return nil
		},
	}
	f := c.Flags()
	f.Float64Var(&x.o.SF, "sf", 1, "scale factor of the data")
	f.StringVar(&x.o.Data, "data", "", "directory with TABLE.parquet files (default: they are made first)")
	f.StringVar(&x.queries, "queries", queries, "queries to run")
	f.IntVar(&runs, "runs", 3, "how often each runs each way; medians count")
	f.Float64Var(&most, "most", most, "how many times as long a query may take")
	x.flags(c)
	return c
}

// lastCommand kills all executors.
func lastCommand() *cobra.Command {
	var x chaosRun
	c := &cobra.Command{
		Use:   "last",
		Short: "Kill all executors while a query runs: it must fail, and say why",
		Long: `Kill all executors of a local cluster while a query runs. The query must fail with
class CLUSTER_FAILED within 40 s: 30 s of them it waits for other executors.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := x.prepare(cmd.Context())
			defer done()
			if err != nil {
				return err
			}
			failure, took, err := chaos.Last(cmd.Context(), x.o)
			if err != nil {
				return err
			}
			fmt.Printf("failed after %.1f s, as it must: %s\n", took.Seconds(), diag.Render(failure, ""))
			return nil
		},
	}
	f := c.Flags()
	f.Float64Var(&x.o.SF, "sf", 0.1, "scale factor of the data")
	f.StringVar(&x.o.Data, "data", "", "directory with TABLE.parquet files (default: they are made first)")
	f.StringVar(&x.queries, "query", "9", "the query")
	x.flags(c)
	return c
}

// accumulateCommand checks accumulators.
func accumulateCommand() *cobra.Command {
	var x chaosRun
	c := &cobra.Command{
		Use:   "accumulate",
		Short: "Add rows up by accumulators while executors are killed, with speculation on",
		Long: `Add the rows of queries up by accumulators, under task.speculation, while executors are
killed, and compare with what is to come out.

The exit status is 1 if an accumulator is not exact.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := x.prepare(cmd.Context())
			defer done()
			if err != nil {
				return err
			}
			fmt.Printf("seed %d\n", x.o.Seed)
			a, err := chaos.Accumulate(cmd.Context(), x.o)
			fmt.Printf("%d executors killed, %d queries, %d accumulators not exact\n", a.Kills, a.Queries, a.Wrong)
			if err != nil {
				return err
			}
			if err := writeJSON(x.json, a); err != nil {
				return err
			}
			if a.Wrong > 0 {
				return errShown
			}
			return nil
		},
	}
	f := c.Flags()
	f.Float64Var(&x.o.SF, "sf", 0.1, "scale factor of the data")
	f.StringVar(&x.o.Data, "data", "", "directory with TABLE.parquet files (default: they are made first)")
	f.IntVar(&x.o.Kills, "kills", 100, "executors to kill")
	f.Uint64Var(&x.o.Seed, "seed", 0, "what chooses who is killed and when (default: another one each time)")
	x.flags(c)
	return c
}
