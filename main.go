package millrace

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/millrace-engine/millrace/artifacts/function"
	"github.com/millrace-engine/millrace/artifacts/wasm"
	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/connector/files"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/shuffle/service"
)

// Registry is what a program adds to Millrace: its functions (Scalar1, Aggregate1 …)
// and the parts that it replaces. Main fills it before anything runs.
type Registry struct {
	main      bool // Main was called: this binary can run again as a child
	fetch     service.Options
	functions function.Registry
	policy    func() cache.Policy // nil: the setting cache.policy says
}

// MainOption fills the registry: a function of the program that registers its
// functions, or WithFetchPolicy and the like.
type MainOption func(*Registry)

// program is the registry of this process.
var program Registry

// WithFetchPolicy replaces what decides which exchange output is fetched, read and
// sent first: service.ByUrgency.
func WithFetchPolicy(p service.Policy) MainOption {
	return func(r *Registry) { r.fetch.Policy = p }
}

// WithChunkCodec replaces the encoding of exchange output between executors:
// service.Raw within a host, service.LZ4 between hosts.
func WithChunkCodec(c service.Codec) MainOption {
	return func(r *Registry) { r.fetch.Codec = c }
}

// WithCachePolicy replaces what decides which blocks of cached tables leave memory
// first; new makes one for each priority. The setting cache.policy has no effect then.
func WithCachePolicy(new func() cache.Policy) MainOption {
	return func(r *Registry) { r.policy = new }
}

// Main registers a program's functions and makes it able to run executors: on
// "local-cluster" its own binary is started again for each of them, and on a cluster
// its executors run a copy. It is the first statement of main, and of TestMain in
// tests: millrace.Main(register). In the program itself it returns at once, or ends
// it with the reason if a registration is wrong; in an executor it never returns.
func Main(opts ...MainOption) {
	var r Registry
	for _, o := range opts {
		o(&r)
	}
	if err := r.functions.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	r.main = true
	program = r
	if os.Getenv(wasm.Environment) != "" {
		if wasm.Serve(os.Stdin, os.Stdout) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(process.Environment) == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	libraries := &wasm.Libraries{Next: r.functions.Finder()}
	kept := &front.Cache{}
	err := process.Child(ctx, os.Stdin, process.Program{Tables: files.Registry(kept), Front: kept, Functions: libraries, Fingerprint: r.functions.Fingerprint(), Fetch: r.fetch, CachePolicy: r.policy})
	stop()
	libraries.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "millrace executor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
