package millrace_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

const everyType = `SELECT * FROM VALUES
	(1, 2L, 1.5, CAST(2.25 AS DOUBLE), 'a,"b"', true, DATE '2024-02-29', TIMESTAMP '2024-02-29 12:34:56.789', CAST(12345678901234567890.12 AS DECIMAL(38,2))),
	(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(-1, -2L, -0.1, CAST('NaN' AS DOUBLE), 'x|y', false, DATE '1969-12-31', TIMESTAMP '1969-12-31 23:59:59', CAST(-1 AS DECIMAL(38,2))) t(i, l, d, f, s, b, dt, ts, w)`

// TestRoundTrip writes every flat type and reads it again.
func TestRoundTrip(t *testing.T) {
	s := open(t, "local[2]")
	ctx := context.Background()
	want, _, err := text(t, s, everyType+" ORDER BY i")
	if err != nil {
		t.Fatal(err)
	}
	df, err := s.SQL(ctx, everyType)
	if err != nil {
		t.Fatal(err)
	}
	for _, compression := range []string{"snappy", "zstd", "lz4", "gzip", "none"} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := df.Repartition(3).Write().Option("compression", compression).Parquet(ctx, dir); err != nil {
			t.Fatal(err)
		}
		got, _, err := text(t, s, "SELECT * FROM parquet.`"+dir+"` ORDER BY i")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %v\nwant %v", compression, err, got, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "_SUCCESS")); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "_temporary")); err == nil {
			t.Error("_temporary was left behind")
		}
	}
	for _, compression := range []string{"none", "lz4", "zstd"} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := df.Repartition(3).Write().Option("compression", compression).Option("record_rows", "2").Arrow(ctx, dir); err != nil {
			t.Fatal(err)
		}
		got, _, err := text(t, s, "SELECT * FROM '"+dir+"' ORDER BY i")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Arrow, %s: %v\n got %v\nwant %v", compression, err, got, want)
		}
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := df.Write().Option("header", "true").CSV(ctx, dir); err != nil {
		t.Fatal(err)
	}
	back := s.Read().Option("header", "true").Schema("i INT, l BIGINT, d DECIMAL(2,1), f DOUBLE, s STRING, b BOOLEAN, dt DATE, ts TIMESTAMP, w DECIMAL(38,2)").CSV(dir).OrderBy("i")
	r, err := back.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	if err := r.Each(func(v []string, _ []bool) error { got = append(got, append([]string{}, v...)); return nil }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("CSV:\n got %v\nwant %v", got, want)
	}
}

// TestWriteModes looks at existing, read-only and failing targets.
func TestWriteModes(t *testing.T) {
	s := open(t, "local[2]")
	ctx := context.Background()
	one, err := s.SQL(ctx, "SELECT 1 AS a")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	count := func() string {
		rows, _, err := text(t, s, "SELECT count(*), sum(a) FROM parquet.`"+dir+"`")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(rows[0], "|")
	}
	steps := []struct{ mode, want string }{{"error", "1|1"}, {"append", "2|2"}, {"ignore", "2|2"}, {"overwrite", "1|1"}}
	for _, x := range steps {
		if err := one.Write().Mode(x.mode).Parquet(ctx, dir); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != x.want {
			t.Errorf("%s: %s, want %s", x.mode, got, x.want)
		}
	}
	if err := one.Write().Parquet(ctx, dir); diag.ClassOf(err) != diag.PathExists {
		t.Errorf("existing target: %v", err)
	}
	if err := one.Write().Mode("upsert").Parquet(ctx, dir); diag.ClassOf(err) != diag.InvalidArgument {
		t.Errorf("unknown mode: %v", err)
	}
	bad, err := s.SQL(ctx, "SELECT 1 / a AS x FROM VALUES (1), (0) t(a)")
	if err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := bad.Write().Parquet(ctx, fresh); diag.ClassOf(err) != diag.DivideByZero {
		t.Errorf("failing query: %v", err)
	}
	if _, err := os.Stat(fresh); err == nil {
		t.Error("a failed write left its target behind")
	}
	if err := bad.Write().Mode("overwrite").Parquet(ctx, dir); err == nil || count() != "1|1" {
		t.Errorf("a failed overwrite touched what was there: %v", err)
	}
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // nothing is read-only to the superuser
		if err := one.Write().Parquet(ctx, filepath.Join(locked, "x")); diag.ClassOf(err) != diag.PathDenied {
			t.Errorf("read-only target: %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := one.Write().Mode("overwrite").Parquet(ctx, filepath.Join(file, "x")); err == nil {
		t.Error("a directory below a file was written")
	}
}

func TestCSVErrors(t *testing.T) {
	s := open(t, "local[2]")
	dir := t.TempDir()
	write := func(name, body string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ragged := write("ragged.csv", "a,b\n1,2\n3\n")
	wrong := write("wrong.csv", "1\n2\nx\n")
	open := write("open.csv", "1,\"a\n")
	ctx := context.Background()
	failFast := func() *millrace.Reader { return s.Read().Option("mode", "FAILFAST") }
	for _, c := range []struct {
		run  func() error
		line string
	}{
		{func() error { _, err := failFast().Option("header", "true").CSV(ragged).Collect(ctx); return err }, "line 3"},
		{func() error { _, err := failFast().Schema("a INT").CSV(wrong).Collect(ctx); return err }, "line 3, column 1"},
		{func() error { _, err := failFast().Schema("a INT, b STRING").CSV(open).Collect(ctx); return err }, "line 1"},
	} {
		err := c.run()
		if diag.ClassOf(err) != diag.MalformedRecord || !strings.Contains(err.Error(), c.line) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v, want MALFORMED_RECORD with %s and the path", err, c.line)
		}
	}
	// By default what cannot be read is null, as in Spark.
	rows, err := s.Read().Schema("a INT").CSV(wrong).Collect(ctx)
	if err != nil || len(rows) != 3 || rows[2][0] != nil {
		t.Errorf("permissive: %v %v", rows, err)
	}
	kept, _, err := text(t, s, "SELECT b, count(*) FROM csv.`"+ragged+"` WITH (header = true, mode = 'DROPMALFORMED') GROUP BY b")
	if err != nil || fmt.Sprint(kept) != "[[2 1]]" {
		t.Errorf("DROPMALFORMED: %v %v", kept, err)
	}
	rows, err = s.Read().Schema("a INT, _corrupt_record STRING").CSV(wrong).Filter("_corrupt_record IS NOT NULL").Collect(ctx)
	if err != nil || len(rows) != 1 || rows[0][0] != nil || rows[0][1] != "x" {
		t.Errorf("corrupt records: %v %v", rows, err)
	}
}
