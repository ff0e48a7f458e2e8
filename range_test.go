package millrace_test

import (
	"testing"

	"github.com/millrace-engine/millrace"
)

// range() makes the numbers that Spark's makes, to the ends of 64 bits.
func TestRange(t *testing.T) {
	answers{
		{"SELECT count(*), sum(id), min(id), max(id) FROM range(1000000)", "1000000 499999500000 0 999999"},
		{"SELECT count(*), sum(id) FROM range(10, 20, 3)", "4 58"},
		{"SELECT count(*), sum(r.id) FROM range(5, -5, -2) AS r", "5 5"},
		{"SELECT count(*) FROM range(5, 5)", "0"},
		{"SELECT count(*) FROM range(5, 1)", "0"},
		{"SELECT count(*), min(id), max(id) FROM range(1, 100 + 1, 1, 7) WHERE id % 10 = 0", "10 10 100"},
		{"SELECT count(*), min(id) FROM range(9223372036854775800, 9223372036854775807, 5)", "2 9223372036854775800"},
		{"SELECT count(*), max(id) FROM range(-9223372036854775808, 9223372036854775807, 4611686018427387904)", "4 4611686018427387904"},
		{"SELECT a.id, count(*) FROM range(3) a JOIN range(10) b ON a.id = b.id % 3 GROUP BY 1 ORDER BY 1", "0 4 | 1 3 | 2 3"},
		{"SELECT id FROM range(100000) ORDER BY id DESC LIMIT 2", "99999 | 99998"},
		{"SELECT * FROM range()", "WRONG_NUM_ARGS"},
		{"SELECT * FROM range(1, 2, 3, 4, 5)", "WRONG_NUM_ARGS"},
		{"SELECT * FROM range(1, 2, 0)", "INVALID_PARAMETER_VALUE"},
		{"SELECT * FROM range(1, 2, 1, -1)", "INVALID_PARAMETER_VALUE"},
		{"SELECT * FROM range(1e0)", "INVALID_PARAMETER_VALUE"},
		{"SELECT * FROM range(id)", "INVALID_PARAMETER_VALUE"},
		{"SELECT * FROM nothing(1)", "UNRESOLVED_ROUTINE"},
	}.check(t)
	rows, err := millrace.CollectInto[struct{ ID int64 }](t.Context(), open(t, "local[2]").Range(10, 0, -4))
	if err != nil || len(rows) != 3 || rows[2].ID != 2 {
		t.Error(rows, err)
	}
}
