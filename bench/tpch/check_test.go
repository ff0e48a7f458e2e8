package tpch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
)

// results are the types of the queries' columns by Spark's rules, as letters:
// s string, i int, b bigint, d date; numbers are the precision of decimals of
// the scale behind the point.
var results = map[int]string{
	1: "s s 25.2 25.2 38.4 38.6 19.6 19.6 19.6 b", 2: "15.2 s s b s s s s", 3: "b 38.4 d i", 4: "s b", 5: "s 38.4", 6: "38.4",
	7: "s s i 38.4", 8: "i 38.6", 9: "s i 38.4", 10: "b s 38.4 15.2 s s s s", 11: "b 36.2", 12: "s b b", 13: "b b", 14: "38.6",
	15: "b s s s 38.4", 16: "s s i b", 17: "30.6", 18: "s b b d 15.2 25.2", 19: "38.4", 20: "s s", 21: "s b", 22: "s b 25.2",
}

func schemaOf(query int) *columnar.Schema {
	s := &columnar.Schema{}
	for i, x := range strings.Fields(results[query]) {
		t, ok := map[string]columnar.Type{"s": columnar.StringType, "i": columnar.Int32Type, "b": columnar.Int64Type, "d": columnar.DateType}[x]
		if !ok {
			var p, q int
			fmt.Sscanf(x, "%d.%d", &p, &q)
			t = columnar.DecimalType(p, q)
		}
		s.Fields = append(s.Fields, columnar.Field{Name: fmt.Sprintf("c%d", i), Type: t})
	}
	return s
}

// right renders the answer as an engine does.
func right(t *testing.T, a *Answers, query int) (*columnar.Schema, [][]string) {
	t.Helper()
	schema, rows := schemaOf(query), [][]string{}
	for _, w := range a.files[query] {
		if len(w) != schema.Len() {
			t.Fatalf("q%02d: the answer has %d columns, the result %d", query, len(w), schema.Len())
		}
		row := make([]string, len(w))
		for c, f := range schema.Fields {
			_, q := quotients[query][c]
			row[c] = column{f.Type, q}.render(w[c])
		}
		rows = append(rows, row)
	}
	return schema, rows
}

func embeddedAnswers(t *testing.T, sf float64) *Answers {
	t.Helper()
	a, ok, err := AnswersAt(sf)
	if err != nil || !ok {
		t.Fatalf("scale factor %g: %v, %v", sf, ok, err)
	}
	return a
}

// The right rows are accepted; every changed digit, null, missing, added and
// misplaced row is not, at every scale factor.
func TestCheckDetects(t *testing.T) {
	for _, sf := range []float64{0.01, 0.1, 1} {
		a := embeddedAnswers(t, sf)
		for query := 1; query <= Queries; query++ {
			schema, rows := right(t, a, query)
			if len(rows) == 0 {
				t.Fatalf("q%02d at scale factor %g has no rows", query, sf)
			}
			if err := a.Check(query, schema, rows); err != nil {
				t.Errorf("scale factor %g, the right rows: %v", sf, err)
				continue
			}
			refuse := func(what string, rows [][]string, place ...string) {
				t.Helper()
				err := a.Check(query, schema, rows)
				if err == nil {
					t.Errorf("q%02d at scale factor %g: %s went unseen", query, sf, what)
					return
				}
				for _, p := range append(place, fmt.Sprintf("q%02d", query)) {
					if !strings.Contains(err.Error(), p) {
						t.Errorf("q%02d at scale factor %g: %s: the message %q does not say %q", query, sf, what, err, p)
					}
				}
			}
			for _, r := range []int{0, len(rows) / 2, len(rows) - 1} {
				for c := range schema.Fields {
					was := rows[r][c]
					for _, at := range digits(was) {
						b := []byte(was)
						b[at] = '0' + (b[at]-'0'+1)%10
						rows[r][c] = string(b)
						refuse("a changed digit of "+was, rows, "row ", "column ", "expected ", "got ")
					}
					if was != "NULL" {
						rows[r][c] = "NULL"
						refuse("a null instead of "+was, rows, "NULL")
					}
					rows[r][c] = was + " "
					refuse("a blank after "+was, rows)
					rows[r][c] = "-" + was
					refuse("a sign before "+was, rows)
					rows[r][c] = was
				}
			}
			refuse("a missing row", rows[:len(rows)-1], "rows")
			refuse("an added row", append(slices.Clone(rows), rows[len(rows)-1]), "rows")
			for i := range rows[1:] {
				if k := (&checker{query: query}); k.ties(rows[i], rows[i+1]) {
					continue
				}
				swapped := slices.Clone(rows)
				swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
				refuse("an exchange of two rows", swapped, fmt.Sprintf("row %d,", i+1))
				if i > 3 {
					break
				}
			}
			if err := a.Check(query, schema, rows); err != nil {
				t.Errorf("the right rows after all changes: %v", err)
			}
		}
	}
}

