package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/worker"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/transport/message"
)

type kind = message.Kind

// driverCommand is what a worker starts for --deploy-mode cluster.
func driverCommand() *cobra.Command {
	return &cobra.Command{
		Use:    worker.DriverCommand,
		Short:  "Run a driver that a worker has started",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			var p standalone.DriverProcess
			var orphaned atomic.Bool
			if err := process.Begin(os.Stdin, &p, func(orphan bool) {
				orphaned.Store(orphan)
				cancel()
			}); err != nil {
				return fmt.Errorf("%w: workers start this command, and say over standard input what to run: %w", errUsage, err)
			}
			defer func() {
				if orphaned.Load() {
					process.Remove(p.Dir, p.Parents)
				}
			}()
			// What the worker says comes last: it counts.
			opts, err := options(append(p.Spec.Conf, settings.Master+"="+p.Master, settings.ClusterToken+"="+p.Token, fmt.Sprintf("%s=%d", settings.Memory, p.Spec.Memory)), "")
			if err != nil {
				return err
			}
			return statements(ctx, p.Spec.SQL, "table", false, false, p.Master, opts)
		},
	}
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printState prints the state of a cluster for people.
func printState(out io.Writer, s standalone.StateBody) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WORKER\tHOST\tSIZE\tFREE\tSTATE")
	for _, x := range s.Workers {
		state := "there"
		switch {
		case x.Away:
			state = "away"
		case x.Draining:
			state = "draining"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.ID, x.Host, x.Size, x.Free, state)
	}
	if len(s.Apps) > 0 {
		fmt.Fprintln(w, "\nAPPLICATION\tNAME\tEXECUTORS\tEACH\tSTATE")
	}
	for _, x := range s.Apps {
		state := "running"
		switch {
		case x.Away:
			state = "away"
		case len(x.Executors) == 0:
			state = "waits: " + x.Waiting
		}
		fmt.Fprintf(w, "%s\t%s\t%d of %d\t%s\t%s\n", x.ID, x.Name, len(x.Executors), x.Wanted, x.Size, state)
	}
	if len(s.Drivers) > 0 {
		fmt.Fprintln(w, "\nDRIVER\tNAME\tSINCE\tWORKER\tSTATE")
	}
	for _, x := range s.Drivers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.ID, x.Name, x.Since.Format("2006-01-02 15:04:05"), x.Worker, x.State)
	}
	return w.Flush()
}
