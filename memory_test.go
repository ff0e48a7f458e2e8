package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/internal/diag"
)

// slow is whether the long forms of tests were asked for.
var slow = os.Getenv("MILLRACE_SLOW") != ""

var leastBudget = regexp.MustCompile(`^the query needs a memory budget of at least (\d+) MiB; it is \d+ MiB$`)

// seedOf returns the seed of a random test and logs it; MILLRACE_SEED replays one.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("MILLRACE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MILLRACE_SEED=%d", seed)
	return seed
}

// scaled returns a directory with TPC-H at the scale factor of a test's long form,
// made for it, or of 0.01.
func scaled(t *testing.T, long float64) (sf float64, dir string) {
	t.Helper()
	var err error
	if !slow {
		dir, err = data()
		sf = 0.01
	} else {
		dir, sf = filepath.Join(t.TempDir(), "tpch"), long
		err = tpch.Gen(t.Context(), tpch.GenOptions{SF: sf, Format: "parquet", Dir: dir, Workers: 2})
	}
	if err != nil {
		t.Fatal(err)
	}
	return sf, dir
}

// answer runs a query of TPC-H at scale factor 0.01 and checks its rows.
func answer(t *testing.T, s *millrace.Session, n int) error { return answerAt(t, s, 0.01, n) }

func answerAt(t *testing.T, s *millrace.Session, sf float64, n int) error {
	t.Helper()
	a, ok, err := tpch.AnswersAt(sf)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	q, err := tpch.Query(n)
	if err != nil {
		t.Fatal(err)
	}
	rows, r, err := text(t, s, q)
	if err != nil {
		return err
	}
	return a.Check(n, r.Schema, rows)
}

// TestBudgets answers TPC-H under random budgets from 16 MiB up: each query is
// right, or refused at its start with the least budget that it needs, under which
// it then is right. 6 budgets at scale factor 0.01; 200 at 0.1 with MILLRACE_SLOW.
func TestBudgets(t *testing.T) {
	seed, rounds := seedOf(t), 6
	if slow {
		rounds = 200
	}
	sf, dir := scaled(t, 0.1)
	r := rand.New(rand.NewPCG(seed, 3))
	refused := 0
	for round := range rounds {
		mib := int(16 * math.Exp2(4*r.Float64()*r.Float64())) // up to 256, half of them below 30
		if round == 0 {
			mib = 16
		}
		master, parts := fmt.Sprintf("local[%d]", 1+r.IntN(8)), []string{"0", "1", "50"}[r.IntN(3)]
		start := func(mib string) *millrace.Session {
			return openData(t, dir, master, millrace.WithSetting("memory", mib+"MiB"), millrace.WithSetting("sql.shuffle.partitions", parts))
		}
		what := fmt.Sprintf("under %d MiB, %s, %s partitions", mib, master, parts)
		s := start(strconv.Itoa(mib))
		for n := 1; n <= tpch.Queries; n++ {
			err := answerAt(t, s, sf, n)
			var d *diag.Error
			if errors.As(err, &d) && d.Class == diag.MemoryLimit {
				m := leastBudget.FindStringSubmatch(d.Message)
				if m == nil {
					t.Fatalf("seed %d: q%02d fails half-way %s: %v", seed, n, what, err)
				}
				refused++
				enough := start(m[1])
				if err = answerAt(t, enough, sf, n); err != nil {
					err = fmt.Errorf("in the %s MiB that it asked for: %w", m[1], err)
				}
				enough.Close()
			}
			if err != nil {
				t.Errorf("seed %d: q%02d %s: %v", seed, n, what, err)
			}
			if left := s.Reserved() + s.Spill().Live(); left != 0 {
				t.Fatalf("seed %d: %d bytes are reserved or on disk after q%02d %s", seed, left, n, what)
			}
		}
		s.Close() // not all of them at the end
		if (round+1)%20 == 0 {
			t.Logf("%d of %d budgets", round+1, rounds)
		}
	}
	t.Logf("%d budgets: %d of %d queries refused at first", rounds, refused, rounds*tpch.Queries)
}

