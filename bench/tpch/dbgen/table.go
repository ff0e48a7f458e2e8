package dbgen

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
)

// Table is a table of TPC-H.
type Table struct {
	Name   string
	Schema *columnar.Schema
}

// Tables lists the tables.
func Tables() []Table {
	k, i, d, s, m := columnar.Int64Type, columnar.Int32Type, columnar.DateType, columnar.StringType, columnar.DecimalType(15, 2)
	t := func(name string, fields ...any) Table {
		x := Table{Name: name, Schema: &columnar.Schema{}}
		for j := 0; j < len(fields); j += 2 {
			x.Schema.Fields = append(x.Schema.Fields, columnar.Field{Name: fields[j].(string), Type: fields[j+1].(columnar.Type)})
		}
		return x
	}
	return []Table{
		t("region", "r_regionkey", k, "r_name", s, "r_comment", s),
		t("nation", "n_nationkey", k, "n_name", s, "n_regionkey", k, "n_comment", s),
		t("supplier", "s_suppkey", k, "s_name", s, "s_address", s, "s_nationkey", k, "s_phone", s, "s_acctbal", m, "s_comment", s),
		t("customer", "c_custkey", k, "c_name", s, "c_address", s, "c_nationkey", k, "c_phone", s, "c_acctbal", m, "c_mktsegment", s, "c_comment", s),
		t("part", "p_partkey", k, "p_name", s, "p_mfgr", s, "p_brand", s, "p_type", s, "p_size", i, "p_container", s, "p_retailprice", m, "p_comment", s),
		t("partsupp", "ps_partkey", k, "ps_suppkey", k, "ps_availqty", i, "ps_supplycost", m, "ps_comment", s),
		t("orders", "o_orderkey", k, "o_custkey", k, "o_orderstatus", s, "o_totalprice", m, "o_orderdate", d, "o_orderpriority", s, "o_clerk", s, "o_shippriority", i, "o_comment", s),
		t("lineitem", "l_orderkey", k, "l_partkey", k, "l_suppkey", k, "l_linenumber", i, "l_quantity", m, "l_extendedprice", m, "l_discount", m, "l_tax", m,
			"l_returnflag", s, "l_linestatus", s, "l_shipdate", d, "l_commitdate", d, "l_receiptdate", d, "l_shipinstruct", s, "l_shipmode", s, "l_comment", s),
	}
}

func scaled(base int64, sf float64) int64 { return int64(math.Round(float64(base) * sf)) }

// Units returns how many units a table is generated in: rows, or for partsupp
// parts and for lineitem orders.
func Units(table string, sf float64) int64 {
	switch table {
	case "region":
		return 5
	case "nation":
		return 25
	case "supplier":
		return scaled(10_000, sf)
	case "customer":
		return scaled(150_000, sf)
	case "part", "partsupp":
		return scaled(200_000, sf)
	}
	return scaled(1_500_000, sf)
}

// rows fills the columns of a table row by row.
type rows struct {
	ctx    context.Context
	schema *columnar.Schema
	cols   []col
	n      int
	sink   func(*columnar.Batch) error
}

// col gathers one column: whole numbers, or strings.
type col struct {
	t     columnar.Type
	ints  []int64
	off   []int32
	bytes []byte
	dict  *columnar.Dictionary // strings by code, in ints
}

func (r *rows) int(c int, v int64) { r.cols[c].ints = append(r.cols[c].ints, v) }

// end closes a string that was appended to the column's bytes.
func (r *rows) end(c int) { r.cols[c].off = append(r.cols[c].off, int32(len(r.cols[c].bytes))) }

func (r *rows) str(c int, s []byte) {
	r.cols[c].bytes = append(r.cols[c].bytes, s...)
	r.end(c)
}

func (r *rows) row() error {
	if r.n++; r.n == columnar.MaxRows {
		return r.flush()
	}
	return nil
}

func (r *rows) flush() error {
	if r.n == 0 {
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	b := &columnar.Batch{Schema: r.schema, Rows: r.n, Cols: make([]columnar.Vector, len(r.cols))}
	for i := range r.cols {
		c := &r.cols[i]
		v := columnar.Vector{Type: c.t, Len: r.n, Width: uint8(c.t.FixedWidth())}
		switch {
		case c.dict != nil:
			codes := make([]uint32, r.n)
			for k, x := range c.ints {
				codes[k] = uint32(x)
			}
			v.Enc, v.Dict, v.Width, v.Data = columnar.Dict, c.dict, 0, columnar.BytesOf(codes)
		case c.t.IsBytes():
			v.Data, v.Bytes = columnar.BytesOf(c.off), c.bytes
		case v.Width == 4:
			xs := make([]int32, r.n)
			for k, x := range c.ints {
				xs[k] = int32(x)
			}
			v.Data = columnar.BytesOf(xs)
		default:
			v.Data = columnar.BytesOf(c.ints)
		}
		b.Cols[i] = v
	}
	if err := r.sink(b); err != nil {
		return err
	}
	for i := range r.cols {
		c := &r.cols[i]
		c.ints, c.bytes = c.ints[:0], c.bytes[:0]
		c.off = append(c.off[:0], 0)
	}
	r.n = 0
	return nil
}

// use makes a string column a dictionary of the given texts.
func (r *rows) use(c int, texts []string) {
	v := columnar.Vector{Type: columnar.StringType, Len: len(texts), Stable: true}
	off := []int32{0}
	for _, t := range texts {
		v.Bytes = append(v.Bytes, t...)
		off = append(off, int32(len(v.Bytes)))
	}
	v.Data = columnar.BytesOf(off)
	r.cols[c].dict = &columnar.Dictionary{Values: v, Unique: true}
}

// Generate makes part of a table (0 ≤ part < parts) as batches, in order. A
// batch is valid during the call of sink.
func Generate(ctx context.Context, table string, sf float64, part, parts int, sink func(*columnar.Batch) error) error {
	for _, t := range Tables() {
		if t.Name != table {
			continue
		}
		n := Units(table, sf)
		from, to := n*int64(part)/int64(parts), n*int64(part+1)/int64(parts)
		r := &rows{ctx: ctx, schema: t.Schema, sink: sink}
		for _, f := range t.Schema.Fields {
			r.cols = append(r.cols, col{t: f.Type, off: []int32{0}})
		}
		makers := map[string]func(*rows, float64, int64, int64) error{"region": region, "nation": nationTable, "supplier": supplier,
			"customer": customer, "part": partTable, "partsupp": partsupp, "orders": orders, "lineitem": lineitem}
		if err := makers[table](r, sf, from, to); err != nil {
			return err
		}
		return r.flush()
	}
	return fmt.Errorf("dbgen: there is no table %q", table)
}

// WriteTBL writes part of a table in the official generator's text form.
func WriteTBL(ctx context.Context, w io.Writer, table string, sf float64, part, parts int) error {
	var b []byte
	return Generate(ctx, table, sf, part, parts, func(x *columnar.Batch) error {
		b = b[:0]
		for i := range x.Rows {
			for c := range x.Cols {
				b = text.AppendValue(b, &x.Cols[c], i, time.UTC)
				if x.Schema.Fields[c].Name == "l_quantity" { // written without decimals
					b = b[:len(b)-3]
				}
				b = append(b, '|')
			}
			b = append(b, '\n')
		}
		_, err := w.Write(b)
		return err
	})
}
