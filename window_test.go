package millrace_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/settings"
)

// cell is a row of the table that the random windows are computed over: its group,
// key and value may be null.
type cell struct {
	id      int
	g, o, v *int
}

func maybe(r *rand.Rand, n int) *int {
	if r.IntN(6) == 0 {
		return nil
	}
	x := r.IntN(n) - n/3
	return &x
}

func written(p *int) string {
	if p == nil {
		return "NULL"
	}
	return fmt.Sprint(*p)
}

// compareNulls orders nulls first.
func compareNulls(a, b *int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(*a, *b)
}

// bound is an end of a frame: so many rows or key units away, or unbounded.
type bound struct {
	unbounded bool
	n         int // negative before
}

func (b bound) sql(start bool) string {
	switch {
	case b.unbounded && start:
		return "UNBOUNDED PRECEDING"
	case b.unbounded:
		return "UNBOUNDED FOLLOWING"
	case b.n == 0:
		return "CURRENT ROW"
	case b.n < 0:
		return fmt.Sprintf("%d PRECEDING", -b.n)
	}
	return fmt.Sprintf("%d FOLLOWING", b.n)
}

// inFrame says naively whether row j of a sorted partition is in the frame of row i.
func inFrame(part []cell, i, j int, rows bool, desc bool, start, end bound) bool {
	if rows {
		return (start.unbounded || j >= i+start.n) && (end.unbounded || j <= i+end.n)
	}
	a, b := part[i].o, part[j].o
	way := compareNulls(b, a)
	if desc {
		way = -way
	}
	side := func(x bound, sign int) bool { // whether b is on the inner side of a's bound
		switch {
		case x.unbounded:
			return true
		case x.n == 0 || a == nil:
			return sign*way <= 0
		case b == nil: // before or behind all keys
			return sign*way <= 0
		}
		d := *b - *a
		if desc {
			d = -d
		}
		return sign*d <= sign*x.n
	}
	return side(start, -1) && side(end, 1)
}

// naive computes a function for row i of its sorted partition.
func naive(fn string, part []cell, i int, in func(j int) bool) string {
	var seen []int
	rows := 0
	var first, last *int
	some := false
	for j := range part {
		if !in(j) {
			continue
		}
		if rows++; !some {
			first, some = part[j].v, true
		}
		last = part[j].v
		if part[j].v != nil {
			seen = append(seen, *part[j].v)
		}
	}
	sum := 0
	for _, x := range seen {
		sum += x
	}
	rank, dense := 1, 1
	for j := 1; j <= i; j++ {
		if compareNulls(part[j-1].o, part[j].o) != 0 {
			rank, dense = j+1, dense+1
		}
	}
	switch fn {
	case "count(*)":
		return fmt.Sprint(rows)
	case "count(v)":
		return fmt.Sprint(len(seen))
	case "first_value(v)":
		return written(first)
	case "last_value(v)":
		return written(last)
	case "row_number()":
		return fmt.Sprint(i + 1)
	case "rank()":
		return fmt.Sprint(rank)
	case "dense_rank()":
		return fmt.Sprint(dense)
	case "lag(v, 2)":
		if i < 2 {
			return "NULL"
		}
		return written(part[i-2].v)
	case "lead(v, 1, id)":
		if i+1 >= len(part) {
			return fmt.Sprint(part[i].id)
		}
		return written(part[i+1].v)
	case "lag(v) IGNORE NULLS":
		for j := i - 1; j >= 0; j-- {
			if part[j].v != nil {
				return written(part[j].v)
			}
		}
		return "NULL"
	case "first_value(v) IGNORE NULLS":
		if len(seen) > 0 {
			return fmt.Sprint(seen[0])
		}
		return "NULL"
	case "nth_value(v, 2) IGNORE NULLS":
		if len(seen) > 1 {
			return fmt.Sprint(seen[1])
		}
		return "NULL"
	}
	if len(seen) == 0 {
		return "NULL"
	}
	switch fn {
	case "sum(v)":
		return fmt.Sprint(sum)
	case "min(v)":
		return fmt.Sprint(slices.Min(seen))
	case "max(v)":
		return fmt.Sprint(slices.Max(seen))
	case "avg(v * 1.0BD)": // decimal(16,5)
		return fmt.Sprintf("%.5f", float64(sum)/float64(len(seen)))
	}
	panic(fn)
}