// A query whose operators need more than the budget by their minimums is refused
// before it runs, and runs in the least budget that it was told.
func TestRefused(t *testing.T) {
	query := "SELECT count(*), sum(t0.l_orderkey) FROM lineitem t0"
	for i := 1; i <= 12; i++ {
		query += fmt.Sprintf(" JOIN (SELECT DISTINCT l_orderkey FROM lineitem WHERE l_linenumber < %d) t%d ON t0.l_orderkey = t%d.l_orderkey", i+1, i, i)
	}
	start := func(mib string) *millrace.Session {
		return openTPCH(t, "local[2]", millrace.WithSetting("memory", mib+"MiB"))
	}
	_, _, err := text(t, start("16"), query)
	var d *diag.Error
	if !errors.As(err, &d) || d.Class != diag.MemoryLimit || d.Remedy == "" || leastBudget.FindStringSubmatch(d.Message) == nil {
		t.Fatalf("in 16 MiB: %v", err)
	}
	least := leastBudget.FindStringSubmatch(d.Message)[1]
	n, err := strconv.Atoi(least)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := text(t, start(strconv.Itoa(n-1)), query); diag.ClassOf(err) != diag.MemoryLimit {
		t.Errorf("in %d MiB: %v", n-1, err)
	}
	want, _, err := text(t, start("1024"), query)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := text(t, start(least), query); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("in %s MiB: %v, want %v (%v)", least, got, want, err)
	}
}

// heavy returns queries over TPC-H that need more memory than those of the suite.
func heavy(sf float64) []string {
	return []string{
		"SELECT count(*), sum(n), max(l_comment) FROM (SELECT l_comment, count(*) n FROM lineitem GROUP BY l_comment)",
		"SELECT l_comment, l_orderkey FROM lineitem ORDER BY l_comment, l_orderkey, l_linenumber LIMIT 20000",
		fmt.Sprintf("SELECT l_comment, l_orderkey, l_partkey FROM lineitem ORDER BY l_comment, l_orderkey, l_linenumber OFFSET %d", int(6e6*sf)),
		"SELECT count(*), sum(l_quantity), max(concat(l_comment, o_comment)) FROM lineitem JOIN orders ON l_orderkey = o_orderkey",
		"SELECT l_returnflag, count(DISTINCT l_partkey), count(DISTINCT l_orderkey) FROM lineitem GROUP BY l_returnflag ORDER BY 1",
		"SELECT n, count(*) FROM (SELECT size(collect_list(l_comment)) n FROM lineitem GROUP BY l_orderkey) GROUP BY n ORDER BY n",
	}
}

// TestConcurrentQueries runs 24 random queries at a time in a budget that does not
// hold them all: none fails, all are right, nothing is left. With MILLRACE_SLOW
// for two minutes at scale factor 1 in 2 GiB, where the process's memory must stay
// within the budget and a tenth, and must not grow.
func TestConcurrentQueries(t *testing.T) {
	seed, budget, each, length := seedOf(t), int64(48<<20), 2, time.Duration(0)
	if slow {
		budget, length = 2<<30, 2*time.Minute
	}
	sf, dir := scaled(t, 1)
	s := openData(t, dir, "local[2]", millrace.WithSetting("memory", fmt.Sprintf("%dMiB", budget>>20)))
	heavy := heavy(sf)
	want := make([][][]string, len(heavy))
	for i, q := range heavy {
		var err error
		if want[i], _, err = text(t, s, q); err != nil {
			t.Fatal(err)
		}
	}
	debug.FreeOSMemory() // of the generator
	start, before := time.Now(), resident()
	rss := sample(100 * time.Millisecond)
	var wg sync.WaitGroup
	var ran atomic.Int64
	for g := range 24 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(g)))
			for i := 0; i < each || time.Since(start) < length; i++ {
				ran.Add(1)
				if n := 1 + r.IntN(tpch.Queries+len(heavy)); n <= tpch.Queries {
					if err := answerAt(t, s, sf, n); err != nil {
						t.Errorf("seed %d: q%02d: %v", seed, n, err)
					}
				} else {
					q := n - tpch.Queries - 1
					if rows, _, err := text(t, s, heavy[q]); err != nil || !reflect.DeepEqual(rows, want[q]) {
						t.Errorf("seed %d: %s: %d rows, want %d (%v)", seed, heavy[q], len(rows), len(want[q]), err)
					}
				}
			}
		})
	}
	wg.Wait()
	all := rss()
	if n := s.Reserved() + s.Spill().Live(); n != 0 {
		t.Errorf("seed %d: %d bytes are reserved or on disk at the end", seed, n)
	}
	if !slow || len(all) == 0 {
		return // what other tests left in the process counts too, or nothing is known
	}
	debug.FreeOSMemory()
	after, early, late := resident(), slices.Max(all[:len(all)/2]), slices.Max(all[len(all)/2:])
	t.Logf("%d queries in %s; resident %d MiB before, at most %d MiB in the first half and %d MiB in the second, %d MiB after", ran.Load(), time.Since(start).Round(time.Second), before>>20, early>>20, late>>20, after>>20)
	if most := max(early, late); most > budget+budget/10 {
		t.Errorf("seed %d: %d MiB are resident, the budget is %d MiB", seed, most>>20, budget>>20)
	}
	if late > early+budget/20 || after > before+budget/20 {
		t.Errorf("seed %d: memory grows", seed)
	}
}

