package engine_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/engine"
	"github.com/millrace-engine/millrace/bench/harness"
)

// talk sends requests and returns the replies.
func talk(t *testing.T, requests ...harness.Request) []harness.Reply {
	t.Helper()
	var in, out bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, r := range requests {
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Serve(t.Context(), &in, &out, "test"); err != nil {
		t.Fatal(err)
	}
	var list []harness.Reply
	for dec := json.NewDecoder(&out); dec.More(); {
		var r harness.Reply
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	if len(list) != len(requests) {
		t.Fatalf("%d replies to %d requests", len(list), len(requests))
	}
	return list
}

func line(r harness.Reply, row int) string {
	var s []string
	for _, v := range r.Rows[row] {
		if v == nil {
			s = append(s, "NULL")
		} else {
			s = append(s, *v)
		}
	}
	return strings.Join(s, " ")
}

// A session answers queries with rows on demand, and counts what it did.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	s, err := millrace.Open(t.Context(), "local[1]")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	df, err := s.SQL(t.Context(), "SELECT * FROM VALUES (1, 'a', 1.50), (2, NULL, 2.25) AS v(i, s, d)")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "t.parquet")
	if err := df.Write().Parquet(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	r := talk(t,
		harness.Request{Op: "run", SQL: "SELECT 1"},
		harness.Request{Op: "open", Threads: 2, Memory: 1 << 30, Tables: map[string]string{"t": path}},
		harness.Request{Op: "run", SQL: "SELECT i, s, d FROM t ORDER BY i", Rows: true},
		harness.Request{Op: "run", SQL: "SELECT i FROM t WHERE i > 1"},
		harness.Request{Op: "run", SQL: "SELECT nothing FROM t"},
		harness.Request{Op: "dance"})
	if !strings.Contains(r[0].Error, "open session") {
		t.Errorf("before open: %+v", r[0])
	}
	if r[1].Error != "" || r[1].Version != "test" || r[1].Settings["master"] != "local[2]" || r[1].Settings["memory"] != "1048576KiB" {
		t.Errorf("open: %+v", r[1])
	}
	q := r[2]
	if q.Error != "" || q.Count != 2 || len(q.Rows) != 2 || line(q, 0) != "1 a 1.50" || line(q, 1) != "2 NULL 2.25" || q.Columns[2] != (harness.Column{Name: "d", Type: "decimal(3,2)"}) {
		t.Errorf("rows: %+v", q)
	}
	if q.MS <= 0 || q.Runtime == nil || q.Runtime.Batches == 0 || q.Runtime.Operators == 0 || q.Runtime.Allocs == 0 {
		t.Errorf("figures: %+v, %+v", q, q.Runtime)
	}
	if r[3].Count != 1 || r[3].Rows != nil {
		t.Errorf("without rows: %+v", r[3])
	}
	if !strings.Contains(r[4].Error, "UNRESOLVED_COLUMN") || !strings.Contains(r[5].Error, "dance") {
		t.Errorf("errors: %q, %q", r[4].Error, r[5].Error)
	}
}

// A result above the limit is sent as the sample that every engine takes.
func TestSample(t *testing.T) {
	digits := "(SELECT * FROM VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9) AS v(d))"
	sql := "SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d AS n FROM " +
		strings.Join([]string{digits + " a", digits + " b", digits + " c", digits + " e", digits + " f",
			"(SELECT * FROM VALUES (0), (1) AS v(d)) g"}, " CROSS JOIN ") + " ORDER BY n"
	r := talk(t, harness.Request{Op: "open", Threads: 1}, harness.Request{Op: "run", SQL: sql, Rows: true})[1]
	if r.Error != "" || r.Count != 200_000 || !r.Sampled || len(r.Rows) != len(harness.Places(r.Count)) {
		t.Fatalf("%d rows of %d, sampled %v: %s", len(r.Rows), r.Count, r.Sampled, r.Error)
	}
	for i, at := range []string{"0", "200", "400"} {
		if line(r, i) != at {
			t.Errorf("row %d of the sample is %s", i, line(r, i))
		}
	}
	if line(r, len(r.Rows)-1) != "199999" {
		t.Errorf("the last row is %s", line(r, len(r.Rows)-1))
	}
}

// A CSV file becomes Parquet, again over what is there, and is read back.
func TestConvert(t *testing.T) {
	dir := t.TempDir()
	csv, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out")
	if err := os.WriteFile(csv, []byte("a,b,c\n1,x,2.50\n2,y,3.25\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	req := harness.Request{Op: "convert", CSV: csv, Out: out, Rows: true, SQL: "SELECT sum(a), max(b), sum(c) FROM converted",
		Columns: []harness.Column{{Name: "a", Type: "BIGINT"}, {Name: "b", Type: "VARCHAR"}, {Name: "c", Type: "DECIMAL(15,2)"}}}
	for i, r := range talk(t, harness.Request{Op: "open", Threads: 1}, req, req)[1:] {
		if r.Error != "" || len(r.Rows) != 1 || line(r, 0) != "3 y 5.75" || r.MS <= 0 {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

// A profile is written, and the answer is still one.
func TestProfile(t *testing.T) {
	out := filepath.Join(t.TempDir(), "q.pprof")
	r := talk(t, harness.Request{Op: "open", Threads: 1}, harness.Request{Op: "run", SQL: "SELECT 1", Profile: out}, harness.Request{Op: "run", SQL: "SELECT", Profile: out})
	if b, err := os.ReadFile(out); err != nil || len(b) == 0 || r[1].Count != 1 || r[2].Error == "" {
		t.Errorf("%d bytes, %+v (%v)", len(b), r[1:], err)
	}
}
