package process

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
)

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
	Keep       string // directory where each application keeps its exchange output; "" = none
	Results    executor.ResultSink
	Outputs    exchange.Outputs
}

// Backend is a remote.Backend whose executors are children of this process.
type Backend struct {
	*remote.Backend
	dir      string
	children []*child
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
	t, err := carrier(c.Transport, self)
	if err != nil {
		return nil, err
	}
	b.Backend, err = remote.Listen(ctx, remote.Config{Transport: t, At: address(c.Transport, b.dir, "driver"), Results: c.Results, Outputs: c.Outputs})
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
		s := spec{Name: credential.Name, Transport: c.Transport, Driver: b.Addr(), At: address(c.Transport, b.dir, id),
			Slots: c.Slots, Memory: c.Memory, SpillDir: c.SpillDir, SpillLimit: c.SpillLimit, Keep: keep}
		if s.Credential, err = credential.Encode(); err != nil {
			return nil, err
		}
		x, err := start(s, func(err error) {
			dead <- err
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
		out[fmt.Sprint(i+1)] = x.cmd.Process.Pid
	}
	return out
}

// end leaves no child and no file.
func (b *Backend) end() error {
	for _, x := range b.children {
		x.end()
	}
	return os.RemoveAll(b.dir)
}

// child is an executor's process.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{}
	said  tail
}

// start starts a child; ended is told when it ends.
func start(s spec, ended func(error)) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	x := &child{cmd: exec.Command(self), done: make(chan struct{})}
	x.cmd.Env = append(os.Environ(), Environment+"=1")
	x.cmd.Stderr = &x.said
	x.cmd.SysProcAttr = apart()
	stdin, err := x.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	x.stdin = stdin
	if err := x.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which end waits for
		defer close(x.done)
		err := x.cmd.Wait()
		ended(fmt.Errorf("executor %s ended: %w: %s", s.Name.ID, errors.Join(err, io.EOF), x.said.String()))
	}()
	err = json.NewEncoder(stdin).Encode(s)
	if err != nil {
		x.end()
	}
	return x, err
}

// grace is how long a child may take to end by itself.
const grace = 5 * time.Second

func (x *child) end() {
	x.stdin.Close() // P1
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-x.done:
	case <-t.C:
		x.cmd.Process.Kill()
		<-x.done
	}
}

// tail keeps the last of what a child says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if n := len(t.b) - 4<<10; n > 0 {
		t.b = t.b[n:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
