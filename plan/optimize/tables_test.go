package optimize

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/analyze"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/sql"
)

type table struct {
	name   string
	schema *columnar.Schema
	stats  catalog.Statistics
}

func (t *table) Name() string                   { return t.name }
func (t *table) Schema() *columnar.Schema       { return t.schema }
func (t *table) Statistics() catalog.Statistics { return t.stats }
func (t *table) Descriptor() catalog.Descriptor { return catalog.Descriptor{Connector: "test"} }

type tables map[string]*table

func (ts tables) ResolveTable(_ context.Context, ref catalog.TableRef) (catalog.Table, error) {
	if len(ref.Parts) == 1 {
		if t, ok := ts[strings.ToLower(ref.Parts[0])]; ok {
			return t, nil
		}
	}
	return nil, diag.NewAt(ref.Place, diag.TableNotFound, "no table %v", ref.Parts)
}

func (ts tables) TableNames() []string { return nil }

// analyzed parses and analyzes a query.
func analyzed(text string, ts tables, next *expr.ID) (logical.Plan, error) {
	p, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return analyze.Analyze(context.Background(), p, analyze.Options{Resolver: ts, NextID: next})
}

// check verifies that every column that a node uses is defined below it, with
// the same type, and that no node defines a column twice.
func check(p logical.Plan) error {
	below := map[expr.ID]columnar.Type{}
	for _, k := range p.Children() {
		if err := check(k); err != nil {
			return err
		}
		for _, a := range k.Output() {
			if _, twice := below[a.ID]; twice {
				return fmt.Errorf("%s: %s is defined twice", p, a)
			}
			below[a.ID] = a.Typ
		}
	}
	switch x := p.(type) {
	case *logical.Scan:
		for _, a := range x.Attrs {
			below[a.ID] = a.Typ
		}
	case *logical.SetOp, *logical.Distinct:
		return fmt.Errorf("%s cannot be planned", p)
	case *logical.Join:
		if x.Lateral {
			return fmt.Errorf("%s cannot be planned", p)
		}
	}
	var fail error
	if g, ok := p.(*logical.Aggregate); ok {
		for _, e := range g.List {
			if !settled(strip(e), g.Keys) {
				fail = fmt.Errorf("%s: %s is neither grouped nor aggregated", p, e)
			}
		}
	}
	for _, e := range p.Exprs() {
		expr.Walk(e, func(e expr.Expr) bool {
			switch x := e.(type) {
			case *expr.Attr:
				if t, ok := below[x.ID]; !ok {
					fail = fmt.Errorf("%s: %s is not defined below", p, x)
				} else if !t.Equal(x.Typ) {
					fail = fmt.Errorf("%s: %s is used as %s, defined as %s", p, x, x.Typ, t)
				}
			case *expr.Subquery:
				fail = fmt.Errorf("%s holds a subquery", p)
			}
			return true
		})
	}
	return fail
}

// settled reports whether an expression is made of keys and aggregates.
func settled(e expr.Expr, keys []expr.Expr) bool {
	if contains(keys, e) {
		return true
	}
	switch e.(type) {
	case *expr.Agg:
		return true
	case *expr.Attr:
		return false
	}
	for _, k := range e.Children() {
		if !settled(k, keys) {
			return false
		}
	}
	return true
}

var (
	decimal = columnar.DecimalType(15, 2)
	cents   = func(v float64) columnar.Int128 { return columnar.Int128{Lo: uint64(int64(v * 100)), Hi: signOf(v)} }
)

func signOf(v float64) int64 {
	if v < 0 {
		return -1
	}
	return 0
}

// tpch returns the TPC-H tables with their statistics at scale factor 1.
func tpch() tables {
	type col struct {
		name     string
		typ      columnar.Type
		distinct float64
		min, max any
	}
	ts := tables{}
	add := func(name string, rows float64, cols ...col) {
		t := &table{name: name, schema: &columnar.Schema{}, stats: catalog.Statistics{Rows: rows, Bytes: rows * 100}}
		for _, c := range cols {
			t.schema.Fields = append(t.schema.Fields, columnar.Field{Name: c.name, Type: c.typ})
			t.stats.Columns = append(t.stats.Columns, catalog.ColumnStatistics{Distinct: c.distinct, Min: c.min, Max: c.max})
		}
		ts[name] = t
	}
	key := func(name string, n float64) col {
		return col{name, columnar.Int64Type, n, int64(1), int64(n)}
	}
	num := func(name string, n int64) col {
		return col{name, columnar.Int32Type, float64(n), int64(1), n}
	}
	str := func(name string, n float64) col { return col{name, columnar.StringType, n, nil, nil} }
	dec := func(name string, n, lo, hi float64) col { return col{name, decimal, n, cents(lo), cents(hi)} }
	day := func(name string, lo, hi int64) col {
		return col{name, columnar.DateType, float64(hi - lo), lo, hi}
	}
	add("region", 5, num("r_regionkey", 5), str("r_name", 5), str("r_comment", 5))
	add("nation", 25, num("n_nationkey", 25), str("n_name", 25), num("n_regionkey", 5), str("n_comment", 25))
	add("supplier", 10000, key("s_suppkey", 10000), str("s_name", 10000), str("s_address", 10000), num("s_nationkey", 25), str("s_phone", 10000), dec("s_acctbal", 9955, -998, 9999), str("s_comment", 10000))
	add("customer", 150000, key("c_custkey", 150000), str("c_name", 150000), str("c_address", 150000), num("c_nationkey", 25), str("c_phone", 150000), dec("c_acctbal", 140187, -999, 9999), str("c_mktsegment", 5), str("c_comment", 150000))
	add("part", 200000, key("p_partkey", 200000), str("p_name", 199997), str("p_mfgr", 5), str("p_brand", 25), str("p_type", 150), num("p_size", 50), str("p_container", 40), dec("p_retailprice", 20899, 901, 2098), str("p_comment", 131753))
	add("partsupp", 800000, key("ps_partkey", 200000), key("ps_suppkey", 10000), num("ps_availqty", 9999), dec("ps_supplycost", 99865, 1, 1000), str("ps_comment", 799124))
	add("orders", 1500000, col{"o_orderkey", columnar.Int64Type, 1500000, int64(1), int64(6000000)}, key("o_custkey", 99996), str("o_orderstatus", 3), dec("o_totalprice", 1464556, 857, 555285), day("o_orderdate", 8035, 10440), str("o_orderpriority", 5), str("o_clerk", 1000), num("o_shippriority", 1), str("o_comment", 1482071))
	add("lineitem", 6001215, col{"l_orderkey", columnar.Int64Type, 1500000, int64(1), int64(6000000)}, key("l_partkey", 200000), key("l_suppkey", 10000), num("l_linenumber", 7), dec("l_quantity", 50, 1, 50), dec("l_extendedprice", 933900, 901, 104949), dec("l_discount", 11, 0, 0.1), dec("l_tax", 9, 0, 0.08), str("l_returnflag", 3), str("l_linestatus", 2), day("l_shipdate", 8036, 10561), day("l_commitdate", 8065, 10530), day("l_receiptdate", 8037, 10591), str("l_shipinstruct", 4), str("l_shipmode", 7), str("l_comment", 4580667))
	return ts
}
