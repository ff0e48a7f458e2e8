package tpch

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
)

// quotients names the columns that are averages or quotients, with the type that
// Spark's rules give them: in the answers they are doubles.
var quotients = map[int]map[int]string{
	1:  {6: "decimal(19,6)", 7: "decimal(19,6)", 8: "decimal(19,6)"},
	8:  {1: "decimal(38,6)"},
	14: {0: "decimal(38,6)"},
	17: {0: "decimal(30,6)"},
}

// order names the columns that each query orders by: rows that are equal in
// these may change places. Queries without an order have one row.
var order = map[int][]int{1: {0, 1}, 2: {0, 2, 1, 3}, 3: {1, 2}, 4: {0}, 5: {1}, 7: {0, 1, 2}, 8: {0}, 9: {0, 1}, 10: {2}, 11: {1}, 12: {0},
	13: {1, 0}, 15: {0}, 16: {3, 0, 1, 2}, 18: {4, 3}, 20: {0}, 21: {1, 0}, 22: {0}}

// ulps is how far the doubles of the answers may be from the true quotient, in
// units of their last place: they were divided, and summed, in doubles.
const ulps = 4

// Check compares the rows of a query's result, rendered as text by
// columnar/text (null as NULL), with the answer, and says where they differ
// first.
//
//   - Counts, sums, strings and dates are equal digit for digit, decimals with
//     all decimals of their type.
//   - Averages and quotients have the type of Spark's rules and the answer's
//     value rounded half up to it. Only where the answer's double is too close to
//     the middle between two values to tell are both right.
//   - Rows that tie in the query's order may change places, others not. Which of
//     the rows that tie at a LIMIT are in the result is not left open: in the
//     embedded answers there are none.
func (a *Answers) Check(query int, schema *columnar.Schema, rows [][]string) error {
	want, ok := a.files[query]
	if !ok {
		return fmt.Errorf("q%02d: there is no answer", query)
	}
	for c, t := range quotients[query] {
		if c < schema.Len() && schema.Fields[c].Type.String() != t {
			return fmt.Errorf("q%02d: column %s has type %s, expected %s", query, schema.Fields[c].Name, schema.Fields[c].Type, t)
		}
	}
	k := checker{query: query, schema: schema, columns: make([]column, schema.Len())}
	for c, f := range schema.Fields {
		_, q := quotients[query][c]
		k.columns[c] = column{f.Type, q}
	}
	for i, r := range want {
		if len(r) != schema.Len() {
			return fmt.Errorf("q%02d: %d columns, expected %d", query, schema.Len(), len(r))
		}
		if i < len(rows) && len(rows[i]) != schema.Len() {
			return fmt.Errorf("q%02d, row %d: %d values, but the schema has %d columns", query, i+1, len(rows[i]), schema.Len())
		}
	}
	for from, to := 0, 0; from < min(len(want), len(rows)); from = to {
		for to = from + 1; to < min(len(want), len(rows)) && k.ties(want[from], want[to]); to++ {
		}
		if err := k.group(want[from:to], rows[from:to], from); err != nil {
			return err
		}
	}
	if len(rows) != len(want) {
		return fmt.Errorf("q%02d: %d rows, expected %d", query, len(rows), len(want))
	}
	return nil
}

// checker compares the rows of one query.
type checker struct {
	query   int
	schema  *columnar.Schema
	columns []column
}

// ties reports whether two rows of the answer are equal in the query's order.
func (k *checker) ties(a, b []string) bool {
	for _, c := range order[k.query] {
		if a[c] != b[c] {
			return false
		}
	}
	return true
}

// group compares rows that may change places among themselves.
func (k *checker) group(want, got [][]string, at int) error {
	used := make([]bool, len(want))
	var failed []int
	for i, g := range got {
		j := slices.IndexFunc(want, func(w []string) bool { return k.differ(w, g) < 0 })
		for j >= 0 && used[j] { // equal rows: take the next one
			next := slices.IndexFunc(want[j+1:], func(w []string) bool { return k.differ(w, g) < 0 })
			if next < 0 {
				j = -1
				break
			}
			j += 1 + next
		}
		if j < 0 {
			failed = append(failed, i)
			continue
		}
		used[j] = true
	}
	if len(failed) == 0 {
		return nil
	}
	g, w := got[failed[0]], want[slices.Index(used, false)]
	c := k.differ(w, g)
	if c < 0 {
		return fmt.Errorf("q%02d, row %d: the row is there more often than expected", k.query, at+failed[0]+1)
	}
	return fmt.Errorf("q%02d, row %d, column %s: got %q, expected %q", k.query, at+failed[0]+1, k.schema.Fields[c].Name, g[c], k.columns[c].render(w[c]))
}

// differ returns the first column in which a row is not the answer's, or -1.
func (k *checker) differ(want, got []string) int {
	for c := range want {
		if !k.columns[c].equal(want[c], got[c]) {
			return c
		}
	}
	return -1
}

// column compares the values of one column.
type column struct {
	t        columnar.Type
	quotient bool
}

func (c column) equal(want, got string) bool {
	if c.quotient && want != "" && want != "NULL" {
		return c.near(want, got)
	}
	return c.render(want) == got
}

// render writes a value of the answer as the result's type is written: files
// hold null as nothing, and other writers drop zeros or add a time to dates.
func (c column) render(v string) string {
	if v == "" && c.t.Kind != columnar.String {
		return "NULL"
	}
	switch c.t.Kind {
	case columnar.Decimal:
		if c.quotient {
			if r, _, ok := double(v); ok {
				return r.FloatString(int(c.t.Scale)) // rounds half away from zero
			}
			return v
		}
		whole, fraction, _ := strings.Cut(v, ".")
		if f := strings.TrimRight(fraction, "0"); len(f) <= int(c.t.Scale) && v != "NULL" {
			if c.t.Scale == 0 {
				return whole
			}
			return whole + "." + f + strings.Repeat("0", int(c.t.Scale)-len(f))
		}
	case columnar.Date:
		return strings.TrimSuffix(v, " 00:00:00")
	}
	return v
}

// near reports whether a value is the answer's double, known up to ulps, rounded
// to the decimals of the type.
func (c column) near(want, got string) bool {
	w, ulp, ok := double(want)
	if !ok {
		return false
	}
	whole, fraction, _ := strings.Cut(got, ".")
	if len(fraction) != int(c.t.Scale) || strings.Trim(fraction, "0123456789") != "" || strings.Trim(strings.TrimPrefix(whole, "-"), "0123456789") != "" {
		return false
	}
	g, ok := new(big.Rat).SetString(got)
	if !ok || g.Sign() == 0 && strings.HasPrefix(got, "-") {
		return false
	}
	slack := new(big.Rat).SetFloat64(ulp * ulps)
	half := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Mul(big.NewInt(2), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.t.Scale)), nil)))
	distance := w.Sub(w, g)
	return distance.Abs(distance).Cmp(half.Add(half, slack)) <= 0
}

// double reads the text of a double as the exact number that it says, and the
// unit of the double's last place.
func double(v string) (exact *big.Rat, ulp float64, ok bool) {
	x, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return nil, 0, false
	}
	x = math.Abs(x)
	ulp = math.Nextafter(x, math.Inf(1)) - x
	if x == 0 { // perhaps of an exponent too small to write out
		return new(big.Rat), ulp, true
	}
	exact, ok = new(big.Rat).SetString(v)
	return exact, ulp, ok
}
