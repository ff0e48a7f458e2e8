package millrace_test

import (
	"fmt"
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
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/internal/diag"
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

// TestNoMain: a program that does not call Main starts no executors, which would be
// programs that do not either; nor does one that was started as an executor.
func TestNoMain(t *testing.T) {
	refused := func(master string) {
		t.Helper()
		s, err := millrace.Open(t.Context(), master)
		if err == nil {
			s.Close()
		}
		if diag.ClassOf(err) != diag.ClusterFailed || !strings.Contains(fmt.Sprint(err), "millrace.Main") {
			t.Errorf("%s: %v", master, err)
		}
		if left := children(t); len(left) > 0 {
			t.Errorf("%s: processes %d began", master, left)
		}
	}
	millrace.WithoutMain(func() { refused("local-cluster[2,1,256]") })
	t.Setenv(process.Environment, "1")
	for _, master := range []string{"local", "local-cluster[2,1,256]", "millrace://127.0.0.1:1"} {
		refused(master)
	}
}

// TestExecutorEndsAtStart kills the first executor as soon as there is a process of it: another
// one takes its place before the session is there.
func TestExecutorEndsAtStart(t *testing.T) {
	if left := children(t); len(left) > 0 {
		t.Fatalf("processes %d are left", left)
	}
	killed := make(chan error, 1)
	go func() { // ends once there is a child
		for t.Context().Err() == nil {
			if all := children(t); len(all) > 0 {
				killed <- syscall.Kill(all[0], syscall.SIGKILL)
				return
			}
		}
		killed <- t.Context().Err()
	}()
	s := open(t, "local-cluster[2,1,256]")
	if err := <-killed; err != nil {
		t.Error(err)
	}
	if rows, _, err := text(t, s, "SELECT count(*) FROM range(1000) GROUP BY id % 2"); err != nil || fmt.Sprint(rows) != "[[500] [500]]" {
		t.Errorf("%v, %v", rows, err)
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

// TestLargeConstants sends a stage that is too large for a message of its own:
// executors get it in pieces.
func TestLargeConstants(t *testing.T) {
	s := open(t, "local-cluster[3,1,256]")
	var text strings.Builder
	const n = 20000
	for i := range n {
		text.WriteString(", (" + strconv.Itoa(i) + ", 'constant number " + strconv.Itoa(i) + "')")
	}
	for range 2 { // the second job has a value of its own
		rows, err := frame(t, s, "SELECT count(*), sum(n), max(length(s)) FROM VALUES "+text.String()[2:]+" AS t(n, s)").Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rows[0][0] != int64(n) || rows[0][1] != int64(n*(n-1)/2) || rows[0][2] != int64(21) {
			t.Errorf("got %v", rows[0])
		}
	}
}

// TestRuntimeFilters answers TPC-H on processes with and without runtime filters;
// with them less is shuffled where a build side is selective.
func TestRuntimeFilters(t *testing.T) {
	written := map[string]int64{}
	for _, filters := range []string{"off", "on"} {
		s := openTPCH(t, "local-cluster[2,1,256]", millrace.WithSetting("sql.runtime.filters", filters))
		answerAll(t, s)
		text, err := tpch.Query(21)
		if err != nil {
			t.Fatal(err)
		}
		r, err := frame(t, s, text).Run(t.Context())
		if err == nil {
			err = r.Fetch()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range r.Stats().Stages {
			written[filters] += st.Written
		}
	}
	if written["on"]*2 > written["off"] {
		t.Errorf("%d bytes are shuffled with runtime filters, %d without", written["on"], written["off"])
	}
}

// TestKept answers TPC-H with every output of an exchange kept as an .mrs file:
// read from there by this executor, sent by others as it lies there. What is left
// is whole, of several map tasks, and can be queried.
func TestKept(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,256]"} {
		t.Run(master, func(t *testing.T) {
			dir := t.TempDir()
			s := openTPCH(t, master, millrace.WithSetting("shuffle.keep", dir))
			answerAll(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "app-*", "job-*-exchange-*", "*"))
			if err != nil || len(files) < 50 {
				t.Fatalf("%d files are left (%v)", len(files), err)
			}
			s, err = millrace.Open(t.Context(), "local[1]")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			rows := 0
			for _, f := range files {
				r, err := s.Read().Load("mrs", f).Run(t.Context())
				if err == nil {
					err = r.Fetch()
				}
				if err != nil {
					t.Fatal(err)
				}
				rows += r.Len()
			}
			if rows < len(files) {
				t.Errorf("%d files have %d rows", len(files), rows)
			}
		})
	}
}

// TestSketchedPartitions groups into so many partitions that map statuses are sketches:
// readers find their rows, and the driver's sum over all of them fits.
func TestSketchedPartitions(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,256]"} {
		s := openTPCH(t, master, millrace.WithSetting("sql.shuffle.partitions", "2100"))
		rows, err := frame(t, s, "SELECT count(*), sum(n) - (SELECT count(*) FROM lineitem) FROM (SELECT l_orderkey, count(*) n FROM lineitem GROUP BY 1)").Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		one, err := frame(t, s, "SELECT count(*) FROM orders").Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rows[0][0] != one[0][0] || rows[0][1] != int64(0) {
			t.Errorf("%s: got %v, want %v orders", master, rows[0], one[0][0])
		}
	}
}
