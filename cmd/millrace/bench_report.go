package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/kernels"
	"github.com/millrace-engine/millrace/bench/report"
	"github.com/millrace-engine/millrace/internal/diag"
)

func reportCommand() *cobra.Command {
	var in []string
	var notes, out, charts string
	c := &cobra.Command{
		Use:   "report",
		Short: "Write BENCHMARKS.md from results",
		Long: `Write BENCHMARKS.md and its charts from the results of bench run and of bench
kernels (a file named kernels.json). Nothing else writes these files.

What figures do not say stands in the notes: headings name a suite, as "## tpch", or
a suite and a scale factor, as "## tpch 10"; below them are items as "- q09: text".
The report prints them for queries on which DuckDB is faster.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			inputs, err := report.Load(in, notes)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(filepath.Dir(out), charts)
			if err != nil {
				return diag.New(diag.InvalidArgument, "%s cannot be reached from %s: %v", charts, out, err)
			}
			r := report.Make(inputs, filepath.ToSlash(relative))
			if err := r.Write(out, charts); err != nil {
				return err
			}
			fmt.Printf("%s: %d runs, %d charts\n", out, len(inputs.Runs), len(r.Charts))
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVar(&in, "in", []string{"bench/results/*.json"}, "results to read, files or patterns")
	f.StringVar(&notes, "notes", "bench/results/notes.md", "what is known about queries that are slower than DuckDB's")
	f.StringVar(&out, "out", "BENCHMARKS.md", "file to write")
	f.StringVar(&charts, "charts", "docs/bench", "directory for the charts")
	return c
}

func kernelsCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "kernels",
		Short: "Measure the loops that queries spend their time in",
		Long: `Measure each hot loop on one core: nanoseconds per row, and the share of the speed
of copying memory in the same run. It takes less than a minute.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Printf("%-38s %9s %10s %10s\n", "kernel", "ns/row", "bytes/row", "of memcpy")
			r, err := kernels.Measure(cmd.Context(), fullVersion(), kernels.List(), func(t kernels.Timing) {
				fmt.Printf("%-38s %9.2f %10.1f %8.0f %%\n", t.Name, t.NS, t.Bytes, 100*t.Share)
			})
			if err != nil {
				return err
			}
			fmt.Printf("copying: %.1f GB/s, read and written\n", r.Copy)
			if out == "" {
				return nil
			}
			return r.Write(out)
		},
	}
	c.Flags().StringVar(&out, "json", "", "write the figures to this file as JSON")
	return c
}
