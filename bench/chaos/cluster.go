package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Executors of the clusters that are started here.
const (
	executorCount  = 4
	executorMemory = "1024MiB"
	leanMemory     = "48MiB" // that queries spill in
)

// variant is what a session's executors have.
type variant uint8

const (
	plain variant = iota
	kept          // all exchange output lies in files
	lean          // so little memory that queries spill
	tcp           // connections as between hosts
	quic          // the same over UDP
	variants
)

func (v variant) String() string { return [...]string{"plain", "kept", "lean", "tcp", "quic"}[v] }

// cluster is where the executors are that faults strike.
type cluster struct {
	dir       string // for everything
	master    string // URL of a standalone cluster; "": local-cluster
	token     string
	processes []*exec.Cmd
	workers   []int        // whose children the executors are; nil: anybody's
	given     map[int]bool // executors that the driver may have given up: they end, or soon will
	disks     []*disk      // that executors write to; none if they cannot be made
	nodisk    error        // why
}

// renews reports whether executors that end are replaced.
func (c *cluster) renews() bool { return c.master != "" }

// newCluster makes what Options ask for.
func newCluster(ctx context.Context, o Options) (_ *cluster, err error) {
	c := &cluster{master: o.Master, given: map[int]bool{}}
	if c.dir, err = os.MkdirTemp("", "millrace-chaos-"); err != nil {
		return nil, diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	size := int64(192<<20) + int64(o.SF*(1<<30))
	c.disk("data", size)
	if o.Master != "" {
		return c, nil
	}
	if !o.Standalone {
		c.workers = []int{os.Getpid()}
		return c, nil
	}
	c.token = filepath.Join(c.dir, "token")
	out := filepath.Join(c.dir, "url")
	if _, err := c.start(o.Program, out, "master", "--port", "0", "--dir", filepath.Join(c.dir, "master"), "--token", c.token); err != nil {
		return nil, err
	}
	for end := time.Now().Add(30 * time.Second); c.master == ""; time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(out); err == nil && strings.HasSuffix(string(b), "\n") {
			c.master = strings.TrimSpace(string(b))
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return nil, diag.New(diag.ClusterFailed, "the master does not start").WithPath(out + ".log")
		}
	}
	for i := range executorCount {
		name := fmt.Sprint("w", i+1)
		c.disk(name, size)
		p, err := c.start(o.Program, filepath.Join(c.dir, name+".out"), "worker", c.master, "--id", name, "--cores", "1", "--memory", "2GiB", "--dir", filepath.Join(c.dir, name), "--token", c.token)
		if err != nil {
			return nil, err
		}
		c.workers = append(c.workers, p.Process.Pid)
	}
	return c, nil
}

// disk makes a directory that is a file system of its own if that can be.
func (c *cluster) disk(name string, size int64) {
	d, err := mount(filepath.Join(c.dir, name), size)
	if err != nil {
		c.nodisk = err
		_ = os.MkdirAll(filepath.Join(c.dir, name), 0o700) // what is to lie there complains
		return
	}
	c.disks = append(c.disks, d)
}

// start starts the program with its outputs in files.
func (c *cluster) start(program, out string, args ...string) (*exec.Cmd, error) {
	stdout, err := os.Create(out)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(out + ".log")
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = stdout, stderr, orphanless()
	if err := cmd.Start(); err != nil {
		return nil, diag.New(diag.ClusterFailed, "%s does not start: %v", program, err)
	}
	c.processes = append(c.processes, cmd)
	return cmd, nil
}

// keep is where exchange output is kept.
func (c *cluster) keep() string { return filepath.Join(c.dir, "data", "keep") }

// open opens a session of a variant.
func (c *cluster) open(ctx context.Context, v variant, more ...millrace.Option) (*millrace.Session, error) {
	memory := executorMemory
	if v == lean {
		memory = leanMemory
	}
	master := c.master
	if master == "" {
		master = fmt.Sprintf("local-cluster[%d,1,%s]", executorCount, strings.TrimSuffix(memory, "MiB"))
	}
	opts := []millrace.Option{millrace.WithSetting("spill.dir", filepath.Join(c.dir, "data", "spill"))}
	if c.master != "" {
		opts = append(opts, millrace.WithSetting("executor.count", fmt.Sprint(executorCount)), millrace.WithSetting("executor.memory", memory), millrace.WithSetting("app.name", "chaos"))
	}
	if c.token != "" {
		opts = append(opts, millrace.WithSetting("cluster.token", c.token))
	}
	if v == tcp || v == quic {
		opts = append(opts, millrace.WithSetting("transport", v.String()))
	}
	if v == kept {
		opts = append(opts, millrace.WithSetting("shuffle.keep", c.keep()))
	}
	s, err := millrace.Open(ctx, master, append(opts, more...)...)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(30 * time.Second); len(c.executors()) < executorCount && c.token != ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) || ctx.Err() != nil {
			return nil, fmt.Errorf("only %d executors have started: %w", len(c.executors()), s.Close())
		}
	}
	return s, nil
}

// executors are the processes of executors that run.
func (c *cluster) executors() []int {
	return slices.DeleteFunc(executors(c.workers), func(pid int) bool { return c.given[pid] })
}

// gone waits until no executor runs any more.
func (c *cluster) gone(most time.Duration) bool {
	for end := time.Now().Add(most); len(executors(c.workers)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// sweep removes what queries that have ended kept.
func (c *cluster) sweep() {
	jobs, _ := filepath.Glob(filepath.Join(c.keep(), "app-*", "job-*"))
	for _, j := range jobs {
		_ = os.RemoveAll(j)
	}
}

// close ends everything that newCluster started.
func (c *cluster) close() error {
	for i := len(c.processes) - 1; i >= 0; i-- {
		p := c.processes[i]
		_ = p.Process.Signal(os.Interrupt)
		ended := time.AfterFunc(15*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait()
		ended.Stop()
	}
	for _, d := range c.disks {
		_ = d.unmount()
	}
	return os.RemoveAll(c.dir)
}
