package millrace_test

import (
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
)

// answers are statements with their rows, values separated by spaces, rows by
// bars; an answer of one word in capitals is the class of the error.
type answers []struct{ query, want string }

func (as answers) check(t *testing.T) {
	t.Helper()
	s := open(t, "local[2]")
	for _, a := range as {
		rows, _, err := text(t, s, a.query)
		var lines []string
		for _, r := range rows {
			lines = append(lines, strings.Join(r, " "))
		}
		got := strings.Join(lines, " | ")
		if err != nil {
			got = string(diag.ClassOf(err))
		}
		if got != a.want {
			t.Errorf("%s\n   got %s\n  want %s\n%v", a.query, got, a.want, err)
		}
	}
}

// EXTRACT of seconds has their fraction, in the session's zone and before 1970,
// and of intervals their sign.
func TestExtractSeconds(t *testing.T) {
	answers{
		{"SELECT extract(second FROM ts), typeof(extract(second FROM ts)), second(ts) FROM VALUES (TIMESTAMP '2019-08-12 01:00:59.123456') t(ts)", "59.123456 decimal(8,6) 59"},
		{"SELECT extract(sec FROM TIMESTAMP '1960-08-12 01:00:59.9'), date_part('SECONDS', TIMESTAMP_NTZ '2019-10-01 00:00:01.000001')", "59.900000 1.000001"},
		{"SELECT extract(second FROM DATE '2020-01-01'), extract(second FROM INTERVAL '-1:02.5' MINUTE TO SECOND), extract(day FROM INTERVAL '3 1' DAY TO HOUR), extract(month FROM INTERVAL '1-7' YEAR TO MONTH)", "0.000000 -2.500000 3 7"},
		{"SELECT extract(second FROM 5)", "DATATYPE_MISMATCH"},
	}.check(t)
}

// A view cannot be made of itself.
func TestViewOfItself(t *testing.T) {
	s := open(t, "local[1]")
	if _, _, err := text(t, s, "CREATE TEMP VIEW v AS SELECT 1 AS x"); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"CREATE OR REPLACE TEMP VIEW v AS SELECT * FROM v", "CREATE OR REPLACE TEMP VIEW v(a, b) AS SELECT 1"} {
		if _, _, err := text(t, s, query); diag.ClassOf(err) != diag.InvalidQuery {
			t.Errorf("%s: %v", query, err)
		}
	}
	if rows, _, err := text(t, s, "SELECT * FROM v"); err != nil || len(rows) != 1 {
		t.Errorf("the view is gone: %v %v", rows, err)
	}
}

// Grouping sets: keys that a set leaves out are null, grouping() tells; equal sets
// count each; aggregates see the rows as they are.
func TestGroupingSets(t *testing.T) {
	const rows = " FROM VALUES ('a', 'x', 1), ('a', 'y', 2), ('b', 'x', 3), (NULL, 'x', 4) t(g, h, v) "
	answers{
		{"SELECT g, h, sum(v), grouping(g), grouping(h), grouping_id(), grouping_id(h, g)" + rows + "GROUP BY ROLLUP (g, h) ORDER BY 6, g, h",
			"NULL x 4 0 0 0 0 | a x 1 0 0 0 0 | a y 2 0 0 0 0 | b x 3 0 0 0 0 | NULL NULL 4 0 1 1 2 | a NULL 3 0 1 1 2 | b NULL 3 0 1 1 2 | NULL NULL 10 1 1 3 3"},
		{"SELECT g, count(*) AS c" + rows + "GROUP BY CUBE (g) HAVING count(*) > 1 OR grouping(g) = 1 ORDER BY c", "a 2 | NULL 4"},
		{"SELECT upper(g) AS u, count(DISTINCT h), sum(v)" + rows + "GROUP BY GROUPING SETS ((upper(g)), ()) ORDER BY u, 3", "NULL 1 4 | NULL 2 10 | A 2 3 | B 1 3"},
		{"SELECT g, h, count(*)" + rows + "GROUP BY g, GROUPING SETS ((h), (h), ()) HAVING g = 'a' ORDER BY g, h", "a NULL 2 | a x 1 | a x 1 | a y 1 | a y 1"},
		{"SELECT g, sum(sum(v)) OVER (PARTITION BY grouping(g))" + rows + "GROUP BY ROLLUP (g) ORDER BY 1, 2", "NULL 10 | NULL 10 | a 10 | b 10"},
		{"SELECT g, count(g), count(*)" + rows + "GROUP BY ROLLUP (g) ORDER BY 3, 1 LIMIT 2", "NULL 0 1 | b 1 1"},
		{"SELECT max(v), (SELECT count(*) FROM VALUES ('a'), ('b') u(g) WHERE u.g = t.g)" + rows + "GROUP BY ROLLUP (g) ORDER BY 1, 2", "2 1 | 3 1 | 4 0 | 4 0"},
		{"SELECT v + 1" + rows + "GROUP BY ROLLUP (v + 1) ORDER BY v + 1 DESC LIMIT 2", "5 | 4"},
		{"SELECT sum(v)" + rows + "WHERE v > 9 GROUP BY ROLLUP (g)", ""},
		{"SELECT v" + rows + "GROUP BY ROLLUP (g)", "MISSING_AGGREGATION"},
		{"SELECT grouping(g)" + rows + "GROUP BY g", "INVALID_QUERY"},
		{"SELECT grouping(h)" + rows + "GROUP BY ROLLUP (g)", "INVALID_QUERY"},
	}.check(t)
}

// With ALL, rows count as often as they are there; nulls are equal.
func TestSetOperationsAll(t *testing.T) {
	const a, b = "SELECT * FROM VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL), (2, NULL), (3, 'z') t(n, s) ", "SELECT * FROM VALUES (1, 'x'), (2, NULL), (2, NULL), (2, NULL), (4, 'z') u(n, s) "
	answers{
		{a + "INTERSECT ALL " + b + "ORDER BY n", "1 x | 2 NULL | 2 NULL"},
		{a + "EXCEPT ALL " + b + "ORDER BY n", "1 x | 1 x | 3 z"},
		{b + "EXCEPT ALL " + a + "ORDER BY n", "2 NULL | 4 z"},
		{a + "INTERSECT " + b + "ORDER BY n", "1 x | 2 NULL"},
	}.check(t)
}

// Rollups of real size are the union of their groupings.
func TestRollupAgrees(t *testing.T) {
	s := openTPCH(t, "local[2]")
	const sets = "SELECT l_returnflag AS f, l_shipmode AS m, l_linestatus AS s, sum(l_quantity) AS q, count(DISTINCT l_suppkey) AS c FROM lineitem GROUP BY "
	got, _, err := text(t, s, "SELECT count(*), sum(q), sum(c) FROM ("+sets+"GROUPING SETS ((l_returnflag, l_shipmode, l_linestatus), (l_shipmode), ()))")
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := text(t, s, "SELECT count(*), sum(q), sum(c) FROM ("+sets+"1, 2, 3 UNION ALL "+
		"SELECT NULL, l_shipmode, NULL, sum(l_quantity), count(DISTINCT l_suppkey) FROM lineitem GROUP BY 2 UNION ALL "+
		"SELECT NULL, NULL, NULL, sum(l_quantity), count(DISTINCT l_suppkey) FROM lineitem)")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got[0], " ") != strings.Join(want[0], " ") || got[0][0] != "36" {
		t.Errorf("got %v, want %v", got, want)
	}
}
