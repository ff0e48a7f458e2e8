package millrace

import (
	"context"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Describe computes statistics of numeric and text columns, all if none is named:
// a frame of texts with the rows count, mean, stddev, min and max. Averages of
// texts are null.
func (d *DataFrame) Describe(ctx context.Context, columns ...string) (*DataFrame, error) {
	s, err := d.Schema(ctx)
	if err != nil {
		return nil, err
	}
	var fields []columnar.Field
	if len(columns) == 0 {
		for _, f := range s.Fields {
			if f.Type.IsNumeric() || f.Type.Kind == columnar.String {
				fields = append(fields, f)
			}
		}
	}
	for _, name := range columns {
		i := s.Index(name)
		if i < 0 {
			return nil, at(caller(), diag.New(diag.UnresolvedColumn, "there is no column %s to describe", name))
		}
		fields = append(fields, s.Fields[i])
	}
	names := []string{"summary"}
	statistics := []string{"count", "mean", "stddev", "min", "max"}
	var aggs []any
	for _, f := range fields {
		names = append(names, f.Name)
		c := Column{e: &expr.Name{Parts: []string{f.Name}}}
		for _, fn := range []string{"count", "avg", "stddev_samp", "min", "max"} {
			x := call(fn, c)
			if (fn == "avg" || fn == "stddev_samp") && !f.Type.IsNumeric() {
				x = Lit(nil)
			}
			aggs = append(aggs, x.Cast("string"))
		}
	}
	if len(aggs) == 0 {
		return nil, at(caller(), diag.New(diag.InvalidArgument, "there is no numeric or text column to describe"))
	}
	found, err := d.Agg(aggs...).First(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([][]any, len(statistics))
	for i, name := range statistics {
		rows[i] = []any{name}
		for f := range fields {
			rows[i] = append(rows[i], found[f*len(statistics)+i])
		}
	}
	return d.s.values(names, rows), nil
}
