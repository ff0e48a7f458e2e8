package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// testCluster is a master and workers as processes of their own, as users run them.
type testCluster struct {
	t      *testing.T
	dir    string
	port   string // of the master, once it has one
	master *exec.Cmd
}

func newTestCluster(t *testing.T) *testCluster {
	if runtime.GOOS != "linux" {
		t.Skip("finds processes in /proc")
	}
	c := &testCluster{t: t, dir: t.TempDir(), port: "0"}
	c.startMaster()
	return c
}

// start starts the program. It is killed at the end of the test if it still runs.
func (c *testCluster) start(stdout *os.File, args ...string) *exec.Cmd {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	log, err := os.CreateTemp(c.dir, args[0]+"-*.log")
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "MILLRACE_CLUSTER_TOKEN="+filepath.Join(c.dir, "token"), "MILLRACE_EXECUTOR_MEMORY=256MiB")
	if c.port != "0" {
		cmd.Env = append(cmd.Env, "MILLRACE_MASTER="+c.url())
	}
	cmd.Stdout, cmd.Stderr = stdout, log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if c.t.Failed() {
			b, _ := os.ReadFile(log.Name())
			c.t.Logf("%s:\n%s", strings.Join(args, " "), b)
		}
		kill(cmd, syscall.SIGKILL)
	})
	return cmd
}

// kill ends a process and waits for it.
func kill(cmd *exec.Cmd, s syscall.Signal) error {
	if cmd.ProcessState != nil {
		return nil
	}
	cmd.Process.Signal(s)
	return cmd.Wait()
}

func (c *testCluster) url() string { return "millrace://127.0.0.1:" + c.port }

func (c *testCluster) startMaster() {
	c.t.Helper()
	path := filepath.Join(c.dir, "url")
	out, err := os.Create(path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Close()
	c.master = c.start(out, "master", "--port", c.port, "--dir", filepath.Join(c.dir, "master"))
	c.until("the master does not start", func() bool {
		b, err := os.ReadFile(path)
		_, port, found := strings.Cut(strings.TrimSpace(string(b)), "127.0.0.1:")
		c.port = port
		return err == nil && found && strings.HasSuffix(string(b), "\n")
	})
}

func (c *testCluster) startWorker(id string, cores int) *exec.Cmd {
	return c.start(nil, "worker", "--id", id, "--cores", strconv.Itoa(cores), "--memory", "3GiB", "--dir", filepath.Join(c.dir, id))
}

// until waits until something is so.
func (c *testCluster) until(what string, is func() bool) {
	c.t.Helper()
	for until := time.Now().Add(60 * time.Second); !is(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(until) {
			c.t.Fatal(what)
		}
	}
}

// run runs the program to its end.
func (c *testCluster) run(args ...string) (status int, out string) {
	c.t.Helper()
	f, err := os.CreateTemp(c.dir, "out-")
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	cmd := c.start(f, args...)
	cmd.Wait()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		c.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(b))
}

// submit hands a driver to the cluster.
func (c *testCluster) submit(query, memory string) (id string) {
	c.t.Helper()
	status, out := c.run("submit", "--deploy-mode", "cluster", "--executors", "1", "--driver-memory", memory, "-c", query)
	if status != 0 {
		c.t.Fatalf("submit ends with %d", status)
	}
	return out
}

// state asks the master.
func (c *testCluster) state() standalone.StateBody {
	c.t.Helper()
	m, err := dialMaster(c.url(), filepath.Join(c.dir, "token"))
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := ask[standalone.StateBody](c.t.Context(), m, standalone.Status, struct{}{}, standalone.State)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *testCluster) driver(id string) standalone.DriverState {
	for _, d := range c.state().Drivers {
		if d.ID == id {
			return d
		}
	}
	c.t.Fatalf("the driver %s is forgotten", id)
	return standalone.DriverState{}
}

