package millrace_test

import (
	"context"
	"reflect"
	"regexp"
	"strings"
	"testing"

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
