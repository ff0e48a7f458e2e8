package millrace_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// scanned runs EXPLAIN ANALYZE and returns a counter of its scans, added up.
func scanned(t *testing.T, s *millrace.Session, counter, query string) int {
	t.Helper()
	rows, _, err := text(t, s, "EXPLAIN ANALYZE "+query)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range regexp.MustCompile(strings.Replace(regexp.QuoteMeta(counter), "N", `(\d+)`, 1)).FindAllStringSubmatch(rows[0][0], -1) {
		x, _ := strconv.Atoi(m[1])
		n += x
	}
	return n
}

// ids is a relation of the numbers below n.
func ids(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", (%dL)", i)
	}
	return "(VALUES " + b.String()[2:] + ") t(id)"
}

// below lists the files under a directory, without their names.
func below(t *testing.T, dir string) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && info.Name() != "_SUCCESS" {
			rel, _ := filepath.Rel(dir, filepath.Dir(p))
			out[rel]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const cities = `SELECT v, y, d, c FROM VALUES
	(1, 2024, DATE '2024-02-29', 'Köln'),
	(2, 2024, DATE '2024-02-29', 'a/b=c %d?'),
	(3, 2025, DATE '2025-01-01', NULL),
	(4, NULL, DATE '2025-01-01', 'x y'),
	(5, 2025, NULL, 'Köln') t(v, y, d, c)`

// TestPartitionedWrite writes directories and reads them again, in each format.
func TestPartitionedWrite(t *testing.T) {
	s := open(t, "local[2]")
	ctx := context.Background()
	df, err := s.SQL(ctx, cities)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := text(t, s, "SELECT v, y, d, c FROM ("+cities+") ORDER BY v")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"parquet", "csv", "arrow"} {
		dir := filepath.Join(t.TempDir(), "out")
		w := df.Repartition(2).Write().PartitionBy("y", "D", "c")
		if format == "csv" {
			w = w.Option("header", "true")
		}
		if err := w.Save(ctx, format, dir); err != nil {
			t.Fatal(err)
		}
		dirs := below(t, dir)
		for _, d := range []string{"y=2024/d=2024-02-29/c=Köln", "y=2024/d=2024-02-29/c=a%2Fb%3Dc %25d%3F", "y=2025/d=2025-01-01/c=__HIVE_DEFAULT_PARTITION__", "y=__HIVE_DEFAULT_PARTITION__/d=2025-01-01/c=x y"} {
			if dirs[d] != 1 {
				t.Errorf("%s: no %s among %v", format, d, dirs)
			}
		}
		if _, err := lines(t, s, "CREATE OR REPLACE TEMP VIEW back USING "+format+" OPTIONS (path '"+dir+"'"+map[string]string{"csv": ", header 'true', inferSchema 'true'"}[format]+")"); err != nil {
			t.Fatal(err)
		}
		got, err := lines(t, s, "SELECT * FROM back ORDER BY v")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %v\nwant %v", format, err, got, want)
		}
		types, err := lines(t, s, "DESCRIBE back")
		if err != nil || fmt.Sprint(types) != "[[v int "+map[string]string{"parquet": "not null", "arrow": "not null"}[format]+"] [y int ] [d date ] [c string ]]" {
			t.Errorf("%s: %v %v", format, types, err)
		}
		for q, n := range map[string]int{
			"SELECT v FROM back WHERE y = 2024":                               2,
			"SELECT v FROM back WHERE y IS NULL":                              1,
			"SELECT v FROM back WHERE c = 'Köln' AND d = DATE '2024-02-29'":   1,
			"SELECT v FROM back WHERE y + 1 > 2025":                           2,
			"SELECT v FROM back WHERE c LIKE 'a%' OR c IS NULL AND y <> 2024": 2,
			"SELECT v FROM back WHERE y = 1999":                               0,
		} {
			rows, err := lines(t, s, q)
			if err != nil || len(rows) != n {
				t.Errorf("%s: %s: %v %v", format, q, rows, err)
			}
			if read := scanned(t, s, "read N rows", q); read != n {
				t.Errorf("%s: %s: %d rows were read, want %d", format, q, read, n)
			}
		}
		for q, want := range map[string]string{
			"SELECT count(*), count(y) FROM back":                               "[[5 4]]",
			"SELECT DISTINCT c FROM back WHERE y = 2024":                        "[[Köln] [a/b=c %d?]]",
			"SELECT max(d), y FROM back GROUP BY y ORDER BY y":                  "[[2025-01-01 NULL] [2024-02-29 2024] [2025-01-01 2025]]",
			"SELECT v FROM back WHERE v + y = 2028":                             "[[3]]",
			"SELECT a.v FROM back a JOIN back b ON a.y = b.v+b.y AND a.y = b.y": "[]",
			"SELECT y FROM back WHERE v = 4 OR y = 2024":                        "[[NULL] [2024] [2024]]",
		} {
			rows, err := lines(t, s, "SELECT * FROM ("+q+") ORDER BY 1")
			if strings.Contains(q, "GROUP") {
				rows, err = lines(t, s, q)
			}
			if err != nil || fmt.Sprint(rows) != want {
				t.Errorf("%s: %s: %v %v", format, q, rows, err)
			}
		}
	}
}

