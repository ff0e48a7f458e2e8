package functions_test

import (
	"context"
	"fmt"
	"log"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/functions"
)

func Example() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "local")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	df, err := s.SQL(ctx, "SELECT * FROM VALUES ('ada', DATE '1815-12-10'), ('grace', DATE '1906-12-09') t(name, born)")
	if err != nil {
		log.Fatal(err)
	}
	table, err := df.Select(
		functions.Initcap("name").As("name"),
		functions.Year("born").As("year"),
		functions.Concat(functions.Left("name", 1), millrace.Lit(".")).As("short"),
	).Show(ctx, 10)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(table)
	// Output:
	// +-------+------+-------+
	// | name  | year | short |
	// +-------+------+-------+
	// | Ada   | 1815 | a.    |
	// | Grace | 1906 | g.    |
	// +-------+------+-------+
}
