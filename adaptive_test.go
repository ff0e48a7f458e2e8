package millrace_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
)

// settings are keys and values of a session, one after the other.
func with(pairs ...string) (out []millrace.Option) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, millrace.WithSetting(pairs[i], pairs[i+1]))
	}
	return out
}

// plans runs a query under EXPLAIN ANALYZE and returns what it began and ended as.
func plans(t *testing.T, s *millrace.Session, query string) (initial, final string) {
	t.Helper()
	got, err := frame(t, s, query).Explain(context.Background(), "analyze")
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	_, both, _ := strings.Cut(got, "== Initial plan ==\n")
	initial, final, ok := strings.Cut(both, "\n== Final plan ==\n")
	if !ok {
		t.Fatalf("no plans in\n%s", got)
	}
	return initial, final
}

// Each rewrite fires in some query, which EXPLAIN ANALYZE tells, and changes no
// answer.
func TestAdaptive(t *testing.T) {
	tables := `CREATE OR REPLACE TEMP VIEW l AS SELECT l_orderkey, l_partkey, l_suppkey, l_quantity, l_shipmode FROM lineitem;
		CREATE OR REPLACE TEMP VIEW skewed0 AS SELECT CASE WHEN l_linenumber < 7 THEN 1 ELSE l_orderkey END AS k, l_quantity AS v FROM lineitem;
		CREATE OR REPLACE TEMP VIEW none AS SELECT * FROM orders WHERE o_comment LIKE '%no such comment%'`
	exchanged := []string{"sql.broadcast.rows", "0", "sql.shuffle.partitions", "8"}
	skew := append([]string{"sql.adaptive.skew.threshold", "1KiB", "sql.adaptive.advisory.size", "1KiB", "sql.adaptive.coalesce.least", "1B", "sql.adaptive.broadcast.threshold", "0B"}, exchanged...)
	for _, c := range []struct {
		name, master string
		conf         []string
		query        string
		final        string // a pattern of the plan in the end
	}{
		{"coalesce", "local[2]", []string{"sql.shuffle.partitions", "40"},
			"SELECT l_suppkey, count(*) FROM l GROUP BY 1", `‣ 40 partitions are coalesced into \d tasks?`},
		{"coalesce join", "local-cluster[2,1,256]", append([]string{"sql.adaptive.broadcast.threshold", "0B", "sql.adaptive.coalesce.least", "1MiB"}, exchanged...),
			"SELECT l_orderkey, l_quantity, o_orderdate FROM l JOIN orders ON l_orderkey = o_orderkey", `‣ 8 partitions are coalesced into [1-7] tasks?`},
		{"skewed join", "local-cluster[2,1,256]", skew,
			"SELECT k, v, o_orderdate FROM skewed JOIN orders ON k = o_orderkey", `‣ partition \d is skewed and read by \d+ tasks`},
		{"skewed left join", "local-cluster[2,1,256]", skew,
			"SELECT k, v, o_orderdate FROM skewed LEFT JOIN orders ON k = o_orderkey AND o_orderkey > 100", `‣ partition \d is skewed and read by \d+ tasks`},
		{"skewed groups of a join", "local-cluster[2,1,256]", skew,
			"SELECT k, count(*), sum(v), max(o_orderdate) FROM skewed JOIN orders ON k = o_orderkey GROUP BY k", `(?s)unites the states of stage \d, since a partition is skewed.*aggregates parts of what stage \d was to aggregate.*is skewed and read by`},
		{"broadcast, without the other exchange", "local-cluster[2,1,256]", exchanged,
			"SELECT l_orderkey, l_quantity, o_orderdate FROM l JOIN orders ON l_orderkey = o_orderkey WHERE o_orderdate < DATE '1992-03-01'",
			`‣ exchange \d is small: each executor reads it whole, and stage \d, which has not begun, is computed here(?s).*HashJoin Inner shared build right.*\n *Scan`},
		{"broadcast, read where it lies", "local-cluster[2,1,256]", append([]string{"sql.runtime.filters", "off"}, exchanged...),
			"SELECT l_orderkey, l_quantity, o_orderdate FROM l JOIN orders ON l_orderkey = o_orderkey",
			`‣ exchange \d is small: each executor reads it whole\n‣ \d+ tasks read exchange \d where it lies\nHashJoin Inner shared`},
		{"broadcast of a left join", "local-cluster[2,1,256]", append([]string{"sql.runtime.filters", "off"}, exchanged...),
			"SELECT l_orderkey, l_quantity, o_orderdate FROM l LEFT JOIN (SELECT * FROM orders WHERE o_orderkey < 1000) ON l_orderkey = o_orderkey",
			`‣ exchange \d is small: each executor reads it whole\n‣ \d+ tasks read`},
		{"shuffled", "local-cluster[2,1,256]", []string{"sql.adaptive.broadcast.limit", "1KiB", "sql.adaptive.broadcast.threshold", "0B"},
			"SELECT l_orderkey, l_quantity, o_orderdate FROM l JOIN orders ON l_orderkey = o_orderkey",
			`‣ exchange \d is too large to be read whole by each executor: both sides of the join are exchanged`},
		{"empty inner join", "local-cluster[2,1,256]", exchanged,
			"SELECT l_orderkey, o_orderdate FROM l JOIN none ON l_orderkey = o_orderkey", `‣ exchange \[\d\] is empty; operators left out: 1\nValues`},
		{"empty left join", "local-cluster[2,1,256]", exchanged,
			"SELECT l_orderkey, o_orderdate FROM l LEFT JOIN none ON l_orderkey = o_orderkey", `‣ exchange \[\d\] is empty; operators left out: 1`},
		{"empty anti join", "local[2]", exchanged,
			"SELECT l_orderkey FROM l LEFT ANTI JOIN none ON l_orderkey = o_orderkey", `‣ exchange \[\d\] is empty; operators left out: 1`},
		{"empty groups of an empty join", "local[2]", exchanged,
			"SELECT n, count(*) FROM (SELECT o_custkey AS k, count(*) AS n FROM l JOIN none ON l_orderkey = o_orderkey GROUP BY 1) JOIN customer ON k = c_custkey GROUP BY n",
			`is empty; operators left out: \d`},
		{"one group of nothing", "local[2]", exchanged,
			"SELECT count(*), max(l_quantity) FROM l JOIN none ON l_orderkey = o_orderkey", `is empty; operators left out: 2`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openTPCH(t, c.master, with(c.conf...)...)
			for _, q := range strings.Split(tables, ";") {
				if _, err := s.SQL(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			register(t, s, "skewed", s.Table("skewed0").Repartition(6)) // by so many map tasks
			initial, final := plans(t, s, c.query)
			if !regexp.MustCompile(c.final).MatchString(final) || strings.Contains(initial, "‣") {
				t.Errorf("initially\n%s\nin the end\n%s", initial, final)
			}
			on := sortedRows(t, s, c.query)
			if _, err := s.SQL(t.Context(), "SET sql.adaptive.enabled = false"); err != nil {
				t.Fatal(err)
			}
			if off := sortedRows(t, s, c.query); !reflect.DeepEqual(on, off) {
				t.Errorf("%d rows with re-planning, %d without, or others", len(on), len(off))
			}
			if plan, err := frame(t, s, c.query).Explain(t.Context(), "analyze"); err != nil || strings.Contains(plan, "‣") {
				t.Errorf("without re-planning: %v\n%s", err, plan)
			}
		})
	}
}

// TestStandaloneAdaptive: rewrites fire on a standalone cluster, too, over QUIC and TCP,
// and change no answer.
func TestStandaloneAdaptive(t *testing.T) {
	c := newCluster(t)
	c.startWorker("w1", 2)
	c.startWorker("w2", 2)
	for _, carrier := range []string{"quic", "tcp"} {
		s := openTPCH(t, c.url(), c.options(with("transport", carrier, "executor.count", "2", "executor.cores", "1", "sql.broadcast.rows", "0", "sql.shuffle.partitions", "8", "sql.runtime.filters", "off",
			"sql.adaptive.skew.threshold", "1KiB", "sql.adaptive.advisory.size", "1KiB", "sql.adaptive.coalesce.least", "1B")...)...)
		register(t, s, "skewed", frame(t, s, "SELECT CASE WHEN l_linenumber < 7 THEN 1 ELSE l_orderkey END AS k, l_quantity AS v FROM lineitem").Repartition(6))
		for _, x := range []struct{ broadcast, query, final string }{
			{"0B", "SELECT k, count(*), sum(v), max(o_orderdate) FROM skewed JOIN orders ON k = o_orderkey GROUP BY k", `(?s)unites the states of stage \d.*is skewed and read by \d+ tasks`},
			{"10MiB", "SELECT l_orderkey, l_quantity, o_orderdate FROM lineitem JOIN orders ON l_orderkey = o_orderkey", `is small: each executor reads it whole\n‣ \d+ tasks read exchange \d where it lies`},
		} {
			for _, set := range []string{"SET sql.adaptive.enabled = true", "SET sql.adaptive.broadcast.threshold = " + x.broadcast} {
				if _, err := s.SQL(t.Context(), set); err != nil {
					t.Fatal(err)
				}
			}
			if initial, final := plans(t, s, x.query); !regexp.MustCompile(x.final).MatchString(final) {
				t.Errorf("over %s, initially\n%s\nin the end\n%s", carrier, initial, final)
			}
			on := sortedRows(t, s, x.query)
			if _, err := s.SQL(t.Context(), "SET sql.adaptive.enabled = false"); err != nil {
				t.Fatal(err)
			}
			if off := sortedRows(t, s, x.query); !reflect.DeepEqual(on, off) {
				t.Errorf("over %s: %d rows with re-planning, %d without, or others", carrier, len(on), len(off))
			}
		}
		if err := s.Close(); err != nil { // it makes room for the next one
			t.Fatal(err)
		}
	}
}

// An aggregate that occurs twice is computed and exchanged once.
func TestSharedAggregate(t *testing.T) {
	s := openTPCH(t, "local[2]")
	of := "(SELECT l_suppkey AS k, count(*) AS n FROM lineitem GROUP BY l_suppkey)"
	query := "SELECT x.k, x.n, y.n FROM " + of + " x JOIN " + of + " y ON x.k = y.k + 1"
	initial, final := plans(t, s, query)
	if strings.Count(initial, "Scan parquet") != 1 || strings.Count(final, "Scan parquet") != 1 || len(regexp.MustCompile(`Read(All)? exchange 2 `).FindAllString(final, -1)) != 2 {
		t.Errorf("initially\n%s\nin the end\n%s", initial, final)
	}
}

// TestAdaptiveAgrees runs random joins and aggregations of random rows under settings
// that make everything small, large or skewed, with and without re-planning.
func TestAdaptiveAgrees(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	pick := func(xs ...string) string { return xs[r.IntN(len(xs))] }
	fired := map[string]int{}
	for _, master := range []string{"local[3]", "local-cluster[2,1,256]"} {
		s := open(t, master)
		set := func(key, value string) {
			if _, err := s.SQL(t.Context(), "SET "+key+" = "+value); err != nil {
				t.Fatal(err)
			}
		}
		for range 6 {
			for i, name := range []string{"a", "b", "c"} {
				rows := r.IntN(120)
				if i > 0 && r.IntN(4) == 0 {
					rows = 0
				}
				if _, _, err := text(t, s, literals(r, name+"0", rows)); err != nil {
					t.Fatal(err)
				}
				from := fmt.Sprintf("SELECT CASE WHEN x < 8 THEN 3 ELSE k END AS k, x, s FROM %s0 WHERE s <> 'none'", name)
				if rows == 0 {
					from = fmt.Sprintf("SELECT * FROM %s0 WHERE s LIKE 'no%%'", name)
				}
				register(t, s, name, frame(t, s, from).Repartition(1+r.IntN(5)))
			}
			for range 5 {
				set("sql.shuffle.partitions", pick("2", "7", "40"))
				set("sql.broadcast.rows", pick("0", "500000"))
				set("sql.runtime.filters", pick("on", "off"))
				set("sql.adaptive.broadcast.threshold", pick("0B", "1KiB", "10MiB"))
				set("sql.adaptive.broadcast.limit", pick("0B", "1B"))
				set("sql.adaptive.skew.threshold", pick("1B", "16MiB"))
				set("sql.adaptive.advisory.size", pick("1B", "1KiB", "8MiB"))
				set("sql.adaptive.coalesce.least", pick("1B", "256KiB"))
				kinds := func() string { return pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN") }
				q := pick(
					fmt.Sprintf("SELECT a.k, a.x, b.s FROM a %s b ON a.k = b.k", kinds()),
					fmt.Sprintf("SELECT a.k, count(*), sum(b.x), min(b.s), avg(a.x) FROM a %s b ON a.k = b.k GROUP BY a.k", kinds()),
					fmt.Sprintf("SELECT a.k, b.x, c.s FROM a %s b ON a.k = b.k %s c ON a.k = c.k AND b.x < c.x", kinds(), kinds()),
					fmt.Sprintf("SELECT a.s, a.k FROM a %s JOIN b ON a.s = b.s", pick("LEFT SEMI", "LEFT ANTI")),
					"SELECT s, count(DISTINCT x), stddev(k) IS NULL FROM (SELECT * FROM a UNION ALL SELECT * FROM b) GROUP BY s",
					"SELECT k, x, row_number() OVER (PARTITION BY k ORDER BY x, s) FROM (SELECT a.k, b.x, b.s FROM a JOIN b ON a.k = b.k)",
					fmt.Sprintf("SELECT x.k, y.x, y.s FROM a x %s a y ON x.k = y.k AND x.x <= y.x", kinds()),
					fmt.Sprintf("SELECT x.k, x.x, y.n FROM (SELECT a.k, b.x FROM a JOIN b ON a.k = b.k) x %s (SELECT k, count(*) AS n FROM (SELECT a.k, b.x FROM a JOIN b ON a.k = b.k) GROUP BY k) y ON x.k = y.k", kinds()),
					"SELECT x, k IN (SELECT k FROM b), NOT EXISTS (SELECT 1 FROM c WHERE c.s = a.s) FROM a",
					"SELECT count(*), max(n) FROM (SELECT a.k, count(*) AS n FROM a JOIN c ON a.s = c.s GROUP BY a.k HAVING count(*) > 1) JOIN b USING (k)",
				)
				set("sql.adaptive.enabled", "true")
				set("sql.exchange.reuse", "true")
				on := sortedRows(t, s, q)
				_, final := plans(t, s, q)
				for _, what := range []string{"coalesced", "skewed", "is small", "computed here", "where it lies", "too large", "is empty"} {
					if strings.Contains(final, what) {
						fired[what]++
					}
				}
				set("sql.adaptive.enabled", "false")
				set("sql.exchange.reuse", "false")
				if off := sortedRows(t, s, q); !reflect.DeepEqual(on, off) {
					t.Fatalf("seed %d, %s: %s\nwith re-planning    %v\nwithout re-planning %v\n%s", seed, master, q, on, off, final)
				}
			}
		}
	}
	t.Log(fired)
}
