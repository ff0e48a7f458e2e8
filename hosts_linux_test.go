package millrace_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/worker"
	"github.com/millrace-engine/millrace/internal/identity"
)

// onHost names the environment variable that makes this program a worker on a host of
// its own, of which it tells a hostWorker.
const onHost = "MILLRACE_TEST_HOST"

type hostWorker struct{ Host, At, Token, Dir string }

// runOnHost is the worker, if this process is to be one: it ends the process then. It was
// started in a namespace of host names, which its executors inherit.
func runOnHost() {
	text := os.Getenv(onHost)
	if text == "" {
		return
	}
	if err := workOnHost(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func workOnHost(text string) error {
	var h hostWorker
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(h.Host)); err != nil {
		return err
	}
	os.Unsetenv(onHost)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	token, err := identity.ReadToken(h.Token)
	if err != nil {
		return err
	}
	authority, err := token.Authority()
	if err != nil {
		return err
	}
	self, err := authority.Issue(identity.Worker, h.Host)
	if err != nil {
		return err
	}
	return worker.Run(ctx, worker.Config{Transport: standalone.Control(self), Master: standalone.MasterAt(self, h.At).Addr, URL: "millrace://" + h.At, ID: h.Host, Host: "127.0.0.1",
		Size: standalone.Size{Cores: 2, Memory: 4 << 30}, Dir: h.Dir, Authority: authority, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// startHost starts a worker on a host of that name, or skips the test where that is not
// permitted.
func (c *standaloneCluster) startHost(name string) {
	c.t.Helper()
	text, err := json.Marshal(hostWorker{Host: name, At: c.at, Token: c.token, Dir: filepath.Join(c.dir, name)})
	if err != nil {
		c.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), onHost+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		c.t.Skipf("namespaces of host names are not permitted here: %v", err)
	}
	c.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			c.t.Errorf("the worker on %s: %v", name, err)
		}
	})
}

// The partitions of a source are read on the hosts that it prefers, whose executors are
// on several; one that prefers a host that is not there runs on any.
func TestPreferredHosts(t *testing.T) {
	c := newCluster(t)
	c.startHost("east")
	c.startHost("west")
	c.settle("no workers", func(s standalone.StateBody) bool { return len(s.Workers) == 2 })
	s := open(t, c.url(), c.options(millrace.WithSetting("executor.count", "2"), millrace.WithSetting("executor.cores", "2"))...)
	for round := range 3 {
		wanted := []string{"west", "east", "east", "west", "nowhere", "west", "east"}
		if round == 1 {
			slices.Reverse(wanted)
		}
		got, err := millrace.FromSource(s, millrace.Source[string, string]{Partitions: wanted, Read: readHost, PreferredLocations: wantedHost}).Collect(t.Context())
		if err != nil || len(got) != len(wanted) {
			t.Fatalf("%v, %v", got, err)
		}
		for i, w := range wanted {
			place := strings.TrimPrefix(got[i], w+" ran on ")
			if w == "nowhere" && place != "east" && place != "west" || w != "nowhere" && place != w {
				t.Errorf("round %d, partition %d: %s", round, i, got[i])
			}
		}
	}
}
