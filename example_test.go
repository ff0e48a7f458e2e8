package millrace_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/functions"
)

func Example() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "local[2]")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	df, err := s.SQL(ctx, "SELECT city, sum(sales) AS total FROM VALUES ('Bern', 3), ('Oslo', 4), ('Bern', 5) t(city, sales) GROUP BY city")
	if err != nil {
		log.Fatal(err)
	}
	table, err := df.OrderBy("total DESC").Show(ctx, 10)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(table)
	// Output:
	// +------+-------+
	// | city | total |
	// +------+-------+
	// | Bern |     8 |
	// | Oslo |     4 |
	// +------+-------+
}

// sales opens a session and a frame of two columns for the examples.
func sales(ctx context.Context) (*millrace.Session, *millrace.DataFrame) {
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	df, err := s.SQL(ctx, "SELECT * FROM VALUES ('Bern', 3), ('Oslo', 4), ('Bern', 5), ('Rome', NULL) t(city, amount)")
	if err != nil {
		log.Fatal(err)
	}
	return s, df
}

func show(ctx context.Context, df *millrace.DataFrame) {
	table, err := df.Show(ctx, 20)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(table)
}

func ExampleColumn() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	amount := millrace.Col("amount")
	show(ctx, df.Filter(amount.Gt(3).Or(amount.IsNull())).
		Select("city", amount.Times(1.5).As("scaled"), millrace.When(amount.Ge(5), "big").Otherwise("small").As("size")))
	// Output:
	// +------+--------+-------+
	// | city | scaled | size  |
	// +------+--------+-------+
	// | Oslo |    6.0 | small |
	// | Bern |    7.5 | big   |
	// | Rome |   NULL | small |
	// +------+--------+-------+
}

func ExampleDataFrame_GroupBy() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	show(ctx, df.GroupBy("city").
		Agg(functions.Sum("amount").As("total"), functions.Count("*").As("n")).
		OrderBy(millrace.Col("total").Desc(), "city"))
	// Output:
	// +------+-------+---+
	// | city | total | n |
	// +------+-------+---+
	// | Bern |     8 | 2 |
	// | Oslo |     4 | 1 |
	// | Rome |  NULL | 1 |
	// +------+-------+---+
}

func ExampleColumn_Over() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	best := millrace.PartitionBy("city").OrderBy(millrace.Col("amount").Desc())
	show(ctx, df.WithColumn("place", functions.RowNumber().Over(best)).
		Filter("place = 1").Drop("place").OrderBy("city"))
	// Output:
	// +------+--------+
	// | city | amount |
	// +------+--------+
	// | Bern |      5 |
	// | Oslo |      4 |
	// | Rome |   NULL |
	// +------+--------+
}

func ExampleDataFrame_Join() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	countries, err := s.SQL(ctx, "SELECT * FROM VALUES ('Bern', 'Switzerland'), ('Oslo', 'Norway') t(city, country)")
	if err != nil {
		log.Fatal(err)
	}
	show(ctx, df.Join(countries, []string{"city"}, "left").OrderBy("city", "amount"))
	// Output:
	// +------+--------+-------------+
	// | city | amount | country     |
	// +------+--------+-------------+
	// | Bern |      3 | Switzerland |
	// | Bern |      5 | Switzerland |
	// | Oslo |      4 | Norway      |
	// | Rome |   NULL | NULL        |
	// +------+--------+-------------+
}

func ExampleDataFrame_WithColumn() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	show(ctx, df.Limit(1).
		WithColumn("amount", millrace.Col("amount").Plus(1)).
		WithColumn("upper", "upper(city)").
		WithColumnRenamed("city", "place"))
	// Output:
	// +-------+--------+-------+
	// | place | amount | upper |
	// +-------+--------+-------+
	// | Bern  |      4 | BERN  |
	// +-------+--------+-------+
}

func ExampleDataFrame_Union() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	cities := df.Select("city")
	show(ctx, cities.Union(cities).Distinct().Except(cities.Filter("city = 'Oslo'")).OrderBy("city"))
	// Output:
	// +------+
	// | city |
	// +------+
	// | Bern |
	// | Rome |
	// +------+
}

