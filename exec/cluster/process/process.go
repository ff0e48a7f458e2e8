package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/exec/tempdir"
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
	CachePolicy   string // as Spec.CachePolicy
	CacheFront    string // as Spec.CacheFront
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
	config    Config
	dir       *tempdir.Dir // of sockets and of what executors spill
	keep      string
	authority *identity.Authority

	mu       sync.Mutex
	want     int // executors that there are to be; 0: those that began, of which none is replaced
	next     int // the id of the next one
	failures int // executors in a row that ended and had not registered
	last     error
	hopeless func() // is called when these are too many
	closed   bool
	joined   map[string]bool
	children map[string]*Process // those that live
}

var _ cluster.Elastic = (*Backend)(nil)

// maxFailures is how many executors in a row may end before they register, until no more
// are started.
const maxFailures = 5

// Start starts the executors and returns when they have registered. One that ends before
// is started again, as long as not too many do.
func Start(ctx context.Context, c Config) (_ *Backend, err error) {
	b := &Backend{config: c, next: 1, joined: map[string]bool{}, children: map[string]*Process{}}
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
	if b.dir, err = tempdir.Make("cluster"); err != nil {
		return nil, err
	}
	app := "app-" + strings.ToLower(rand.Text()[:16])
	if c.Keep != "" {
		b.keep = filepath.Join(c.Keep, app)
	}
	if b.authority, err = identity.NewAuthority(app); err != nil {
		return nil, err
	}
	self, err := b.authority.Issue(identity.Driver, "driver")
	if err != nil {
		return nil, err
	}
	t, err := Carrier(c.Transport, self, nil)
	if err != nil {
		return nil, err
	}
	b.Backend, err = remote.Listen(ctx, remote.Config{Transport: t, At: Address(c.Transport, b.dir.Path, "driver", loopback), Self: self, Host: loopback, Results: c.Results, Outputs: c.Outputs, Functions: c.Functions, Fingerprint: c.Fingerprint, Joined: b.up})
	if err != nil {
		return nil, err
	}
	starting, cancel := context.WithTimeout(ctx, registering)
	defer cancel()
	b.mu.Lock()
	b.want, b.hopeless = c.Executors, cancel
	b.fill()
	b.mu.Unlock()
	err = b.Await(starting, c.Executors)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want, b.hopeless = 0, func() {}
	if err != nil {
		if b.last != nil && ctx.Err() == nil {
			err = b.last
		}
		return nil, diag.New(diag.ClusterFailed, "the executors do not start: %v", err).WithCause(err).
			WithRemedy("the last one said why; a host that is out of memory or very busy does with fewer, as local-cluster[2,1,1024]")
	}
	return b, nil
}

// spawn starts another executor. The mu is held.
func (b *Backend) spawn() error {
	id := fmt.Sprint(b.next)
	credential, err := b.authority.Issue(identity.Executor, id)
	if err != nil {
		return err
	}
	c := b.config
	s := Spec{Name: credential.Name, Transport: c.Transport, Driver: b.Addr(), Host: loopback, Dir: b.dir.Path,
		Slots: c.Slots, Memory: c.Memory, SpillDir: c.SpillDir, SpillLimit: c.SpillLimit, Fetch: c.Fetch, Keep: b.keep, CachePolicy: c.CachePolicy, CacheFront: c.CacheFront, ArtifactDir: c.ArtifactDir, ArtifactLimit: c.ArtifactLimit}
	if s.Credential, err = credential.Encode(); err != nil {
		return err
	}
	cmd, err := Executor()
	if err != nil {
		return err
	}
	x, err := Spawn(cmd, s, func(p *Process, err error) {
		b.Drop(exec.ExecutorID(id)) // over QUIC nothing else would tell
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.children, id)
		if !b.joined[id] {
			b.failed(fmt.Errorf("executor %s ended: %w", id, p.Reason(err)))
		}
		delete(b.joined, id)
		b.fill()
	})
	if err != nil {
		return err
	}
	b.next++
	b.children[id] = x
	return nil
}

// up hears of an executor that has registered.
func (b *Backend) up(id exec.ExecutorID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.joined[string(id)], b.failures = true, 0
}

// Want implements cluster.Elastic.
func (b *Backend) Want(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want = n
	b.fill()
}

// fill starts executors up to those that are wanted. The mu is held.
func (b *Backend) fill() {
	for !b.closed && len(b.children) < b.want && b.failures < maxFailures {
		if err := b.spawn(); err != nil {
			b.failed(err)
		}
	}
}

// failed notes that an executor did not get to register. The mu is held.
func (b *Backend) failed(err error) {
	b.last = err
	if b.failures++; b.failures == maxFailures {
		b.hopeless()
	}
}

// Close implements cluster.Backend: it shuts the executors down and waits for
// them; those that do not end by ctx are killed.
func (b *Backend) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	err := b.Backend.Close(ctx)
	return errors.Join(err, b.end())
}

// Processes returns the process ids of the executors that live, by executor.
func (b *Backend) Processes() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int{}
	for id, x := range b.children {
		out[id] = x.Pid()
	}
	return out
}

// end leaves no child and no file.
func (b *Backend) end() error {
	b.mu.Lock()
	b.closed = true
	children := maps.Clone(b.children)
	b.mu.Unlock()
	for _, x := range children {
		x.End()
	}
	if b.dir == nil {
		return nil
	}
	return b.dir.Remove()
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
