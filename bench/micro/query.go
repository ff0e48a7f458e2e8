package micro

import (
	"path/filepath"
	"strings"

	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/columnar"
)

// group sums up an aggregation so that all of its groups and columns count.
const group = `select count(*) as groups_made, sum(n) as rows_in, sum(k * s) as mixed, min(lo) as lo, max(hi) as hi
from (select KEY as k, count(*) as n, sum(v) as s, min(v) as lo, max(v) as hi from facts group by KEY) as g`

// Queries lists the benchmarks over the data in a directory.
func Queries(dir string) []harness.Query {
	grouped := func(name, title, key string) harness.Query {
		return harness.Query{Name: name, Title: title, SQL: strings.ReplaceAll(group, "KEY", key)}
	}
	return []harness.Query{
		grouped("group-10", "20 M rows into 10 groups", "k1"),
		grouped("group-1e4", "20 M rows into 10⁴ groups", "k4"),
		grouped("group-1e6", "20 M rows into 10⁶ groups", "k6"),
		grouped("group-1e7", "20 M rows into 10⁷ groups", "k7"),
		{Name: "join-1-1", Title: "5 M rows with 5 M rows, one to one",
			SQL: "select count(*) as n, sum(a) as a, sum(b) as b, sum(a * b) as ab from west join east on west.key = east.key"},
		{Name: "join-1-n", Title: "20 M rows with 1 M rows, 20 to one",
			SQL: "select count(*) as n, sum(v * w) as vw from facts join dim on k6 = dim.key"},
		{Name: "join-skewed", Title: "20 M rows with 1 M rows, keys skewed",
			SQL: "select count(*) as n, sum(v * w) as vw from facts join dim on z = dim.key"},
		{Name: "sort-ints", Title: "10 M rows by bigint", SQL: "select k, id from ints order by k", Ordered: true},
		{Name: "sort-strings", Title: "5 M rows by string", SQL: "select s, id from strings order by s, id", Ordered: true},
		{Name: "csv-parquet", Title: "lineitem from CSV to Parquet", Convert: &harness.Conversion{CSV: filepath.Join(dir, "lineitem.csv"), Columns: lineitem()},
			SQL: `select count(*) as n, sum(l_orderkey) as k, sum(l_quantity) as q, sum(l_extendedprice) as p, sum(l_tax) as t, min(l_shipdate) as d,
  max(l_receiptdate) as r, min(l_comment) as c, max(l_comment) as m, count(distinct l_shipmode) as s from converted`},
	}
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
