package millrace_test

import (
	"context"
	"fmt"
	"log"

	"github.com/millrace-engine/millrace"
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
