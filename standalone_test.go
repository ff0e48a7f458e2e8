package millrace_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/master"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/worker"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/identity"
)

// standaloneCluster is a master and workers in this process; executors are
// processes of their own.
type standaloneCluster struct {
	t         *testing.T
	dir       string
	token     string
	authority *identity.Authority
	at        string // host:port
	master    *master.Master
	log       *slog.Logger
}

func newCluster(t *testing.T) *standaloneCluster {
	t.Helper()
	c := &standaloneCluster{t: t, dir: t.TempDir(), at: "127.0.0.1:0", log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	c.token = filepath.Join(c.dir, "token")
	token, _, err := identity.MakeToken(c.token)
	if err != nil {
		t.Fatal(err)
	}
	if c.authority, err = token.Authority(); err != nil {
		t.Fatal(err)
	}
	c.startMaster()
	t.Cleanup(func() { c.stopMaster() })
	return c
}

func (c *standaloneCluster) credential(role identity.Role, id string) *identity.Credential {
	c.t.Helper()
	x, err := c.authority.Issue(role, id)
	if err != nil {
		c.t.Fatal(err)
	}
	return x
}

func (c *standaloneCluster) startMaster() {
	c.t.Helper()
	self := c.credential(identity.Master, "master")
	var err error
	c.master, err = master.Start(context.Background(), master.Config{Transport: standalone.Control(self), At: standalone.MasterAt(self, c.at).Addr, Dir: filepath.Join(c.dir, "master"), Policy: master.Spread, Log: c.log})
	if err != nil {
		c.t.Fatal(err)
	}
	_, c.at = c.master.Addr().Split()
}

func (c *standaloneCluster) stopMaster() {
	c.t.Helper()
	if err := c.master.Close(); err != nil {
		c.t.Error(err)
	}
}

// startWorker starts a worker; the function that it returns ends it.
func (c *standaloneCluster) startWorker(id string, cores int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	self := c.credential(identity.Worker, id)
	go func() { // ends with ctx
		done <- worker.Run(ctx, worker.Config{Transport: standalone.Control(self), Master: standalone.MasterAt(self, c.at).Addr, URL: "millrace://" + c.at, ID: id, Host: "127.0.0.1",
			Size: standalone.Size{Cores: cores, Memory: 4 << 30}, Dir: filepath.Join(c.dir, id), Authority: c.authority, Log: c.log})
	}()
	var ended bool
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(c.dir, id)); !errors.Is(err, os.ErrNotExist) {
			c.t.Errorf("the worker's directory is left: %v", err)
		}
	}
	c.t.Cleanup(stop)
	return stop
}

func (c *standaloneCluster) options(more ...millrace.Option) []millrace.Option {
	return append([]millrace.Option{millrace.WithSetting("cluster.token", c.token), millrace.WithSetting("executor.memory", "256MiB")}, more...)
}

func (c *standaloneCluster) url() string { return "millrace://" + c.at }

// settle waits until the master's state is as a test wants.
func (c *standaloneCluster) settle(what string, is func(standalone.StateBody) bool) {
	c.t.Helper()
	until := time.Now().Add(60 * time.Second)
	for ; !is(c.master.State()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			c.t.Fatalf("%s: %+v", what, c.master.State())
		}
	}
}

func idle(s standalone.StateBody) bool {
	for _, w := range s.Workers {
		if w.Free != w.Size {
			return false
		}
	}
	return len(s.Apps) == 0
}

// TestStandalone answers TPC-H on a standalone cluster, for two applications at a
// time, and leaves no process.
func TestStandalone(t *testing.T) {
	c := newCluster(t)
	c.startWorker("w1", 2)
	c.startWorker("w2", 2)
	t.Run("queries", func(t *testing.T) {
		one := openTPCH(t, c.url(), c.options()...)
		two := openTPCH(t, c.url(), c.options(millrace.WithSetting("transport", "tcp"))...)
		answerAll(t, one)
		answerAll(t, two)
	})
	c.settle("the cluster is not idle", idle)
	if left := children(t); len(left) > 0 {
		t.Errorf("processes %d are left", left)
	}
}