// digits returns the places of up to three digits: the first, the middle and
// the last one.
func digits(s string) []int {
	var all []int
	for i, c := range s {
		if c >= '0' && c <= '9' {
			all = append(all, i)
		}
	}
	if len(all) < 3 {
		return all
	}
	return []int{all[0], all[len(all)/2], all[len(all)-1]}
}

// Averages of another type, as an engine with other rules gives, are refused.
func TestCheckTypes(t *testing.T) {
	a := embeddedAnswers(t, 0.1)
	for query, columns := range quotients {
		for c := range columns {
			schema, rows := right(t, a, query)
			schema.Fields[c].Type = columnar.Float64Type
			if err := a.Check(query, schema, rows); err == nil || !strings.Contains(err.Error(), "type double, expected "+columns[c]) {
				t.Errorf("q%02d, column %d as a double: %v", query, c, err)
			}
		}
	}
	schema, rows := right(t, a, 4)
	schema.Fields = schema.Fields[:1]
	if a.Check(4, schema, rows) == nil {
		t.Error("a missing column went unseen")
	}
	schema, rows = right(t, a, 4)
	rows[1] = rows[1][:1]
	if a.Check(4, schema, rows) == nil {
		t.Error("a row of one value went unseen")
	}
	if (&Answers{}).Check(4, schema, rows) == nil {
		t.Error("a query without an answer is right")
	}
}

