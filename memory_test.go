package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/internal/diag"
)

// slow is whether the long forms of tests were asked for.
var slow = os.Getenv("MILLRACE_SLOW") != ""

var leastBudget = regexp.MustCompile(`^the query needs a memory budget of at least (\d+) MiB; it is \d+ MiB$`)

// answer runs a query of TPC-H and checks its rows.
func answer(t *testing.T, s *millrace.Session, n int) error {
	t.Helper()
	a, _, err := tpch.AnswersAt(0.01)
	if err != nil {
		t.Fatal(err)
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

// TestBudgets answers TPC-H under random budgets: each query is right, or refused
// at its start with the least budget that it needs, under which it then is right.
// 6 budgets, 200 with MILLRACE_SLOW.
func TestBudgets(t *testing.T) {
	seed, rounds := uint64(time.Now().UnixNano()), 6
	if slow {
		rounds = 200
	}
	r := rand.New(rand.NewPCG(seed, 3))
	for round := range rounds {
		mib := 16 + r.IntN(1+r.IntN(64))
		if round == 0 {
			mib = 16
		}
		s := openTPCH(t, fmt.Sprintf("local[%d]", 1+r.IntN(8)), millrace.WithSetting("memory", fmt.Sprintf("%dMiB", mib)),
			millrace.WithSetting("sql.shuffle.partitions", []string{"0", "1", "50"}[r.IntN(3)]))
		for n := 1; n <= tpch.Queries; n++ {
			err := answer(t, s, n)
			var d *diag.Error
			if errors.As(err, &d) && d.Class == diag.MemoryLimit {
				m := leastBudget.FindStringSubmatch(d.Message)
				if m == nil {
					t.Fatalf("seed %d: q%02d under %d MiB fails half-way: %v", seed, n, mib, err)
				}
				err = answer(t, openTPCH(t, "local[2]", millrace.WithSetting("memory", m[1]+"MiB")), n)
			}
			if err != nil {
				t.Errorf("seed %d: q%02d under %d MiB: %v", seed, n, mib, err)
			}
			if left := s.Reserved(); left != 0 {
				t.Fatalf("seed %d: %d bytes are reserved after q%02d under %d MiB", seed, left, n, mib)
			}
		}
	}
}

// TestConcurrentQueries runs many queries at once in a budget that does not hold
// them all: none fails, all are right, nothing is left.
func TestConcurrentQueries(t *testing.T) {
	seed, each := uint64(time.Now().UnixNano()), 2
	if slow {
		each = 40
	}
	s := openTPCH(t, "local[2]", millrace.WithSetting("memory", "48MiB"))
	var wg sync.WaitGroup
	for g := range 24 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(g)))
			for range each {
				n := 1 + r.IntN(tpch.Queries)
				if err := answer(t, s, n); err != nil {
					t.Errorf("seed %d: q%02d: %v", seed, n, err)
				}
			}
		})
	}
	wg.Wait()
	if n := s.Reserved(); n != 0 {
		t.Errorf("seed %d: %d bytes are reserved at the end", seed, n)
	}
}

// wide sorts rows that take some 50 MiB, half of them when compressed.
func wide() string {
	return "SELECT sha1(CAST(x AS STRING)) AS s, md5(CAST(x AS STRING)) AS m FROM (SELECT t.id * 1000 + u.id AS x FROM " +
		ids(1000) + " CROSS JOIN " + strings.Replace(ids(700), "t(id)", "u(id)", 1) + ") ORDER BY s"
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

// A disk that is full while rows are spilled fails the query with path and bytes,
// leaves no file, and does not harm the next one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "local[2]", millrace.WithSetting("memory", "24MiB"), millrace.WithSetting("spill.dir", dir), millrace.WithSetting("spill.limit", "16MiB"))
	for range 2 {
		_, err := drain(t, s, wide())
		var d *diag.Error
		if !errors.As(err, &d) || d.Class != diag.SpillFailed || d.Path != dir || !strings.Contains(d.Message, "KiB more could not be spilled") {
			t.Fatalf("got %v", err)
		}
		if n := s.Reserved(); n != 0 {
			t.Errorf("%d bytes are reserved after the failure", n)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
			t.Errorf("left in %s: %v, %v", dir, files, err)
		}
		if n, err := drain(t, s, "SELECT * FROM "+ids(1000)); n != 1000 || err != nil {
			t.Fatalf("the next query: %d rows, %v", n, err)
		}
	}
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
	before := runtime.NumGoroutine()
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
	if n := s.Reserved(); n != 0 {
		t.Errorf("%d bytes are reserved after %d jobs", n, rounds)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("left in %s: %v, %v", dir, files, err)
	}
	for i := 0; runtime.NumGoroutine() > before && i < 100; i++ { // ends of tasks are told before their goroutines end
		runtime.Gosched()
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines after %d jobs, %d before", n, rounds, before)
	}
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
