package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/functions"
)

// benchFunctions is the name of the subcommand of bench for which main registers
// functions.
const benchFunctions = "functions"

func benchFunctionsCommand() *cobra.Command {
	var out string
	var libraries []string
	var rows int64
	var runs int
	c := &cobra.Command{
		Use:   benchFunctions,
		Short: "Measure functions in Go and in WebAssembly beside the engine's own",
		Long: `Call the same functions of strings by the engine, in Go over values and over vectors,
and in WebAssembly, by turns in one session, a task at a time, and compare medians of
processor time: of whole queries, and of what a function takes alone. Then measure what a process takes to
start and answer one query, without and with an artifact. It takes some three minutes.

The exit status is 1 when a function in Go reaches less than 70 % of the speed of the
engine's own, one in WebAssembly less than 20 %, or when processes without artifacts
take longer or more memory than those with, or make a store.`,
		Example: "  millrace bench functions --json bench/results/functions.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rows < 1 || runs < 1 {
				return fmt.Errorf("%w: --rows and --runs are at least 1", errUsage)
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			fmt.Printf("%-8s %-42s %9s %10s %9s %9s %7s %7s\n", "function", "form", "query s", "processor", "ns alone", "ns loop", "query", "alone")
			r, err := functions.Measure(cmd.Context(), functions.Options{Version: fullVersion(), Command: "millrace " + strings.Join(os.Args[1:], " "), Rows: rows, Runs: runs, Libraries: libraries,
				Start: func(ctx context.Context, store, file string) *exec.Cmd {
					args := []string{"sql", "--conf", "artifact.dir=" + store, "-c", "SELECT count(*) FROM range(1000)"}
					if file != "" {
						args = append(args, "--with-file", file)
					}
					return exec.CommandContext(ctx, self, args...)
				},
				Done: functionLine,
				Started: func(x functions.Start) {
					fmt.Printf("a process %s: %.1f ms, %.1f ms of processor, %.1f MiB\n", x.What, 1000*x.Seconds, 1000*x.Processor, float64(x.RSS)/(1<<20))
				}})
			if err != nil {
				return err
			}
			if out != "" {
				if err := r.Write(out); err != nil {
					return err
				}
			}
			if n := r.Failed(); n > 0 {
				fmt.Printf("%d gates are missed\n", n)
				return errShown
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&out, "json", "", "write the figures to this file as JSON, for bench report")
	f.StringSliceVar(&libraries, "library", []string{"artifacts/wasm/testdata/text.wasm", "artifacts/wasm/testdata/text_c.wasm"}, "WebAssembly modules with a function shout")
	f.Int64Var(&rows, "rows", 10_000_000, "how many strings")
	f.IntVar(&runs, "runs", 5, "how often each query runs; medians count")
	return c
}

func functionLine(f functions.Figure) {
	loop, share, note := "–", "", ""
	if f.Loop > 0 {
		loop = fmt.Sprintf("%.1f", f.Loop)
	}
	if f.Need > 0 {
		share = fmt.Sprintf("  needs %.0f %%", 100*f.Need)
	}
	if !f.OK() {
		note = "  MISSED"
	}
	fmt.Printf("%-8s %-42s %9.3f %10.2f %9.1f %9s %5.0f %% %5.0f %%%s%s\n", f.Function, f.Form, f.Seconds, f.Processor, f.Alone, loop, 100*f.Query, 100*f.Share, share, note)
}
