package millrace_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/cluster/process"
)

// holdings are what the processes of a session have open: by process and kind of
// file. The pipes and event queues of Go's runtime come and go by one.
func holdings(t *testing.T, pids ...int) map[int]map[string]int {
	t.Helper()
	out := map[int]map[string]int{}
	for _, pid := range pids {
		dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for _, f := range list {
			to, err := os.Readlink(filepath.Join(dir, f.Name()))
			if err != nil {
				continue // it was the directory's own
			}
			kind, _, _ := strings.Cut(to, ":[")
			if strings.HasPrefix(kind, "/") {
				kind = "file"
			}
			kinds[kind]++
		}
		out[pid] = kinds
	}
	return out
}

// TestClusterLeaks: many small jobs on a warm local-cluster leave no goroutine,
// file, socket, temporary directory or reserved byte in any of its processes. 50
// jobs, 1,000 with MILLRACE_SLOW.
func TestClusterLeaks(t *testing.T) {
	rounds := 50
	if slow {
		rounds = 1000
	}
	if _, err := data(); err != nil { // which outlives the test
		t.Fatal(err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := openTPCH(t, "local-cluster[2,1,128]", millrace.WithSetting("cache.front", "off")) // footers stay reserved
	pids := append(children(t), os.Getpid())
	backend := s.Backend().(*process.Backend)
	warm := func() {
		for _, q := range []int{1, 3, 6, 13, 18} {
			if err := answer(t, s, q); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		warm()
	}
	// quiet waits until all executors have told twice that they do nothing, and
	// returns what everybody has then.
	quiet := func(goroutines map[string]int) (map[int]map[string]int, map[string]int) {
		_, first := backend.Usage()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			usage, beats := backend.Usage()
			idle, now := true, map[string]int{"driver": runtime.NumGoroutine()}
			for id, u := range usage {
				idle = idle && beats[id] >= first[id]+2 && u.Reserved == 0 && u.Blocks == 0
				now[string(id)] = u.Goroutines
			}
			for who, n := range now {
				idle = idle && (goroutines == nil || n <= goroutines[who])
			}
			if idle {
				return holdings(t, pids...), now
			}
			if time.Now().After(end) {
				t.Fatalf("executors hold %+v, goroutines %v, before %v", usage, now, goroutines)
			}
		}
	}
	before, goroutines := quiet(nil)
	dirs, err := filepath.Glob(filepath.Join(tmp, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range rounds {
		if i%10 == 9 {
			warm()
			continue
		}
		if n, err := drain(t, s, "SELECT n_regionkey, count(*) FROM nation GROUP BY n_regionkey"); n != 5 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
	}
	after, _ := quiet(goroutines)
	for pid, kinds := range after {
		for kind, n := range kinds {
			if n > before[pid][kind] {
				t.Errorf("process %d has %d of %s after %d jobs, %d before", pid, n, kind, rounds, before[pid][kind])
			}
		}
	}
	if now, err := filepath.Glob(filepath.Join(tmp, "*", "*")); err != nil || len(now) > len(dirs) {
		t.Errorf("files %v, %v, before %v", now, err, dirs)
	}
	if n := s.Reserved(); n != 0 {
		t.Errorf("%d bytes are reserved", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