func lines(t *testing.T, s *millrace.Session, query string) ([][]string, error) {
	t.Helper()
	rows, _, err := text(t, s, query)
	return rows, err
}

// TestManyPartitions writes more directories than a task may have files open,
// with rows in an order that makes it come back to each.
func TestManyPartitions(t *testing.T) {
	s := open(t, "local[2]", millrace.WithSetting("exec.batch.rows", "500"))
	ctx := context.Background()
	df, err := s.SQL(ctx, "SELECT id, id % 150 AS k FROM "+ids(6000))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	if err := df.Write().PartitionBy("k").Parquet(ctx, dir); err != nil {
		t.Fatal(err)
	}
	dirs := below(t, dir)
	files := 0
	for _, n := range dirs {
		files += n
	}
	if len(dirs) != 150 || files != 150 {
		t.Errorf("%d directories with %d files, want 150 with one each", len(dirs), files)
	}
	rows, err := lines(t, s, "SELECT count(*), sum(id), count(DISTINCT k), sum(CASE WHEN id % 150 = k THEN 1 ELSE 0 END) FROM parquet.`"+dir+"`")
	if err != nil || fmt.Sprint(rows) != "[[6000 17997000 150 6000]]" {
		t.Errorf("%v %v", rows, err)
	}
	// A join drops directories while it runs.
	q := "SELECT sum(p.id) FROM parquet.`" + dir + "` p JOIN (SELECT CAST(id * 70 AS INT) AS k FROM " + ids(3) + ") b ON p.k = b.k"
	if rows, err = lines(t, s, q); err != nil || fmt.Sprint(rows) != "[[359400]]" {
		t.Errorf("join: %v %v", rows, err)
	}
	if read := scanned(t, s, "read N rows", q); read > 1000 {
		t.Errorf("join: %d rows were read of 120", read)
	}
}

// TestPartitionedModes replaces, adds to and fails to write partitioned tables.
func TestPartitionedModes(t *testing.T) {
	s := open(t, "local[2]")
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "out")
	write := func(mode, query string) error {
		df, err := s.SQL(ctx, query)
		if err != nil {
			t.Fatal(err)
		}
		return df.Write().Mode(mode).PartitionBy("k").Parquet(ctx, dir)
	}
	count := func() string {
		rows, err := lines(t, s, "SELECT k, count(*) FROM parquet.`"+dir+"` GROUP BY k ORDER BY k")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(rows)
	}
	for _, x := range []struct{ mode, query, want string }{
		{"error", "SELECT 1L AS a, 1 AS k", "[[1 1]]"},
		{"append", "SELECT id AS a, id AS k FROM " + ids(3), "[[0 1] [1 2] [2 1]]"},
		{"overwrite", "SELECT 7L AS a, 9 AS k", "[[9 1]]"},
	} {
		if err := write(x.mode, x.query); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != x.want {
			t.Errorf("%s: %s, want %s", x.mode, got, x.want)
		}
	}
	if err := write("overwrite", "SELECT 1 / (id - 5) AS a, id AS k FROM "+ids(9)); diag.ClassOf(err) != diag.DivideByZero || count() != "[[9 1]]" {
		t.Errorf("a failing query: %v, then %s", err, count())
	}
	if dirs := below(t, dir); len(dirs) != 1 || dirs["k=9"] != 1 {
		t.Errorf("a failed write left %v", dirs)
	}
	if err := write("append", "SELECT 1 AS a, 'x' AS k, 2 AS K"); err == nil {
		t.Error("an ambiguous column was accepted")
	}
	if err := write("append", "SELECT 1 AS a, repeat('x', 300) AS k"); diag.ClassOf(err) != diag.InvalidArgument {
		t.Errorf("a long name: %v", err)
	}
	rows, err := lines(t, s, "INSERT OVERWRITE DIRECTORY '"+dir+"' USING parquet PARTITIONED BY (k) SELECT 1 AS a, DATE '2020-01-01' AS k")
	if err != nil || count() != "[[2020-01-01 1]]" {
		t.Errorf("SQL: %v %v %s", rows, err, count())
	}
}

