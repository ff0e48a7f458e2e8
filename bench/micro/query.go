package micro

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/columnar"
)

// group sums up an aggregation so that all of its groups and columns count.
const group = `select count(*) as groups_made, sum(n) as rows_in, sum(k * s) as mixed, min(lo) as lo, max(hi) as hi
from (select KEY as k, count(*) as n, sum(v) as s, min(v) as lo, max(v) as hi from facts group by KEY) as g`

// Queries lists the benchmarks over the data of a scale factor in a directory.
func Queries(sf float64, dir string) []harness.Query {
	rows := map[string]string{}
	for _, t := range Tables(sf) {
		rows[t.Name] = count(t.Rows)
	}
	grouped := func(name, title, key string) harness.Query {
		return harness.Query{Name: name, Title: title, SQL: strings.ReplaceAll(group, "KEY", key)}
	}
	return []harness.Query{
		grouped("group-10", rows["facts"]+" into 10 groups", "k1"),
		grouped("group-1e4", rows["facts"]+" into 10⁴ groups", "k4"),
		grouped("group-1e6", rows["facts"]+" into 10⁶ groups", "k6"),
		grouped("group-1e7", rows["facts"]+" into 10⁷ groups", "k7"),
		{Name: "join-1-1", Title: rows["west"] + " with " + rows["east"] + ", one to one",
			SQL: "select count(*) as n, sum(a) as a, sum(b) as b, sum(a * b) as ab from west join east on west.key = east.key"},
		{Name: "join-1-n", Title: rows["facts"] + " with " + rows["dim"] + ", 20 to one",
			SQL: "select count(*) as n, sum(v * w) as vw from facts join dim on k6 = dim.key"},
		{Name: "join-skewed", Title: rows["facts"] + " with " + rows["dim"] + ", keys skewed",
			SQL: "select count(*) as n, sum(v * w) as vw from facts join dim on z = dim.key"},
		{Name: "sort-ints", Title: rows["ints"] + " by bigint", SQL: "select k, id from ints order by k", Ordered: true},
		{Name: "sort-strings", Title: rows["strings"] + " by string", SQL: "select s, id from strings order by s, id", Ordered: true},
		{Name: "csv-parquet", Title: "lineitem from CSV to Parquet", Convert: &harness.Conversion{CSV: filepath.Join(dir, "lineitem.csv"), Columns: lineitem()},
			SQL: `select count(*) as n, sum(l_orderkey) as k, sum(l_quantity) as q, sum(l_extendedprice) as p, sum(l_tax) as t, min(l_shipdate) as d,
  max(l_receiptdate) as r, min(l_comment) as c, max(l_comment) as m, count(distinct l_shipmode) as s from converted`},
	}
}

// count renders a number of rows.
func count(n int64) string {
	if n >= 1_000_000 {
		return fmt.Sprintf("%g M rows", float64(n)/1e6)
	}
	return fmt.Sprintf("%d rows", n)
}

// lineitem returns the columns of the CSV file.
func lineitem() []harness.Column {
	var out []harness.Column
	for _, t := range dbgen.Tables() {
		if t.Name != "lineitem" {
			continue
		}
		for _, f := range t.Schema.Fields {
			name := strings.ToUpper(f.Type.String())
			if f.Type.Kind == columnar.String {
				name = "VARCHAR"
			}
			out = append(out, harness.Column{Name: f.Name, Type: name})
		}
	}
	return out
}
