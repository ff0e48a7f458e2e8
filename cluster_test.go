package millrace_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
)

// children returns the process ids of this process's children.
func children(t *testing.T) (out []int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("finds its children in /proc")
	}
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		for _, x := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(x)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pid)
		}
	}
	return out
}

// TestLocalCluster answers TPC-H on executors that are processes, over each
// transport, and leaves none of them.
func TestLocalCluster(t *testing.T) {
	for _, transport := range []string{"local", "quic", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Run("queries", func(t *testing.T) {
				answerAll(t, openTPCH(t, "local-cluster[2,1,256]", millrace.WithSetting("transport", transport)))
			})
			if left := children(t); len(left) > 0 {
				t.Errorf("processes %d are left", left)
			}
		})
	}
}

// TestExecutorKilled kills one of three executors while queries run: the answers
// stay right, then and with the two that are left.
func TestExecutorKilled(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 2 {
		s := openTPCH(t, "local-cluster[3,1,256]")
		pids := children(t)
		if len(pids) != 3 {
			t.Fatalf("children %d", pids)
		}
		killed := make(chan error, 1)
		victim, after := pids[r.IntN(3)], time.Duration(r.IntN(500))*time.Millisecond
		time.AfterFunc(after, func() { killed <- syscall.Kill(victim, syscall.SIGKILL) })
		for done := false; !done; {
			answerAll(t, s)
			select {
			case err := <-killed:
				if err != nil {
					t.Error(err)
				}
				done = true
			default:
			}
		}
		answerAll(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
