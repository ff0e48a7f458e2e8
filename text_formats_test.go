package millrace_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/internal/diag"
)

// TestTextFormats reads JSON and text through SQL, with filters, and writes them.
func TestTextFormats(t *testing.T) {
	s := open(t, "local[2]")
	dir := t.TempDir()
	path := filepath.Join(dir, "x.json")
	body := `{"id":1,"name":"a","at":{"x":1.5},"tags":["p","q"]}` + "\n" + `{"id":2,"name":null,"tags":[]}` + "\n" + `{"id":"three"` + "\n" + `[{"id":4},{"id":5,"at":{"x":2}}]` + "\n"
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	lines := filepath.Join(dir, "lines")
	for _, c := range []struct{ sql, want string }{
		{"DESCRIBE SELECT * FROM '" + path + "'", "[[_corrupt_record string ] [at struct<x:double> ] [id bigint ] [name string ] [tags array<string> ]]"},
		{"SELECT id, name, at, tags FROM '" + path + "' WHERE _corrupt_record IS NULL ORDER BY id",
			`[[1 a {"x":1.5} ["p","q"]] [2 NULL NULL []] [4 NULL NULL NULL] [5 NULL {"x":2.0} NULL]]`},
		{"SELECT _corrupt_record FROM json.`" + path + "` WHERE id IS NULL", `[[{"id":"three"]]`},
		{"SELECT count(*) FROM json.`" + path + "` WITH (mode = 'DROPMALFORMED')", "[[4]]"},
		{"SELECT sum(id) FROM json.`" + path + "` WHERE id > 2", "[[9]]"},
		{"SELECT count(*), max(length(value)) FROM text.`" + path + "`", "[[4 51]]"},
		{"INSERT OVERWRITE DIRECTORY '" + out + "' USING json SELECT id, concat(name, '\"') AS n FROM '" + path + "' WHERE id < 3", "[]"},
		{"SELECT value FROM text.`" + out + "` ORDER BY value", `[[{"id":1,"n":"a\""}] [{"id":2}]]`},
		{"SELECT * FROM json.`" + out + "` ORDER BY id", `[[1 a"] [2 NULL]]`},
		{"INSERT OVERWRITE DIRECTORY '" + lines + "' USING text SELECT CAST(id AS STRING) AS v FROM '" + path + "' WHERE id > 3", "[]"},
		{"SELECT sum(value) FROM text.`" + lines + "`", "[[9.0]]"},
	} {
		rows, _, err := text(t, s, c.sql)
		if got := fmt.Sprint(rows); err != nil || got != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.sql, err, got, c.want)
		}
	}
	_, err := s.Read().Option("mode", "FAILFAST").Schema("id BIGINT").JSON(path).Collect(context.Background())
	if diag.ClassOf(err) != diag.MalformedRecord {
		t.Errorf("FAILFAST: %v", err)
	}
}
