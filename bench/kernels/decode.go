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
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// decodeSF is the scale of the lineitem that is decoded: 120,000 rows, in the
// system's file cache.
const decodeSF = 0.02

// decoding are reads of one column of lineitem each.
func decoding() []Kernel {
	rows := int(dbgen.Rows("lineitem", decodeSF))
	var list []Kernel
	for _, x := range []struct {
		name, column string
		width        int
	}{
		{"Parquet: bigint", "l_orderkey", 8},
		{"Parquet: decimal, dictionary", "l_quantity", 8},
		{"Parquet: decimal, plain", "l_extendedprice", 8},
		{"Parquet: date", "l_shipdate", 4},
		{"Parquet: string, dictionary", "l_shipmode", 4},
		{"Parquet: string, plain", "l_comment", 4 + 26},
	} {
		list = append(list, Kernel{Name: x.name, Rows: rows, Move: int64(2 * x.width * rows), Out: rows, Make: func(ctx context.Context) (func() (int, error), func(), error) {
			dir, err := os.MkdirTemp("", "millrace-kernels-*")
			if err != nil {
				return nil, nil, diag.New(diag.WriteFailed, "no temporary directory can be made: %v", err)
			}
			done := func() { os.RemoveAll(dir) }
			once, err := scan(ctx, dir, x.column)
			if err != nil {
				done()
				return nil, nil, err
			}
			return once, done, nil
		}})
	}
	return list
}

// scan writes lineitem into a directory and returns a run that reads a column.
func scan(ctx context.Context, dir, column string) (func() (int, error), error) {
	if err := tpch.Gen(ctx, tpch.GenOptions{SF: decodeSF, Format: "parquet", Dir: dir, Tables: []string{"lineitem"}, Workers: 1}); err != nil {
		return nil, err
	}
	c := parquet.New()
	t, err := c.Open(ctx, catalog.TableRef{Path: filepath.Join(dir, "lineitem.parquet")})
	if err != nil {
		return nil, err
	}
	at := t.Schema().Index(column)
	if at < 0 {
		return nil, diag.New(diag.UnresolvedColumn, "lineitem has no column %s", column)
	}
	req := connector.ScanRequest{Columns: []int{at}, Project: []int{0}, BatchRows: columnar.MaxRows}
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
