package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/exec/spill/spilltest"
	"github.com/millrace-engine/millrace/internal/diag"
)

// beyond are queries over t (k, s), 238,328 rows, of which an operator must spill
// in 16 MiB, and "" for the block store. Views: u has the keys of t in another
// order, r the rows of t behind an exchange.
var beyond = []struct{ name, operator, query string }{
	{"sort", "Sort", "SELECT k, s FROM t ORDER BY s, k OFFSET 238000"},
	{"topn", "TopN", "SELECT k, length(w), substr(w, 1, 9) FROM (SELECT k, repeat(s, 55) w FROM t WHERE k < 30000) ORDER BY w DESC, k LIMIT 9000"},
	{"integers", "HashAggregate", "SELECT count(*), sum(n), sum(k * m), max(x) FROM (SELECT k * 7919 % 1000003 k, count(*) n, min(k) m, max(s) x FROM t GROUP BY 1)"},
	{"strings", "HashAggregate", "SELECT count(*), sum(n), min(s), max(a) FROM (SELECT s, count(*) n, avg(k) a FROM t GROUP BY s)"},
	{"distinct", "HashAggregate", "SELECT count(*), min(s) FROM (SELECT DISTINCT s FROM t)"},
	{"count distinct", "HashAggregate", "SELECT g, n FROM (SELECT k % 3 g, count(DISTINCT s) n FROM t GROUP BY 1) ORDER BY g"},
	{"sets", "HashAggregate", "SELECT count(*), sum(k) FROM (SELECT k * 3 k, s FROM t UNION SELECT k * 2, s FROM t EXCEPT SELECT k * 6, s FROM t)"},
	{"lists", "HashAggregate", "SELECT n, count(*) FROM (SELECT size(collect_list(s)) n FROM t GROUP BY k % 100000) GROUP BY n ORDER BY n"},
	{"inner", "HashJoin", "SELECT count(*), sum(t.k), max(t.s), min(u.s) FROM t JOIN u ON t.k = u.k"},
	{"left", "HashJoin", "SELECT count(*), count(u.k), max(t.s), min(u.s) FROM t LEFT JOIN u ON t.k = u.k + 7000"},
	{"full", "HashJoin", "SELECT count(*), count(u.k), max(t.s), min(u.s) FROM t FULL JOIN u ON t.k = u.k + 7000"},
	{"semi", "HashJoin", "SELECT count(*), max(s) FROM t LEFT SEMI JOIN u ON t.s = u.s AND t.k < u.k + 99"},
	{"anti", "HashJoin", "SELECT count(*), max(s) FROM t LEFT ANTI JOIN u ON t.s = u.s AND t.k < u.k"},
	{"windows", "Window", "SELECT count(*), sum(n), max(m) FROM (SELECT row_number() OVER (PARTITION BY k % 3 ORDER BY s, k) n, max(s) OVER (PARTITION BY k % 3) m FROM t)"},
	{"blocks", "", "SELECT count(*), sum(k), min(s), max(s) FROM r"},
}

var (
	unwritten  = regexp.MustCompile(`^[1-9]\d* KiB more could not be spilled to (\S+), where \d+ MiB lie already: `)
	unreadable = regexp.MustCompile(`^what was spilled to (\S+) cannot be read back: `)
)

// some returns all of beyond with MILLRACE_SLOW, else four of them at random and
// the block store.
func some(seed uint64) []int {
	all := rand.New(rand.NewPCG(seed, 1)).Perm(len(beyond) - 1)
	if !slow {
		all = all[:4]
	}
	return append(all, len(beyond)-1)
}

// tables writes the table of beyond once and returns a function that opens a
// session with it.
func tables(t *testing.T) func(opts ...millrace.Option) *millrace.Session {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "t")
	s := open(t, "local[2]")
	cube(t, s, 62)
	if err := frame(t, s, "SELECT k, repeat(CAST(k * 7919 % 1000003 AS STRING), 9) s FROM t").Write().Parquet(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return func(opts ...millrace.Option) *millrace.Session {
		s := open(t, "local[2]", opts...)
		register(t, s, "t", s.Read().Parquet(dir))
		register(t, s, "u", frame(t, s, "SELECT k * 7919 % 238328 k, s FROM t"))
		register(t, s, "r", s.Table("t").Repartition(7))
		return s
	}
}

// nothingLeft fails the test for whatever queries that have ended left behind. A
// block that was being written when its query ended takes a moment.
func nothingLeft(t *testing.T, s *millrace.Session, dir string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); s.Spill().Live() != 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := s.Reserved(); n != 0 {
		t.Errorf("%d bytes are reserved", n)
	}
	if n := s.Spill().Live(); n != 0 {
		t.Errorf("%d bytes are on disk", n)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("left in %s: %v, %v", dir, files, err)
	}
}

