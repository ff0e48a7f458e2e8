package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/bench/shuffle"
)

// benchShuffleCommand measures the gates of what goes between executors.
func benchShuffleCommand() *cobra.Command {
	var out, data string
	c := &cobra.Command{
		Use:   "shuffle",
		Short: "Measure how rows go between executors, against limits of this machine",
		Long: `Measure partitioning, encoding, carrying and reading of exchange output, each
beside a limit that the same run measures: copying memory, LZ4, quic-go and
crypto/tls alone, the same queries in one process. It takes less than a minute, and
some more with --data.

The exit status is 1 when a gate is missed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Printf("%-54s %10s %10s %8s %8s\n", "gate", "value", "limit", "ratio", "needs")
			r, err := shuffle.Measure(cmd.Context(), shuffle.Options{Version: fullVersion(), Data: data, Done: gateLine, Way: func(w shuffle.Way) {
				fmt.Printf("%-12s %8.0f MB/s a stream, %8.0f MB/s fetched, %6.2f ns of processors a byte, %8.1f µs a fetch of one row\n", w.Name, w.Stream, w.Fetch, w.Processor, w.Small)
			}})
			if err != nil {
				return err
			}
			if out != "" {
				if err := r.Write(out); err != nil {
					return err
				}
			}
			if n := len(r.Failed()); n > 0 {
				fmt.Printf("%d of %d gates are missed\n", n, len(r.Gates))
				return errShown
			}
			return nil
		},
	}
	c.Flags().StringVar(&out, "json", "", "write the figures to this file as JSON")
	c.Flags().StringVar(&data, "data", "", "directory with TPC-H as TABLE.parquet: whole queries are compared too")
	return c
}

// gateLine prints what a gate came to.
func gateLine(g shuffle.Gate) {
	verdict, limit, bound := "", "", ">="
	if !g.OK() {
		verdict = "  MISSED"
	}
	if g.Most {
		bound = "<="
	}
	if g.Limit != "" {
		limit = fmt.Sprintf("%.4g", g.Of)
	}
	if g.Error != "" {
		fmt.Printf("%-54s  not measured: %s\n", g.Name, g.Error)
		return
	}
	fmt.Printf("%-54s %10.4g %10s %8.3f %s %-5g %s%s\n", g.Name, g.Value, limit, g.Ratio(), bound, g.Need, g.Unit, verdict)
	if g.Note != "" {
		fmt.Printf("%-54s   %s\n", "", g.Note)
	}
}
