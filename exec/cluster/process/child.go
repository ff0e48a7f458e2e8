package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/spill"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// Child is the life of an executor that Start made: it reads its spec from stdin
// and runs until the driver ends it or is gone.
func Child(ctx context.Context, stdin io.Reader, tables *connector.Registry) error {
	d := json.NewDecoder(stdin)
	var s spec
	if err := d.Decode(&s); err != nil {
		return fmt.Errorf("%s is set, but what comes over standard input is no executor's: %w", Environment, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process
		io.Copy(io.Discard, stdin)
		cancel()
	}()
	credential, err := identity.Decode(s.Credential)
	if err != nil {
		return err
	}
	if credential.Name != s.Name {
		return fmt.Errorf("the credential is of %s, not of %s", credential.Name, s.Name)
	}
	t, err := carrier(s.Transport, credential)
	if err != nil {
		return err
	}
	broker := memory.NewBroker(s.Memory)
	defer broker.Govern()()
	keep, err := executor.OpenKeep(s.Keep)
	if err != nil {
		return err
	}
	space := spill.NewSpace(s.SpillDir)
	space.Limit = s.SpillLimit
	err = remote.Run(ctx, remote.AgentConfig{
		Transport: t, App: s.Name.App, At: s.At,
		Driver: transport.Peer{Addr: s.Driver, Name: identity.Name{App: s.Name.App, Role: identity.Driver}},
		Executor: executor.Config{ID: exec.ExecutorID(s.Name.ID), Slots: s.Slots, Broker: broker, Tables: tables, Spill: space, Keep: keep,
			Panics: func(task exec.TaskID, value any, stack []byte) {
				fmt.Fprintf(os.Stderr, "%s: %v\n%s", task, value, stack)
			}},
	})
	if ctx.Err() != nil {
		return nil // told to end
	}
	return err
}
