package dbgen

import (
	"context"
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// MaxSF is the largest scale factor: beyond it part keys leave 31 bits, and the
// official generator changes its streams.
const MaxSF = 10_000

// Table is a table of TPC-H.
type Table struct {
	Name   string
	Schema *columnar.Schema
	fill   func(r *rows, sf float64, from, to int64) error
}

// Tables lists the tables, the smallest first. Keys are bigint, other numbers
// int, amounts decimal(15,2); no column is nullable.
func Tables() []Table {
	k, i, d, s, m := columnar.Int64Type, columnar.Int32Type, columnar.DateType, columnar.StringType, columnar.DecimalType(15, 2)
	t := func(name string, fill func(*rows, float64, int64, int64) error, fields ...any) Table {
		x := Table{Name: name, Schema: &columnar.Schema{}, fill: fill}
		for j := 0; j < len(fields); j += 2 {
			x.Schema.Fields = append(x.Schema.Fields, columnar.Field{Name: fields[j].(string), Type: fields[j+1].(columnar.Type)})
		}
		return x
	}
	return []Table{
		t("region", region, "r_regionkey", k, "r_name", s, "r_comment", s),
		t("nation", nationTable, "n_nationkey", k, "n_name", s, "n_regionkey", k, "n_comment", s),
		t("supplier", supplier, "s_suppkey", k, "s_name", s, "s_address", s, "s_nationkey", k, "s_phone", s, "s_acctbal", m, "s_comment", s),
		t("customer", customer, "c_custkey", k, "c_name", s, "c_address", s, "c_nationkey", k, "c_phone", s, "c_acctbal", m, "c_mktsegment", s, "c_comment", s),
		t("part", partTable, "p_partkey", k, "p_name", s, "p_mfgr", s, "p_brand", s, "p_type", s, "p_size", i, "p_container", s, "p_retailprice", m, "p_comment", s),
		t("partsupp", partsupp, "ps_partkey", k, "ps_suppkey", k, "ps_availqty", i, "ps_supplycost", m, "ps_comment", s),
		t("orders", orders, "o_orderkey", k, "o_custkey", k, "o_orderstatus", s, "o_totalprice", m, "o_orderdate", d, "o_orderpriority", s, "o_clerk", s, "o_shippriority", i, "o_comment", s),
		t("lineitem", lineitem, "l_orderkey", k, "l_partkey", k, "l_suppkey", k, "l_linenumber", i, "l_quantity", m, "l_extendedprice", m, "l_discount", m, "l_tax", m,
			"l_returnflag", s, "l_linestatus", s, "l_shipdate", d, "l_commitdate", d, "l_receiptdate", d, "l_shipinstruct", s, "l_shipmode", s, "l_comment", s),
	}
}

// scaled returns the rows of a table at a scale factor: at least one, because
// other tables refer to it.
func scaled(base int64, sf float64) int64 { return max(1, int64(math.Round(float64(base)*sf))) }

// Units returns how many units a table is generated in: rows, or for partsupp
// parts and for lineitem orders. Unknown tables have none.
func Units(table string, sf float64) int64 {
	switch table {
	case "region":
		return int64(len(regions))
	case "nation":
		return int64(len(nations))
	case "supplier":
		return scaled(10_000, sf)
	case "customer":
		return scaled(150_000, sf)
	case "part", "partsupp":
		return scaled(200_000, sf)
	case "orders", "lineitem":
		return scaled(1_500_000, sf)
	}
	return 0
}

// Rows returns how many rows a table has. For lineitem it draws the lines of
// every order: some milliseconds per unit of scale.
func Rows(table string, sf float64) int64 {
	n := Units(table, sf)
	switch table {
	case "partsupp":
		return 4 * n
	case "lineitem":
		lines, total := newStream(lineCountSeed, 1), int64(0)
		for range n {
			total += int64(lines.between(1, maxLines))
		}
		return total
	}
	return n
}

// Generate makes part of a table (0 ≤ part < parts) as batches of up to
// columnar.MaxRows rows, in order: all parts one after the other are the table,
// however many there are. Columns of few different strings are Dict vectors
// whose dictionaries all batches share; the others are flat. A batch is valid
// during the call of sink only, whose error ends the generation and is returned
// as it is; the context is looked at once a batch. Parts may be made at the same
// time by several goroutines.
func Generate(ctx context.Context, table string, sf float64, part, parts int, sink func(*columnar.Batch) error) error {
	if !(sf > 0 && sf <= MaxSF) {
		return diag.New(diag.InvalidArgument, "the scale factor must be above 0 and at most %d, not %g", MaxSF, sf)
	}
	if part < 0 || part >= parts {
		return diag.New(diag.InvalidArgument, "there is no part %d of %d parts of table %s", part, parts, table)
	}
	for _, t := range Tables() {
		if t.Name != table {
			continue
		}
		r := newRows(t.Schema, func(b *columnar.Batch) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return sink(b)
		})
		n := Units(table, sf)
		if err := t.fill(r, sf, n*int64(part)/int64(parts), n*int64(part+1)/int64(parts)); err != nil {
			return err
		}
		return r.flush()
	}
	return diag.New(diag.TableNotFound, "TPC-H has no table %q", table)
}
