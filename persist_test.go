package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/cache"
	"github.com/millrace-engine/millrace/exec/cluster/local"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/internal/diag"
)

// run runs statements; the rows of the last one are returned.
func run(t *testing.T, s *millrace.Session, statements ...string) (rows [][]string) {
	t.Helper()
	for _, q := range statements {
		var err error
		if rows, _, err = text(t, s, q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return rows
}

// scans sums up the counters of a query's scans of datasets.
func scans(t *testing.T, s *millrace.Session, query string) (hits, misses, skipped int64) {
	t.Helper()
	n := cachedIn(t, s, query)
	return n.CacheHits + n.CacheDisk, n.CacheMisses, n.PagesPruned
}

func cachedIn(t *testing.T, s *millrace.Session, query string) (n event.OperatorStats) {
	t.Helper()
	_, r, err := text(t, s, query)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range r.Stats().Stages {
		for _, o := range st.Operators {
			if strings.HasPrefix(o.Node, "InMemoryScan") {
				n.Add(o)
			}
		}
	}
	return n
}

// store is what the session's only executor holds.
func store(s *millrace.Session) *cache.Store { return s.Backend().(*local.Backend).Executor().Store() }

func tpchDir(t *testing.T) string {
	t.Helper()
	dir, err := data()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Every query of TPC-H gives its answer from cached tables, at every level, in
// little memory, and whatever of them is dropped in between.
func TestCachedTables(t *testing.T) {
	for _, k := range []struct{ master, level, memory string }{
		{"local[2]", "MEMORY_AND_DISK", "512MiB"},
		{"local[2]", "MEMORY_AND_DISK", "24MiB"},
		{"local[2]", "MEMORY_ONLY", "24MiB"},
		{"local[2]", "DISK_ONLY", "512MiB"},
		{"local[2]", "MEMORY_AND_DISK_SER", "512MiB"},
		{"local[2]", "MEMORY_AND_DISK_SER", "24MiB"},
		{"local[2]", "MEMORY_ONLY_SER", "24MiB"},
		{"local-cluster[2,1,128]", "MEMORY_ONLY_SER_2", "128MiB"},
		{"local-cluster[2,1,128]", "MEMORY_AND_DISK", "128MiB"},
	} {
		t.Run(k.master+" "+k.level+" "+k.memory, func(t *testing.T) {
			s := openTPCH(t, k.master, millrace.WithSetting("memory", k.memory))
			for _, x := range dbgen.Tables() {
				run(t, s, fmt.Sprintf("CACHE TABLE %s OPTIONS ('storageLevel' '%s')", x.Name, k.level))
			}
			answerAll(t, s)
			if strings.HasPrefix(k.master, "local[") {
				drop := 0
				store(s).DropWhere(func(cache.BlockID) bool { drop++; return drop%3 == 0 })
			}
			answerAll(t, s)
			run(t, s, "CLEAR CACHE")
			if rows := cachedTables(t, s); len(rows) != 0 {
				t.Errorf("still cached: %v", rows)
			}
			if strings.HasPrefix(k.master, "local[") && store(s).Len() != 0 {
				t.Errorf("%d blocks are left", store(s).Len())
			}
			answerAll(t, s)
		})
	}
}

// A query that contains what is persisted reads it, wherever that stands: below
// filters, in joins with itself, in subqueries, in unions.
func TestPersist(t *testing.T) {
	s := openTPCH(t, "local[2]")
	ctx := context.Background()
	df := frame(t, s, "SELECT o_custkey AS k, count(*) AS n, sum(o_totalprice) AS total FROM orders GROUP BY o_custkey")
	queries := []string{
		"SELECT k, n FROM f WHERE k < 100 ORDER BY k",
		"SELECT a.k, b.total FROM f a JOIN f b ON a.k = b.k + 1 WHERE b.n > 12 ORDER BY a.k",
		"SELECT k FROM f WHERE total > (SELECT 3 * avg(total) FROM f) ORDER BY k",
		"SELECT n, count(*) FROM (SELECT * FROM f UNION ALL SELECT * FROM f) GROUP BY n ORDER BY n",
		"SELECT count(*) FROM f",
		"SELECT k FROM f ORDER BY total DESC, k LIMIT 3",
		"SELECT k, n, rank() OVER (ORDER BY n DESC, k) AS r FROM f ORDER BY r LIMIT 5",
		"SELECT c_name FROM customer WHERE EXISTS (SELECT 1 FROM f WHERE k = c_custkey AND n > 25) ORDER BY c_name",
	}
	register(t, s, "f", df)
	var want [][][]string
	for _, q := range queries {
		want = append(want, run(t, s, q))
	}
	if err := df.Persist(ctx, millrace.MemoryOnly); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for i, q := range queries {
			if d := cmp.Diff(want[i], run(t, s, q)); d != "" {
				t.Errorf("round %d: %s\n%s", round, q, d)
			}
			if hits, misses, _ := scans(t, s, q); hits == 0 || round < 2 && misses > 0 {
				t.Errorf("round %d: %d blocks were there, %d not: %s", round, hits, misses, q)
			}
		}
		if round == 1 { // rows of a wide plan are gone: the stages before it run again
			store(s).DropWhere(func(id cache.BlockID) bool { return id.Job == 0 && id.Map == 0 })
		}
	}
	if err := df.Persist(ctx, millrace.MemoryOnly); err != nil {
		t.Error(err)
	}
	if err := df.Persist(ctx, millrace.DiskOnly); diag.ClassOf(err) != diag.InvalidArgument {
		t.Errorf("another level: %v", err)
	}
	more := df.Filter("n > 20")
	if err := more.Persist(ctx, millrace.MemoryAndDisk); err != nil {
		t.Fatal(err)
	}
	n, err := more.Count(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := df.Unpersist(ctx); err != nil {
		t.Fatal(err)
	}
	store(s).DropWhere(func(id cache.BlockID) bool { return true }) // what the second one was made of is kept no more
	if m, err := more.Count(ctx); err != nil || m != n {
		t.Errorf("%d rows, want %d: %v", m, n, err)
	}
	if err := more.Unpersist(ctx); err != nil || store(s).Len() != 0 {
		t.Errorf("%v; %d blocks are left", err, store(s).Len())
	}
	if err := more.Unpersist(ctx); err != nil {
		t.Error(err)
	}
}

// Plans that differ in little are not taken for each other.
func TestPersistTellsApart(t *testing.T) {
	s := openTPCH(t, "local[2]")
	for _, pair := range [][2]string{
		{"SELECT n_nationkey FROM nation INTERSECT SELECT r_regionkey FROM region", "SELECT n_nationkey FROM nation EXCEPT SELECT r_regionkey FROM region"},
		{"SELECT n_regionkey, n_name, count(*) FROM nation GROUP BY ROLLUP (n_regionkey, n_name)", "SELECT n_regionkey, n_name, count(*) FROM nation GROUP BY CUBE (n_regionkey, n_name)"},
		{"SELECT n_name FROM nation WHERE n_regionkey IN (SELECT r_regionkey FROM region WHERE r_name < 'B')", "SELECT n_name FROM nation WHERE n_regionkey IN (SELECT r_regionkey FROM region WHERE r_name < 'C')"},
		{"SELECT n_name FROM nation ORDER BY n_name LIMIT 3", "SELECT n_name FROM nation ORDER BY n_name DESC LIMIT 3"},
	} {
		want := fmt.Sprint(len(run(t, s, pair[1])))
		if err := frame(t, s, pair[0]).Persist(context.Background(), millrace.MemoryOnly); err != nil {
			t.Fatal(err)
		}
		run(t, s, pair[0])
		if n := cachedIn(t, s, pair[1]); n.CacheHits+n.CacheMisses > 0 || fmt.Sprint(len(run(t, s, pair[1]))) != want {
			t.Errorf("%s\nis read as\n%s", pair[1], pair[0])
		}
	}
}

// A partition's rows are the same whichever of them is computed again, also where
// tasks share a table or rows are dealt by chance.
func TestPersistPartitions(t *testing.T) {
	s := openTPCH(t, "local[2]")
	ctx := context.Background()
	for _, q := range []string{
		"SELECT o_orderkey AS k, c_name AS n FROM customer RIGHT JOIN orders ON c_custkey = o_custkey AND c_acctbal > 0",
		"SELECT c_custkey AS k, o_comment AS n FROM customer FULL JOIN orders ON c_custkey = o_custkey AND o_totalprice > 100000",
		"SELECT /*+ REPARTITION(5) */ l_orderkey AS k, l_comment AS n FROM lineitem WHERE l_quantity < 10",
		"SELECT l_orderkey AS k, max(l_comment) AS n FROM lineitem GROUP BY l_orderkey",
	} {
		df := frame(t, s, q)
		register(t, s, "f", df)
		const check = "SELECT count(*), count(n), sum(k), count(DISTINCT k), sum(length(n)), min(n), max(n) FROM f"
		want := run(t, s, check)
		if err := df.Persist(ctx, millrace.MemoryOnly); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if d := cmp.Diff(want, run(t, s, check)); d != "" {
				t.Errorf("%s\nround %d: %s", q, i, d)
			}
			store(s).DropWhere(func(id cache.BlockID) bool { return id.Map%4 == i && (i > 1 || id.Partition == i) }) // a column, then all
		}
		if err := df.Unpersist(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// When a file changes, or another takes its place, what was read of it is not used
// any more.
func TestCacheFollowsFiles(t *testing.T) {
	s := open(t, "local[2]")
	path := filepath.Join(t.TempDir(), "t.csv")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "1,a\n2,b\n")
	run(t, s, fmt.Sprintf("CREATE TEMP VIEW t (k INT, v STRING) USING csv OPTIONS (path '%s')", path), "CACHE TABLE t")
	if hits, misses, _ := scans(t, s, "SELECT sum(k) FROM t"); hits == 0 || misses != 0 {
		t.Errorf("%d blocks were there, %d not", hits, misses)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other := path + ".new"
	write(other, "7,a\n8,b\n") // as long, and as old
	if err := errors.Join(os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, path)); err != nil {
		t.Fatal(err)
	}
	if got := run(t, s, "SELECT sum(k) FROM t"); got[0][0] != "15" {
		t.Errorf("another file: %v", got)
	}
	write(path, "7,a\n8,b\n9,c\n")
	if got := run(t, s, "SELECT sum(k) FROM t"); got[0][0] != "24" {
		t.Errorf("a longer file: %v", got)
	}
	if hits, misses, _ := scans(t, s, "SELECT sum(k), max(v) FROM t"); hits == 0 || misses != 0 {
		t.Errorf("%d blocks were there, %d not", hits, misses)
	}
	if rows := cachedTables(t, s); len(rows) != 1 || rows[0][4] != "3" {
		t.Errorf("%v", rows)
	}
	if store(s).Len() != 2 {
		t.Errorf("%d blocks, want one per column", store(s).Len())
	}
}

// Batches whose bounds show that no row matches are not read.
func TestCacheSkips(t *testing.T) {
	s := openTPCH(t, "local[2]")
	const q = "SELECT count(*), min(l_orderkey), max(l_comment) FROM lineitem WHERE l_orderkey BETWEEN 30000 AND 30100"
	want := run(t, s, q)
	for _, level := range []string{"MEMORY_ONLY", "DISK_ONLY"} {
		run(t, s, "CACHE TABLE lineitem OPTIONS ('storageLevel' '"+level+"')")
		if d := cmp.Diff(want, run(t, s, q)); d != "" {
			t.Error(d)
		}
		if hits, misses, skipped := scans(t, s, q); hits == 0 || misses != 0 || skipped < 5 {
			t.Errorf("%s: %d blocks were there, %d not, %d batches were skipped", level, hits, misses, skipped)
		}
		run(t, s, "UNCACHE TABLE lineitem")
	}
}

// The statements do what they do in Spark, and say what is wrong.
func TestCacheStatements(t *testing.T) {
	s := openTPCH(t, "local[2]")
	run(t, s, "CACHE LAZY TABLE nation")
	if rows := cachedTables(t, s); len(rows) != 1 || rows[0][4] != "0" {
		t.Errorf("a lazy table: %v", rows)
	}
	run(t, s, "SELECT n_name FROM nation")
	run(t, s, "CACHE TABLE few OPTIONS ('storageLevel' 'memory_and_disk', 'priority' '3') AS SELECT * FROM nation WHERE n_regionkey = 1")
	rows := cachedTables(t, s)
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join(slices.Delete(slices.Clone(r), 3, 4)[:4], " "))
	}
	if d := cmp.Diff([]string{"nation MEMORY_AND_DISK 0 25", "few MEMORY_AND_DISK 3 5"}, got); d != "" {
		t.Error(d)
	}
	plan := run(t, s, "EXPLAIN SELECT count(*) FROM few WHERE n_nationkey > 2")
	if !strings.Contains(plan[0][0], "InMemoryScan few") {
		t.Errorf("%v", plan)
	}
	run(t, s, "DROP VIEW few", "UNCACHE TABLE nation", "UNCACHE TABLE IF EXISTS nation", "UNCACHE TABLE IF EXISTS nobody", "CLEAR CACHE")
	if rows := cachedTables(t, s); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
	for q, class := range map[string]diag.Class{
		"CACHE TABLE nobody":                                            diag.TableNotFound,
		"UNCACHE TABLE nation":                                          diag.TableNotFound,
		"CACHE TABLE nation OPTIONS ('storageLevel' 'TAPE')":            diag.InvalidArgument,
		"CACHE TABLE nation OPTIONS ('storageLevel' 'MEMORY_ONLY_SIX')": diag.InvalidArgument,
		"CACHE TABLE nation OPTIONS ('priority' 'high')":                diag.InvalidArgument,
		"CACHE TABLE nation OPTIONS ('color' 'red')":                    diag.InvalidArgument,
		"CACHE TABLE region AS SELECT 1":                                diag.TableExists,
		"CACHE nation":                                                  diag.Syntax,
	} {
		if _, _, err := text(t, s, q); diag.ClassOf(err) != class {
			t.Errorf("%s: %v, want %s", q, err, class)
		}
	}
}

// Levels are read as they are printed.
func TestStorageLevel(t *testing.T) {
	for _, name := range []string{"MEMORY_AND_DISK", "MEMORY_ONLY", "DISK_ONLY", "DISK_ONLY_3", "MEMORY_AND_DISK_2", "MEMORY_ONLY_SER", "MEMORY_AND_DISK_SER", "MEMORY_AND_DISK_SER_2"} {
		l, err := millrace.ParseStorageLevel(strings.ToLower(name))
		if err != nil || l.String() != name {
			t.Errorf("%s is read as %s: %v", name, l, err)
		}
	}
	for _, name := range []string{"", "NONE", "OFF_HEAP", "DISK_ONLY_SER", "MEMORY_ONLY_0", "MEMORY_ONLY_11", "MEMORY_ONLY_"} {
		if l, err := millrace.ParseStorageLevel(name); err == nil {
			t.Errorf("%q is read as %s", name, l)
		}
	}
}

// What lies where, and what has left memory, is told by SHOW CACHE and when jobs end.
func TestCacheIsSeen(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,64]"} {
		s := open(t, master, millrace.WithSetting("memory", "32MiB"))
		events, end := s.Events(10000)
		run(t, s, "CACHE TABLE seen OPTIONS ('storageLevel' 'MEMORY_AND_DISK_SER') AS SELECT id, id * 7 AS v FROM range(2000000)", "SELECT sum(v) FROM seen")
		if master == "local[2]" {
			store(s).Reclaim(t.Context(), store(s).Bytes())
			run(t, s, "SELECT count(*) FROM range(10)") // a task tells what there is
		}
		row := cachedTables(t, s)[0]
		var n [3]int64 // in memory, on disk, evicted
		for i := range n {
			var err error
			if n[i], err = strconv.ParseInt(row[8+i], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		if left := master == "local[2]"; left && (n[0] != 0 || n[1] == 0 || n[2] == 0) || !left && (n[0] < 1<<20 || n[1] != 0 || n[2] != 0) {
			t.Errorf("%s: %v", master, row)
		}
		end()
		var last []event.Cached
		for e := range events {
			if e.Kind == event.JobEnded {
				last = e.Cached
			}
		}
		if len(last) != 1 || last[0].Name != "seen" || last[0].Level != "MEMORY_AND_DISK_SER" || last[0].Rows != 2000000 || last[0].MemoryBytes != n[0] || last[0].DiskBytes != n[1] || last[0].Evicted != n[2] || last[0].Reads == 0 {
			t.Errorf("%s: %v are told as %+v", master, row, last)
		}
	}
}

// Serialized levels take less memory, and leave it as they lie there.
func TestSerialized(t *testing.T) {
	ctx := t.Context()
	const q = "SELECT l_returnflag, count(*), sum(l_quantity), max(l_comment) FROM lineitem GROUP BY l_returnflag ORDER BY 1"
	var want [][]string
	plain := int64(0)
	for _, level := range []millrace.StorageLevel{millrace.MemoryAndDisk, millrace.MemoryAndDiskSerialized, millrace.MemoryOnlySerialized} {
		s := openTPCH(t, "local[2]")
		if err := s.Table("lineitem").Persist(ctx, level); err != nil {
			t.Fatal(err)
		}
		run(t, s, "SELECT count(*), max(l_comment) FROM lineitem")
		got, n := run(t, s, q), cachedIn(t, s, q)
		if n.CacheHits == 0 || n.CacheDisk+n.CacheMisses > 0 {
			t.Errorf("%s: %d blocks in memory, %d on disk, %d computed", level, n.CacheHits, n.CacheDisk, n.CacheMisses)
		}
		held := store(s).Bytes()
		if !level.Serialized {
			want, plain = got, held
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", level, d)
		}
		if held == 0 || held > plain/2 {
			t.Errorf("%s: %d bytes, decoded there are %d", level, held, plain)
		}
		before := store(s).Spilled()
		freed := store(s).Reclaim(ctx, held)
		if written := store(s).Spilled() - before; freed != held || level.Disk && written != held || !level.Disk && written != 0 {
			t.Errorf("%s: of %d bytes %d left memory, %d were written", level, held, freed, written)
		}
		for range 2 { // from disk or the origin, then from memory
			if d := cmp.Diff(want, run(t, s, q)); d != "" {
				t.Errorf("%s: %s", level, d)
			}
		}
	}
}

// A table of ten times the memory that is cached and read leaves a hot table in
// memory: nine in ten of its blocks are hits.
func TestCacheStaysHot(t *testing.T) {
	s := open(t, "local[2]", millrace.WithSetting("memory", "16MiB"))
	run(t, s, "CACHE TABLE hot AS SELECT id AS k, id * 3 AS v FROM range(100000)")
	const q = "SELECT sum(k), sum(v) FROM hot"
	want := run(t, s, q)
	run(t, s, q)
	run(t, s, "CACHE LAZY TABLE big AS SELECT id AS a, id + 1 AS b FROM range(10000000)")
	hits, all := int64(0), int64(0)
	for i := range 4 {
		run(t, s, fmt.Sprintf("SELECT sum(a), count(b) FROM big WHERE a %% 4 <> %d", i))
		if d := cmp.Diff(want, run(t, s, q)); d != "" {
			t.Fatal(d)
		}
		n := cachedIn(t, s, q)
		hits, all = hits+n.CacheHits, all+n.CacheHits+n.CacheDisk+n.CacheMisses
	}
	if hits*10 < all*9 || all == 0 {
		t.Errorf("%d of %d blocks were in memory", hits, all)
	}
}

// Columns that have left memory hold none of it, whichever columns of the same rows stay.
func TestCacheLeavesHeap(t *testing.T) {
	const memory = 32 << 20
	before := live()
	s := open(t, "local[2]", millrace.WithSetting("memory", "32MiB"))
	q := "CACHE TABLE wide AS SELECT id"
	for i := range 15 {
		q += fmt.Sprintf(", id * %d AS v%d", i+3, i)
	}
	run(t, s, q+" FROM range(1000000)")
	for range 2 {
		run(t, s, "SELECT sum(v1), sum(v3) FROM wide")
	}
	if now := live(); now > before+memory {
		t.Errorf("%d MiB of the heap are in use, before there were %d; the store has %d", now>>20, before>>20, store(s).Bytes()>>20)
	}
}

// live returns the bytes of the Go heap that are in use.
func live() int64 {
	var m runtime.MemStats
	for range 2 { // what had finalizers goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Queries that need the memory that a cache fills get it.
func TestCacheGivesWay(t *testing.T) {
	for _, level := range []string{"MEMORY_ONLY", "MEMORY_AND_DISK"} {
		s := openTPCH(t, "local[2]", millrace.WithSetting("memory", "32MiB"))
		run(t, s, "CACHE TABLE filler OPTIONS ('storageLevel' '"+level+"', 'priority' '100') AS SELECT id AS a, id + 1 AS b FROM range(3000000)")
		before := store(s).Bytes()
		for _, n := range []int{9, 18, 21} {
			if err := answer(t, s, n); err != nil {
				t.Errorf("%s: q%d: %v", level, n, err)
			}
		}
		if before < 10<<20 {
			t.Errorf("%s: the cache held %d bytes only", level, before)
		}
		if got := run(t, s, "SELECT count(*), sum(b - a) FROM filler"); got[0][0] != "3000000" || got[0][1] != "3000000" {
			t.Errorf("%s: %v", level, got)
		}
	}
}

// cachedTables are the rows of SHOW CACHE that are of datasets.
func cachedTables(t *testing.T, s *millrace.Session) (out [][]string) {
	for _, r := range run(t, s, "SHOW CACHE") {
		if r[1] != "FRONT" {
			out = append(out, r)
		}
	}
	return out
}

// Footers that lie in memory are counted, by SHOW CACHE and by the scans that use them;
// off, or losing everything at once, the cache changes no answer. A file that is replaced
// by another one of the same size is read anew.
func TestFront(t *testing.T) {
	for _, mode := range []string{"on", "off", "lossy"} {
		s, err := millrace.Open(t.Context(), "local[2]", millrace.WithSetting("cache.front", mode))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		dir := t.TempDir()
		write := func(first int) {
			q := fmt.Sprintf("SELECT id, id %% 7 AS k FROM range(%d, %d)", first, first+50_000)
			df, err := s.SQL(t.Context(), q)
			if err == nil {
				err = df.Write().Mode("overwrite").Parquet(t.Context(), dir+"/t")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, first := range []int{100_000, 200_000} {
			write(first)
			for range 3 {
				q := fmt.Sprintf("SELECT min(id), count(*) FROM parquet.`%s/t` WHERE id >= %d", dir, first+10)
				if got := run(t, s, q); got[0][0] != strconv.Itoa(first+10) || got[0][1] != "49990" {
					t.Errorf("%s: %v", mode, got)
				}
			}
		}
		hits := ""
		for _, r := range run(t, s, "SHOW CACHE") {
			if r[0] == "(footer)" {
				hits = r[6]
			}
		}
		switch {
		case mode == "on" && (hits == "" || strings.HasPrefix(hits, "0.0 %")):
			t.Errorf("no footer was found in memory: %q", hits)
		case mode == "off" && hits != "":
			t.Errorf("off, it found %s", hits)
		case mode == "lossy" && !strings.HasPrefix(hits, "0.0 %"):
			t.Errorf("lossy, it found %s", hits)
		}
	}
}
