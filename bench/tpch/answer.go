package tpch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

//go:embed answers/*.tar.gz
var embedded embed.FS

// Answers are the expected rows of the queries at one scale factor.
type Answers struct{ files map[int][][]string }

// AnswersAt returns the embedded answers of a scale factor; ok is false if there
// are none.
func AnswersAt(sf float64) (a *Answers, ok bool, err error) {
	b, err := embedded.ReadFile("answers/sf" + strconv.FormatFloat(sf, 'f', -1, 64) + ".tar.gz")
	if err != nil {
		return nil, false, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, false, err
	}
	a = &Answers{files: map[int][][]string{}}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return a, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		var n int
		if _, err := fmt.Sscanf(filepath.Base(h.Name), "q%02d.csv", &n); err != nil {
			continue
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return nil, false, err
		}
		if a.files[n], err = parse(string(text)); err != nil {
			return nil, false, err
		}
	}
}

// AnswersFrom reads q01.csv … out of a directory.
func AnswersFrom(dir string) (*Answers, error) {
	a := &Answers{files: map[int][][]string{}}
	for n := 1; n <= Queries; n++ {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("q%02d.csv", n)))
		if err == nil {
			if a.files[n], err = parse(string(b)); err != nil {
				return nil, diag.New(diag.MalformedRecord, "the answer of query %d in %s cannot be read: %v", n, dir, err).WithPath(dir)
			}
		}
	}
	if len(a.files) == 0 {
		return nil, diag.New(diag.PathNotFound, "the directory %s holds no answers", dir).WithPath(dir).WithRemedy("it needs files q01.csv to q22.csv, separated by |")
	}
	return a, nil
}

// parse reads an answer file: separated by |, quoted where needed, with a header.
func parse(s string) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(s))
	r.Comma, r.FieldsPerRecord = '|', -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	if len(rows) == 1 && strings.Count(strings.TrimRight(s, "\r"), "\n") > 1 { // one row of one null is an empty line
		rows = append(rows, []string{""})
	}
	return rows[1:], nil
}

// quotient names the columns that are averages or quotients, with the type that
// Spark's rules give them: in the answers they are doubles.
var quotient = map[int]map[int]string{
	1:  {6: "decimal(19,6)", 7: "decimal(19,6)", 8: "decimal(19,6)"},
	8:  {1: "decimal(38,6)"},
	14: {0: "decimal(38,6)"},
	17: {0: "decimal(30,6)"},
}

// Check compares the rows of a query's result, rendered as text, with the
// answer: every value digit for digit, averages and quotients rounded to the
// scale of their type. Rows that tie in the query's order may change places.
func (a *Answers) Check(query int, schema *columnar.Schema, rows [][]string) error {
	want, ok := a.files[query]
	if !ok {
		return fmt.Errorf("q%02d: there is no answer", query)
	}
	for c, t := range quotient[query] {
		if c < schema.Len() && schema.Fields[c].Type.String() != t {
			return fmt.Errorf("q%02d: column %s has type %s, Spark's is %s", query, schema.Fields[c].Name, schema.Fields[c].Type, t)
		}
	}
	if len(rows) != len(want) {
		return fmt.Errorf("q%02d: %d rows, expected %d", query, len(rows), len(want))
	}
	norm := make([][]string, len(want))
	for i, r := range want {
		if len(r) != schema.Len() {
			return fmt.Errorf("q%02d: %d columns, expected %d", query, schema.Len(), len(r))
		}
		norm[i] = make([]string, len(r))
		for c, v := range r {
			if _, ok := quotient[query][c]; ok {
				v = round(v, int(schema.Fields[c].Type.Scale))
			}
			norm[i][c] = plain(v)
		}
	}
	got := make([][]string, len(rows))
	for i, r := range rows {
		got[i] = make([]string, len(r))
		for c, v := range r {
			got[i][c] = plain(v)
		}
	}
	same := func(a, b []string) int {
		for c := range a {
			if a[c] != b[c] {
				return c
			}
		}
		return -1
	}
	for i := range norm {
		if same(norm[i], got[i]) >= 0 {
			// Perhaps only the order of ties differs.
			x, y := sorted(norm), sorted(got)
			for k := range x {
				if c := same(x[k], y[k]); c >= 0 {
					c = same(norm[i], got[i])
					return fmt.Errorf("q%02d, row %d, column %s: got %q, expected %q", query, i+1, schema.Fields[c].Name, got[i][c], norm[i][c])
				}
			}
			return ties(query, norm, got)
		}
	}
	return nil
}

// order names the columns that each query orders by: rows that differ in
// these may not change places.
var order = map[int][]int{1: {0, 1}, 2: {0, 2, 1, 3}, 3: {1, 2}, 4: {0}, 5: {1}, 7: {0, 1, 2}, 8: {0}, 9: {0, 1}, 10: {2}, 11: {1}, 12: {0},
	13: {1, 0}, 15: {0}, 16: {3, 0, 1, 2}, 18: {4, 3}, 20: {0}, 21: {1, 0}, 22: {0}}

func ties(query int, want, got [][]string) error {
	for i := range want {
		for _, c := range order[query] {
			if want[i][c] != got[i][c] {
				return fmt.Errorf("q%02d, row %d: the rows are not in the query's order", query, i+1)
			}
		}
	}
	return nil
}

func sorted(rows [][]string) [][]string {
	out := append([][]string{}, rows...)
	sort.Slice(out, func(i, j int) bool { return strings.Join(out[i], "|") < strings.Join(out[j], "|") })
	return out
}

// round rounds a decimal text half up to a number of decimals.
func round(v string, scale int) string {
	r, ok := new(big.Rat).SetString(v)
	if !ok {
		return v
	}
	return r.FloatString(scale)
}

// plain drops zeros behind the decimal point, and the time of dates at
// midnight, which other writers add; null is empty.
func plain(v string) string {
	if v == "NULL" {
		return ""
	}
	if i := strings.IndexByte(v, '.'); i > 0 && strings.Trim(v[i+1:], "0123456789") == "" && strings.Trim(v[:i], "-0123456789") == "" {
		v = strings.TrimRight(v, "0")
		return strings.TrimSuffix(v, ".")
	}
	return strings.TrimSuffix(v, " 00:00:00")
}