// TestStandaloneWorkerAndMasterGone: a query's answers stay right when a worker ends
// and another comes, and when the master is away and comes back; the application then
// has the executors that it wants.
func TestStandaloneWorkerAndMasterGone(t *testing.T) {
	c := newCluster(t)
	stop := c.startWorker("w1", 1)
	c.startWorker("w2", 1)
	s := openTPCH(t, c.url(), c.options()...)
	answered := make(chan struct{})
	go func() { // ends with the queries
		defer close(answered)
		answerAll(t, s)
	}()
	stop()
	c.startWorker("w3", 1)
	<-answered
	has := func(n int) func(standalone.StateBody) bool {
		return func(b standalone.StateBody) bool { return len(b.Apps) == 1 && len(b.Apps[0].Executors) == n }
	}
	c.settle("no executor on the new worker", has(2))
	before := c.master.State().Apps[0].Executors
	c.stopMaster()
	answerAll(t, s)
	c.startMaster()
	c.settle("the application is not back", func(b standalone.StateBody) bool {
		return len(b.Workers) == 2 && len(b.Apps) == 1 && b.Apps[0].Wanted == 2 && len(b.Apps[0].Executors) == 2
	})
	for i, x := range c.master.State().Apps[0].Executors {
		if x != before[i] && x.Worker != "w3" { // the newest may not have started when the master went
			t.Errorf("the executors were %v and are %v", before, c.master.State().Apps[0].Executors)
			break
		}
	}
	answerAll(t, s)
}

// TestStandaloneErrors: what cannot be is said, with the reason and a remedy.
func TestStandaloneErrors(t *testing.T) {
	c := newCluster(t)
	wrong := filepath.Join(c.dir, "wrong")
	if _, _, err := identity.MakeToken(wrong); err != nil {
		t.Fatal(err)
	}
	c.startWorker("w1", 1)
	c.settle("no worker", func(b standalone.StateBody) bool { return len(b.Workers) == 1 })
	var told string
	for _, x := range []struct {
		what string
		url  string
		opts []millrace.Option
		want string
	}{
		{"another token", c.url(), c.options(millrace.WithSetting("cluster.token", wrong)), "token"},
		{"no token", c.url(), c.options(millrace.WithSetting("cluster.token", wrong+"x")), "wrongx"},
		{"no master", "millrace://127.0.0.1:1", c.options(), "millrace master"},
		{"too large", c.url(), c.options(millrace.WithSetting("executor.cores", "2"), millrace.WithSetting("cluster.wait", "500ms"),
			millrace.WithWaiting(func(reason string) { told = reason })), "no worker has 2 cores and 256MiB"},
		{"a bad address", "millrace://a,b c", nil, "millrace://host:port"},
	} {
		s, err := millrace.Open(context.Background(), x.url, x.opts...)
		if err == nil {
			s.Close()
		}
		if class := diag.ClassOf(err); class != diag.ClusterFailed && class != diag.InvalidSetting || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", x.what, err)
		}
	}
	if !strings.Contains(told, "no worker") {
		t.Errorf("who waits was told %q", told)
	}
	c.settle("the cluster is not idle", idle)
}

// TestStandaloneExecutorsKilled kills executors while queries run: the answers stay
// right, and the cluster replaces every one. With MILLRACE_SLOW one of them is
// stopped instead, so that it holds its streams and does nothing.
func TestStandaloneExecutorsKilled(t *testing.T) {
	c := newCluster(t)
	c.startWorker("w1", 2)
	c.startWorker("w2", 1)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	s := openTPCH(t, c.url(), c.options(millrace.WithSetting("executor.count", "3"))...)
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL}
	if os.Getenv("MILLRACE_SLOW") != "" {
		signals = append(signals, syscall.SIGSTOP)
	}
	struck := make(chan error, 1)
	go func() { // ends when all have struck
		defer close(struck)
		hit := map[int]bool{} // one that was killed may be there for a while
		for _, signal := range signals {
			time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond) // when it strikes must not matter
			var pids []int
			for len(pids) == 0 {
				pids = slices.DeleteFunc(children(t), func(pid int) bool { return hit[pid] })
			}
			pid := pids[r.IntN(len(pids))]
			if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				struck <- err
				return
			}
			hit[pid] = true
		}
	}()
	for done := false; !done; {
		answerAll(t, s)
		select {
		case err := <-struck:
			if err != nil {
				t.Error(err)
			}
			done = true
		default:
		}
	}
	c.settle("the executors are not replaced", func(b standalone.StateBody) bool {
		return len(b.Apps) == 1 && len(b.Apps[0].Executors) == 3 && b.Apps[0].Executors[2].N >= 2+len(signals)
	})
	answerAll(t, s)
}
