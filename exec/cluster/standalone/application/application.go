package application

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/exec"
	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/cluster/remote"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/executor"
	"github.com/millrace-engine/millrace/exec/op/exchange"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
	"github.com/millrace-engine/millrace/transport/message"
)

// Config says what an application wants.
type Config struct {
	// Cluster carries to the master, as a client, from which Self is; Master is its
	// address.
	Cluster transport.Transport
	Master  transport.Peer
	Name    string
	// Executors of this size each.
	Executors   int
	Size        standalone.Size
	Schemes     string // of the application's transport, as process.Carrier takes them
	Host        string // where executors reach the driver
	SpillLimit  int64
	Fetch       service.Limits // of each executor
	CachePolicy string         // as process.Spec.CachePolicy
	CacheFront  string         // as process.Spec.CacheFront
	Keep        string         // directory on workers where the application keeps its exchange output; "" = none
	// Wait bounds the time until there is an executor.
	Wait    time.Duration
	Results executor.ResultSink
	Outputs exchange.Outputs
	// Functions are what the program calls, Fingerprint tells them from others; nil
	// stands for expr.Builtins.
	Functions   expr.Lookup
	Fingerprint string
	// ArtifactDir and ArtifactLimit are of the stores where workers put artifacts.
	ArtifactDir   string
	ArtifactLimit int64
	// Binary shares the program that executors run with the backend that serves it;
	// nil: they run the workers' own.
	Binary func(cluster.Sharing) (*process.Binary, error)
	// Waiting hears why there are no executors yet; nil: nobody does.
	Waiting func(reason string)
}

// Backend is a remote.Backend whose executors run on a cluster's workers.
type Backend struct {
	*remote.Backend
	want      Config
	app       string
	authority *identity.Authority
	workDir   string
	binary    *process.Binary
	stop      context.CancelFunc
	talking   sync.WaitGroup

	mu      sync.Mutex
	line    *standalone.Line // to the master, nil if there is none
	next    int
	held    map[int]string // executor: its worker
	up      map[int]bool   // executors that have registered
	reason  string         // why the application waits
	ended   error          // why it will get no more executors
	left    bool           // the application is closing
	changed chan struct{}  // closed and replaced when up or ended change
}

var _ cluster.Elastic = (*Backend)(nil)

// some is how long Start waits for all executors when it has some.
const some = 5 * time.Second

// Start registers an application and returns when it has executors: all of them,
// or those that came in time.
func Start(ctx context.Context, c Config) (_ *Backend, err error) {
	b := &Backend{want: c, app: "app-" + strings.ToLower(rand.Text()[:16]), held: map[int]string{}, up: map[int]bool{}, changed: make(chan struct{})}
	if b.authority, err = identity.NewAuthority(b.app); err != nil {
		return nil, err
	}
	self, err := b.authority.Issue(identity.Driver, "driver")
	if err != nil {
		return nil, err
	}
	t, err := process.Carrier(c.Schemes, self, nil)
	if err != nil {
		return nil, err
	}
	b.workDir, _ = os.Getwd() // only a hint
	// No socket of this host for the driver: who is killed would leave it behind.
	b.Backend, err = remote.Listen(ctx, remote.Config{Transport: t, At: process.Address(c.Schemes, "", "driver", c.Host), Self: self, Host: c.Host, Results: c.Results, Outputs: c.Outputs, Functions: c.Functions, Fingerprint: c.Fingerprint, Joined: b.joined, Lost: b.lost})
	if err != nil {
		return nil, diag.New(diag.ClusterFailed, "the driver cannot listen on %s: %v", c.Host, err).WithCause(err).
			WithRemedy("cluster.host names an address of this machine that the workers reach")
	}
	if c.Binary != nil {
		if b.binary, err = c.Binary(b.Backend); err != nil {
			now, cancel := context.WithCancel(context.Background())
			cancel()
			b.Backend.Close(now) // waits for nobody
			return nil, err
		}
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	b.talking.Go(func() { b.talk(life) })
	if err := b.await(ctx); err != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		b.Close(now) // waits for nobody
		return nil, err
	}
	return b, nil
}

