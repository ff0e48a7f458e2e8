package millrace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"github.com/millrace-engine/millrace"
)

// numbersOf is a subquery of n 0 … thousands·1000−1.
func numbersOf(thousands int) string {
	digits := "(SELECT * FROM VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9) t(x))"
	thousand := "(SELECT a.x + 10 * b.x + 100 * c.x AS n FROM " + digits + " a, " + digits + " b, " + digits + " c)"
	return fmt.Sprintf("(SELECT p.n + 1000 * q.n AS n FROM %s p, (SELECT u.n + 1000 * v.x AS n FROM %s u, %s v WHERE u.n + 1000 * v.x < %d) q)", thousand, thousand, digits, thousands)
}

// TestJoinBeyondMemory joins more rows than the budget has room for, by every
// kind that SQL has, in several tasks: the answers are those of ample memory.
// MILLRACE_SLOW=1 joins ten million rows with ten million in 96 MiB.
func TestJoinBeyondMemory(t *testing.T) {
	thousands, budget := 400, "32MiB"
	if os.Getenv("MILLRACE_SLOW") != "" {
		thousands, budget = 10_000, "96MiB"
	}
	queries := []string{
		"SELECT count(*), sum(a.v), sum(b.w), max(b.s) FROM a JOIN b ON a.k = b.k",
		"SELECT count(*), count(b.w), sum(a.v) FROM a LEFT JOIN b ON a.k = b.k AND a.v < b.w",
		"SELECT count(*), count(a.v), sum(b.w), min(b.s) FROM a RIGHT JOIN b ON a.k = b.k AND a.v < b.w",
		"SELECT count(*), count(a.v), count(b.w), sum(a.v), sum(b.w) FROM a FULL JOIN b ON a.k = b.k AND a.v < b.w",
		"SELECT count(*), sum(a.v) FROM a LEFT SEMI JOIN b ON a.k = b.k AND a.v < b.w",
		"SELECT count(*), sum(a.v) FROM a LEFT ANTI JOIN b ON a.k = b.k AND a.v < b.w",
		"SELECT count(*), sum(v) FROM a WHERE k NOT IN (SELECT k + 1 FROM b WHERE k % 3 = 0)",
		"SELECT count(*), sum(v), sum(CASE WHEN k IN (SELECT k FROM b WHERE w % 3 = 0) THEN 1 ELSE 0 END) FROM a",
	}
	ask := func(memory string) (answers [][][]string) {
		s := open(t, "local[2]", millrace.WithSetting("memory", memory))
		for name, columns := range map[string]string{
			"a": "(CAST(n AS BIGINT) * 40503) % 10000019 AS k, n AS v",
			"b": "(CAST(n AS BIGINT) * 7919 + 4000) % 10000019 AS k, n AS w, concat('text of row number ', n) AS s",
		} {
			d, err := s.SQL(t.Context(), fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS SELECT %s FROM %s", name, columns, numbersOf(thousands)))
			if err == nil {
				_, err = d.Collect(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, q := range queries {
			rows, _, err := text(t, s, q)
			if err != nil {
				t.Fatalf("%s in %s: %v", q, memory, err)
			}
			answers = append(answers, rows)
		}
		plan, _, err := text(t, s, "EXPLAIN ANALYZE "+queries[0])
		if err != nil {
			t.Fatal(err)
		}
		spills := regexp.MustCompile(`[0-9] [KMG]iB +[0-9.]+ [KMG]iB +HashJoin`).MatchString(fmt.Sprint(plan)) // reserved, spilled
		if spills != (memory == budget) {
			t.Errorf("in %s\n%v", memory, plan)
		}
		return answers
	}
	if want, got := ask("4GiB"), ask(budget); !reflect.DeepEqual(want, got) {
		t.Errorf("in %s\n%v, want\n%v", budget, got, want)
	}
}

// TestOneKeyAggregated joins rows of which all have one key with as many: the
// pairs are counted without being made.
func TestOneKeyAggregated(t *testing.T) {
	thousands := 300
	if os.Getenv("MILLRACE_SLOW") != "" {
		thousands = 3000
	}
	s := open(t, "local[2]", millrace.WithSetting("memory", "96MiB"))
	d, err := s.SQL(t.Context(), "SELECT 7 AS k, CAST(n % 10 AS INT) AS v, n FROM "+numbersOf(thousands))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "one")
	if err := d.Write().Parquet(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	rows, _, err := text(t, s, fmt.Sprintf("SELECT count(*), sum(a.v), count(b.v), max(a.n), min(b.v) FROM parquet.`%[1]s` a JOIN parquet.`%[1]s` b ON a.k = b.k WHERE a.n >= 10", dir))
	if err != nil {
		t.Fatal(err)
	}
	n := int64(thousands) * 1000
	m := n - 10
	want := [][]string{{fmt.Sprint(n * m), fmt.Sprint(m / 10 * 45 * n), fmt.Sprint(n * m), fmt.Sprint(n - 1), "0"}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("%v, want %v", rows, want)
	}
}