// TestFaults fails a create, write or read at random while operators and the
// block store spill: the query fails with the path and what could not be written,
// unless the fault met an eviction, which nobody needs; its files are gone, and the
// session answers the next query. 3 faults for each of some queries, 60 for each of
// all with MILLRACE_SLOW.
func TestFaults(t *testing.T) {
	seed, rounds := seedOf(t), 3
	if slow {
		rounds = 60
	}
	start := tables(t)
	large := start()
	for _, i := range some(seed) {
		c := beyond[i]
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			want, _, err := text(t, large, c.query)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			s := start(millrace.WithSetting("memory", "16MiB"), millrace.WithSetting("spill.dir", dir))
			faults := &spilltest.Faults{}
			faults.Install(s.Spill())
			if slow && c.operator != "" && !spilled(t, s, c.operator, c.query) {
				t.Errorf("no %s spilled", c.operator)
			}
			faults.Disarm()
			if got, _, err := text(t, s, c.query); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%.200v (%v), want %.200v", got, err, want)
			}
			var calls [spilltest.Kinds]int64
			for k := range calls {
				if calls[k] = faults.Calls(spilltest.Kind(k)); calls[k] == 0 {
					t.Fatalf("%s cannot happen: nothing is spilled or read back", spilltest.Kind(k))
				}
			}
			hits := 0
			for round := range rounds {
				kind := spilltest.Kind(r.IntN(spilltest.Kinds))
				at, forever := 1+r.Int64N(calls[kind]), r.IntN(2) == 0
				what := fmt.Sprintf("seed %d, round %d: %s at call %d of %d, forever %v", seed, round, kind, at, calls[kind], forever)
				faults.Arm(kind, at, forever)
				got, _, err := text(t, s, c.query)
				fired := faults.Disarm()
				var d *diag.Error
				switch {
				case err == nil && !reflect.DeepEqual(got, want):
					t.Errorf("%s: %.200v, want %.200v", what, got, want)
				case err == nil:
				case !fired || !errors.As(err, &d) || d.Class != diag.SpillFailed || d.Path != dir || d.Remedy == "" || !says(d.Message, dir):
					t.Errorf("%s, fired %v: %v", what, fired, err)
				default:
					hits++
				}
				nothingLeft(t, s, dir)
				if n := faults.Files(); n != 0 {
					t.Errorf("%s: %d files are open", what, n)
				}
				next(t, s)
			}
			if hits == 0 && slow {
				t.Errorf("seed %d: no fault failed a query", seed)
			}
		})
	}
}

// next is the query after one that failed.
func next(t *testing.T, s *millrace.Session) {
	t.Helper()
	if rows, _, err := text(t, s, "SELECT count(*), min(k) FROM t WHERE k >= 1000"); err != nil || !reflect.DeepEqual(rows, [][]string{{"237328", "1000"}}) {
		t.Fatalf("the next query: %v, %v", rows, err)
	}
}

// says reports whether the message of a failure to spill has the path and, if
// rows could not be written, how many bytes.
func says(message, dir string) bool {
	for _, p := range []*regexp.Regexp{unwritten, unreadable} {
		if m := p.FindStringSubmatch(message); m != nil && m[1] == dir {
			return true
		}
	}
	return false
}

// TestFullDisk: a device that has no room left, by the setting or by a small file
// system where one may be mounted, fails the queries of every operator with path
// and bytes, all its room comes back, and the next query is served.
func TestFullDisk(t *testing.T) {
	seed, start := seedOf(t), tables(t)
	full := func(t *testing.T, dir string, limit int64) {
		before := room(t, dir)
		s := start(millrace.WithSetting("memory", "16MiB"), millrace.WithSetting("spill.dir", dir))
		s.Spill().Limit = limit // which is less than the setting may be
		failed, list := 0, some(seed)
		for _, i := range list {
			c := beyond[i]
			_, _, err := text(t, s, c.query)
			var d *diag.Error
			switch {
			case err == nil: // what it spills fits
			case !errors.As(err, &d) || d.Class != diag.SpillFailed || d.Path != dir || !unwritten.MatchString(d.Message) || limit == 0 && !errors.Is(err, syscall.ENOSPC):
				t.Errorf("%s: %v", c.name, err)
			default:
				failed++
			}
			nothingLeft(t, s, dir)
			next(t, s)
		}
		if failed < len(list)/2 {
			t.Errorf("%d of %d queries failed", failed, len(list))
		}
		if limit == 0 && room(t, dir) != before {
			t.Errorf("%d bytes of the device are free, %d before", room(t, dir), before)
		}
	}
	t.Run("setting", func(t *testing.T) { full(t, t.TempDir(), 1<<20) })
	t.Run("tmpfs", func(t *testing.T) {
		dir := t.TempDir()
		if err := mount(dir, 1<<20); err != nil {
			t.Skip("no file system may be mounted: ", err)
		}
		defer func() {
			if err := unmount(dir); err != nil {
				t.Error(err)
			}
		}()
		full(t, dir, 0)
	})
}

// A query that fails for want of disk does not harm those that run beside it.
func TestFullDiskBeside(t *testing.T) {
	dir := t.TempDir()
	s := tables(t)(millrace.WithSetting("memory", "64MiB"), millrace.WithSetting("spill.dir", dir))
	faults := &spilltest.Faults{}
	faults.Install(s.Spill())
	faults.Arm(spilltest.NoSpace, 1, true)
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() { // sorts until it is told to stop
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			df, err := s.SQL(context.Background(), "SELECT k, repeat(s, 20) w FROM t ORDER BY w, k OFFSET 238000")
			if err == nil {
				_, err = df.Collect(context.Background())
			}
			if diag.ClassOf(err) != diag.SpillFailed {
				failed <- fmt.Errorf("a sort of 250 MiB in 64 MiB without a disk: %v", err)
				return
			}
		}
	}()
	for range 5 {
		rows, _, err := text(t, s, "SELECT k % 3, count(*) FROM t GROUP BY 1 ORDER BY 1")
		if err != nil || strings.Join(slices.Concat(rows...), " ") != "0 79443 1 79443 2 79442" {
			t.Errorf("%v, %v", rows, err)
		}
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Error(err)
	}
	nothingLeft(t, s, dir)
}
