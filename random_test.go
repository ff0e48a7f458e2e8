package millrace_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
)

// literals writes a table of random rows: a key with repeats and nulls, a
// number, a string.
func literals(r *rand.Rand, name string, rows int) string {
	var b strings.Builder
	b.WriteString("CREATE OR REPLACE TEMP VIEW " + name + " AS SELECT * FROM VALUES (CAST(NULL AS INT), CAST(NULL AS INT), CAST(NULL AS STRING))")
	for range rows {
		v := func(n int) string {
			if r.IntN(8) == 0 {
				return "NULL"
			}
			return fmt.Sprint(r.IntN(n))
		}
		s := "NULL"
		if r.IntN(8) > 0 {
			s = fmt.Sprintf("'s%d'", r.IntN(20))
		}
		fmt.Fprintf(&b, ", (%s, %s, %s)", v(rows/2+1), v(10), s)
	}
	b.WriteString(" t(k, x, s)")
	return b.String()
}

func sortedRows(t *testing.T, s *millrace.Session, q string) []string {
	t.Helper()
	rows, _, err := text(t, s, q)
	if err != nil {
		t.Fatalf("%s\n%v", q, err)
	}
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = strings.Join(r, "|")
	}
	sort.Strings(out)
	return out
}

// TestJoinsAgree joins random tables by hash and, with the equality written as
// two comparisons, by nested loops: both must give the same rows.
func TestJoinsAgree(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 12 {
		s := open(t, fmt.Sprintf("local[%d]", 1+round%3), millrace.WithSetting("sql.runtime.filters", []string{"on", "off"}[r.IntN(2)]), millrace.WithSetting("exec.batch.rows", []string{"1", "5", "8192"}[r.IntN(3)]))
		for _, name := range []string{"a", "b"} { // over exchanges, so that joins run as several tasks
			if _, _, err := text(t, s, literals(r, name+"0", r.IntN(60))); err != nil {
				t.Fatal(err)
			}
			register(t, s, name, s.Table(name+"0").Repartition(1+r.IntN(5)))
		}
		for _, key := range []string{"k", "s"} {
			for _, residual := range []string{"", " AND a.x < b.x", " AND a.x + b.x > 7"} {
				for _, kind := range []string{"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"} {
					list := "a.k, a.x, a.s, b.k, b.x, b.s"
					if strings.Contains(kind, "SEMI") || strings.Contains(kind, "ANTI") {
						list = "a.k, a.x, a.s"
					}
					q := func(eq string) string {
						return fmt.Sprintf("SELECT %s FROM a %s b ON %s%s", list, kind, eq, residual)
					}
					hash := sortedRows(t, s, q(fmt.Sprintf("a.%[1]s = b.%[1]s", key)))
					loop := sortedRows(t, s, q(fmt.Sprintf("a.%[1]s <= b.%[1]s AND a.%[1]s >= b.%[1]s", key)))
					if !reflect.DeepEqual(hash, loop) {
						t.Fatalf("seed %d: %s\nby hash  %v\nby loops %v", seed, q("a."+key+" = b."+key), hash, loop)
					}
				}
			}
			in := sortedRows(t, s, fmt.Sprintf("SELECT a.x, a.%[1]s IN (SELECT %[1]s FROM b) FROM a", key))
			counted := sortedRows(t, s, fmt.Sprintf(`SELECT x, CASE WHEN (SELECT count(*) FROM b WHERE b.%[1]s = a.%[1]s) > 0 THEN true
				WHEN (SELECT count(*) FROM b) = 0 THEN false WHEN a.%[1]s IS NULL OR (SELECT count(*) FROM b WHERE %[1]s IS NULL) > 0 THEN NULL ELSE false END FROM a`, key))
			if !reflect.DeepEqual(in, counted) {
				t.Fatalf("seed %d: IN %v\ncounted %v", seed, in, counted)
			}
		}
	}
}

// TestGroupsAgree aggregates random rows in one task and in many.
func TestGroupsAgree(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for range 6 {
		view := literals(r, "a0", 1+r.IntN(200))
		var want []string
		for _, parts := range []string{"1", "3", "200"} {
			s := open(t, "local[3]", millrace.WithSetting("sql.runtime.filters", []string{"on", "off"}[r.IntN(2)]), millrace.WithSetting("sql.shuffle.partitions", parts), millrace.WithSetting("exec.batch.rows", []string{"1", "7", "8192"}[r.IntN(3)]))
			if _, _, err := text(t, s, view); err != nil {
				t.Fatal(err)
			}
			register(t, s, "a", s.Table("a0").Repartition(4))
			got := sortedRows(t, s, `SELECT k, s, count(*), count(x), sum(x), avg(x), min(s), max(x), count(DISTINCT x), bool_or(x > 8),
				sum(x) FILTER (WHERE x > 3), sum(CAST(x AS DECIMAL(30, 2)) * 10000000000000000000) FROM a GROUP BY k, s`)
			if want == nil {
				want = got
			} else if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %s partitions:\n%v\n%v", seed, parts, got, want)
			}
		}
	}
}