// children returns the living children of a process, once they run the program.
func children(pid int) (out []int) {
	parent, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, x := range strings.Fields(string(b)) {
			child, err := os.ReadFile("/proc/" + x + "/cmdline")
			if n, nerr := strconv.Atoi(x); err == nil && nerr == nil && string(child) != string(parent) {
				out = append(out, n)
			}
		}
	}
	return out
}

// gone reports whether a process has ended, or is waited for by nobody.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return errors.Is(err, fs.ErrNotExist) || strings.Contains(string(b), ") Z ")
}

// empty reports whether a directory holds nothing.
func empty(dir string) bool {
	left, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(left) == 0
}

// endless is a query that does not end by itself.
func (c *testCluster) endless() string {
	path := filepath.Join(c.dir, "numbers.csv")
	if err := os.WriteFile(path, []byte(strings.Repeat("1\n", 5000)), 0o600); err != nil {
		c.t.Fatal(err)
	}
	t := "(SELECT CAST(_c0 AS INT) x FROM '" + path + "') "
	return "SELECT count(*) FROM " + t + "a, " + t + "b, " + t + "c WHERE a.x + b.x > c.x + 7"
}

// TestDriverKilled: the executors of a driver that is killed end, one that hangs
// too, and nothing is left of them.
func TestDriverKilled(t *testing.T) {
	t.Parallel()
	c := newTestCluster(t)
	w1, w2 := c.startWorker("w1", 1), c.startWorker("w2", 1)
	driver := c.start(nil, "submit", "-c", c.endless())
	var executors []int
	c.until("no executors", func() bool {
		executors = append(children(w1.Process.Pid), children(w2.Process.Pid)...)
		s := c.state()
		return len(executors) == 2 && len(s.Apps) == 1 && len(s.Apps[0].Executors) == 2
	})
	if err := syscall.Kill(executors[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	kill(driver, syscall.SIGKILL)
	c.until("an executor without driver lives on", func() bool { return gone(executors[0]) && gone(executors[1]) })
	t.Logf("gone after %s", time.Since(killed).Round(time.Millisecond))
	c.until("something is left", func() bool {
		return empty(filepath.Join(c.dir, "w1")) && empty(filepath.Join(c.dir, "w2")) && len(c.state().Apps) == 0
	})
	for _, w := range c.state().Workers {
		if w.Free != w.Size {
			t.Errorf("%s has only %s of %s", w.ID, w.Free, w.Size)
		}
	}
}

// TestWorkerKilled: what a worker ran ends with it, and nothing is left of that; the
// driver that it ran counts as failed, an application in another place goes on with
// an executor elsewhere.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	c := newTestCluster(t)
	w1 := c.startWorker("w1", 1)
	c.until("no worker", func() bool { return len(c.state().Workers) == 1 })
	id := c.submit(c.endless(), "64MiB")
	var processes []int
	c.until("no driver with an executor", func() bool {
		processes = children(w1.Process.Pid)
		s := c.state()
		return len(processes) == 2 && len(s.Apps) == 1 && len(s.Apps[0].Executors) == 1
	})
	kill(w1, syscall.SIGKILL)
	c.until("a process without worker lives on", func() bool { return gone(processes[0]) && gone(processes[1]) })
	c.until("something is left", func() bool { return empty(filepath.Join(c.dir, "w1")) })
	w2 := c.startWorker("w2", 1)
	c.until("the driver is not given up", func() bool {
		s := c.state()
		return c.driver(id).State == standalone.DriverFailed && len(s.Workers) == 1 && len(s.Apps) == 0
	})
	if d := c.driver(id); !strings.Contains(d.Reason, "w1") {
		t.Errorf("the reason is %q", d.Reason)
	}
	if err := kill(w2, syscall.SIGTERM); err != nil {
		t.Errorf("an interrupted worker ends with %v", err)
	}
	c.until("a worker that has left is still there", func() bool { return len(c.state().Workers) == 0 })
	if err := kill(c.master, syscall.SIGTERM); err != nil {
		t.Errorf("an interrupted master ends with %v", err)
	}
}

// TestMasterKilled: a driver on a worker goes on when the master is killed, and a new
// master knows how it ends; what waited is not forgotten.
func TestMasterKilled(t *testing.T) {
	t.Parallel()
	c := newTestCluster(t)
	w := c.startWorker("w1", 1)
	c.until("no worker", func() bool { return len(c.state().Workers) == 1 })
	running := c.submit(c.endless(), "64MiB")
	up := func() bool {
		s := c.state()
		return len(s.Workers) == 1 && !s.Workers[0].Away && len(s.Apps) == 1 && !s.Apps[0].Away && len(s.Apps[0].Executors) == 1
	}
	c.until("no executor", up)
	waiting := c.submit("SELECT 41 + 1 AS answer", "2800MiB") // for which there is no memory
	processes := children(w.Process.Pid)
	kill(c.master, syscall.SIGKILL)
	c.startMaster()
	c.until("not all are back", up)
	if now := children(w.Process.Pid); len(now) != 2 || len(processes) != 2 || now[0] != processes[0] || now[1] != processes[1] {
		t.Errorf("processes %v have become %v", processes, now)
	}
	if r, w := c.driver(running).State, c.driver(waiting).State; r != standalone.DriverRunning || w != standalone.DriverWaiting {
		t.Errorf("the drivers are %s and %s", r, w)
	}
	if status, out := c.run("submit", "--stop", running); status != 0 {
		t.Errorf("--stop ends with %d: %s", status, out)
	}
	c.until("the driver is not stopped", func() bool { return c.driver(running).State == standalone.DriverStopped })
	c.until("the one that waited does not run", func() bool { return c.driver(waiting).State == standalone.DriverFinished })
	if status, out := c.run("submit", "--status", waiting); status != 0 || !strings.Contains(out, "42") {
		t.Errorf("--status ends with %d: %s", status, out)
	}
	if status, out := c.run("cluster"); status != 0 || !strings.Contains(out, waiting) || !strings.Contains(out, "w1") {
		t.Errorf("cluster ends with %d: %s", status, out)
	}
	c.until("something is left", func() bool { return empty(filepath.Join(c.dir, "w1")) && len(children(w.Process.Pid)) == 0 })
}

// TestClusterUsage: what is wrong is said at once.
func TestClusterUsage(t *testing.T) {
	for _, x := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"master", "--place", "x"}, usage, "spread or pack"},
		{[]string{"worker", "local"}, failed, "millrace://host:7077"},
		{[]string{"worker", "millrace://127.0.0.1:1", "--cores", "0"}, usage, "--cores"},
		{[]string{"worker", "millrace://127.0.0.1:1", "--token", "no/such/file"}, failed, "no/such/file"},
		{[]string{"submit"}, usage, "nothing to run"},
		{[]string{"submit", "app.jar"}, failed, "there is no application app.jar"},
		{[]string{"submit", "cluster_test.go"}, usage, "neither a file of SQL"},
		{[]string{"submit", "--file", "x", "/bin/true"}, usage, "adds files itself"},
		{[]string{"submit", "-c", "SELECT 1", "--deploy-mode", "x"}, usage, "client or cluster"},
		{[]string{"submit", "-c", "SELECT 1", "--master", "local"}, failed, "master of a cluster"},
		{[]string{"submit", "-c", "SELECT 1", "--master", "millrace://h", "--executors", "-1"}, failed, "executor.count"},
		{[]string{"submit", "--status", "d", "--stop", "d"}, usage, "--status and --stop"},
		{[]string{"cluster", "--master", "local[2]"}, failed, "master of a cluster"},
		{[]string{"driver", "x"}, usage, "unknown command"},
	} {
		status, _, errs := invoke(t, x.args...)
		if status != x.status || !strings.Contains(errs, x.want) {
			t.Errorf("%v: %d %s", x.args, status, errs)
		}
	}
}
