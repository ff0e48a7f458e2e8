package millrace_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// registerFunctions is what TestMain gives to millrace.Main.
func registerFunctions(r *millrace.Registry) {
	millrace.Scalar1(r, "go_clean", clean)
	millrace.Scalar1(r, "go_half", half)
	millrace.Scalar1(r, "go_content", contentOf, millrace.Volatile())
	millrace.Scalar1(r, "go_or_none", orNone)
	millrace.Scalar1(r, "go_even", even)
	millrace.Scalar1(r, "go_year", yearOf)
	millrace.Scalar2(r, "go_scale", scale)
	millrace.Scalar3(r, "go_between", within)
	millrace.Vector1(r, "go_double", doubled)
	millrace.Vector2(r, "go_add", added)
	millrace.Aggregate1(r, "go_mean", millrace.Aggregate[meanState, float64, millrace.Null[float64]]{Zero: meanZero, Add: meanAdd, Merge: meanMerge, Result: meanResult})
	millrace.Aggregate1(r, "go_longest", millrace.Aggregate[string, string, string]{Zero: noText, Add: longer, Merge: longer, Result: sameText})
}

func clean(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }
func orNone(s millrace.Null[string]) string {
	if !s.Valid {
		return "none"
	}
	return s.Value
}
func even(x int64) bool                 { return x%2 == 0 }
func yearOf(t time.Time) int            { return t.UTC().Year() }
func scale(x float64, by int32) float64 { return x * float64(by) }
func within(x, low, high int64) bool    { return low <= x && x <= high }
func half(x int64) millrace.Null[float64] {
	if x == 13 {
		panic(errors.New("thirteen has no half"))
	}
	return millrace.Null[float64]{Value: float64(x) / 2, Valid: x%2 == 0}
}
func doubled(as, out []int64) {
	for i, a := range as {
		out[i] = 2 * a
	}
}
func added(as []string, bs []string, out []string) {
	for i := range as {
		out[i] = as[i] + bs[i]
	}
}

type meanState struct {
	Sum   float64
	Count int
}

func meanZero() meanState                      { return meanState{} }
func meanAdd(s meanState, x float64) meanState { return meanState{s.Sum + x, s.Count + 1} }
func meanMerge(a, b meanState) meanState       { return meanState{a.Sum + b.Sum, a.Count + b.Count} }
func meanResult(s meanState) millrace.Null[float64] {
	return millrace.Null[float64]{Value: s.Sum / float64(s.Count), Valid: s.Count > 0}
}
func noText() string { return "" }
func longer(a, b string) string {
	if len(b) > len(a) || len(b) == len(a) && b > a {
		return b
	}
	return a
}
func sameText(s string) string { return s }

