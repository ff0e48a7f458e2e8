package millrace

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/millrace-engine/millrace/connector/files"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/shuffle/service"
)

// ExecutorOption replaces a part of the executors that a program runs.
type ExecutorOption func(*service.Options)

// WithFetchPolicy replaces what decides which exchange output is fetched, read and
// sent first: service.ByUrgency.
func WithFetchPolicy(p service.Policy) ExecutorOption {
	return func(o *service.Options) { o.Policy = p }
}

// WithChunkCodec replaces the encoding of exchange output between executors:
// service.Raw within a host, service.LZ4 between hosts.
func WithChunkCodec(c service.Codec) ExecutorOption {
	return func(o *service.Options) { o.Codec = c }
}

// Main makes a program able to run executors: on "local-cluster" its own binary is
// started again for each of them. It is the first statement of main, and of
// TestMain in tests. In the program itself it returns at once; in an executor,
// which the options are for, it never returns.
func Main(opts ...ExecutorOption) {
	if os.Getenv(process.Environment) == "" {
		return
	}
	var fetch service.Options
	for _, o := range opts {
		o(&fetch)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := process.Child(ctx, os.Stdin, files.Registry(), fetch)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "millrace executor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
