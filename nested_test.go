package millrace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
)

// TestNested takes structs, arrays and maps apart in every clause, from JSON and,
// for maps, with a schema.
func TestNested(t *testing.T) {
	s := open(t, "local[2]")
	path := filepath.Join(t.TempDir(), "x.json")
	body := `{"id":1,"s":{"a":1,"B":"x","in":{"z":2.5}},"l":[1,2,3],"p":[{"u":1,"v":"a"},{"u":2,"v":null}],"m":{"k":1,"j":2}}
{"id":2,"s":null,"l":null,"p":[],"m":{}}
{"id":3,"s":{"a":null,"B":"y","in":null},"l":[null,5],"p":null,"m":null}
{"id":4,"s":{"a":7,"B":null,"in":{"z":-1.0}},"l":[9],"p":[null,{"u":4,"v":"d"}],"m":{"k":null}}
`
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	x := "'" + path + "' x"
	if _, _, err := text(t, s, "CREATE TEMPORARY VIEW m (id BIGINT, m MAP<STRING, BIGINT>) USING json OPTIONS (path '"+path+"')"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sql, want string }{
		{"DESCRIBE SELECT s.a, x.s.in.z, l[0], p.u, p[0].v, s.in FROM " + x, "[[a bigint ] [z double ] [l[0] bigint ] [u array<bigint> ] [p[0].v string ] [in struct<z:double> ]]"},
		{"SELECT id, s.a, x.s.b, s.in.z, get(l, 0), p.u FROM " + x + " ORDER BY id", "[[1 1 x 2.5 1 [1,2]] [2 NULL NULL NULL NULL []] [3 NULL y NULL NULL NULL] [4 7 NULL -1.0 9 [null,4]]]"},
		{"SELECT id FROM " + x + " WHERE s.in.z > 0 OR try_element_at(l, -1) = 5 ORDER BY s.a DESC", "[[1] [3]]"},
		{"SELECT s.b, count(*) FROM " + x + " GROUP BY s.b HAVING max(l[0]) IS NOT NULL ORDER BY 1", "[[NULL 2] [x 1]]"},
		{"SELECT y.id FROM " + x + " JOIN '" + path + "' y ON x.l[0] = y.s.a WHERE x.id = 1", "[[1]]"},
		{"SELECT element_at(l, -1), l[size(l) - 1], array_contains(l, 5) FROM " + x + " WHERE l IS NOT NULL ORDER BY id", "[[3 3 false] [5 5 true] [9 9 false]]"},
		{"SELECT p[1].u, element_at(p, 1) FROM " + x + " WHERE size(p) = 2 ORDER BY id", `[[2 {"u":1,"v":"a"}] [4 NULL]]`},
		{"SELECT m.k, m['j'], map_keys(m), map_values(m) FROM m ORDER BY id", `[[1 2 ["k","j"] [1,2]] [NULL NULL [] []] [NULL NULL NULL NULL] [NULL NULL ["k"] [null]]]`},
	} {
		rows, _, err := text(t, s, c.sql)
		if got := fmt.Sprint(rows); err != nil || got != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.sql, err, got, c.want)
		}
	}
	for sql, want := range map[string]diag.Class{
		"SELECT l[3] FROM " + x:                   diag.InvalidArrayIndex,
		"SELECT l[-1] FROM " + x:                  diag.InvalidArrayIndex,
		"SELECT element_at(l, 0) FROM " + x:       diag.InvalidArrayIndex,
		"SELECT s.c FROM " + x:                    diag.FieldNotFound,
		"SELECT s.a.b FROM " + x:                  diag.UnresolvedColumn,
		"SELECT x.q.a FROM " + x:                  diag.UnresolvedColumn,
		"SELECT l['a'] FROM " + x:                 diag.TypeMismatch,
		"SELECT array_contains(l, 2.5) FROM " + x: diag.TypeMismatch,
	} {
		if _, _, err := text(t, s, sql); diag.ClassOf(err) != want {
			t.Errorf("%s: %v, want %s", sql, err, want)
		}
	}
}