// Window functions agree with a naive interpreter at random: functions, partitions,
// orders, frames, sizes of batches.
func TestWindowsAtRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	framed := []string{"count(*)", "count(v)", "sum(v)", "min(v)", "max(v)", "avg(v * 1.0BD)", "first_value(v)", "last_value(v)", "first_value(v) IGNORE NULLS", "nth_value(v, 2) IGNORE NULLS"}
	frameless := []string{"row_number()", "rank()", "dense_rank()", "lag(v, 2)", "lead(v, 1, id)", "lag(v) IGNORE NULLS"}
	for round := range 60 {
		s := open(t, "local[2]", millrace.WithSetting(settings.BatchRows, []string{"1", "3", "8192"}[r.IntN(3)]), millrace.WithSetting(settings.ShufflePartitions, fmt.Sprint(r.IntN(4))))
		n := 1 + r.IntN(120)
		groups, keys := 1+r.IntN(5), 2+r.IntN(20)
		table := make([]cell, n)
		values := make([]string, n)
		for i := range table {
			table[i] = cell{i, maybe(r, groups), maybe(r, keys), maybe(r, 50)}
			values[i] = fmt.Sprintf("(%d, %s, %s, %s)", i, written(table[i].g), written(table[i].o), written(table[i].v))
		}
		rows, desc := r.IntN(2) == 0, r.IntN(2) == 0
		start, end := bound{r.IntN(3) == 0, r.IntN(9) - 4}, bound{r.IntN(3) == 0, r.IntN(9) - 4}
		if r.IntN(4) == 0 { // wide ones go another way
			start.n, end.n = -30-r.IntN(20), 30+r.IntN(20)
		}
		if !start.unbounded && !end.unbounded && start.n > end.n {
			start, end = end, start
		}
		fn := framed[r.IntN(len(framed))]
		withFrame := r.IntN(3) > 0
		if !withFrame {
			fn = frameless[r.IntN(len(frameless))]
		}
		order := "o"
		if desc {
			order = "o DESC"
		}
		// Ranks and RANGE look at equal keys; the others need a total order.
		ties := fn == "rank()" || fn == "dense_rank()" || withFrame && !rows
		if !ties {
			order += ", id"
		}
		over := "PARTITION BY g ORDER BY " + order
		if withFrame {
			over += fmt.Sprintf(" %s BETWEEN %s AND %s", map[bool]string{true: "ROWS", false: "RANGE"}[rows], start.sql(true), end.sql(false))
		}
		if ties && (strings.HasPrefix(fn, "first") || strings.HasPrefix(fn, "last") || strings.HasPrefix(fn, "nth")) {
			continue // which of equal rows comes first is not defined
		}
		query := fmt.Sprintf("SELECT id, %s OVER (%s) FROM VALUES %s t(id, g, o, v)", fn, over, strings.Join(values, ", "))
		got, _, err := text(t, s, query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		sorted := slices.Clone(table)
		slices.SortFunc(sorted, func(a, b cell) int {
			way := compareNulls(a.o, b.o)
			if desc {
				way = -way
			}
			return cmp.Or(compareNulls(a.g, b.g), way, cmp.Compare(a.id, b.id))
		})
		want := map[string]string{}
		for from := 0; from < n; {
			to := from
			for to < n && compareNulls(sorted[from].g, sorted[to].g) == 0 {
				to++
			}
			part := sorted[from:to]
			for i := range part {
				want[fmt.Sprint(part[i].id)] = naive(fn, part, i, func(j int) bool { return inFrame(part, i, j, rows, desc, start, end) })
			}
			from = to
		}
		if len(got) != n {
			t.Fatalf("%d rows of %d: %s", len(got), n, query)
		}
		for _, row := range got {
			if row[1] != want[row[0]] {
				t.Fatalf("round %d, seed %d: row %s has %s, want %s\n%s", round, seed, row[0], row[1], want[row[0]], query)
			}
		}
	}
}

