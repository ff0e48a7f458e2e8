package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// cube registers a view v of n rows from 0 on, and a view t of rows made of
// its cube: n³ rows of a bigint k, 0 … n³−1, in no useful order of its digits.
func cube(t *testing.T, s *millrace.Session, n int) {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", (%d)", i)
	}
	for _, q := range []string{
		"CREATE OR REPLACE TEMP VIEW v AS SELECT * FROM VALUES " + b.String()[2:] + " v(x)",
		fmt.Sprintf("CREATE OR REPLACE TEMP VIEW t AS SELECT CAST(a.x AS BIGINT) * %d + b.x * %d + c.x AS k FROM v a CROSS JOIN v b CROSS JOIN v c", n*n, n),
	} {
		if _, _, err := text(t, s, q); err != nil {
			t.Fatal(err)
		}
	}
}

// spilled reports whether operators of a kind spilled in a query.
func spilled(t *testing.T, s *millrace.Session, operator, query string) bool {
	t.Helper()
	got, err := frame(t, s, query).Explain(context.Background(), "analyze")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)(–|[0-9.]+ [KMG]?i?B) +`+operator).FindAllStringSubmatch(got, -1)
	if len(lines) == 0 {
		t.Fatalf("no %s in\n%s", operator, got)
	}
	for _, l := range lines {
		if l[1] != "–" {
			return true
		}
	}
	return false
}

// TestSpill: queries whose operators must spill under a small budget give the
// same rows as under a large one, and give everything back.
func TestSpill(t *testing.T) {
	const rows = 62
	dir := t.TempDir()
	large := open(t, "local[2]")
	cube(t, large, rows)
	for name, c := range map[string]struct{ operator, query string }{
		"sort":     {"Sort", "SELECT k, s FROM (SELECT k, repeat(CAST(k * 7919 % 1000003 AS STRING), 9) s FROM t) ORDER BY s, k OFFSET 238000"},
		"topn":     {"TopN", "SELECT k, length(s), substr(s, 1, 9) FROM (SELECT k, repeat(CAST(k * 7919 % 1000003 AS STRING), 500) s FROM t WHERE k < 30000) ORDER BY s DESC, k LIMIT 9000"},
		"integers": {"HashAggregate", "SELECT count(*), sum(n), sum(k * m), max(x) FROM (SELECT k * 7919 % 1000003 k, count(*) n, min(k) m, max(s) x FROM (SELECT k, CAST(k AS STRING) s FROM t) GROUP BY 1)"},
		"strings":  {"HashAggregate", "SELECT count(*), sum(n), min(g), max(a) FROM (SELECT repeat(CAST(k % 200000 AS STRING), 5) g, count(*) n, avg(k) a FROM t GROUP BY 1)"},
		"distinct": {"HashAggregate", "SELECT count(*), min(s) FROM (SELECT DISTINCT repeat(CAST(k % 210000 AS STRING), 4) s FROM t)"},
		"count":    {"HashAggregate", "SELECT g, count(DISTINCT s) FROM (SELECT k % 3 g, repeat(CAST(k % 210000 AS STRING), 4) s FROM t) GROUP BY g"},
		"sets":     {"HashAggregate", "SELECT count(*), sum(k) FROM (SELECT k * 3 k FROM t UNION SELECT k * 2 FROM t EXCEPT SELECT k * 6 FROM t)"},
		"window":   {"Window", "SELECT count(*), sum(a), sum(r), max(m), sum(length(p)), sum(t), sum(d) FROM (SELECT sum(k) OVER w a, rank() OVER (ORDER BY s) r, max(s) OVER (ORDER BY s ROWS BETWEEN 20000 PRECEDING AND 300 FOLLOWING) m, lag(s, 7) OVER w p, last_value(k) OVER (ORDER BY s RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) t, count(*) OVER (ORDER BY k RANGE BETWEEN 5000 PRECEDING AND 10 PRECEDING) d FROM (SELECT k, repeat(CAST(k * 7919 % 1000003 AS STRING), 5) s FROM t) WINDOW w AS (ORDER BY s))"},
		"windows":  {"Window", "SELECT g, count(*), sum(a), sum(r), min(x) FROM (SELECT g, avg(k) OVER (PARTITION BY g ORDER BY k) a, dense_rank() OVER (PARTITION BY g ORDER BY k DESC) r, min(s) OVER (PARTITION BY g ORDER BY k ROWS BETWEEN 10 PRECEDING AND 9 PRECEDING) x FROM (SELECT if(k % 5 < 4, 0, k % 3000) g, k, repeat(CAST(k AS STRING), 9) s FROM t)) GROUP BY g"},
		"lists":    {"HashAggregate", "SELECT n, count(*) FROM (SELECT size(collect_list(s)) n, size(collect_set(k % 2)) m FROM (SELECT k % 100000 g, k, repeat(CAST(k AS STRING), 9) s FROM t) GROUP BY g) GROUP BY n"},
	} {
		t.Run(name, func(t *testing.T) {
			small := open(t, "local[2]", millrace.WithSetting("memory", "16MiB"), millrace.WithSetting("spill.dir", dir))
			cube(t, small, rows)
			before := runtime.NumGoroutine()
			want, _, err := text(t, large, c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := text(t, small, c.query)
			if err != nil {
				t.Fatal(err)
			}
			show := func(rows [][]string) string {
				out := make([]string, len(rows))
				for i, r := range rows {
					out[i] = strings.Join(r, "|")
				}
				if c.operator == "HashAggregate" {
					sort.Strings(out)
				}
				return strings.Join(out, "\n")
			}
			if a, b := show(want), show(got); a != b || len(want) == 0 {
				t.Errorf("with little memory\n%.300s\nwant\n%.300s", b, a)
			}
			if !spilled(t, small, c.operator, c.query) {
				t.Errorf("no %s spilled", c.operator)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%d files stay", len(left))
			}
			if n := small.Reserved(); n != 0 {
				t.Errorf("%d bytes stay reserved", n)
			}
			if after := runtime.NumGoroutine(); after > before+2 {
				t.Errorf("%d goroutines, %d before", after, before)
			}
		})
	}
}

// TestLongList: a list that takes most of what memory holds is made, among many
// others and without groups: what it has come to is spilled meanwhile, so that it is in
// memory once. One that takes more is refused with its size and what to do.
func TestLongList(t *testing.T) {
	s := open(t, "local[2]", millrace.WithSetting("memory", "18MiB"))
	cube(t, s, 84)
	for _, c := range [][2]string{
		{"SELECT max(n), sum(n), count(*) FROM (SELECT size(collect_list(k)) n FROM t GROUP BY if(k % 4 < 3, 0, k))", "[[444528 592704 148177]]"},
		{"SELECT size(collect_list(k)), count(*), max(k) FROM t", "[[592704 592704 592703]]"},
		{"SELECT size(collect_list(k)) FROM t WHERE k < 0", "[[0]]"},
		{"SELECT g, size(l), l[0] IS NOT NULL, l[size(l) - 1] IS NOT NULL FROM (SELECT if(k < 400000, 0, 1) g, collect_list(CAST(k AS STRING)) l FROM t GROUP BY 1) ORDER BY g", "[[0 400000 true true] [1 192704 true true]]"},
	} {
		rows, _, err := text(t, s, c[0])
		if got := fmt.Sprint(rows); err != nil || got != c[1] {
			t.Errorf("%s: %s, %v", c[0], got, err)
		}
	}
	_, _, err := text(t, s, "SELECT size(collect_list(repeat(CAST(k AS STRING), 9))) FROM t")
	var d *diag.Error
	if !errors.As(err, &d) || d.Class != diag.MemoryLimit || !strings.Contains(d.Message, "collects 592704 values") || !strings.Contains(d.Remedy, "--memory") {
		t.Errorf("a list that is too large: %v", err)
	}
	if r := s.Reserved(); r != 0 {
		t.Errorf("%d bytes stay reserved", r)
	}
}

// TestHotKey: a join of two tables in which one key has most rows beside many others
// makes 2·10¹¹ pairs. What is asked for is told by groups, so that it makes few.
func TestHotKey(t *testing.T) {
	s := open(t, "local[2]", millrace.WithSetting("memory", "32MiB"))
	cube(t, s, 84)
	for order, key := range map[string]string{"mixed": "if(k % 4 < 3, -1, k)", "at the end": "if(k < 148176, k, -1)"} {
		file := filepath.Join(t.TempDir(), "hot.parquet")
		if err := frame(t, s, "SELECT "+key+" AS key, k % 10 AS v FROM t").Write().Parquet(context.Background(), file); err != nil {
			t.Fatal(err)
		}
		q := fmt.Sprintf("SELECT x.v %% 2 p, count(*) n, sum(x.v) a, max(y.v) b, avg(y.v) c FROM '%s' x JOIN '%[1]s' y ON x.key = y.key GROUP BY 1 ORDER BY 1", file)
		if plan, err := frame(t, s, q).Explain(context.Background(), ""); err != nil || !strings.Contains(plan, "eager") {
			t.Errorf("%s, %v", plan, err)
		}
		got, _, err := text(t, s, q)
		if err != nil {
			t.Fatal(err)
		}
		// By a query of few pairs: with g the rows of each key and v, and h those of each key.
		want, _, err := text(t, s, fmt.Sprintf(`WITH g AS (SELECT key, v, count(*) n FROM '%s' GROUP BY key, v), h AS (SELECT key, count(*) n, sum(v) s, max(v) b FROM '%[1]s' GROUP BY key)
			SELECT v %% 2 p, sum(g.n * h.n), sum(g.v * g.n * h.n), max(h.b), sum(g.n * h.s) / sum(g.n * h.n) FROM g JOIN h ON g.key = h.key GROUP BY 1 ORDER BY 1`, file))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != 2 {
			t.Errorf("%s: %v, want %v", order, got, want)
		}
	}
}

// TestFewKeys: where very many pairs of few keys are expected, decimals, floating-point
// numbers, and what is computed of both sides of a join, are told by groups, too, and
// outer joins. The few rows of a key that the other table lacks come out as well.
func TestFewKeys(t *testing.T) {
	s := open(t, "local[2]", millrace.WithSetting("memory", "32MiB"))
	cube(t, s, 64)
	file := func(name, key string) string {
		path := filepath.Join(t.TempDir(), name+".parquet")
		q := "SELECT " + key + " AS key, k % 10 AS v, CAST(k % 100 AS DECIMAL(15, 2)) / 4 AS d, CAST(k % 7 AS DOUBLE) / 4 AS f, if(k % 5 = 0, NULL, CAST(k % 3 AS INT)) AS m FROM t"
		if err := frame(t, s, q).Write().Parquet(context.Background(), path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	l, r := file("l", "if(k < 3, 1, 2)"), file("r", "if(k < 3, 3, 2)")
	asked := "sum(l.d), sum(r.f), round(avg(l.d), 4), avg(r.f), sum(l.v * r.v), sum(l.f * r.f), sum(l.v + r.m), sum(l.m - r.m), sum(l.d - r.d), count(l.m * r.m), avg(l.v - r.v), max(r.d), count(*), sum(l.v + 1)"
	for _, kind := range []string{"", "LEFT", "RIGHT", "FULL"} {
		q := fmt.Sprintf("SELECT l.m, %s FROM '%s' l %s JOIN '%s' r ON l.key = r.key GROUP BY l.m ORDER BY l.m", asked, l, kind, r)
		got, _, err := text(t, s, q)
		if err != nil {
			t.Fatal(kind, err)
		}
		// Each table in groups of equal rows, which few pairs stand for.
		grouped := func(file string) string {
			return "(SELECT key, v, d, f, m, count(*) n FROM '" + file + "' GROUP BY ALL)"
		}
		want, _, err := text(t, s, fmt.Sprintf(`SELECT lm, sum(ld * w), sum(rf * w), round(sum(ld * w) / sum(if(ld IS NULL, 0, w)), 4), sum(rf * w) / sum(if(rf IS NULL, 0, w)), sum(lv * rv * w), sum(lf * rf * w),
			sum((lv + rm) * w), sum((lm - rm) * w), sum((ld - rd) * w), sum(if(lm * rm IS NULL, 0, w)), sum((lv - rv) * w) / sum(if(lv - rv IS NULL, 0, w)), max(rd), sum(w), sum((lv + 1) * w)
			FROM (SELECT l.m lm, l.d ld, l.f lf, l.v lv, r.m rm, r.d rd, r.f rf, r.v rv, coalesce(l.n, 1) * coalesce(r.n, 1) w FROM %s l %s JOIN %s r ON l.key = r.key) GROUP BY lm ORDER BY lm`, grouped(l), kind, grouped(r)))
		if err != nil {
			t.Fatal(kind, err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != 4 {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
	}
}

// TestSpillLarge: group-by, sort and a list of many million rows in 96 MiB.
func TestSpillLarge(t *testing.T) {
	if !slow {
		t.Skip("sorts and groups 20 million rows; MILLRACE_SLOW=1 runs it")
	}
	s := open(t, "local[2]", millrace.WithSetting("memory", "96MiB"))
	cube(t, s, 272)
	const n = 272 * 272 * 272
	for _, c := range []struct{ operator, query, want string }{
		{"HashAggregate", "SELECT count(*), sum(c), sum(m) FROM (SELECT k * 7919 % 1000003931 g, count(*) c, min(k) m FROM t GROUP BY 1)",
			fmt.Sprintf("%d|%d|%d", n, n, n*(n-1)/2)},
		{"Sort", fmt.Sprintf("SELECT k FROM (SELECT k, repeat(lpad(CAST(k AS STRING), 9, '0'), 4) s FROM t) ORDER BY s DESC OFFSET %d", n-2), "1\n0"},
		{"HashAggregate", "SELECT g, size(collect_list(k)) n FROM (SELECT if(k < 4000000, 0, k % 1000) g, k FROM t WHERE k < 5000000) GROUP BY g ORDER BY n DESC, g LIMIT 2", "0|4001000\n1|1000"},
		{"HashAggregate", "SELECT count(*), sum(k) FROM (SELECT DISTINCT k FROM t)", fmt.Sprintf("%d|%d", n, n*(n-1)/2)},
	} {
		if !spilled(t, s, c.operator, c.query) {
			t.Errorf("%s: nothing is spilled", c.query)
		}
		rows, _, err := text(t, s, c.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, strings.Join(r, "|"))
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: %q, want %q", c.query, got, c.want)
		}
		if r := s.Reserved(); r != 0 {
			t.Errorf("%d bytes stay reserved", r)
		}
	}
}

// TestThreshold: ORDER BY … LIMIT tells scans behind which value rows come too
// late; the rows are those of a whole sort, and scans drop others early.
func TestThreshold(t *testing.T) {
	s := openTPCH(t, "local[2]")
	pruned := 0
	for _, column := range []string{"l_orderkey", "l_shipdate", "l_extendedprice", "l_linenumber"} {
		for _, order := range []string{"", " DESC", " NULLS LAST"} {
			from := " FROM lineitem WHERE l_quantity < 30 ORDER BY " + column + order
			all, _, err := text(t, s, "SELECT "+column+from)
			if err != nil {
				t.Fatal(err)
			}
			q := "SELECT " + column + ", l_comment" + from + " LIMIT 20 OFFSET 3"
			got, _, err := text(t, s, q)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range got {
				if r[0] != all[i+3][0] {
					t.Fatalf("%s: row %d is %s, want %s", q, i, r[0], all[i+3][0])
				}
			}
			if len(got) != 20 {
				t.Errorf("%s: %d rows", q, len(got))
			}
			plan, err := frame(t, s, q).Explain(context.Background(), "analyze")
			if err != nil {
				t.Fatal(err)
			}
			if m := regexp.MustCompile(`pages, (\d+) rows`).FindStringSubmatch(plan); m != nil {
				n, _ := strconv.Atoi(m[1])
				pruned = max(pruned, n)
			}
		}
	}
	if pruned < 40_000 { // the filter alone drops 60175 / 50 * 21
		t.Errorf("%d rows are pruned at most", pruned)
	}
}