// Functions of the program give the same in this process and in executors of their
// own, with selections, nulls, constants and dictionaries.
func TestGoFunctions(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[2,1,512]"} {
		t.Run(master, func(t *testing.T) {
			s := open(t, master)
			for _, c := range []struct{ query, want string }{
				{"SELECT go_clean(x) FROM VALUES (' a '), (NULL), ('b') AS t(x) ORDER BY x", "[NULL] [A] [B]"},
				{"SELECT go_clean(' constant ')", "[CONSTANT]"},
				{"SELECT go_clean(NULL)", "[NULL]"},
				{"SELECT go_half(x) FROM VALUES (1), (2), (NULL) AS t(x) ORDER BY x", "[NULL] [NULL] [1]"},
				{"SELECT go_half(x) FROM VALUES (12), (13), (14) AS t(x) WHERE x <> 13 ORDER BY x", "[6] [7]"},
				{"SELECT go_or_none(x) FROM VALUES ('a'), (NULL) AS t(x) ORDER BY 1", "[a] [none]"},
				{"SELECT count(*) FROM VALUES (1), (2), (4), (NULL) AS t(x) WHERE go_even(x)", "[2]"},
				{"SELECT go_year(TIMESTAMP '2024-05-06 07:08:09')", "[2024]"},
				{"SELECT go_scale(x, 3) FROM VALUES (1.5), (NULL) AS t(x) ORDER BY 1", "[NULL] [4.5]"},
				{"SELECT go_between(x, 2, 3) FROM VALUES (1), (2), (NULL) AS t(x) ORDER BY x", "[NULL] [false] [true]"},
				{"SELECT go_double(x) FROM VALUES (1), (NULL), (3) AS t(x) ORDER BY x", "[NULL] [2] [6]"},
				{"SELECT go_add(x, '!') FROM VALUES ('a'), ('b') AS t(x) ORDER BY x", "[a!] [b!]"},
				{"SELECT k, go_mean(x), go_longest(y) FROM VALUES ('a', 1, 'x'), ('a', 2, 'xyz'), ('b', NULL, 'q'), ('c', 5, NULL) AS t(k, x, y) GROUP BY k ORDER BY k", "[a 1.5 xyz] [b NULL q] [c 5 ]"},
				{"SELECT go_mean(x) FROM VALUES (1) AS t(x) WHERE x > 1", "[NULL]"},
				{"SELECT sum(go_even(x)::int), go_mean(x) FROM (SELECT x FROM VALUES (1), (2), (3) AS t(x))", "[1 2]"},
			} {
				if got := rendered(t, s, c.query); got != c.want {
					t.Errorf("%s\n got %s\nwant %s", c.query, got, c.want)
				}
			}
			_, err := rows(t, s, "SELECT go_half(x) FROM VALUES (12), (13) AS t(x)")
			if e := failure(err); e == nil || e.Class != diag.FunctionFailed || !strings.Contains(e.Error(), "go_half failed for 13: thirteen has no half") || !strings.Contains(e.Error(), "function_test.go:") {
				t.Errorf("a panic: %v", err)
			}
			if got := rendered(t, s, "SELECT 1"); got != "[1]" { // the executor serves on
				t.Error(got)
			}
			_, err = rows(t, s, "SELECT go_claen('x')")
			if err == nil || !strings.Contains(err.Error(), "go_clean") {
				t.Errorf("no nearest name: %v", err)
			}
		})
	}
}

func failure(err error) *diag.Error {
	var e *diag.Error
	errors.As(err, &e)
	return e
}

// rows runs a query.
func rows(t *testing.T, s *millrace.Session, query string) ([]millrace.Row, error) {
	d, err := s.SQL(t.Context(), query)
	if err != nil {
		return nil, err
	}
	r, err := d.Collect(t.Context())
	if err != nil {
		return nil, err
	}
	return r, nil
}

func rendered(t *testing.T, s *millrace.Session, query string) string {
	t.Helper()
	got, err := rows(t, s, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return shownRows(got)
}

func shownRows(got []millrace.Row) string {
	var parts []string
	for _, r := range got {
		parts = append(parts, strings.ReplaceAll(fmt.Sprint(r), "<nil>", "NULL"))
	}
	return strings.Join(parts, " ")
}

// What a function captures would differ between processes.
func TestGoFunctionRefused(t *testing.T) {
	by := 3
	for name, register := range map[string]func(*millrace.Registry){
		"a closure": func(r *millrace.Registry) { millrace.Scalar1(r, "f", func(x int64) int64 { return x * int64(by) }) },
		"a method": func(r *millrace.Registry) {
			millrace.Scalar1(r, "f", time.Time.String)
			millrace.Scalar1(r, "g", time.Now().Add)
		},
		"nil":            func(r *millrace.Registry) { millrace.Scalar1[int64, int64](r, "f", nil) },
		"a channel":      func(r *millrace.Registry) { millrace.Scalar1(r, "f", ofChannel) },
		"a builtin":      func(r *millrace.Registry) { millrace.Scalar1(r, "upper", clean) },
		"the same twice": func(r *millrace.Registry) { millrace.Scalar1(r, "f", clean); millrace.Scalar1(r, "f", clean) },
		"no name":        func(r *millrace.Registry) { millrace.Scalar1(r, "a b", clean) },
		"a state":        func(r *millrace.Registry) { millrace.Aggregate1(r, "f", millrace.Aggregate[any, string, string]{}) },
		"no aggregation": func(r *millrace.Registry) { millrace.Aggregate1(r, "f", millrace.Aggregate[string, string, string]{}) },
	} {
		if err := millrace.RegistrationError(register); failure(err) == nil {
			t.Errorf("%s is registered: %v", name, err)
		}
	}
}

func ofChannel(c chan int) int { return 0 }