// await waits for executors (A2).
func (b *Backend) await(ctx context.Context) error {
	whole := time.NewTimer(b.want.Wait)
	defer whole.Stop()
	var enough <-chan time.Time
	for {
		b.mu.Lock()
		n, err, reason, changed := len(b.up), b.ended, b.reason, b.changed
		b.mu.Unlock()
		if n >= b.want.Executors {
			return nil
		}
		if err != nil && n == 0 {
			return err
		}
		if n > 0 && enough == nil {
			t := time.NewTimer(some)
			defer t.Stop()
			enough = t.C
		}
		select {
		case <-changed:
		case <-enough:
			return nil
		case <-whole.C:
			if n > 0 {
				return nil
			}
			if reason == "" {
				reason = "none has registered"
			}
			return diag.New(diag.ClusterFailed, "the application %s has got no executor in %s: %s", b.want.Name, b.want.Wait, reason).
				WithRemedy("start more workers, ask for smaller executors (executor.cores, executor.memory), or wait longer (cluster.wait)")
		case <-ctx.Done():
			return diag.New(diag.Cancelled, "the wait for executors was cancelled").WithCause(ctx.Err())
		}
	}
}

// joined hears of executors that have registered, lost of those that are lost,
// whoever noticed it: the master has to see to those that still run.
func (b *Backend) joined(id exec.ExecutorID) { b.tell(id, standalone.Up) }

func (b *Backend) lost(id exec.ExecutorID) { b.tell(id, standalone.Down) }

func (b *Backend) tell(id exec.ExecutorID, k message.Kind) {
	n, err := strconv.Atoi(string(id))
	if err != nil { // this application has issued no such certificate
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if k == standalone.Up {
		b.up[n] = true
	} else {
		delete(b.up, n)
		delete(b.held, n)
	}
	if b.line != nil {
		b.line.Send(k, standalone.UpBody{N: n})
	}
	b.notify()
}

// Want implements cluster.Elastic.
func (b *Backend) Want(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.want.Executors = n
	if b.line != nil {
		b.line.Send(standalone.Want, standalone.WantBody{Executors: n})
	}
}

// notify wakes await. The mu is held.
func (b *Backend) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// placed answers the master: it makes what an executor has to know.
func (b *Backend) placed(p standalone.PlacedBody) error {
	credential, err := b.authority.Issue(identity.Executor, strconv.Itoa(p.N))
	if err != nil {
		return err
	}
	encoded, err := credential.Encode()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = max(b.next, p.N+1)
	b.held[p.N] = p.Worker
	keep := ""
	if b.want.Keep != "" {
		keep = filepath.Join(b.want.Keep, b.app)
	}
	b.line.Send(standalone.Spec, standalone.SpecBody{N: p.N, Spec: standalone.ExecutorSpec{Credential: encoded, Transport: b.want.Schemes,
		Driver: string(b.Addr()), SpillLimit: b.want.SpillLimit, Fetch: b.want.Fetch, Keep: keep, CachePolicy: b.want.CachePolicy, CacheFront: b.want.CacheFront, WorkDir: b.workDir,
		ArtifactDir: b.want.ArtifactDir, ArtifactLimit: b.want.ArtifactLimit, Binary: b.binary}})
	return nil
}

// gone forgets an executor that the master says is no more (A1).
func (b *Backend) gone(g standalone.GoneBody) {
	b.Drop(exec.ExecutorID(strconv.Itoa(g.N)))
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.held, g.N)
	delete(b.up, g.N)
	b.reason = "an executor ended: " + g.Reason
	b.notify()
}

// waits notes why there are no executors, or no more of them.
func (b *Backend) waits(reason string) {
	b.mu.Lock()
	b.reason = reason
	none := len(b.held) == 0
	b.notify()
	b.mu.Unlock()
	if b.want.Waiting != nil && none {
		b.want.Waiting(reason)
	}
}

// end notes that there will be no more executors.
func (b *Backend) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = err
	b.notify()
}

// Close implements cluster.Backend: it leaves the cluster, shuts the executors
// down and waits for them.
func (b *Backend) Close(ctx context.Context) error {
	b.mu.Lock()
	line := b.line
	b.left = true
	b.mu.Unlock()
	if line != nil {
		line.Send(standalone.Leave, struct{}{})
	}
	err := b.Backend.Close(ctx)
	if line != nil { // until the master has heard it
		t := time.AfterFunc(leaving, b.stop)
		defer t.Stop()
	} else {
		b.stop()
	}
	b.talking.Wait()
	b.stop()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("executors do not end; the cluster sees to them: %w", err)
	}
	return err
}

const leaving = time.Second