// TestPartitionDirectories reads directories that others made.
func TestPartitionDirectories(t *testing.T) {
	s := open(t, "local[2]")
	type file struct{ path, text string }
	for name, x := range map[string]struct {
		files   []file
		query   string // %s is the directory
		want    string
		class   diag.Class
		message string
	}{
		"int":         {files: []file{{"k=1/a.csv", "x\n"}, {"k=007/a.csv", "y\n"}}, want: "[[x 1 int] [y 7 int]]"},
		"bigint":      {files: []file{{"k=1/a.csv", "x\n"}, {"k=5000000000/a.csv", "y\n"}}, want: "[[x 1 bigint] [y 5000000000 bigint]]"},
		"decimal":     {files: []file{{"k=1/a.csv", "x\n"}, {"k=12345678901234567890/a.csv", "y\n"}}, want: "[[x 1 decimal(20,0)] [y 12345678901234567890 decimal(20,0)]]"},
		"double":      {files: []file{{"k=1/a.csv", "x\n"}, {"k=1.5/a.csv", "y\n"}}, want: "[[x 1.0 double] [y 1.5 double]]"},
		"date":        {files: []file{{"k=2024-02-29/a.csv", "x\n"}, {"k=__HIVE_DEFAULT_PARTITION__/a.csv", "y\n"}}, want: "[[x 2024-02-29 date] [y NULL date]]"},
		"no date":     {files: []file{{"k=2024-02-30/a.csv", "x\n"}}, want: "[[x 2024-02-30 string]]"},
		"mixed":       {files: []file{{"k=2024-02-29/a.csv", "x\n"}, {"k=1/a.csv", "y\n"}}, want: "[[x 2024-02-29 string] [y 1 string]]"},
		"all null":    {files: []file{{"k=__HIVE_DEFAULT_PARTITION__/a.csv", "y\n"}}, want: "[[y NULL string]]"},
		"escaped":     {files: []file{{"k=%C3%A4%2Fb%zz/a.csv", "x\n"}}, want: "[[x ä/b%zz string]]"},
		"below":       {files: []file{{"2024/k=1/a.csv", "x\n"}}, want: "[[x 1 int]]"},
		"hidden":      {files: []file{{"_k=1/a.csv", "x\n"}, {".k=2/a.csv", "y\n"}}, query: "SELECT _c0, _k, 'int' FROM csv.`%s`", want: "[[x 1 int]]"},
		"inside":      {files: []file{{"j=2/k=1/a.csv", "x\n"}}, query: "SELECT * FROM csv.`%s/j=2`", want: "[[x 1]]"},
		"by name":     {files: []file{{"k=1/a.csv", "x\n"}}, query: "SELECT * FROM csv.`%s/k=1/a.csv`", want: "[[x]]"},
		"extension":   {files: []file{{"k=1/a.csv", "x\n"}}, query: "SELECT * FROM '%s'", want: "[[x 1]]"},
		"conflict":    {files: []file{{"k=1/a.csv", "x\n"}, {"j=1/a.csv", "x\n"}}, class: diag.TypeMismatch, message: "different partition directories"},
		"some":        {files: []file{{"k=1/a.csv", "x\n"}, {"a.csv", "x\n"}}, class: diag.TypeMismatch, message: "different partition directories"},
		"twice":       {files: []file{{"k=1/K=2/a.csv", "x\n"}}, class: diag.InvalidArgument, message: "twice"},
		"empty value": {files: []file{{"k=/a.csv", "x\n"}}, class: diag.InvalidArgument, message: "no value"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range x.files {
				p := filepath.Join(dir, filepath.FromSlash(f.path))
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(f.text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if x.query == "" {
				x.query = "SELECT _c0, k, typeof(k) FROM csv.`%s` ORDER BY _c0"
			}
			rows, err := lines(t, s, fmt.Sprintf(x.query, dir))
			if diag.ClassOf(err) != x.class || x.message != "" && !strings.Contains(err.Error(), x.message) {
				t.Fatalf("got %v, want class %q", err, x.class)
			}
			if x.class == "" && fmt.Sprint(rows) != x.want {
				t.Errorf("got %v, want %s", rows, x.want)
			}
		})
	}
}

// TestPartitionOptions gives the columns and the base of partitioned tables.
func TestPartitionOptions(t *testing.T) {
	s := open(t, "local[2]")
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "t")
	df, err := s.SQL(ctx, "SELECT id, id % 2 AS j, id % 3 AS k FROM "+ids(12))
	if err != nil {
		t.Fatal(err)
	}
	if err := df.Write().PartitionBy("j", "k").CSV(ctx, dir); err != nil {
		t.Fatal(err)
	}
	show := func(d *millrace.DataFrame) string {
		rows, err := d.OrderBy("id").Collect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(rows)
	}
	whole := s.Read().Schema("k STRING, id BIGINT, j DECIMAL(3,1)").CSV(dir).Filter("id < 3")
	if got := show(whole.Select("id", "j", "k", "typeof(j)", "typeof(k)")); got != "[[0 0.0 0 decimal(3,1) string] [1 1.0 1 decimal(3,1) string] [2 0.0 2 decimal(3,1) string]]" {
		t.Errorf("schema: %s", got)
	}
	part := s.Read().Option("basePath", dir).Schema("id INT").CSV(filepath.Join(dir, "j=1", "k=*")).Filter("id < 6")
	if got := show(part); got != "[[1 1 1] [3 1 0] [5 1 2]]" {
		t.Errorf("basePath: %s", got)
	}
	if _, err := s.Read().Option("basePath", filepath.Join(dir, "j=0")).Schema("id INT").CSV(filepath.Join(dir, "j=1")).Collect(ctx); diag.ClassOf(err) != diag.InvalidArgument {
		t.Errorf("another basePath: %v", err)
	}
	if _, err := s.Read().Schema("id INT, k DATE").CSV(dir).Collect(ctx); diag.ClassOf(err) != diag.CastInvalid {
		t.Errorf("a value of another type: %v", err)
	}
	// The directories' value goes before the files' (P3).
	if err := os.MkdirAll(filepath.Join(dir, "over", "id=77"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "over", "id=77", "a.csv"), []byte("id,v\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := show(s.Read().Option("header", "true").CSV(filepath.Join(dir, "over"))); got != "[[77 2]]" {
		t.Errorf("both have the column: %s", got)
	}
}

// TestZoneInFilters: filters that scans apply, and those on directories, see the
// session's time zone.
func TestZoneInFilters(t *testing.T) {
	s := open(t, "local[2]", millrace.WithSetting("sql.session.timezone", "America/Los_Angeles"))
	ctx := context.Background()
	df, err := s.SQL(ctx, "SELECT DATE '2024-02-29' AS d, DATE '2024-02-29' AS p")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"parquet", "csv", "arrow"} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := df.Write().PartitionBy("p").Save(ctx, format, dir); err != nil {
			t.Fatal(err)
		}
		register(t, s, "z", s.Read().Schema("d DATE, p DATE").Load(format, dir))
		for _, column := range []string{"d", "p"} {
			rows, err := lines(t, s, "SELECT "+column+" FROM z WHERE CAST("+column+" AS TIMESTAMP) = TIMESTAMP '2024-02-29 00:00:00'")
			if err != nil || len(rows) != 1 {
				t.Errorf("%s: %s: %v %v", format, column, rows, err)
			}
		}
	}
}
