package millrace_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/event"
)

// On several executors tasks run where their partitions are, others fetch them, and
// those of an executor that is lost are computed again.
func TestCacheOnExecutors(t *testing.T) {
	s := openTPCH(t, "local-cluster[2,2,128]")
	run(t, s, "CACHE TABLE lineitem", "CACHE TABLE counts AS SELECT o_orderkey AS k, count(*) AS n FROM '"+tpchDir(t)+"/orders.parquet' GROUP BY o_orderkey")
	const q = "SELECT l_returnflag, count(*), sum(l_quantity), max(l_comment) FROM lineitem GROUP BY l_returnflag ORDER BY 1"
	want := run(t, s, q)
	n := cachedIn(t, s, q)
	all := n.CacheHits + n.CacheDisk + n.CacheFetched + n.CacheMisses
	if n.CacheMisses != 0 || (n.CacheHits+n.CacheDisk)*10 < all*8 {
		t.Errorf("of %d blocks %d were in memory, %d on disk, %d fetched, %d computed", all, n.CacheHits, n.CacheDisk, n.CacheFetched, n.CacheMisses)
	}
	if got := run(t, s, "SELECT count(*), sum(n) FROM counts"); got[0][0] != "15000" || got[0][1] != "15000" {
		t.Errorf("%v", got)
	}
	pids := children(t)
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if d := cmp.Diff(want, run(t, s, q)); d != "" {
			t.Error(d)
		}
		if got := run(t, s, "SELECT count(*), sum(n) FROM counts"); got[0][0] != "15000" || got[0][1] != "15000" {
			t.Errorf("%v", got)
		}
	}
	if n := cachedIn(t, s, q); n.CacheMisses != 0 {
		t.Errorf("%d blocks were computed, though all had been before", n.CacheMisses)
	}
}

// copied waits until datasets have n copies of partitions together.
func copied(t *testing.T, s *millrace.Session, events <-chan event.Event, n int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for {
		have := 0
		for _, r := range cachedTables(t, s) {
			k, err := strconv.Atoi(r[7])
			if err != nil {
				t.Fatal(err)
			}
			have += k
		}
		if have == n {
			return
		}
		select {
		case <-events:
		case <-ctx.Done():
			t.Fatalf("after 30 s there are %d copies, not %d", have, n)
		}
	}
}

// Of tasks that read what is cached on several executors, eight in ten at least run where
// it is.
func TestCacheLocality(t *testing.T) {
	s := open(t, "local-cluster[4,1,1024]")
	run(t, s, "CACHE TABLE many AS SELECT id, id % 100 AS g FROM range(2000000)")
	near, tasks := 0, 0
	for range 5 {
		n, of := localities(t, s, "SELECT g, sum(id) FROM many GROUP BY g ORDER BY g LIMIT 3")
		near, tasks = near+n, tasks+of
	}
	if t.Logf("%d of %d tasks", near, tasks); tasks < 20 || near*10 < tasks*8 {
		t.Errorf("%d of %d tasks ran where their partition is", near, tasks)
	}
}

// localities counts the tasks of a query that have an input somewhere, and of them those
// that ran where it is.
func localities(t *testing.T, s *millrace.Session, q string) (near, tasks int) {
	t.Helper()
	events, stop := s.Events(1 << 16)
	run(t, s, q)
	stop()
	for e := range events {
		if e.Kind == event.TaskStarted && e.Locality != "" {
			tasks++
			if e.Locality == "process" {
				near++
			}
		}
	}
	return near, tasks
}

