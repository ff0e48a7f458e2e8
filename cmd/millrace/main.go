// Command millrace runs SQL over files, clusters and the benchmarks.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/functions"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Exit codes: 1 a statement or job failed, 2 wrong usage.
const (
	failed = 1
	usage  = 2
)

// errUsage marks errors of the command line itself.
var errUsage = errors.New("usage")

func main() {
	millrace.Main(registered(os.Args[1:])...)
	os.Exit(run(os.Args[1:]))
}

// registered are the functions that a command measures. For others there are none.
func registered(args []string) []millrace.MainOption {
	if len(args) > 1 && args[0] == "bench" && args[1] == benchFunctions {
		return []millrace.MainOption{functions.Register}
	}
	return nil
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "millrace",
		Short:         "A columnar data engine: SQL in Spark's dialect over files",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(sqlCommand(), masterCommand(), workerCommand(), submitCommand(), clusterCommand(), driverCommand(), benchCommand(), shuffleCommand(), historyCommand(), configCommand(), versionCommand())
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errShown):
		return failed
	case errors.Is(err, errUsage), diag.ClassOf(err) == "" && (strings.HasPrefix(err.Error(), "unknown command") || strings.Contains(err.Error(), "arg(s)")):
		fmt.Fprintf(os.Stderr, "millrace: %s\nRun millrace --help for the commands and flags.\n", strings.TrimPrefix(err.Error(), "usage: "))
		return usage
	}
	fmt.Fprintln(os.Stderr, diag.Render(err, ""))
	return failed
}
