// Command functions is a program with functions of its own, for `millrace submit`.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/millrace-engine/millrace"
)

type state struct{ Rows, Sum int64 }

func none() state                      { return state{} }
func add(s state, x int64) state       { return state{s.Rows + 1, s.Sum + x} }
func merge(a, b state) state           { return state{a.Rows + b.Rows, a.Sum + b.Sum} }
func mean(s state) float64             { return float64(s.Sum) / float64(s.Rows) }
func mark(name string, n int64) string { return fmt.Sprint(strings.ToUpper(name), n%3) }

func register(r *millrace.Registry) {
	millrace.Scalar2(r, "mark", mark)
	millrace.Aggregate1(r, "mean_of", millrace.Aggregate[state, int64, float64]{Zero: none, Add: add, Merge: merge, Result: mean})
}

func must[T any](x T, err error) T {
	if err != nil {
		log.Fatal(err) // executors end with their driver
	}
	return x
}

func main() {
	millrace.Main(register)
	ctx := context.Background()
	s := must(millrace.Open(ctx, ""))
	defer s.Close()
	fmt.Print(must(must(s.SQL(ctx, "SELECT mark('k', id) AS k, mean_of(id) AS mean FROM range(0, 30000, 1, 4) GROUP BY 1 ORDER BY 1")).Show(ctx, 10)))
}
