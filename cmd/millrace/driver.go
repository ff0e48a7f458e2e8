package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/worker"
	"github.com/millrace-engine/millrace/internal/identity"
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
			conf := append(p.Spec.Conf, settings.Master+"="+p.Master, settings.ClusterToken+"="+p.Token, fmt.Sprintf("%s=%d", settings.Memory, p.Spec.Memory))
			if p.Spec.Program != nil {
				return driverProgram(ctx, &p, conf)
			}
			opts, err := options(conf, "")
			if err != nil {
				return err
			}
			return statements(ctx, p.Spec.SQL, "table", false, false, p.Master, opts)
		},
	}
}

// driverProgram fetches a program and runs it as the driver.
func driverProgram(ctx context.Context, p *standalone.DriverProcess, conf []string) error {
	own, err := settings.Load()
	if err != nil {
		return err
	}
	for _, kv := range conf {
		k, v, _ := strings.Cut(kv, "=")
		if err := own.Put(k, v, "submit"); err != nil {
			return err
		}
	}
	self, err := standalone.Load(p.Token, identity.Client, "")
	if err != nil {
		return err
	}
	store, path, err := p.Spec.Program.Fetch(ctx, self, own.Get(settings.ArtifactDir).Text, own.Size(settings.ArtifactLimit))
	if err != nil {
		return err
	}
	defer store.Close()
	return runProgram(ctx, path, p.Spec.Args, conf, nil)
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.ID, x.Host, x.Size, x.Free, x.State())
	}
	if len(s.Apps) > 0 {
		fmt.Fprintln(w, "\nAPPLICATION\tNAME\tEXECUTORS\tEACH\tSTATE")
	}
	for _, x := range s.Apps {
		state := x.State()
		if state == standalone.AppWaiting {
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
