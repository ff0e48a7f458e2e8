package millrace_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var exchanges = regexp.MustCompile(`(?m)^stage \d+ .*→ exchange`)

// TestExchangeReuse: exchanges that hold the same rows are one, which EXPLAIN shows, and
// answers are the same; those that only look alike are not.
func TestExchangeReuse(t *testing.T) {
	exchanged := []string{"sql.broadcast.rows", "0", "sql.shuffle.partitions", "8"}
	joined := "(SELECT ps_partkey AS k, ps_supplycost AS c FROM partsupp JOIN supplier ON ps_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey WHERE n_name = 'GERMANY')"
	for _, c := range []struct {
		name, master string
		conf         []string
		query        string
		less         int // exchanges than without
	}{
		{"both sides of a join", "local-cluster[2,1,256]", exchanged,
			"SELECT count(*), max(a.l_orderkey) FROM lineitem a JOIN lineitem b ON a.l_orderkey = b.l_orderkey", 1},
		{"both sides of a join, skewed", "local-cluster[2,1,256]", append([]string{"sql.adaptive.skew.threshold", "1KiB", "sql.adaptive.advisory.size", "1KiB", "sql.adaptive.broadcast.threshold", "0B"}, exchanged...),
			"SELECT a.k, count(*) FROM skewed a JOIN skewed b ON a.k = b.k GROUP BY a.k", 2}, // and what makes the view
		{"more partitions than are told each", "local-cluster[2,1,256]", []string{"sql.broadcast.rows", "0", "sql.shuffle.partitions", "2001"},
			"SELECT count(*), max(a.o_custkey) FROM orders a JOIN orders b ON a.o_custkey = b.o_custkey", 1},
		{"joins below, with runtime filters", "local-cluster[2,1,256]", nil,
			"SELECT x.k, x.c FROM " + joined + " x, (SELECT avg(c) AS a FROM " + joined + ") y WHERE x.c > y.a", 2},
		{"with one executor", "local[2]", nil,
			"SELECT x.k, x.c FROM " + joined + " x, (SELECT avg(c) AS a FROM " + joined + ") y WHERE x.c > y.a", 2},
		{"another filter", "local-cluster[2,1,256]", exchanged,
			"SELECT count(*) FROM (SELECT * FROM orders WHERE o_orderkey > 7) a JOIN (SELECT * FROM orders WHERE o_orderkey > 8) b ON a.o_orderkey = b.o_orderkey", 0},
		{"another key", "local-cluster[2,1,256]", exchanged,
			"SELECT count(*) FROM (SELECT o_orderkey, o_custkey FROM orders) a JOIN (SELECT o_orderkey, o_custkey FROM orders) b ON a.o_orderkey = b.o_custkey", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openTPCH(t, c.master, with(c.conf...)...)
			register(t, s, "skewed", frame(t, s, "SELECT CASE WHEN o_orderkey < 1000 THEN 1 ELSE o_orderkey END AS k FROM orders").Repartition(6))
			run := func(reuse string) (n int, rows []string, plan string) {
				if _, err := s.SQL(t.Context(), "SET sql.exchange.reuse = "+reuse); err != nil {
					t.Fatal(err)
				}
				plan, err := frame(t, s, c.query).Explain(t.Context(), "formatted")
				if err != nil {
					t.Fatal(err)
				}
				return len(exchanges.FindAllString(plan, -1)), sortedRows(t, s, c.query), plan
			}
			with, on, plan := run("true")
			without, off, _ := run("false")
			if without-with != c.less || !reflect.DeepEqual(on, off) {
				t.Errorf("%d exchanges, %d without; %d rows, %d without, or others\n%s", with, without, len(on), len(off), plan)
			}
		})
	}
}

// TestExchangesOfTheirOwn: what counts for an accumulator counts at each place; what
// reads a cached table, or calls a function that may say something else, is its reader's.
func TestExchangesOfTheirOwn(t *testing.T) {
	s := openTPCH(t, "local-cluster[2,1,256]", with("sql.broadcast.rows", "0", "sql.shuffle.partitions", "4")...)
	keys := s.LongAccumulator("keys")
	register(t, s, "counted", frame(t, s, "SELECT o_orderkey AS k FROM orders").Accumulate(keys, "k"))
	twice := "SELECT count(*) FROM counted a JOIN counted b ON a.k = b.k"
	if rows := sortedRows(t, s, twice); len(rows) != 1 || keys.Count() != 2*15000 {
		t.Errorf("%v, counted %d", rows, keys.Count())
	}
	if _, err := s.SQL(t.Context(), "CACHE TABLE kept AS SELECT o_orderkey AS k FROM orders"); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"kept", "(SELECT o_orderkey AS k FROM orders WHERE go_content('x') <> o_comment)"} {
		plan, err := frame(t, s, strings.ReplaceAll(twice, "counted", own)+" AND a.k > 0").Explain(t.Context(), "formatted")
		if err != nil || len(exchanges.FindAllString(plan, -1)) < 3 {
			t.Errorf("%v\n%s", err, plan)
		}
	}
}
