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