// Rows that tie may change places among themselves, as many times as they are
// there.
func TestCheckTies(t *testing.T) {
	a := &Answers{files: map[int][][]string{11: {{"1", "9.00"}, {"2", "5.00"}, {"3", "5.00"}, {"3", "5.00"}, {"4", "1.00"}}}}
	for name, c := range map[string]struct {
		keys  string
		right bool
	}{
		"as expected":          {"1 2 3 3 4", true},
		"ties exchanged":       {"1 3 2 3 4", true},
		"one of them too many": {"1 2 2 3 4", false},
		"too many of the pair": {"1 3 3 3 4", false},
		"another row":          {"1 2 3 5 4", false},
	} {
		var rows [][]string
		for i, k := range strings.Fields(c.keys) {
			rows = append(rows, []string{k, a.files[11][i][1]})
		}
		if err := a.Check(11, schemaOf(11), rows); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestColumnEqual(t *testing.T) {
	d := func(p, s int) columnar.Type { return columnar.DecimalType(p, s) }
	for _, c := range []struct {
		why       string
		t         columnar.Type
		quotient  bool
		want, got string
		equal     bool
	}{
		{"rounded down", d(19, 6), true, "25.575154611454693", "25.575155", true},
		{"not rounded", d(19, 6), true, "25.575154611454693", "25.575154", false},
		{"one above", d(19, 6), true, "25.575154611454693", "25.575156", false},
		{"negative, rounded away from zero", d(19, 1), true, "-0.25", "-0.3", true},
		{"half up", d(19, 1), true, "0.25", "0.3", true},
		{"the middle, and the double cannot tell", d(19, 1), true, "0.25", "0.2", true},
		{"near the middle, and the double can tell", d(19, 1), true, "0.2500000001", "0.2", false},
		{"a double of few decimals", d(38, 6), true, "16777216000000.123", "16777216000000.123000", true},
		{"a double that ends before the scale", d(38, 6), true, "9007199254740993.0", "9007199254740992.000000", true},
		{"further than it may be off", d(38, 6), true, "9007199254740993.0", "9007199254740983.000000", false},
		{"an exponent", d(38, 6), true, "1.5e-3", "0.001500", true},
		{"a tiny exponent", d(38, 6), true, "1e-999999999", "0.000000", true},
		{"a huge exponent", d(38, 6), true, "1e999999999", "0.000000", false},
		{"too few decimals", d(38, 6), true, "0.5", "0.5", false},
		{"no number", d(38, 6), true, "0.5", "abc.500000", false},
		{"null for a quotient", d(38, 6), true, "0.5", "NULL", false},
		{"null", d(38, 6), true, "", "NULL", true},
		{"zero is not null", d(38, 6), true, "", "0.000000", false},
		{"zeros dropped by the writer", d(15, 2), false, "5.5", "5.50", true},
		{"zeros dropped by the engine", d(15, 2), false, "5.50", "5.5", false},
		{"more decimals than the type has", d(15, 2), false, "5.501", "5.50", false},
		{"a decimal of scale 0", d(20, 0), false, "5", "5", true},
		{"a date", columnar.DateType, false, "1995-01-01", "1995-01-01", true},
		{"a date with a time, from the writer", columnar.DateType, false, "1995-01-01 00:00:00", "1995-01-01", true},
		{"a whole number is not a decimal", columnar.Int64Type, false, "7", "7.0", false},
		{"an empty string is not null", columnar.StringType, false, "", "", true},
		{"strings that look like numbers", columnar.StringType, false, "5.50", "5.5", false},
	} {
		if (column{c.t, c.quotient}).equal(c.want, c.got) != c.equal {
			t.Errorf("%s: expected %q, got %q: equal must be %v", c.why, c.want, c.got, c.equal)
		}
	}
}

func TestAnswersFrom(t *testing.T) {
	dir := t.TempDir()
	if _, err := AnswersFrom(dir); err == nil {
		t.Error("a directory without answers is accepted")
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("q04.csv", "o_orderpriority|order_count\n1-URGENT|93\n\"2-HIGH\"|103\n")
	write("q17.csv", "avg_yearly\n\n")
	a, err := AnswersFrom(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Check(4, schemaOf(4), [][]string{{"1-URGENT", "93"}, {"2-HIGH", "103"}}); err != nil {
		t.Error(err)
	}
	if err := a.Check(17, schemaOf(17), [][]string{{"NULL"}}); err != nil {
		t.Error(err)
	}
	if a.Check(5, schemaOf(5), nil) == nil {
		t.Error("a query without a file is right")
	}
	for _, text := range []string{"", "a|b\n\"x"} {
		write("q04.csv", text)
		if _, err := AnswersFrom(dir); err == nil {
			t.Errorf("the file %q is accepted", text)
		}
	}
	if _, ok, err := AnswersAt(0.37); ok || err != nil {
		t.Errorf("answers at a scale factor without: %v, %v", ok, err)
	}
}

// Every query is there once, in one statement that ends without a semicolon,
// and its result has as many columns as the answer.
func TestQueries(t *testing.T) {
	seen := map[string]bool{}
	for n := 1; n <= Queries; n++ {
		q, err := Query(n)
		if err != nil || seen[q] || strings.Contains(q, ";") {
			t.Errorf("q%02d: %v, %q", n, err, q)
		}
		seen[q] = true
		if (order[n] != nil) != strings.Contains(q, "\norder by") {
			t.Errorf("q%02d: the order of the check, %v, is not the query's", n, order[n])
		}
	}
	for _, n := range []int{-1, 0, 23} {
		if _, err := Query(n); err == nil {
			t.Errorf("there is a query %d", n)
		}
	}
}
