package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/local"
)

// Begin reads the spec that Spawn gave this process over stdin. It calls end once,
// later, when whoever started the process asks it to end, or is gone itself, which
// makes it an orphan.
func Begin(stdin io.Reader, spec any, end func(orphan bool)) error {
	d := json.NewDecoder(stdin)
	if path := os.Getenv(specVariable); path != "" { // of a process that became this one
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		os.Remove(path)
		os.Unsetenv(specVariable)
		if err := json.Unmarshal(b, spec); err != nil {
			return err
		}
	} else if err := d.Decode(spec); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // there is something to do yet when nobody reads what this process says
	go func() {                    // ends with the process
		rest, _ := io.ReadAll(io.MultiReader(d.Buffered(), stdin))
		end(!bytes.Contains(rest, []byte(farewell)))
	}()
	return nil
}

// Remove removes the directory of a process that has ended, and its parents, from
// the inside out, if nothing is left in them.
func Remove(dir string, parents []string) {
	if dir != "" {
		os.RemoveAll(dir)
	}
	for _, p := range parents {
		if os.Remove(p) != nil {
			return
		}
	}
}

// Program is what the binary of an executor brings along.
type Program struct {
	Tables    *connector.Registry
	Functions expr.Lookup // nil stands for expr.Builtins
	// Fingerprint tells its functions from those of other binaries.
	Fingerprint string
	// Fetch has what it replaces of fetching; the limits are the spec's.
	Fetch service.Options
	// CachePolicy is for executor.Config.CachePolicy; nil: the spec names one.
	CachePolicy func() cache.Policy
	// Front is what Tables keep footers in; nil: they keep none.
	Front *front.Cache
}

// Child is the life of an executor that Spawn made: it reads its spec from stdin
// and runs until the driver ends it or is gone.
func Child(ctx context.Context, stdin io.Reader, p Program) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var s Spec
	var orphaned atomic.Bool
	err := Begin(stdin, &s, func(orphan bool) {
		orphaned.Store(orphan)
		cancel()
	})
	if err != nil {
		return fmt.Errorf("%s is set, but what comes over standard input is no executor's: %w", Environment, err)
	}
	if s.Binary != nil {
		err = s.become(ctx)
	} else {
		err = s.run(ctx, p)
	}
	if orphaned.Load() { // P1
		Remove(s.Dir, s.Parents)
	}
	if ctx.Err() != nil {
		return nil // told to end
	}
	return err
}

func (s *Spec) run(ctx context.Context, p Program) error {
	fetch := p.Fetch
	credential, err := identity.Decode(s.Credential)
	if err != nil {
		return err
	}
	if credential.Name != s.Name {
		return fmt.Errorf("the credential is of %s, not of %s", credential.Name, s.Name)
	}
	fetch.Limits = s.Fetch
	var order transport.Order
	if fetch.Policy != nil {
		order = fetch.Policy.Before
	}
	t, err := Carrier(s.Transport, credential, order)
	if err != nil {
		return err
	}
	broker := memory.NewBroker(s.Memory)
	defer broker.Govern()()
	keep, err := executor.OpenKeep(s.Keep)
	if err != nil {
		return err
	}
	if p.Front != nil {
		p.Front.Attach(broker, front.Mode(s.CacheFront))
		defer p.Front.Close()
	}
	if p.CachePolicy == nil {
		p.CachePolicy = cache.Policies[s.CachePolicy]
	}
	space := spill.NewSpace(s.SpillDir)
	space.Limit = s.SpillLimit
	return remote.Run(ctx, remote.AgentConfig{
		Transport: t, Fingerprint: p.Fingerprint, Artifacts: remote.Place{Self: credential, Host: s.Host, Dir: s.ArtifactDir, Limit: s.ArtifactLimit}, App: s.Name.App, Fetch: fetch, At: Address(s.Transport, s.Dir, s.Name.ID, s.Host),
		Driver: transport.Peer{Addr: s.Driver, Name: identity.Name{App: s.Name.App, Role: identity.Driver}},
		Executor: executor.Config{ID: exec.ExecutorID(s.Name.ID), Slots: s.Slots, Broker: broker, Tables: p.Tables, Functions: p.Functions, CachePolicy: p.CachePolicy, Spill: space, Keep: keep, Shared: s.Transport == local.Scheme,
			Panics: func(task exec.TaskID, value any, stack []byte) {
				fmt.Fprintf(os.Stderr, "%s: %v\n%s", task, value, stack)
			}},
	})
}