// Partitions longer than batches, many short ones, and none at all: windows agree
// with aggregation and joins.
func TestLargeWindows(t *testing.T) {
	s := openTPCH(t, "local[2]")
	for query, want := range map[string]string{
		"SELECT count(*) FROM (SELECT l_orderkey, sum(l_quantity) OVER (PARTITION BY l_orderkey) AS w FROM lineitem) a JOIN (SELECT l_orderkey AS k, sum(l_quantity) AS s FROM lineitem GROUP BY 1) b ON k = l_orderkey AND w = s":                                                                                                                                             "60175",
		"SELECT count(*), max(n) FROM (SELECT row_number() OVER (ORDER BY l_orderkey, l_linenumber) AS n FROM lineitem)":                                                                                                                                                                                                                                                       "60175 60175",
		"SELECT count(*) FROM (SELECT l_returnflag AS f, sum(l_quantity) OVER (PARTITION BY l_returnflag ORDER BY l_orderkey, l_linenumber) AS s, row_number() OVER (PARTITION BY l_returnflag ORDER BY l_orderkey DESC, l_linenumber DESC) AS n FROM lineitem) JOIN (SELECT l_returnflag AS k, sum(l_quantity) AS q FROM lineitem GROUP BY 1) ON f = k AND s = q WHERE n = 1": "3",
		"SELECT max(c), min(c) FROM (SELECT count(*) OVER (PARTITION BY l_returnflag ORDER BY l_orderkey, l_linenumber ROWS BETWEEN 1000 PRECEDING AND 1000 FOLLOWING) AS c FROM lineitem)":                                                                                                                                                                                    "2001 1001",
		"SELECT count(*) FROM (SELECT l_suppkey FROM (SELECT l_suppkey, rank() OVER (PARTITION BY l_suppkey ORDER BY l_shipdate) AS r FROM lineitem) WHERE r = 1 AND l_suppkey = 7 GROUP BY l_suppkey)":                                                                                                                                                                        "1",
	} {
		rows, _, err := text(t, s, query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if got := strings.Join(rows[0], " "); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	if _, err := s.SQL(context.Background(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
}

// What windows are, and what they refuse.
func TestWindows(t *testing.T) {
	const t3 = " FROM VALUES ('a', 1, 10), ('a', 2, NULL), ('a', 2, 30), ('b', 5, 7) t(g, o, v)"
	answers{
		{"SELECT percent_rank() OVER w, cume_dist() OVER w, ntile(3) OVER w" + t3 + " WINDOW w AS (ORDER BY o) ORDER BY o", "0.0 0.25 1 | 0.3333333333333333 0.75 1 | 0.3333333333333333 0.75 2 | 1.0 1.0 3"},
		{"SELECT g, sum(v), rank() OVER (ORDER BY sum(v) DESC), sum(sum(v)) OVER ()" + t3 + " GROUP BY g ORDER BY g", "a 40 1 47 | b 7 2 47"},
		{"SELECT o, v" + t3 + " ORDER BY row_number() OVER (ORDER BY v DESC NULLS LAST) LIMIT 2", "2 30 | 1 10"},
		{"SELECT count(*) FILTER (WHERE v > 8) OVER (), bool_and(v > 8) OVER (PARTITION BY g), stddev(v) OVER (PARTITION BY g)" + t3 + " ORDER BY g, o LIMIT 1", "2 true 14.142135623730951"},
		{"SELECT sum(x) OVER (ORDER BY d RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) FROM VALUES (DATE '2024-01-01', 1), (DATE '2024-01-02', 2), (DATE '2024-01-04', 4) t(d, x) ORDER BY d", "1 | 3 | 4"},
		{"SELECT sum(x) OVER (ORDER BY d RANGE BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM VALUES (DATE '2024-01-01', 1), (DATE '2024-01-02', 2), (DATE '2024-01-04', 4) t(d, x) ORDER BY d", "NULL | 1 | 2"},
		{"SELECT sum(x) OVER (ORDER BY f RANGE 0.5 PRECEDING) FROM VALUES (1.0D, 1), (1.5D, 2), (CAST('NaN' AS DOUBLE), 4) t(f, x) ORDER BY f", "1 | 3 | 4"},
		{"SELECT first(x, true), last(x) IGNORE NULLS FROM VALUES (NULL), (3), (NULL) t(x)", "3 3"},
		{"SELECT * FROM (SELECT g, o, row_number() OVER (PARTITION BY g ORDER BY o DESC) AS n" + t3 + ") WHERE n = 1 AND g = 'a'", "a 2 1"},
		{"SELECT DISTINCT g, max(o) OVER (PARTITION BY g) + 1 AS m" + t3 + " ORDER BY g", "a 3 | b 6"},
		{"SELECT sum(o) OVER (PARTITION BY g, 1 ORDER BY o), lag(v, 1, 0) OVER (PARTITION BY g ORDER BY o, v)" + t3 + " ORDER BY g, o, v LIMIT 2", "1 0 | 5 10"},
		{"SELECT row_number() OVER ()" + t3, "INVALID_QUERY"},
		{"SELECT upper(g) OVER ()" + t3, "INVALID_QUERY"},
		{"SELECT o" + t3 + " WHERE row_number() OVER (ORDER BY o) = 1", "INVALID_QUERY"},
		{"SELECT g" + t3 + " GROUP BY rank() OVER (ORDER BY g)", "INVALID_QUERY"},
		{"SELECT sum(rank() OVER (ORDER BY o))" + t3, "INVALID_QUERY"},
		{"SELECT sum(rank() OVER (ORDER BY o)) OVER ()" + t3, "INVALID_QUERY"},
		{"SELECT g" + t3 + " GROUP BY g HAVING row_number() OVER (ORDER BY g) = 1", "INVALID_QUERY"},
		{"SELECT rank() OVER (ORDER BY o ROWS 2 PRECEDING)" + t3, "INVALID_QUERY"},
		{"SELECT sum(o) OVER (ORDER BY o ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING)" + t3, "INVALID_QUERY"},
		{"SELECT sum(o) OVER (ORDER BY g RANGE 1 PRECEDING)" + t3, "DATATYPE_MISMATCH"},
		{"SELECT sum(o) OVER (ORDER BY g, o RANGE 1 PRECEDING)" + t3, "INVALID_QUERY"},
		{"SELECT sum(o) OVER (ORDER BY o ROWS o PRECEDING)" + t3, "UNRESOLVED_COLUMN"},
		{"SELECT ntile(0) OVER (ORDER BY o)" + t3, "INVALID_PARAMETER_VALUE"},
		{"SELECT rank()" + t3, "INVALID_QUERY"},
		{"SELECT count(DISTINCT o) OVER ()" + t3, "UNSUPPORTED_FEATURE"},
		{"SELECT sum(v) IGNORE NULLS OVER ()" + t3, "INVALID_QUERY"},
	}.check(t)
}
