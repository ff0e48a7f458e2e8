package millrace_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestPagePruning counts the pages and rows that filters spare: ten pages of a
// sorted column in one row group, and columns beside it whose pages end elsewhere.
func TestPagePruning(t *testing.T) {
	s := open(t, "local[2]")
	ctx := context.Background()
	b := strings.Replace(ids(400), "t(id)", "u(id)", 1)
	df, err := s.SQL(ctx, "SELECT id, CASE WHEN id >= 80000 THEN id % 7 END AS n, concat('k', lpad(CAST(id AS STRING), 6, '0'), repeat('x', 80)) AS s FROM "+
		"(SELECT t.id * 400 + u.id AS id FROM "+ids(400)+" CROSS JOIN "+b+" ORDER BY 1)")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := df.Write().Option("row_group_rows", "200000").Parquet(ctx, dir); err != nil {
		t.Fatal(err)
	}
	register(t, s, "p", s.Read().Parquet(dir))
	for _, x := range []struct {
		query       string
		want        string
		pages, rows int
	}{
		{"SELECT count(*) FROM p WHERE id >= 0", "[[160000]]", 0, 160000},
		{"SELECT id, n, s FROM p WHERE id = 70000", "[[70000 NULL k070000" + strings.Repeat("x", 80) + "]]", 31, 8192},
		{"SELECT id FROM p WHERE id IN (3, 150000)", "[[3] [150000]]", 8, 16384},
		{"SELECT id FROM p WHERE id < 10 OR id > 159990", "[[0] [1] [2] [3] [4] [5] [6] [7] [8] [9] [159991] [159992] [159993] [159994] [159995] [159996] [159997] [159998] [159999]]", 8, 12544},
		{"SELECT id FROM p WHERE s >= 'k159999'", "[[159999]]", 28, 4352},
		{"SELECT min(id) FROM p WHERE n > 5", "[[80002]]", 6, 86272},
		{"SELECT max(id) FROM p WHERE n IS NULL", "[[79999]]", 6, 81920},
		{"SELECT count(*), min(p.s) FROM p JOIN (SELECT id + 100000 AS k FROM " + ids(5) + ") b ON p.id = b.k", "[[5 k100000" + strings.Repeat("x", 80) + "]]", 27, 8192},
		{"SELECT id, s FROM p ORDER BY id LIMIT 1", "[[0 k000000" + strings.Repeat("x", 80) + "]]", 27, 16384},
	} {
		rows, err := lines(t, s, x.query)
		if err != nil {
			t.Fatal(err)
		}
		pages, read := scanned(t, s, "row groups, N pages", x.query), scanned(t, s, "read N rows", x.query)
		if fmt.Sprint(rows) != x.want || pages != x.pages || read != x.rows {
			t.Errorf("%s: %.200v, %d pages pruned, %d rows read; want %s, %d, %d", x.query, rows, pages, read, x.want, x.pages, x.rows)
		}
	}
}
