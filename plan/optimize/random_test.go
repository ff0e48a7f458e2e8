package optimize

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

var seed = flag.Uint64("seed", 0, "seed of the random data; 0 takes a few fixed ones")

// small returns three tables with few rows, many nulls and duplicates, and one
// without nulls, and statistics that are as wrong as they can be, so that plans
// differ from seed to seed.
func small(r *rand.Rand) (tables, map[string][][]any) {
	ts, data := tables{}, map[string][][]any{}
	for _, name := range []string{"r", "s", "t", "n"} {
		null := name != "n"
		sch := columnar.NewSchema(columnar.Field{Name: "a", Type: columnar.Int64Type, Nullable: null}, columnar.Field{Name: "b", Type: columnar.Int64Type, Nullable: null}, columnar.Field{Name: "c", Type: columnar.StringType, Nullable: null})
		tab := &table{name: name, schema: sch, stats: catalog.Statistics{Rows: float64(r.IntN(10) * r.IntN(200000)), Bytes: -1}}
		for range sch.Fields {
			tab.stats.Columns = append(tab.stats.Columns, catalog.ColumnStatistics{Distinct: float64(r.IntN(1000)) - 1, NullCount: -1})
		}
		ts[name] = tab
		for range r.IntN(7) {
			v := []any{int64(r.IntN(4)), int64(r.IntN(4)), []string{"x", "y", "xy"}[r.IntN(3)]}
			for i := range v {
				if null && r.IntN(4) == 0 {
					v[i] = nil
				}
			}
			data[name] = append(data[name], v)
		}
	}
	return ts, data
}

func sorted(rows []row, attrs []*expr.Attr) []string {
	var out []string
	for _, r := range rows {
		out = append(out, render(r, attrs))
	}
	sort.Strings(out)
	return out
}

// disabled leaves out another rule for every fourth seed.
func disabled(seed uint64) map[string]bool {
	if seed%4 != 0 {
		return nil
	}
	names := Rules()
	return map[string]bool{names[int(seed/4)%len(names)]: true}
}

// TestSameRows runs the queries of testdata/rows.sql before and after
// optimization on random data.
func TestSameRows(t *testing.T) { sameRows(t) }

// TestMultiply is TestSameRows with joins of few pairs grouped first, too.
func TestMultiply(t *testing.T) {
	defer func(n float64) { many = n }(many)
	many = -1
	sameRows(t)
}

// TestEager is TestSameRows with sides of joins that are as small as can be grouped
// eagerly.
func TestEager(t *testing.T) {
	defer func(n float64) { sizable = n }(sizable)
	sizable = 0
	sameRows(t)
}

func sameRows(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("testdata/rows.sql")
	if err != nil {
		t.Fatal(err)
	}
	seeds := []uint64{1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 36}
	if *seed != 0 {
		seeds = []uint64{*seed}
	}
	refused, compared := 0, 0
	queries := strings.Split(strings.TrimSpace(string(text)), ";\n")
	for _, q := range queries {
		q = strings.TrimSuffix(strings.TrimSpace(q), ";")
		if q == "" {
			continue
		}
		mayRefuse := strings.HasPrefix(q, "-- refused")
		for _, sd := range seeds {
			ts, data := small(rand.New(rand.NewPCG(sd, 0)))
			var next expr.ID
			p, err := analyzed(q, ts, &next)
			if err != nil {
				t.Errorf("%s\n%v", q, err)
				break
			}
			trail := ""
			o, err := Optimize(p, Options{NextID: &next, Disabled: disabled(sd), Trace: func(rule string, p logical.Plan) {
				trail += "== " + rule + "\n" + logical.Tree(p)
			}})
			if diag.ClassOf(err) == diag.Unsupported && mayRefuse {
				refused++
				break
			}
			if err != nil {
				t.Errorf("%s\n%v", q, err)
				break
			}
			if err := check(o); err != nil {
				t.Errorf("seed %d: %s\n%v\n%s", sd, q, err, logical.Tree(o))
				break
			}
			want, err := (&interpreter{data: data, memo: map[string]any{}, work: 100000}).run(p, row{})
			if err != nil {
				continue // a query that fails may fail or not
			}
			compared++
			got, err := (&interpreter{data: data, memo: map[string]any{}, work: 100000}).run(o, row{})
			if err != nil {
				t.Errorf("seed %d: %s\n%v\n%s", sd, q, err, trail)
				break
			}
			if diff := cmp.Diff(sorted(want, p.Output()), sorted(got, p.Output())); diff != "" {
				t.Errorf("seed %d: %s\n%s\n%s%s", sd, q, diff, logical.Tree(p), trail)
				break
			}
		}
	}
	if compared < 3*len(queries)*len(seeds)/4 {
		t.Errorf("only %d outcomes compared", compared)
	}
	t.Logf("%d queries, %d refused, %d outcomes compared", len(queries), refused, compared)
}

// TestManyRelations joins more tables than are ordered exactly, and more than
// are ordered at all.
func TestManyRelations(t *testing.T) {
	for _, n := range []int{11, 24, 64, 65, 130} {
		ts, data := small(rand.New(rand.NewPCG(1, 1)))
		data["n"] = [][]any{{int64(1), int64(2), "x"}, {int64(2), int64(1), "y"}}
		q := "select t0.a as x, t1.b as y from n t0"
		where := " where t0.a = 1"
		for i := 1; i < n; i++ {
			q += fmt.Sprintf(", n t%d", i)
			where += fmt.Sprintf(" and t%d.b = t%d.a", i, i-1)
		}
		var next expr.ID
		p, err := analyzed(q+where, ts, &next)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Optimize(p, Options{NextID: &next})
		if err == nil {
			err = check(o)
		}
		if err != nil {
			t.Fatal(n, err)
		}
		got, err := (&interpreter{data: data, memo: map[string]any{}, work: 100000}).run(o, row{})
		if err != nil {
			t.Fatal(n, err)
		}
		if diff := cmp.Diff([]string{"1|1|"}, sorted(got, p.Output())); diff != "" {
			t.Errorf("%d relations: %s", n, diff)
		}
	}
}
