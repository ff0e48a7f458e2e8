package analyze

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
)

// TestTPCH resolves the 22 queries and compares the columns that matter: those
// with types that Spark computes.
func TestTPCH(t *testing.T) {
	want := map[string]string{
		"q01": "l_returnflag string, l_linestatus string, sum_qty decimal(25,2), sum_base_price decimal(25,2), sum_disc_price decimal(38,4), sum_charge decimal(38,6), avg_qty decimal(19,6), avg_price decimal(19,6), avg_disc decimal(19,6), count_order bigint",
		"q04": "o_orderpriority string, order_count bigint",
		"q06": "revenue decimal(38,4)",
		"q07": "supp_nation string, cust_nation string, l_year int, revenue decimal(38,4)",
		"q08": "o_year int, mkt_share decimal(38,6)",
		"q11": "ps_partkey bigint, value decimal(36,2)",
		"q13": "c_count bigint, custdist bigint",
		"q14": "promo_revenue decimal(38,6)",
		"q17": "avg_yearly decimal(30,6)",
		"q22": "cntrycode string, numcust bigint, totacctbal decimal(25,2)",
	}
	files, _ := filepath.Glob("../../bench/tpch/queries/q*.sql")
	if len(files) != 22 {
		t.Fatalf("%d queries", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		statements, err := sql.Split(string(text))
		if err != nil {
			t.Fatal(name, err)
		}
		var last logical.Plan
		for _, s := range statements {
			p, err := sql.Parse(s.Text)
			if err != nil {
				t.Fatal(name, err)
			}
			if last, err = Analyze(context.Background(), p, options(t)); err != nil {
				t.Fatal(name, err)
			}
			if err := Check(last); err != nil {
				t.Error(name, err)
			}
		}
		if w, ok := want[name]; ok {
			var cols []string
			for _, a := range last.Output() {
				cols = append(cols, a.Name+" "+a.Typ.String())
			}
			if diff := cmp.Diff(w, strings.Join(cols, ", ")); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

// BenchmarkTPCH resolves all 22 queries once per round.
func BenchmarkTPCH(b *testing.B) {
	files, _ := filepath.Glob("../../bench/tpch/queries/q*.sql")
	var plans []logical.Plan
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		statements, err := sql.Split(string(text))
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range statements {
			p, err := sql.Parse(s.Text)
			if err != nil {
				b.Fatal(err)
			}
			plans = append(plans, p)
		}
	}
	ts := tables()
	b.ResetTimer()
	for b.Loop() {
		for _, p := range plans {
			var next expr.ID
			if _, err := Analyze(context.Background(), p, Options{Resolver: ts, NextID: &next}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
