package millrace_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/internal/diag"
)

// data makes TPC-H at scale factor 0.01 once.
var data = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "millrace-test-*")
	if err != nil {
		return "", err
	}
	return dir, tpch.Gen(context.Background(), tpch.GenOptions{SF: 0.01, Format: "parquet", Dir: dir, Workers: 2})
})

func TestMain(m *testing.M) {
	runOnHost()
	millrace.Main(append(executorOptions(), registerFunctions, registerDatasets, registerTables, registerSources)...)
	code := m.Run()
	if dir, err := data(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func open(t *testing.T, master string, opts ...millrace.Option) *millrace.Session {
	t.Helper()
	s, err := millrace.Open(context.Background(), master, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openTPCH(t *testing.T, master string, opts ...millrace.Option) *millrace.Session {
	t.Helper()
	dir, err := data()
	if err != nil {
		t.Fatal(err)
	}
	return openData(t, dir, master, opts...)
}

// openData opens a session over the tables of TPC-H in a directory.
func openData(t *testing.T, dir, master string, opts ...millrace.Option) *millrace.Session {
	t.Helper()
	s := open(t, master, opts...)
	for _, x := range dbgen.Tables() {
		register(t, s, x.Name, s.Read().Parquet(filepath.Join(dir, x.Name+".parquet")))
	}
	return s
}

func register(t *testing.T, s *millrace.Session, name string, df *millrace.DataFrame) {
	t.Helper()
	if err := df.CreateOrReplaceTempView(context.Background(), name); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, s *millrace.Session, query string) (rows [][]string, r *millrace.Result, err error) {
	t.Helper()
	df, err := s.SQL(context.Background(), query)
	if err != nil {
		return nil, nil, err
	}
	if r, err = df.Run(context.Background()); err != nil {
		return nil, nil, err
	}
	err = r.Each(func(v []string, _ []bool) error { rows = append(rows, append([]string{}, v...)); return nil })
	return rows, r, err
}

func answerAll(t *testing.T, s *millrace.Session) {
	t.Helper()
	a, ok, err := tpch.AnswersAt(0.01)
	if err != nil || !ok {
		t.Fatalf("answers: %v %v", ok, err)
	}
	for n := 1; n <= tpch.Queries; n++ {
		q, err := tpch.Query(n)
		if err != nil {
			t.Fatal(err)
		}
		rows, r, err := text(t, s, q)
		if err != nil {
			t.Errorf("q%02d: %v", n, err)
			continue
		}
		if err := a.Check(n, r.Schema, rows); err != nil {
			t.Error(err)
		}
	}
}

// TestMetamorphic answers TPC-H under settings that must not matter: pairwise,
// or the full product with MILLRACE_SLOW set.
func TestMetamorphic(t *testing.T) {
	masters, batches, parts := []string{"local[1]", "local[2]", "local[8]"}, []string{"1", "7", "8192"}, []string{"1", "3", "200"}
	for i, m := range masters {
		for j, b := range batches {
			for k, p := range parts {
				if os.Getenv("MILLRACE_SLOW") == "" && (i+j+k)%3 != 2 { // a Latin square covers every pair
					continue
				}
				t.Run(fmt.Sprintf("%s batch %s partitions %s", m, b, p), func(t *testing.T) {
					answerAll(t, openTPCH(t, m, millrace.WithSetting("exec.batch.rows", b), millrace.WithSetting("sql.shuffle.partitions", p)))
				})
			}
		}
	}
}

// TestAnswersAreChecked changes one digit of each result: the check must see it.
func TestAnswersAreChecked(t *testing.T) {
	s := openTPCH(t, "local[2]")
	a, _, err := tpch.AnswersAt(0.01)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= tpch.Queries; n++ {
		q, _ := tpch.Query(n)
		rows, r, err := text(t, s, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for c := range row {
				was := row[c]
				row[c] = "1" + was
				if a.Check(n, r.Schema, rows) == nil {
					t.Fatalf("q%02d: a changed %s went unseen", n, r.Schema.Fields[c].Name)
				}
				row[c] = was
			}
			break
		}
	}
}

// TestEveryQueryTakesTheSameWay counts that stages and tasks are encoded,
// scheduled and reported, SELECT 1 included.
func TestEveryQueryTakesTheSameWay(t *testing.T) {
	s := openTPCH(t, "local[2]", millrace.WithSetting("sql.adaptive.enabled", "false")) // or tasks and stages are left out
	queries := []string{"SELECT 1"}
	for n := 1; n <= tpch.Queries; n++ {
		q, _ := tpch.Query(n)
		queries = append(queries, q)
	}
	for _, q := range queries {
		_, r, err := text(t, s, q)
		if err != nil {
			t.Fatal(err)
		}
		p := r.Stats().Passes
		stages, tasks := len(r.Stats().Stages), 0
		for _, st := range r.Stats().Stages {
			tasks += st.Tasks
		}
		if stages == 0 || p.StagesEncoded != stages || p.TasksEncoded != tasks || p.TasksReported != tasks || p.DAGEvents < tasks || p.TaskEvents < tasks {
			t.Errorf("%d stages, %d tasks, but %+v\n%s", stages, tasks, p, q)
		}
	}
}

func TestSQL(t *testing.T) {
	s := open(t, "local[2]")
	if _, err := s.SQL(context.Background(), "CREATE TEMP VIEW l AS SELECT * FROM VALUES (1,'a'),(2,'b'),(3,NULL),(NULL,'d') t(k,v)"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SQL(context.Background(), "CREATE TEMP VIEW r AS SELECT * FROM VALUES (2,'x'),(2,'y'),(3,'z'),(NULL,'n'),(9,'q') t(k,w)"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ query, want string }{
		{"SELECT 1", "1"},
		{"SELECT 1 + 2 * 3, 7 / 2, 7 div 2, 7 % 3, -(5)", "7|3.5|3|1|-5"},
		{"SELECT 1.50 * 2.0, 1.0 / 3.0, CAST('12.345' AS DECIMAL(5,2))", "3.000|0.333333|12.35"},
		{"SELECT l.k, w FROM l JOIN r ON l.k = r.k ORDER BY 1, 2", "2|x;2|y;3|z"},
		{"SELECT l.k, w FROM l LEFT JOIN r ON l.k = r.k ORDER BY 1, 2", "NULL|NULL;1|NULL;2|x;2|y;3|z"},
		{"SELECT l.k, w FROM l RIGHT JOIN r ON l.k = r.k ORDER BY w", "NULL|n;NULL|q;2|x;2|y;3|z"},
		{"SELECT l.k, r.k, w FROM l FULL JOIN r ON l.k = r.k ORDER BY l.k, w", "NULL|NULL|NULL;NULL|NULL|n;NULL|9|q;1|NULL|NULL;2|2|x;2|2|y;3|3|z"},
		{"SELECT k FROM l LEFT SEMI JOIN r ON l.k = r.k ORDER BY k", "2;3"},
		{"SELECT k FROM l LEFT ANTI JOIN r ON l.k = r.k ORDER BY k", "NULL;1"},
		{"SELECT count(*) FROM l CROSS JOIN r", "20"},
		{"SELECT l.k, r.k FROM l JOIN r ON l.k < r.k ORDER BY 1, 2", "1|2;1|2;1|3;1|9;2|3;2|9;3|9"},
		{"SELECT l.k, r.k FROM l FULL JOIN r ON l.k > r.k ORDER BY 1, 2", "NULL|NULL;NULL|NULL;NULL|3;NULL|9;1|NULL;2|NULL;3|2;3|2"},
		{"SELECT k FROM l WHERE k IN (SELECT k FROM r) ORDER BY k", "2;3"},
		{"SELECT k FROM l WHERE k NOT IN (SELECT k FROM r)", ""},
		{"SELECT k FROM l WHERE k NOT IN (SELECT k FROM r WHERE k IS NOT NULL)", "1"},
		{"SELECT k FROM l WHERE EXISTS (SELECT 1 FROM r WHERE r.k = l.k) OR k = 1 ORDER BY k", "1;2;3"},
		{"SELECT k, k IN (SELECT k FROM r) FROM l ORDER BY k", "NULL|NULL;1|NULL;2|true;3|true"},
		{"SELECT k, (SELECT count(*) FROM r WHERE r.k = l.k) FROM l ORDER BY k", "NULL|0;1|0;2|2;3|1"},
		{"SELECT k, (SELECT max(w) FROM r WHERE r.k = l.k) FROM l ORDER BY k", "NULL|NULL;1|NULL;2|y;3|z"},
		{"SELECT (SELECT max(k) FROM r), (SELECT k FROM r WHERE k = 100)", "9|NULL"},
		{"SELECT k, count(*), sum(k), min(w), max(w) FROM r GROUP BY k ORDER BY k", "NULL|1|NULL|n|n;2|2|4|x|y;3|1|3|z|z;9|1|9|q|q"},
		{"SELECT count(DISTINCT k), count(k), avg(k) FROM r", "3|4|4.0"},
		{"SELECT k % 2 AS odd, count(*) FROM r GROUP BY odd HAVING count(*) > 1 ORDER BY odd", "0|2;1|2"},
		{"SELECT DISTINCT k FROM r ORDER BY k DESC NULLS FIRST", "NULL;9;3;2"},
		{"SELECT k FROM r ORDER BY k DESC LIMIT 2 OFFSET 1", "3;2"},
		{"SELECT k FROM l UNION SELECT k FROM r ORDER BY k", "NULL;1;2;3;9"},
		{"SELECT k FROM l INTERSECT SELECT k FROM r ORDER BY k", "NULL;2;3"},
		{"SELECT k FROM l EXCEPT SELECT k FROM r", "1"},
		{"SELECT CASE WHEN k > 2 THEN 'big' WHEN k IS NULL THEN 'none' ELSE 'small' END FROM l ORDER BY 1", "big;none;small;small"},
		{"SELECT CASE WHEN k = 0 THEN 1 / k ELSE k END FROM VALUES (0), (1) t(k) WHERE k <> 0", "1.0"},
		{"SELECT v LIKE 'a%', v LIKE '_', upper(v), coalesce(v, '-') FROM l WHERE k = 1", "true|true|A|a"},
		{"SELECT DATE '2024-01-31' + INTERVAL '1' MONTH, DATE '2024-03-01' - INTERVAL '1' DAY, extract(year FROM DATE '2024-05-06'), datediff(DATE '2024-03-01', DATE '2024-02-01')", "2024-02-29|2024-02-29|2024|29"},
		{"SELECT substring('hello', 2, 3), length('héllo'), trim('  x '), concat('a', 'b'), replace('aXa', 'X', '-')", "ell|5|x|ab|a-a"},
		{"SELECT sum(x) FROM (SELECT k AS x FROM l UNION ALL SELECT k FROM r)", "22"},
		{"WITH a AS (SELECT k FROM l), b AS (SELECT k + 1 AS k FROM a) SELECT sum(k) FROM b", "9"},
		{"SELECT round(stddev_pop(k), 6), bool_and(k > 1), bool_or(k > 8) FROM r WHERE k IS NOT NULL", "2.915476|true|true"},
		{"SELECT count(*) FROM l WHERE 1 = 0", "0"},
		{"SELECT k FROM r WHERE k BETWEEN 2 AND 3 AND w NOT IN ('x') ORDER BY w", "2;3"},
		{"SELECT * FROM l JOIN r USING (k) ORDER BY w", "2|b|x;2|b|y;3|NULL|z"},
	} {
		rows, _, err := text(t, s, c.query)
		if err != nil {
			t.Errorf("%s\n%v", c.query, err)
			continue
		}
		var got []string
		for _, r := range rows {
			got = append(got, strings.Join(r, "|"))
		}
		if g := strings.Join(got, ";"); g != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.query, g, c.want)
		}
	}
}

// TestErrors names the class, the place and the remedy of what goes wrong.
func TestErrors(t *testing.T) {
	s := open(t, "local[2]")
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	tp, err := data()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(tp, "nation.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	cut, flipped := filepath.Join(dir, "cut.parquet"), filepath.Join(dir, "flipped.parquet")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	bad := append([]byte{}, whole...)
	for i := len(bad) - 40; i < len(bad)-9; i++ {
		bad[i] ^= 0xff
	}
	if err := os.WriteFile(flipped, bad, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query  string
		class  diag.Class
		at     string // the text that the place points to; "" = none
		remedy bool
	}{
		{"SELECT * FROM 'missing.parquet'", diag.PathNotFound, "'missing", true},
		{"SELECT * FROM parquet.`" + empty + "`", diag.EmptyInput, "parquet", true},
		{"SELECT * FROM '" + cut + "'", diag.CorruptFile, "'", true},
		{"SELECT * FROM '" + flipped + "'", diag.CorruptFile, "'", true},
		{"SELECT nam FROM VALUES ('x') t(name)", diag.UnresolvedColumn, "nam FROM", true},
		{"SELECT a FROM VALUES (1) t(a), VALUES (2) u(a)", diag.AmbiguousReference, "a FROM", true},
		{"SELECT * FROM nowhere", diag.TableNotFound, "nowhere", true},
		{"SELECT cuont(1)", diag.UnresolvedRoutine, "cuont", true},
		{"SELECT a / 0 FROM VALUES (1.5) t(a)", diag.DivideByZero, "/ 0", true},
		{"SELECT 9223372036854775807 + a FROM VALUES (1) t(a)", diag.Overflow, "+ a", true},
		{"SELECT CAST(a AS INT) FROM VALUES ('12x') t(a)", diag.CastInvalid, "CAST", true},
		{"SELECT CAST(a AS TINYINT) FROM VALUES (300) t(a)", diag.CastOverflow, "CAST", true},
		{"SELECT a, count(*) FROM VALUES (1) t(a)", diag.MissingGroupBy, "a, count", true},
		{"SELECT 1 +", diag.Syntax, "", false},
		{"SELECT length(1, 2)", diag.WrongArguments, "length", false},
		{"SELECT true + 1", diag.TypeMismatch, "+ 1", true},
		{"SELECT (SELECT a FROM VALUES (1), (2) t(a))", diag.ScalarSubquery, "(SELECT", true},
		{"SELECT count(DISTINCT a) OVER () FROM VALUES (1) t(a)", diag.Unsupported, "count", false},
		{"SET sql.shufle.partitions = 3", diag.UnknownSetting, "", true},
	} {
		_, _, err := text(t, s, c.query)
		var e *diag.Error
		if !errors.As(err, &e) || e.Class != c.class {
			t.Errorf("%s\n got %v\nwant %s", c.query, err, c.class)
			continue
		}
		if c.remedy && e.Remedy == "" {
			t.Errorf("%s: no remedy: %v", c.query, err)
		}
		if off, ok := e.Pos.Offset(); c.at != "" && (!ok || !strings.HasPrefix(c.query[off:], c.at)) {
			t.Errorf("%s: place %d does not point to %q: %v", c.query, off, c.at, err)
		}
	}
}

// TestSyntaxErrorAtEveryToken leaves out each word of a query.
func TestSyntaxErrorAtEveryToken(t *testing.T) {
	s := open(t, "local[1]")
	words := strings.Fields("SELECT a , sum ( b ) AS s FROM VALUES ( 1 , 2 ) t ( a , b ) WHERE a > 0 AND b < 5 GROUP BY a HAVING sum ( b ) > 0 ORDER BY a LIMIT 3")
	for i := range words {
		q := strings.Join(append(append([]string{}, words[:i]...), words[i+1:]...), " ")
		_, _, err := text(t, s, q)
		var e *diag.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

func TestDataFrame(t *testing.T) {
	s := openTPCH(t, "local[2]")
	ctx := context.Background()
	df := s.Table("lineitem").Filter("l_quantity < 10").GroupBy("l_returnflag").Agg("count(*) AS n", "sum(l_quantity) AS q").OrderBy("l_returnflag DESC").Limit(2)
	type row struct {
		Flag string `millrace:"l_returnflag"`
		N    int64
		Q    string
	}
	got, err := millrace.CollectInto[row](ctx, df)
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := text(t, s, "SELECT l_returnflag, count(*), sum(l_quantity) FROM lineitem WHERE l_quantity < 10 GROUP BY 1 ORDER BY 1 DESC LIMIT 2")
	if err != nil {
		t.Fatal(err)
	}
	var want []row
	for _, r := range rows {
		var n int64
		fmt.Sscan(r[1], &n)
		want = append(want, row{r[0], n, r[2]})
	}
	if !reflect.DeepEqual(got, want) || len(got) != 2 {
		t.Errorf("got %v, want %v", got, want)
	}
	n, err := s.Table("orders").As("o").Join(s.Table("customer").As("c"), "o.o_custkey = c.c_custkey", "inner").Select("c_name").Distinct().Repartition(3, "c_name").Count(ctx)
	if err != nil || n != 1000 {
		t.Errorf("customers with orders: %d %v", n, err)
	}
	u, err := s.Table("region").Select("r_name AS x").Union(s.Table("nation").Select("n_name")).WithColumn("y", "upper(x)").Count(ctx)
	if err != nil || u != 30 {
		t.Errorf("union: %d %v", u, err)
	}
}

// TestCancel: queries that would run for hours end soon after they are cancelled, be
// that before they begin or in the midst of many pairs, and the session serves on.
func TestCancel(t *testing.T) {
	s := openTPCH(t, "local[2]")
	for _, q := range []string{
		"SELECT count(*) FROM lineitem a, lineitem b, lineitem c WHERE a.l_partkey < b.l_partkey + c.l_suppkey",
		"SELECT sum(a.id % (b.id + 1)) FROM range(1000000) a JOIN range(1000000) b ON a.id % 1 = b.id % 1",
		"SELECT sum(a.id % (b.id + 1)) FROM range(1000000) a LEFT JOIN range(1000000) b ON a.id % 1 = b.id % 1 AND a.id + b.id < 0",
		"SELECT count(*) FROM range(1000000) a LEFT SEMI JOIN range(1000000) b ON a.id % 1 = b.id % 1 AND a.id + b.id < 0",
		"SELECT count(*) FROM range(1000000000000000) WHERE id % 7 = 3",
		"SELECT id FROM range(1000000000000000) ORDER BY id % 1000 LIMIT 3",
	} {
		for _, after := range []time.Duration{0, 300 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(context.Background(), after)
			df, err := s.SQL(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := df.Collect(ctx); diag.ClassOf(err) != diag.Cancelled && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s, cancelled after %v: got %v", q, after, err)
			}
			cancel()
		}
	}
	if rows, _, err := text(t, s, "SELECT 1"); err != nil || rows[0][0] != "1" {
		t.Errorf("the session does not serve the next query: %v", err)
	}
}