// sample measures the resident bytes of the process at intervals until the
// function that it returns is called. There are none where there is no /proc.
func sample(every time.Duration) (end func() []int64) {
	stop, out := make(chan struct{}), make(chan []int64, 1)
	go func() {
		var all []int64
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				out <- all
				return
			case <-tick.C:
				if n := resident(); n > 0 {
					all = append(all, n)
				}
			}
		}
	}()
	return func() []int64 { close(stop); return <-out }
}

// resident returns the bytes of the process that are in memory, 0 where that is
// not known.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// drain runs a query and returns the number of its rows.
func drain(t *testing.T, s *millrace.Session, query string) (int, error) {
	t.Helper()
	df, err := s.SQL(context.Background(), query)
	if err != nil {
		return 0, err
	}
	n := 0
	for rec, err := range df.Batches(context.Background()) {
		if err != nil {
			return n, err
		}
		n += int(rec.NumRows())
	}
	return n, nil
}

// After many jobs, some of which spill, some fail and some are left alone half
// read, nothing is left of them. 60 jobs, 1,000 with MILLRACE_SLOW.
func TestManyJobs(t *testing.T) {
	rounds := 60
	if slow {
		rounds = 1000
	}
	dir := t.TempDir()
	s := openTPCH(t, "local[2]", millrace.WithSetting("memory", "24MiB"), millrace.WithSetting("spill.dir", dir))
	if err := answer(t, s, 1); err != nil {
		t.Fatal(err)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	for i := range rounds {
		switch i % 6 {
		case 0:
			if n, err := drain(t, s, "SELECT l_orderkey, l_comment, l_partkey FROM lineitem ORDER BY l_comment, l_orderkey"); n != 60175 || err != nil {
				t.Fatalf("%d rows, %v", n, err)
			}
		case 1:
			if _, err := drain(t, s, "SELECT 1 / (l_orderkey - 7) FROM lineitem"); diag.ClassOf(err) != diag.DivideByZero {
				t.Fatal(err)
			}
		case 2: // nobody reads on
			df, err := s.SQL(context.Background(), "SELECT * FROM lineitem ORDER BY l_comment")
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range df.Batches(context.Background()) {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
		default:
			if err := answer(t, s, 1+i%tpch.Queries); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := 0; (runtime.NumGoroutine() > goroutines || descriptors() > files) && i < 100; i++ { // ends of tasks are told before their goroutines end
		runtime.Gosched()
		time.Sleep(10 * time.Millisecond)
	}
	nothingLeft(t, s, dir)
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines after %d jobs, %d before", n, rounds, goroutines)
	}
	if n := descriptors(); n > files { // what is spilled has no name
		t.Errorf("%d files are open after %d jobs, %d before", n, rounds, files)
	}
}

// descriptors counts the files that the process has open, where that is known.
func descriptors() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}

// A query that runs between two batches of another one gets memory although the
// tasks of the first, which wait for their reader, hold nearly all of it.
func TestQueryBetweenBatches(t *testing.T) {
	s := openTPCH(t, "local[2]", millrace.WithSetting("memory", "20MiB"), millrace.WithSetting("driver.result.buffer", "1MiB"))
	df, err := s.SQL(context.Background(), "SELECT l_orderkey, o_comment, l_comment, p_name FROM lineitem JOIN orders ON l_orderkey = o_orderkey JOIN part ON l_partkey = p_partkey")
	if err != nil {
		t.Fatal(err)
	}
	rows, inner := 0, 0
	for rec, err := range df.Batches(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if rows += int(rec.NumRows()); inner < 4 {
			if err := answer(t, s, []int{3, 9, 18, 21}[inner]); err != nil {
				t.Fatal(err)
			}
			inner++
		}
	}
	if rows != 60175 || inner != 4 {
		t.Errorf("%d rows, %d queries between them", rows, inner)
	}
	if n := s.Reserved(); n != 0 {
		t.Errorf("%d bytes are reserved at the end", n)
	}
}
