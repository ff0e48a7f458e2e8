package memory_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/memory"
	"github.com/millrace-engine/millrace/bench/table"
)

// The queries mean what their names say, whatever memory they have: pairs, groups
// and rows are counted.
func TestQueries(t *testing.T) {
	const sf = 0.002
	dir := t.TempDir()
	tables := memory.Tables(sf)
	if err := table.Gen(t.Context(), tables, table.Options{Dir: dir, Workers: 2}); err != nil {
		t.Fatal(err)
	}
	const keyed, others = 6_000, 2 // rows of hot
	first := map[string]string{"join": "20000", "group": "40000", "hot": fmt.Sprint(keyed*keyed + others)}
	var wants [5][][]any
	for _, budget := range []string{"1GiB", "16MiB"} {
		s, err := millrace.Open(t.Context(), "local[2]", millrace.WithSetting("memory", budget))
		if err != nil {
			t.Fatal(err)
		}
		for name, path := range table.Paths(tables, dir) {
			if err := s.Read().Parquet(path).CreateOrReplaceTempView(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		for i, q := range memory.Queries(sf) {
			df, err := s.SQL(t.Context(), q.SQL)
			if err != nil {
				t.Fatalf("%s: %v", q.Name, err)
			}
			if q.Name == "list" {
				df = df.OrderBy("n")
			}
			got, err := df.Collect(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", q.Name, err)
			}
			var rows [][]any
			for _, r := range got {
				rows = append(rows, r)
			}
			if wants[i] == nil {
				wants[i] = rows
			}
			if !reflect.DeepEqual(rows, wants[i]) {
				t.Errorf("%s in %s: %v, want %v", q.Name, budget, rows, wants[i])
			}
			switch q.Name {
			case "sort":
				if n := len(rows); n != 1000 || len(rows[0][0].(string)) != 101 || rows[0][0].(string) >= rows[n-1][0].(string) {
					t.Errorf("the end of the order is %v", rows)
				}
			case "list":
				if last := fmt.Sprint(rows[len(rows)-1]); last != "[8000 1 0]" {
					t.Errorf("the longest list is %s", last)
				}
			default:
				if n := fmt.Sprint(rows[0][0]); n != first[q.Name] {
					t.Errorf("%s: %s, want %s", q.Name, n, first[q.Name])
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
