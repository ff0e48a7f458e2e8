package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/shuffle/service"
)

// loopback is where executors of this machine listen.
const loopback = "127.0.0.1"

// registering bounds the time that executors take to start.
const registering = 30 * time.Second

// Config says which executors there are to be.
type Config struct {
	Executors  int
	Slots      int   // of each
	Memory     int64 // budget of each, in bytes
	Transport  string
	SpillDir   string
	SpillLimit int64
	Fetch      service.Limits // of each executor
	// ArtifactDir and ArtifactLimit are of the store where artifacts go.
	ArtifactDir   string
	ArtifactLimit int64
	Keep          string // directory where each application keeps its exchange output; "" = none
	Results       executor.ResultSink
	Functions     expr.Lookup // of the program; nil stands for expr.Builtins
	// Fingerprint is of the program's functions.
	Fingerprint string
	Outputs     exchange.Outputs
}

// Backend is a remote.Backend whose executors are children of this process.
type Backend struct {
	*remote.Backend
	dir      string
	children []*Process
}

var _ cluster.Backend = (*Backend)(nil)

// Start starts the executors and returns when they have registered.
func Start(ctx context.Context, c Config) (_ *Backend, err error) {
	b := &Backend{}
	defer func() {
		if err == nil {
			return
		}
		if b.Backend != nil {
			now, cancel := context.WithCancel(ctx)
			cancel()
			b.Backend.Close(now) // waits for nobody
		}
		b.end()
	}()
	if b.dir, err = os.MkdirTemp("", "millrace-"); err != nil {
		return nil, err
	}
	app := "app-" + strings.ToLower(rand.Text()[:16])
	keep := ""
	if c.Keep != "" {
		keep = filepath.Join(c.Keep, app)
	}
	authority, err := identity.NewAuthority(app)
	if err != nil {
		return nil, err
	}
	self, err := authority.Issue(identity.Driver, "driver")
	if err != nil {
		return nil, err
	}
	t, err := Carrier(c.Transport, self, nil)
	if err != nil {
		return nil, err
	}
	b.Backend, err = remote.Listen(ctx, remote.Config{Transport: t, At: Address(c.Transport, b.dir, "driver", loopback), Self: self, Host: loopback, Results: c.Results, Outputs: c.Outputs, Functions: c.Functions, Fingerprint: c.Fingerprint})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, registering)
	defer cancel()
	dead := make(chan error, c.Executors)
	for i := range c.Executors {
		id := fmt.Sprint(i + 1)
		credential, err := authority.Issue(identity.Executor, id)
		if err != nil {
			return nil, err
		}
		s := Spec{Name: credential.Name, Transport: c.Transport, Driver: b.Addr(), Host: loopback, Dir: b.dir,
			Slots: c.Slots, Memory: c.Memory, SpillDir: c.SpillDir, SpillLimit: c.SpillLimit, Fetch: c.Fetch, Keep: keep, ArtifactDir: c.ArtifactDir, ArtifactLimit: c.ArtifactLimit}
		if s.Credential, err = credential.Encode(); err != nil {
			return nil, err
		}
		cmd, err := Executor()
		if err != nil {
			return nil, err
		}
		x, err := Spawn(cmd, s, func(p *Process, err error) {
			b.Drop(exec.ExecutorID(id)) // over QUIC nothing else would tell
			dead <- fmt.Errorf("executor %s ended: %w", id, p.Reason(err))
			cancel()
		})
		if err != nil {
			return nil, err
		}
		b.children = append(b.children, x)
	}
	if err := b.Await(ctx, c.Executors); err != nil {
		select {
		case err = <-dead:
		default:
		}
		return nil, diag.New(diag.ClusterFailed, "the executors do not start: %v", err).WithCause(err).
			WithRemedy("a program that runs queries on local-cluster calls millrace.Main first in its main, and in TestMain in tests")
	}
	return b, nil
}

// Close implements cluster.Backend: it shuts the executors down and waits for
// them; those that do not end by ctx are killed.
func (b *Backend) Close(ctx context.Context) error {
	err := b.Backend.Close(ctx)
	return errors.Join(err, b.end())
}

// Processes returns the executors' process ids by executor.
func (b *Backend) Processes() map[string]int {
	out := map[string]int{}
	for i, x := range b.children {
		out[fmt.Sprint(i+1)] = x.Pid()
	}
	return out
}

// end leaves no child and no file.
func (b *Backend) end() error {
	for _, x := range b.children {
		x.End()
	}
	return os.RemoveAll(b.dir)
}

// Executor is the command that runs an executor: this program's own binary.
func Executor() (*osexec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := osexec.Command(self)
	cmd.Env = append(os.Environ(), Environment+"=1")
	return cmd, nil
}