func ExampleDataFrame_Describe() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	stats, err := df.Describe(ctx, "amount")
	if err != nil {
		log.Fatal(err)
	}
	show(ctx, stats)
	// Output:
	// +---------+--------+
	// | summary | amount |
	// +---------+--------+
	// | count   | 3      |
	// | mean    | 4.0    |
	// | stddev  | 1.0    |
	// | min     | 3      |
	// | max     | 5      |
	// +---------+--------+
}

func ExampleDataFrame_CreateOrReplaceTempView() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	if err := df.Filter("amount > 3").CreateOrReplaceTempView(ctx, "large"); err != nil {
		log.Fatal(err)
	}
	n, err := s.Table("large").Count(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
	// Output: 2
}

func ExampleDataFrame_ForEach() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	err := df.ForEach(ctx, func(r millrace.Row) error {
		fmt.Println(r[0], r[1])
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// Bern 3
	// Oslo 4
	// Bern 5
	// Rome <nil>
}

func ExampleDataFrame_Write() {
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	dir, err := os.MkdirTemp("", "millrace-example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := df.Write().Mode("overwrite").Parquet(ctx, dir+"/sales"); err != nil {
		log.Fatal(err)
	}
	n, err := s.Read().Parquet(dir + "/sales").Count(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
	// Output: 4
}

func ExampleCollectInto() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	type person struct {
		Name string
		Born int64 `millrace:"year"`
	}
	df, err := s.SQL(ctx, "SELECT * FROM VALUES ('Ada', 1815), ('Grace', 1906) t(name, year) ORDER BY year")
	if err != nil {
		log.Fatal(err)
	}
	people, err := millrace.CollectInto[person](ctx, df)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(people)
	// Output: [{Ada 1815} {Grace 1906}]
}

// A query tells, beside its result, how much passed a place of it, and what was
// strange there.
func ExampleDataFrame_Accumulate() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	df, err := s.SQL(ctx, "SELECT * FROM VALUES ('Ada', 1815), ('Grace', 1906), ('Nobody', NULL) t(name, year)")
	if err != nil {
		log.Fatal(err)
	}
	seen, missing := s.LongAccumulator("seen"), s.CollectionAccumulator("missing")
	known, err := df.Accumulate(seen, "1").Filter("year IS NOT NULL").Count(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := df.Filter("year IS NULL").Accumulate(missing, "name").Collect(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(known, "of", seen.Value(), "are known, without a year:", missing.Value())
	// Output: 2 of 3 are known, without a year: [[Nobody]]
}

func ExampleDataFrame_Batches() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	df, err := s.SQL(ctx, "SELECT a, a * 1.5 AS b FROM VALUES (1), (2) t(a)")
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range df.Batches(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(rec.NumRows(), rec.Column(0), rec.Column(1))
	}
	// Output: 2 [1 2] [1.5 3]
}

func ExampleScalar1() {
	// In a program: func main() { millrace.Main(register); … }, where
	//
	//	func register(r *millrace.Registry) {
	//		millrace.Scalar1(r, "go_clean", clean)
	//	}
	//	func clean(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	show(ctx, df.Select(millrace.CallFunction("go_clean", "city").As("clean")).Distinct().OrderBy("clean"))
	// Output:
	// +-------+
	// | clean |
	// +-------+
	// | BERN  |
	// | OSLO  |
	// | ROME  |
	// +-------+
}

func ExampleAggregate1() {
	// go_mean is registered with a state {Sum, Count} and four functions: Zero, Add,
	// Merge and Result.
	ctx := context.Background()
	s, df := sales(ctx)
	defer s.Close()
	show(ctx, df.GroupBy("city").Agg("go_mean(amount) AS mean").OrderBy("city"))
	// Output:
	// +------+------+
	// | city | mean |
	// +------+------+
	// | Bern |  4.0 |
	// | Oslo |  4.0 |
	// | Rome | NULL |
	// +------+------+
}

// The function is registered where TestMain calls millrace.Main:
// millrace.Table1(r, "go_words", tokens), where func tokens(text string) iter.Seq[word].
func ExampleTable1() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	d, err := s.SQL(ctx, `SELECT t.id, w.word FROM VALUES (1, 'to be'), (2, 'or') AS t(id, text), LATERAL go_words(t.text) AS w ORDER BY id, at`)
	if err != nil {
		log.Fatal(err)
	}
	if err := d.ForEach(ctx, func(r millrace.Row) error { fmt.Println(r...); return nil }); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1 to
	// 1 be
	// 2 or
}
