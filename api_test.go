package millrace_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	f "github.com/millrace-engine/millrace/functions"
	"github.com/millrace-engine/millrace/internal/diag"
)

func frame(t *testing.T, s *millrace.Session, query string) *millrace.DataFrame {
	t.Helper()
	df, err := s.SQL(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	return df
}

// shown renders a frame's rows, each as its values, and its columns.
func shown(df *millrace.DataFrame) (string, error) {
	ctx := context.Background()
	names, err := df.Columns(ctx)
	if err != nil {
		return "", err
	}
	rows, err := df.Collect(ctx)
	out := strings.Join(names, " ")
	for _, r := range rows {
		out += "\n"
		for i, v := range r {
			if i > 0 {
				out += " "
			}
			out += fmt.Sprint(v)
		}
	}
	return out, err
}

// Each method does what SQL does, whether it is given columns or text.
func TestMethods(t *testing.T) {
	s := open(t, "local[2]")
	df := frame(t, s, "SELECT * FROM VALUES (1, 'a', 1.5), (2, 'b', NULL), (3, NULL, 2.5), (2, 'b', 0.5) t(n, s, x)")
	other := frame(t, s, "SELECT * FROM VALUES (2, 'two'), (3, 'three'), (4, 'four') u(n, name)")
	col, lit := millrace.Col, millrace.Lit
	for name, c := range map[string]struct {
		df   *millrace.DataFrame
		want string
	}{
		"select":     {df.Select("n", col("s"), "n + 1 AS m", col("n").Times(2)), "n s m (n * 2)\n1 a 2 2\n2 b 3 4\n3 <nil> 4 6\n2 b 3 4"},
		"star":       {df.Select(col("*"), col("n").Cast("string").As("t")).Limit(1), "n s x t\n1 a 1.5 1"},
		"arithmetic": {df.Limit(1).Select(col("n").Plus(4).Minus(2).Times(10).DividedBy(4).As("a"), col("n").Plus(6).Mod(4).As("b"), col("n").Neg().As("c")), "a b c\n7.5 3 -1"},
		"filter":     {df.Filter(col("n").Gt(1).And(col("x").IsNotNull())).Select("n", "x"), "n x\n3 2.5\n2 0.5"},
		"filter text": {df.Filter("n > 1 AND x IS NOT NULL").Select("n", "x"),
			"n x\n3 2.5\n2 0.5"},
		"comparisons": {df.Limit(1).Select(col("n").Eq(1).As("a"), col("n").Ne(1).As("b"), col("n").Le(0).Or(col("n").Ge(1)).As("c"), col("n").Lt(2).Not().As("d"), col("s").EqNullSafe(nil).As("e"), col("n").Between(0, 1).As("f"), col("n").In(2, 3).As("g"), col("n").In().As("h")),
			"a b c d e f g h\ntrue false true false false true false false"},
		"text": {df.Limit(1).Select(col("s").Like("a%").As("a"), col("s").ILike("A").As("b"), col("s").RLike("^b").As("c"), col("s").StartsWith("a").As("d"), col("s").EndsWith("b").As("e"), col("s").Contains("a").As("f"), f.Concat("s", lit("-"), "n").As("g")),
			"a b c d e f g\ntrue true false true false true a-1"},
		"with column":  {df.WithColumn("n", col("n").Times(10)).WithColumn("y", "upper(s)").Limit(1), "n s x y\n10 a 1.5 A"},
		"rename, drop": {df.WithColumnRenamed("N", "number").WithColumnRenamed("absent", "z").Drop("x", "absent").Limit(1), "number s\n1 a"},
		"group": {df.GroupBy("s").Agg(f.Count("*").As("c"), f.Sum(col("n")).As("sum"), f.Max("x").As("max"), f.Sum("n").Where(col("n").Gt(2)).As("big")).OrderBy(col("s").AscNullsLast()),
			"s c sum max big\na 1 1 1.5 <nil>\nb 2 4 0.5 <nil>\n<nil> 1 3 2.5 3"},
		"group text":     {df.GroupBy("n % 2 AS odd").Agg("count(*) AS c").OrderBy("odd"), "odd c\n0 2\n1 2"},
		"group count":    {df.GroupBy(col("s")).Count().OrderBy("s"), "s count\n<nil> 1\na 1\nb 2"},
		"rollup":         {df.Rollup("s", "n").Agg(f.Sum("n").As("t"), f.GroupingID().As("id")).OrderBy("id", "s").Filter("id > 0"), "s n t id\n<nil> <nil> 3 1\na <nil> 1 1\nb <nil> 4 1\n<nil> <nil> 8 3"},
		"cube":           {df.Cube("s", "n").Agg(f.Count("*").As("c"), f.Grouping("s").As("gs")).Filter("s IS NULL AND n = 2"), "s n c gs\n<nil> 2 2 1"},
		"intersect all":  {df.Select("n").IntersectAll(df.Select("n").Union(other.Select("n"))).OrderBy("n"), "n\n1\n2\n2\n3"},
		"except all":     {df.Select("n").ExceptAll(other.Select("n")).OrderBy("n"), "n\n1\n2"},
		"aggregate":      {df.Agg(f.CountDistinct("n").As("d"), f.CountDistinct("s", "n").As("e"), f.SumDistinct("n").As("f")), "d e f\n3 2 6"},
		"when":           {df.Select(millrace.When(col("n").Eq(1), "one").When(col("n").Eq(2), "two").Otherwise("many").As("w")), "w\none\ntwo\nmany\ntwo"},
		"when, no else":  {df.Select(millrace.When(col("n").Eq(1), 1).As("w")).Limit(2), "w\n1\n<nil>"},
		"order":          {df.OrderBy(col("n").Desc(), "x DESC NULLS FIRST").Select("n", "x"), "n x\n3 2.5\n2 <nil>\n2 0.5\n1 1.5"},
		"limit, offset":  {df.OrderBy("n").Offset(1).Limit(2).Select("n"), "n\n2\n2"},
		"distinct":       {df.Select("n", "s").Distinct().OrderBy("n"), "n s\n1 a\n2 b\n3 <nil>"},
		"duplicates":     {df.DropDuplicates("s", "n").Select("n", "s").OrderBy("n"), "n s\n1 a\n2 b\n3 <nil>"},
		"duplicates all": {df.Select("n").DropDuplicates().OrderBy("n"), "n\n1\n2\n3"},
		"union":          {df.Select("n").Union(other.Select("n")).Agg(f.Count("*").As("c")), "c\n7"},
		"union by name":  {df.Select("s", "n").UnionByName(other.Select(col("n"), col("name").As("s")), false).OrderBy(col("n").Desc(), "s").Limit(3), "s n\nfour 4\n<nil> 3\nthree 3"},
		"union, missing": {df.Select("n", "x").UnionByName(other, true).OrderBy(col("n").Desc(), "name").Limit(3), "n x name\n4 <nil> four\n3 2.5 <nil>\n3 <nil> three"},
		"intersect":      {df.Select("n").Intersect(other.Select("n")).OrderBy("n"), "n\n2\n3"},
		"except":         {df.Select("n").Except(other.Select("n")), "n\n1"},
		"join using":     {df.Join(other, []string{"n"}, "left").OrderBy("n", "x").Select("n", "s", "name"), "n s name\n1 a <nil>\n2 b two\n2 b two\n3 <nil> three"},
		"join full":      {df.Join(other, []string{"n"}, "full").OrderBy("n", "x").Select("n", "name"), "n name\n1 <nil>\n2 two\n2 two\n3 three\n4 four"},
		"join column":    {df.As("l").Join(other.As("r"), col("l.n").Eq(col("r.n")), "inner").Select("l.n", "name").OrderBy("n").Limit(1), "n name\n2 two"},
		"join text":      {df.As("l").Join(other.As("r"), "l.n < r.n", "semi").Agg(f.Count("*").As("c")), "c\n4"},
		"join anti":      {df.Join(other, []string{"n"}, "anti").Select("n"), "n\n1"},
		"join right":     {df.Join(other, []string{"n"}, "right").Filter("s IS NULL").Select("n", "name").OrderBy("n"), "n name\n3 three\n4 four"},
		"join cross":     {df.Join(other, nil, "cross").Agg(f.Count("*").As("c")), "c\n12"},
		"repartition":    {df.Repartition(3, col("n")).Agg(f.Count("*").As("c")), "c\n4"},
		"literals": {df.Limit(1).Select(lit(int64(5)).As("a"), lit(2.5).As("b"), lit(true).As("c"), lit("x").As("d"), lit(nil).As("e"), lit([]byte("y")).As("f"), lit(90*time.Second).As("g"), lit(time.Unix(0, 0)).As("h")),
			"a b c d e f g h\n5 2.5 true x <nil> [121] 1m30s 1970-01-01 00:00:00 +0000 UTC"},
		"try cast":  {df.Select(col("s").TryCast("int").As("i")).Limit(1), "i\n<nil>"},
		"functions": {df.Limit(1).Select(f.Upper("s").As("a"), f.Round(lit(2.345), 2).As("b"), f.Coalesce("x", 0).As("c"), f.Substring(lit("hello"), 2, 3).As("d"), f.Nvl2("s", 1, 2).As("e"), f.Greatest("n", 7).As("g")), "a b c d e g\nA 2.35 1.5 ell 1 7"},
		"window": {df.Select("n", f.RowNumber().Over(millrace.PartitionBy("s").OrderBy(col("n").Desc())).As("r"), f.Sum("n").Over(millrace.PartitionBy()).As("t")).OrderBy("n", "r"),
			"n r t\n1 1 8\n2 1 8\n2 2 8\n3 1 8"},
		"frames": {df.Select("n", f.Sum("n").Over(millrace.PartitionBy().OrderBy("n", "x").RowsBetween(-1, millrace.CurrentRow)).As("a"), f.Count("*").Over(millrace.PartitionBy().OrderBy("n").RangeBetween(millrace.UnboundedPreceding, 1)).As("b"),
			f.Lag("s", 1).IgnoreNulls().Over(millrace.PartitionBy().OrderBy("n", "x")).As("c")).OrderBy("n", "a"), "n a b c\n1 1 3 <nil>\n2 3 4 a\n2 4 4 b\n3 5 4 b"},
		"window column": {df.WithColumn("n", f.Rank().Over(millrace.PartitionBy().OrderBy("n"))).Select("n").OrderBy("n"), "n\n1\n2\n2\n4"},
		"expr":          {df.Select(millrace.Expr("n * 2 AS m")).Limit(1), "m\n2"},
		"quoted":        {df.Select(col("n").As("a b")).Select(col("`a b`")).Limit(1), "a b\n1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := shown(c.df)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// Actions that take a few rows, or look at the frame alone.
func TestActions(t *testing.T) {
	s := open(t, "local[2]")
	ctx := context.Background()
	df := frame(t, s, "SELECT * FROM VALUES (1, 'a'), (2, 'b'), (4, NULL) t(n, s)").OrderBy("n")
	if row, err := df.First(ctx); err != nil || fmt.Sprint(row) != "[1 a]" {
		t.Errorf("first: %v %v", row, err)
	}
	if row, err := df.Filter("n > 9").First(ctx); err != nil || row != nil {
		t.Errorf("first of none: %v %v", row, err)
	}
	if rows, err := df.Take(ctx, 2); err != nil || len(rows) != 2 {
		t.Errorf("take: %v %v", rows, err)
	}
	stats, err := df.Describe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := shown(stats); err != nil || got != "summary n s\ncount 3 2\nmean 2.3333333333333335 <nil>\nstddev 1.5275252316519465 <nil>\nmin 1 a\nmax 4 b" {
		t.Errorf("describe: %s %v", got, err)
	}
	for mode, want := range map[string]string{"": "Sort", "formatted": "stage 0", "extended": "== Optimized ==", "analyze": "rows"} {
		if text, err := df.Explain(ctx, mode); err != nil || !strings.Contains(text, want) {
			t.Errorf("explain %q: %v\n%s", mode, err, text)
		}
	}
	if err := df.CreateOrReplaceTempView(ctx, "v"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Table("v").Count(ctx); err != nil || n != 3 {
		t.Errorf("a view of %d rows, %v", n, err)
	}
}

// Mistakes name the line of the program that made them, not that of the action.
func TestMistakes(t *testing.T) {
	s := open(t, "local[1]")
	df := frame(t, s, "SELECT * FROM VALUES (1, 'a') t(n, s)")
	col := millrace.Col
	_, _, line, _ := runtime.Caller(0)
	wrong := df.Select("n").Filter(col("nn").Gt(1))
	type mistake struct {
		df    *millrace.DataFrame
		class diag.Class
	}
	for name, m := range map[string]mistake{
		"no such column":   {wrong, diag.UnresolvedColumn},
		"text":             {df.Filter("n >"), diag.Syntax},
		"type":             {df.Select(col("s").Cast("numbr")), diag.Syntax},
		"constant":         {df.Select(col("n").Plus(struct{}{})), diag.InvalidArgument},
		"not a column":     {df.Select(5), diag.InvalidArgument},
		"aggregate":        {df.WithColumn("m", f.Sum("n")), diag.InvalidQuery},
		"kind of join":     {df.Join(df, nil, "sideways"), diag.InvalidArgument},
		"other side":       {df.Join(df.Select("n"), []string{"s"}, "inner"), diag.UnresolvedColumn},
		"missing by name":  {df.UnionByName(df.Select("n"), false), diag.UnresolvedColumn},
		"otherwise":        {df.Select(col("n").Otherwise(1)), diag.InvalidArgument},
		"distinct of none": {df.Select(col("n").Distinct()), diag.InvalidArgument},
		"no function":      {df.Select(millrace.CallFunction("upperr", "s")), diag.UnresolvedRoutine},
		"zero":             {df.Select(millrace.Column{}.Plus(1).As("x")), diag.InvalidArgument},
		"zero alone":       {df.Filter(millrace.Column{}), diag.InvalidArgument},
		"window order":     {df.Select(f.Rank().Over(millrace.PartitionBy().OrderBy("n +"))), diag.Syntax},
		"window of none":   {df.Select(col("n").Over(millrace.PartitionBy())), diag.InvalidArgument},
		"keys":             {df.DropDuplicates("zz"), diag.UnresolvedColumn},
		"all dropped":      {df.Drop("n", "s"), diag.InvalidQuery},
		"no table":         {s.Table("absent"), diag.TableNotFound},
	} {
		_, err := m.df.Limit(5).Distinct().Collect(context.Background())
		if diag.ClassOf(err) != m.class {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if !strings.Contains(err.Error(), "] api_test.go:") {
			t.Errorf("%s: no place in %v", name, err)
		}
		if name == "no such column" && !strings.Contains(err.Error(), fmt.Sprintf("] api_test.go:%d: ", line+1)) {
			t.Errorf("the wrong place: %v", err)
		}
	}
}
