package millrace_test

import (
	"iter"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// registerTables is a part of what TestMain gives to millrace.Main.
func registerTables(r *millrace.Registry) {
	millrace.Table1(r, "go_words", tokens)
	millrace.Table1(r, "go_count", countTo)
	millrace.Table1(r, "go_seen", seen)
	millrace.Table2(r, "go_times", repeated)
	millrace.TableVector1(r, "go_digits", digitsOf)
	millrace.TableVector2(r, "go_pairs", pairsOf)
}

type word struct {
	At   int32
	Word string
	Long *bool
	Note millrace.Null[float64]
}

func tokens(text string) iter.Seq[word] {
	return func(yield func(word) bool) {
		for i, w := range strings.Fields(text) {
			if w == "bad" {
				panic("this word is bad")
			}
			x := word{At: int32(i), Word: w}
			if len(w) > 2 {
				long := len(w) > 4
				x.Long, x.Note = &long, millrace.Null[float64]{Value: float64(len(w)) / 2, Valid: true}
			}
			if !yield(x) {
				return
			}
		}
	}
}

func countTo(n int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func seen(x millrace.Null[int64]) iter.Seq[string] {
	return func(yield func(string) bool) { yield("<" + x.String() + ">") }
}

func repeated(s string, n int32) iter.Seq[string] {
	if n < 0 {
		return nil
	}
	return func(yield func(string) bool) {
		for range n {
			if !yield(s) {
				return
			}
		}
	}
}

func digitsOf(xs []int64) iter.Seq2[int, int8] {
	return func(yield func(int, int8) bool) {
		for by := int64(1); by < 1e6; by *= 10 { // the last digit of each, then the one before …
			for i, x := range xs {
				if x/by > 0 && !yield(i, int8(x/by%10)) {
					return
				}
			}
		}
	}
}

func pairsOf(as []int64, bs []string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i := range as {
			if as[i] == 99 {
				yield(len(as), "")
			}
			if !yield(i, strings.Repeat(bs[i], int(as[i]))) {
				return
			}
		}
	}
}

// Table functions stand in FROM, behind LATERAL and in frames, here and in executors
// of their own; rows are taken as they are made.
func TestTableFunctions(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,512]"} {
		t.Run(master, func(t *testing.T) {
			s := open(t, master)
			for _, c := range []struct{ query, want string }{
				{"SELECT * FROM go_words('a bcd efghi')", "[0 a NULL NULL] [1 bcd false 1.5] [2 efghi true 2.5]"},
				{"SELECT w, at FROM go_words(upper('x y')) AS t(at, w, l, n) ORDER BY at DESC", "[Y 1] [X 0]"},
				{"SELECT * FROM go_words(NULL)", ""},
				{"SELECT * FROM LATERAL go_count(3) AS t(n)", "[0] [1] [2]"},
				{"SELECT sum(value), count(*), max(value) FROM go_count(100000)", "[4999950000 100000 99999]"},
				{"SELECT value FROM go_count(1000000000000) LIMIT 2", "[0] [1]"},
				{"SELECT id, w.word FROM VALUES (1, 'a b'), (2, NULL), (3, ''), (4, 'c') AS t(id, x), LATERAL go_words(t.x) AS w ORDER BY id, w.at", "[1 a] [1 b] [4 c]"},
				{"SELECT id, word FROM VALUES (1, 'a b'), (2, NULL), (3, ''), (4, 'c') AS t(id, x) LEFT JOIN LATERAL go_words(x) ON true ORDER BY id, at", "[1 a] [1 b] [2 NULL] [3 NULL] [4 c]"},
				{"SELECT id, word FROM VALUES (1, 'a b'), (2, 'c') AS t(id, x) JOIN LATERAL go_words(x) AS w ON w.at = id - 1 ORDER BY id", "[1 a]"},
				{"SELECT a.value, b.value FROM go_count(3) AS a, LATERAL go_count(a.value) AS b ORDER BY 1, 2", "[1 0] [2 0] [2 1]"},
				{"SELECT x, value FROM VALUES (1), (NULL) AS t(x), LATERAL go_seen(x) ORDER BY x", "[NULL <NULL>] [1 <1>]"},
				{"SELECT count(*), count(value) FROM range(0, 20000, 1, 3) AS r LEFT JOIN LATERAL go_times('x', (r.id % 3)::int) ON true", "[26666 19999]"},
				{"SELECT id, value FROM range(4) AS r, LATERAL go_times('v', r.id::int) WHERE id > 1 AND value = 'v' ORDER BY id", "[2 v] [2 v] [3 v] [3 v] [3 v]"},
				{"SELECT x, value FROM VALUES (120), (7), (NULL), (0) AS t(x), LATERAL go_digits(x) ORDER BY x, value", "[7 7] [120 0] [120 1] [120 2]"},
				{"SELECT x, count(value) FROM VALUES (120), (7), (NULL), (0) AS t(x) LEFT JOIN LATERAL go_digits(x) ON true WHERE x IS NULL OR x <> 7 GROUP BY x ORDER BY x", "[NULL 0] [0 0] [120 3]"},
				{"SELECT value FROM VALUES (2, 'ab'), (0, 'q'), (1, NULL) AS t(n, x), LATERAL go_pairs(n, x) ORDER BY 1", "[] [abab]"},
				{"SELECT id, (SELECT sum(value) FROM go_count(r.id)) FROM range(4) AS r ORDER BY id", "[0 NULL] [1 0] [2 1] [3 3]"},
				{"SELECT id FROM range(5) AS r WHERE EXISTS (SELECT 1 FROM go_count(r.id) WHERE value = 2) ORDER BY id", "[3] [4]"},
				{"SELECT word, count(*) FROM range(3), LATERAL go_words('b a b') GROUP BY word ORDER BY word", "[a 3] [b 6]"},
				{"SELECT k, count(*) FROM (SELECT id % 5 AS k FROM range(1000)) AS t, LATERAL go_count(k) GROUP BY k ORDER BY k", "[1 200] [2 400] [3 600] [4 800]"},
				{"SELECT count(*) FROM go_count(0) AS t JOIN go_count(3) AS u ON t.value = u.value", "[0]"},
			} {
				if got := rendered(t, s, c.query); got != c.want {
					t.Errorf("%s\n got %s\nwant %s", c.query, got, c.want)
				}
			}
			for _, c := range []struct {
				query string
				class diag.Class
				says  string
			}{
				{"SELECT * FROM go_words('a bad')", diag.FunctionFailed, "go_words failed for \"a bad\": this word is bad"},
				{"SELECT * FROM go_pairs(99, 'x')", diag.FunctionFailed, "for value 1 of 1"},
				{"SELECT go_words('a')", diag.InvalidQuery, "is a table function"},
				{"SELECT * FROM go_wrods('a')", diag.UnresolvedRoutine, "did you mean go_words?"},
				{"SELECT * FROM go_clean('a')", diag.InvalidQuery, "go_clean is not a table function"},
				{"SELECT * FROM go_words(1, 2)", diag.WrongArguments, "go_words takes 1 arguments, not 2"},
				{"SELECT * FROM VALUES ('a') AS t(x), go_words(x)", diag.UnresolvedColumn, ""},
				{"SELECT * FROM VALUES ('a') AS t(x) RIGHT JOIN LATERAL go_words(x) ON true", diag.InvalidQuery, "right join"},
				{"SELECT * FROM VALUES ('a') AS t(x) LEFT JOIN LATERAL go_words(x) AS w ON w.at = 1", diag.Unsupported, "ON true"},
			} {
				_, err := rows(t, s, c.query)
				if e := failure(err); e == nil || e.Class != c.class || !strings.Contains(e.Error()+e.Remedy, c.says) {
					t.Errorf("%s: %v", c.query, err)
				}
			}
			frame := s.TableFunction("go_words", "'x yy'").Select("word").OrderBy("word")
			if got := collected(t, frame); got != "[x] [yy]" {
				t.Error(got)
			}
			left := s.TableFunction("go_count", millrace.Lit(3)).Select("value AS n")
			if got := collected(t, left.Lateral("go_times", "'a'", "n::int").Select("n", "value").OrderBy("n")); got != "[1 a] [2 a] [2 a]" {
				t.Error(got)
			}
			if got := collected(t, left.LateralOuter("go_times", millrace.Lit("a"), "n::int").Select("n", "value").OrderBy("n")); got != "[0 NULL] [1 a] [2 a] [2 a]" {
				t.Error(got)
			}
		})
	}
}

func collected(t *testing.T, d *millrace.DataFrame) string {
	t.Helper()
	got, err := d.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return shownRows(got)
}
