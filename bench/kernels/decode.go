package kernels

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/bench/tpch/dbgen"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/csv"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// decodeSF is the scale of the lineitem that is decoded: 120,000 rows, in the
// system's file cache.
const decodeSF = 0.02

// decoding are reads of one column of lineitem each from Parquet, and of all of
// them from CSV.
func decoding() []Kernel {
	const all = ""
	rows := int(dbgen.Rows("lineitem", decodeSF))
	var list []Kernel
	for _, x := range []struct {
		name, format, column string
		width                int // bytes of a row
	}{
		{"Parquet: bigint", "parquet", "l_orderkey", 8},
		{"Parquet: decimal, dictionary", "parquet", "l_quantity", 8},
		{"Parquet: decimal, plain", "parquet", "l_extendedprice", 8},
		{"Parquet: date", "parquet", "l_shipdate", 4},
		{"Parquet: string, dictionary", "parquet", "l_shipmode", 4},
		{"Parquet: string, plain", "parquet", "l_comment", 4 + 26},
		{"CSV: lineitem, 16 columns", "csv", all, 123},
	} {
		list = append(list, Kernel{Name: x.name, Rows: rows, Move: int64(2 * x.width * rows), Out: rows, Make: func(ctx context.Context) (func() (int, error), func(), error) {
			dir, err := os.MkdirTemp("", "millrace-kernels-*")
			if err != nil {
				return nil, nil, diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
			}
			done := func() { os.RemoveAll(dir) }
			once, err := scan(ctx, dir, x.format, x.column)
			if err != nil {
				done()
				return nil, nil, err
			}
			return once, done, nil
		}})
	}
	return list
}

// scan writes lineitem into a directory and returns a run that reads a column, or
// all of them.
func scan(ctx context.Context, dir, format, column string) (func() (int, error), error) {
	if err := tpch.Gen(ctx, tpch.GenOptions{SF: decodeSF, Format: format, Dir: dir, Tables: []string{"lineitem"}, Workers: 1}); err != nil {
		return nil, err
	}
	ref := catalog.TableRef{Path: filepath.Join(dir, "lineitem."+format)}
	var c connector.Connector = parquet.New()
	if format == "csv" {
		c = csv.New()
		ref.Options = map[string]string{"header": "true"}
		ref.Schema = lineitemSchema()
	}
	t, err := c.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	req := connector.ScanRequest{BatchRows: columnar.MaxRows}
	for i, f := range t.Schema().Fields {
		if column == "" || f.Name == column {
			req.Project = append(req.Project, len(req.Columns))
			req.Columns = append(req.Columns, i)
		}
	}
	splits, err := c.Splits(ctx, t.Descriptor(), req)
	if err != nil {
		return nil, err
	}
	return func() (rows int, err error) {
		for _, s := range splits {
			r, err := c.Scan(ctx, t.Descriptor(), s.Data, req)
			if err != nil {
				return 0, err
			}
			n, err := drain(ctx, r)
			if err != nil {
				return 0, err
			}
			rows += n
		}
		return rows, nil
	}, nil
}

func lineitemSchema() *columnar.Schema {
	for _, t := range dbgen.Tables() {
		if t.Name == "lineitem" {
			return t.Schema
		}
	}
	return nil
}

func drain(ctx context.Context, r connector.Reader) (rows int, err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return 0, err
		}
		rows += b.Selected()
	}
}
