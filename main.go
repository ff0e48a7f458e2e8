package millrace

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/millrace-engine/millrace/connector/files"
	"github.com/millrace-engine/millrace/exec/cluster/process"
)

// Main makes a program able to run executors: on "local-cluster" its own binary is
// started again for each of them. It is the first statement of main, and of
// TestMain in tests. In the program itself it returns at once; in an executor it
// never returns.
func Main() {
	if os.Getenv(process.Environment) == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := process.Child(ctx, os.Stdin, files.Registry())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "millrace executor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