// With two replicas the loss of an executor has nothing computed again, twice in a row:
// who is left makes up for what was lost. Tasks run where their partitions are.
func TestCacheReplicas(t *testing.T) {
	s := openTPCH(t, "local-cluster[4,1,1024]")
	events, stop := s.Events(1 << 16)
	defer stop()
	run(t, s, "CACHE TABLE lineitem OPTIONS ('storageLevel' 'MEMORY_AND_DISK_2')",
		"CACHE TABLE counts OPTIONS ('storageLevel' 'MEMORY_ONLY_2') AS SELECT o_orderkey AS k, count(*) AS n FROM '"+tpchDir(t)+"/orders.parquet' GROUP BY o_orderkey")
	all := 0
	for _, r := range cachedTables(t, s) {
		var held, of int
		if _, err := fmt.Sscanf(r[3], "%d of %d", &held, &of); err != nil || held != of {
			t.Fatalf("%v, %v", r, err)
		}
		all += held
	}
	queries := []string{"SELECT l_returnflag, count(*), sum(l_quantity), max(l_comment) FROM lineitem GROUP BY l_returnflag ORDER BY 1",
		"SELECT count(*), sum(n), max(k) FROM counts"}
	want := [][][]string{run(t, s, queries[0]), run(t, s, queries[1])}
	copied(t, s, events, 2*all)
	for kill := range 3 {
		for i, q := range queries {
			if d := cmp.Diff(want[i], run(t, s, q)); d != "" {
				t.Error(d)
			}
			n := cachedIn(t, s, q)
			reads := n.CacheHits + n.CacheDisk + n.CacheFetched + n.CacheMisses
			if n.CacheMisses != 0 || reads == 0 || (n.CacheHits+n.CacheDisk)*10 < reads*8 {
				t.Errorf("after %d kills, of %d blocks %d were in memory, %d on disk, %d fetched, %d computed", kill, reads, n.CacheHits, n.CacheDisk, n.CacheFetched, n.CacheMisses)
			}
		}
		if kill == 2 {
			break
		}
		if err := syscall.Kill(children(t)[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for e := range events {
			if e.Kind == event.ExecutorLost {
				break
			}
		}
		copied(t, s, events, 2*all)
	}
}

// Where another executor holds a partition and has no slot free for long, its blocks
// are fetched.
func TestCacheFetches(t *testing.T) {
	s := openTPCH(t, "local-cluster[2,1,256]")
	const q = "SELECT l_returnflag, count(*), sum(l_quantity), max(l_comment) FROM lineitem GROUP BY l_returnflag ORDER BY 1"
	want := run(t, s, q)
	run(t, s, "CACHE TABLE lineitem")
	for range 5 { // until the long task is still there when it is to be
		events, stop := s.Events(1000)
		var wg sync.WaitGroup
		wg.Go(func() {
			run(t, s, "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY id % 1000, id) AS r FROM range(10000000))")
		})
		for e := range events {
			if e.Kind == event.TaskStarted && e.Stage > 0 || e.Kind == event.JobEnded {
				break
			}
		}
		stop()
		if d := cmp.Diff(want, run(t, s, q)); d != "" {
			t.Error(d)
		}
		n := cachedIn(t, s, q)
		if d := cmp.Diff(want, run(t, s, q)); d != "" {
			t.Error(d)
		}
		wg.Wait()
		if n.CacheMisses != 0 {
			t.Errorf("%d blocks were computed", n.CacheMisses)
		}
		if n.CacheFetched > 0 {
			return
		}
	}
	t.Error("no block was fetched")
}

// What is checkpointed needs nothing of what it was made of.
func TestCheckpoint(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,128]"} {
		s := open(t, master)
		dir := t.TempDir()
		path := filepath.Join(dir, "t.csv")
		if err := os.WriteFile(path, []byte("1,a\n2,b\n3,\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		run(t, s, "SET checkpoint.dir = "+dir)
		df := s.Read().Schema("k INT, v STRING").CSV(path).Select("k * 2 AS k", "v")
		c, err := df.Checkpoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		none, err := df.Filter("k > 100").Checkpoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if got, err := shown(c.OrderBy("k")); err != nil || got != "k v\n2 a\n4 b\n6 <nil>" {
			t.Errorf("%s: %v\n%q", master, err, got)
		}
		if n, err := none.Count(ctx); err != nil || n != 0 {
			t.Errorf("%s: %d rows, %v", master, n, err)
		}
	}
}

// A checkpoint needs no executor that there was when it was made: here all are killed,
// and others come.
func TestCheckpointOutlivesExecutors(t *testing.T) {
	s := open(t, "local-cluster[2,1,128]", millrace.WithSetting("checkpoint.dir", t.TempDir()),
		millrace.WithSetting("executor.dynamic", "true"), millrace.WithSetting("executor.dynamic.least", "2"))
	df, err := s.SQL(t.Context(), "SELECT id AS k, id * 3 AS v FROM range(100000)")
	if err == nil {
		df, err = df.Checkpoint(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := df.Agg("count(*)", "sum(v)")
	before, err := shown(sum)
	if err != nil {
		t.Fatal(err)
	}
	events, stop := s.Events(1 << 12)
	defer stop()
	pids := children(t)
	if len(pids) != 2 {
		t.Fatalf("%d executors", len(pids))
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	late := time.After(30 * time.Second)
	for n := 0; n < len(pids); {
		select {
		case e := <-events:
			if e.Kind == event.ExecutorLost {
				n++
			}
		case <-late:
			t.Fatal("executors that were killed are not noticed")
		}
	}
	if after, err := shown(sum); err != nil || after != before {
		t.Errorf("%v\n%s, before %s", err, after, before)
	}
}
