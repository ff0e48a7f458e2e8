package catalogtest

import "github.com/millrace-engine/millrace/columnar"

// TPCH returns the eight tables of TPC-H with the row counts, distinct counts
// and bounds of scale factor 1. Keys are bigint; nation and region keys, line
// numbers, sizes and quantities on stock int; money, quantity, discount and tax
// decimal(15,2). No column is nullable.
func TPCH() Tables {
	ts := Tables{}
	ts.Add(New("region", 5,
		small("r_regionkey", 0, 4), text("r_name", 5, 7), text("r_comment", 5, 66)))
	ts.Add(New("nation", 25,
		small("n_nationkey", 0, 24), text("n_name", 25, 7), small("n_regionkey", 0, 4), text("n_comment", 25, 74)))
	ts.Add(New("supplier", 10000,
		key("s_suppkey", 10000, 10000), text("s_name", 10000, 18), text("s_address", 10000, 25), small("s_nationkey", 0, 24),
		text("s_phone", 10000, 15), money("s_acctbal", 9955, -99822, 999972), text("s_comment", 10000, 62)))
	ts.Add(New("customer", 150000,
		key("c_custkey", 150000, 150000), text("c_name", 150000, 18), text("c_address", 150000, 25), small("c_nationkey", 0, 24),
		text("c_phone", 150000, 15), money("c_acctbal", 140187, -99999, 999999), text("c_mktsegment", 5, 9), text("c_comment", 149968, 73)))
	ts.Add(New("part", 200000,
		key("p_partkey", 200000, 200000), text("p_name", 199997, 33), text("p_mfgr", 5, 14), text("p_brand", 25, 8), text("p_type", 150, 21),
		small("p_size", 1, 50), text("p_container", 40, 8), money("p_retailprice", 20899, 90100, 209899), text("p_comment", 131753, 14)))
	ts.Add(New("partsupp", 800000,
		key("ps_partkey", 200000, 200000), key("ps_suppkey", 10000, 10000), small("ps_availqty", 1, 9999),
		money("ps_supplycost", 99865, 100, 100000), text("ps_comment", 799124, 124)))
	ts.Add(New("orders", 1500000,
		key("o_orderkey", 1500000, 6000000), key("o_custkey", 99996, 149999), text("o_orderstatus", 3, 1), money("o_totalprice", 1464556, 85771, 55528516),
		day("o_orderdate", 2406, 8035, 10440), text("o_orderpriority", 5, 8), text("o_clerk", 1000, 15), small("o_shippriority", 0, 0), text("o_comment", 1482071, 49)))
	ts.Add(New("lineitem", 6001215,
		key("l_orderkey", 1500000, 6000000), key("l_partkey", 200000, 200000), key("l_suppkey", 10000, 10000), small("l_linenumber", 1, 7),
		money("l_quantity", 50, 100, 5000), money("l_extendedprice", 933900, 90100, 10494950), money("l_discount", 11, 0, 10), money("l_tax", 9, 0, 8),
		text("l_returnflag", 3, 1), text("l_linestatus", 2, 1),
		day("l_shipdate", 2526, 8037, 10561), day("l_commitdate", 2466, 8066, 10530), day("l_receiptdate", 2554, 8038, 10591),
		text("l_shipinstruct", 4, 12), text("l_shipmode", 7, 4), text("l_comment", 4580667, 27)))
	return ts
}

// key is a bigint column of values from 1 on.
func key(name string, distinct float64, max int64) Column {
	return Column{Name: name, Type: columnar.Int64Type, Distinct: distinct, Min: int64(1), Max: max}
}

// small is an int column that takes all values between two.
func small(name string, min, max int64) Column {
	return Column{Name: name, Type: columnar.Int32Type, Distinct: float64(max - min + 1), Min: min, Max: max}
}

// money is a decimal(15,2) column; bounds are in hundredths.
func money(name string, distinct float64, min, max int64) Column {
	return Column{Name: name, Type: columnar.DecimalType(15, 2), Distinct: distinct, Min: int128(min), Max: int128(max)}
}

// day is a date column; bounds are days since 1970-01-01.
func day(name string, distinct float64, min, max int64) Column {
	return Column{Name: name, Type: columnar.DateType, Distinct: distinct, Min: min, Max: max}
}

func text(name string, distinct, bytes float64) Column {
	return Column{Name: name, Type: columnar.StringType, Distinct: distinct, AvgBytes: bytes}
}

func int128(v int64) columnar.Int128 { return columnar.Int128{Lo: uint64(v), Hi: v >> 63} }
