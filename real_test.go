package millrace_test

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// TestRealData joins flights with airports by a made-up key and compares with
// the same computed by loops over the rows.
func TestRealData(t *testing.T) {
	const flights, airports = "../shared/data/real/flights-200k.arrow", "../shared/data/real/airports.csv"
	if _, err := os.Stat(flights); err != nil {
		t.Skip("the data is not here: ", err)
	}
	s := open(t, "local[2]")
	ctx := context.Background()
	register(t, s, "f", s.Read().Load("arrow", flights))
	register(t, s, "a", s.Read().Option("header", "true").Option("inferSchema", "true").CSV(airports))
	rows, _, err := text(t, s, `SELECT a.state, count(*) AS n, sum(f.delay), max(f.distance)
		FROM f JOIN a ON f.distance = CAST(floor(a.latitude * 20) AS INT) WHERE f.delay > 60 AND a.country = 'USA'
		GROUP BY a.state HAVING count(*) > 100 ORDER BY n DESC, a.state`)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Table("f").Select("delay", "distance").Collect(ctx)
	if err != nil || len(f) != 200_000 {
		t.Fatalf("%d flights: %v", len(f), err)
	}
	a, err := s.Table("a").Select("state", "latitude", "country").Collect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[int64][]string{}
	for _, x := range a {
		if x[2] == "USA" {
			k := int64(x[1].(float64) * 20)
			byKey[k] = append(byKey[k], x[0].(string))
		}
	}
	type sums struct{ n, delay, distance int64 }
	want := map[string]*sums{}
	for _, x := range f {
		if d := x[0].(int64); d > 60 {
			for _, st := range byKey[x[1].(int64)] {
				if want[st] == nil {
					want[st] = &sums{}
				}
				w := want[st]
				w.n++
				w.delay += d
				w.distance = max(w.distance, x[1].(int64))
			}
		}
	}
	n := 0
	for _, w := range want {
		if w.n > 100 {
			n++
		}
	}
	if len(rows) != n || n == 0 {
		t.Fatalf("%d states, want %d", len(rows), n)
	}
	for _, r := range rows {
		w := want[r[0]]
		if got, exp := fmt.Sprint(r[1:]), fmt.Sprint([]int64{w.n, w.delay, w.distance}); got != exp {
			t.Errorf("%s: %s, want %s", r[0], got, exp)
		}
	}
}
