package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// freePort returns a port on which nobody listens.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// pairs is what long yields.
const pairs = "625000000"

// long is a query that takes a second or two on one core.
func (c *testCluster) long() string {
	path := filepath.Join(c.dir, "long.csv")
	if err := os.WriteFile(path, []byte(strings.Repeat("1\n", 25_000)), 0o600); err != nil {
		c.t.Fatal(err)
	}
	t := "(SELECT CAST(_c0 AS INT) x FROM '" + path + "') "
	return "SELECT count(*) n FROM " + t + "a, " + t + "b WHERE a.x < b.x + 7"
}

// TestLeaderKilled: three masters share a directory; the leader is killed with a job
// running, and with one that waits for room. Another one leads within ten seconds, what
// runs goes on, both jobs end well.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	ports := []string{freePort(t), freePort(t), freePort(t)}
	c := &testCluster{t: t, dir: t.TempDir()}
	c.port = ports[0] + ",127.0.0.1:" + ports[1] + ",127.0.0.1:" + ports[2]
	masters, urls := map[string]*exec.Cmd{}, map[string]string{}
	for _, port := range ports {
		path := filepath.Join(c.dir, "url-"+port)
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		masters[port], urls[port] = c.start(out, "master", "--port", port, "--dir", filepath.Join(c.dir, "masters"), "--elect"), path
		if port == ports[0] { // it makes the token
			c.until("no token", func() bool { _, err := os.Stat(filepath.Join(c.dir, "token")); return err == nil })
		}
	}
	leader := func() string {
		for port, path := range urls {
			if b, _ := os.ReadFile(path); masters[port].ProcessState == nil && len(b) > 0 {
				return port
			}
		}
		return ""
	}
	c.until("no leader", func() bool { return leader() != "" })
	c.startWorker("w1", 1)
	c.until("no worker", func() bool { return len(c.state().Workers) == 1 })
	running := c.submit(c.long(), "64MiB")
	c.until("no executor", func() bool {
		s := c.state()
		return len(s.Apps) == 1 && len(s.Apps[0].Executors) == 1
	})
	waiting := c.submit("SELECT 41 + 1 AS answer", "2800MiB")
	first := leader()
	killed := time.Now()
	kill(masters[first], syscall.SIGKILL)
	c.until("no new leader", func() bool { return leader() != "" })
	took := time.Since(killed)
	t.Logf("%s leads after %s", leader(), took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("a new leader is taken after %s", took)
	}
	ended := func(id string) func() bool {
		return func() bool { return c.driver(id).State == standalone.DriverFinished }
	}
	c.until("the job does not end", ended(running))
	c.until("the one that waited does not end", ended(waiting))
	for id, want := range map[string]string{running: pairs, waiting: "42"} {
		if out := c.driver(id).Output; !strings.Contains(out, want) {
			t.Errorf("the driver %s prints %q", id, out)
		}
	}
}

// TestSubmitterKilled: what was submitted runs to its end though the submitter, which
// waits for it, is killed.
func TestSubmitterKilled(t *testing.T) {
	t.Parallel()
	c := newTestCluster(t)
	c.startWorker("w1", 1)
	c.until("no worker", func() bool { return len(c.state().Workers) == 1 })
	submitter := c.start(nil, "submit", "--deploy-mode", "cluster", "--wait", "--executors", "1", "--driver-memory", "64MiB", "-c", c.long())
	var id string
	c.until("nothing runs", func() bool {
		s := c.state()
		if len(s.Drivers) == 1 {
			id = s.Drivers[0].ID
		}
		return len(s.Apps) == 1 && len(s.Apps[0].Executors) == 1
	})
	kill(submitter, syscall.SIGKILL)
	c.until("the driver does not end", func() bool { return c.driver(id).State == standalone.DriverFinished })
	if out := c.driver(id).Output; !strings.Contains(out, pairs) {
		t.Errorf("it prints %q", out)
	}
	c.until("something is left", func() bool { return empty(filepath.Join(c.dir, "w1")) && len(c.state().Apps) == 0 })
}
