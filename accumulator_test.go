package millrace_test

import (
	"context"
	"fmt"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

// totals are what a query says that accumulators must come to.
type totals struct {
	keys  int64
	lines int64
	price string
	flags map[string]int64
}

func totalsOf(t *testing.T, s *millrace.Session) totals {
	t.Helper()
	rows, err := frame(t, s, "SELECT sum(l_orderkey), count(*), sum(l_extendedprice) FROM lineitem").Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x := totals{rows[0][0].(int64), rows[0][1].(int64), rows[0][2].(string), map[string]int64{}}
	if rows, err = frame(t, s, "SELECT l_returnflag, count(*) FROM lineitem GROUP BY 1").Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		x.flags[r[0].(string)] = r[1].(int64)
	}
	return x
}

// TestAccumulators: sums, rows and a type of the program's own come to what queries
// say, on threads and on processes one of which is killed meanwhile. The rows are
// shuffled afterwards, so that tasks run again whose output is lost.
func TestAccumulators(t *testing.T) {
	for _, master := range []string{"local[2]", "local-cluster[3,1,256]"} {
		t.Run(master, func(t *testing.T) {
			s := openTPCH(t, master)
			want := totalsOf(t, s)
			for round := range 3 {
				keys, price := s.LongAccumulator("keys"), s.DoubleAccumulator("price")
				nations := s.CollectionAccumulator("nations")
				flags := millrace.NewAccumulator(s, "flags", func() map[string]int64 { return map[string]int64{} }, func(m map[string]int64, r millrace.Row) map[string]int64 {
					m[r[0].(string)]++
					return m
				})
				lines := frame(t, s, "SELECT * FROM lineitem").Accumulate(keys, "l_orderkey").Accumulate(price, millrace.Col("l_extendedprice")).Accumulate(flags, "l_returnflag")
				lines = lines.GroupBy("l_partkey").Agg("sum(l_quantity) AS q").OrderBy("q DESC")
				if pids := children(t); round == 1 && len(pids) == 3 {
					time.AfterFunc(20*time.Millisecond, func() { syscall.Kill(pids[1], syscall.SIGKILL) })
				}
				if _, err := lines.Collect(t.Context()); err != nil {
					t.Fatal(err)
				}
				if keys.Value() != want.keys || keys.Count() != want.lines {
					t.Errorf("round %d: %d of %d rows, want %d of %d", round, keys.Value(), keys.Count(), want.keys, want.lines)
				}
				if got := fmt.Sprintf("%.2f", price.Value()); got != want.price {
					t.Errorf("round %d: prices of %s, want %s", round, got, want.price)
				}
				if !maps.Equal(flags.Value(), want.flags) {
					t.Errorf("round %d: flags %v, want %v", round, flags.Value(), want.flags)
				}
				if _, err := frame(t, s, "SELECT * FROM nation").Accumulate(nations, "n_nationkey, n_name").Count(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(nations.Value()) != 25 || len(nations.Value()[0]) != 2 {
					t.Errorf("round %d: %v", round, nations.Value())
				}
				if nations.Reset(); len(nations.Value()) != 0 || nations.Count() != 0 {
					t.Error("something is left")
				}
			}
		})
	}
}

// TestAccumulatorMistakes: what cannot be added is an error with a class, wherever
// it is noticed.
func TestAccumulatorMistakes(t *testing.T) {
	s := open(t, "local[2]")
	other := open(t, "local[1]")
	long := s.LongAccumulator("long")
	numbers := frame(t, s, "SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(n, s)")
	bad := millrace.NewAccumulator(s, "bad", func() int { return 0 }, func(int, millrace.Row) int { panic("no") })
	for name, c := range map[string]struct {
		df   *millrace.DataFrame
		want diag.Class
	}{
		"a text":          {numbers.Accumulate(long, "s"), diag.TypeMismatch},
		"two numbers":     {numbers.Accumulate(long, "n, n"), diag.TypeMismatch},
		"nothing":         {numbers.Accumulate(long), diag.InvalidArgument},
		"another session": {frame(t, other, "SELECT 1 AS n").Accumulate(long, "n"), diag.InvalidArgument},
		"no such column":  {numbers.Accumulate(long, "m"), diag.UnresolvedColumn},
		"too much":        {numbers.Accumulate(long, "9223372036854775806 + 0 * n"), diag.Overflow},
		"a panic":         {numbers.Accumulate(bad, "n"), diag.InvalidArgument},
	} {
		if _, err := c.df.Collect(context.Background()); diag.ClassOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	nulls := s.LongAccumulator("nulls")
	if _, err := frame(t, s, "SELECT * FROM VALUES (1), (NULL), (5) AS t(n)").Accumulate(nulls, "n").Filter("n > 1").Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if nulls.Value() != 6 || nulls.Count() != 2 {
		t.Errorf("%d of %d rows", nulls.Value(), nulls.Count())
	}
}
