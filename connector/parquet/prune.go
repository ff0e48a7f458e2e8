package parquet

import (
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// pruned reports whether statistics say that no row of a group matches.
func (f *file) pruned(g int, req connector.ScanRequest) bool {
	if len(req.Filters) == 0 {
		return false
	}
	all, rows := f.bounds[g], float64(f.meta.RowGroups[g].NumRows)
	stats, null := make([]catalog.ColumnStatistics, len(req.Columns)), make([]bool, len(req.Columns))
	for i, c := range req.Columns {
		stats[i], null[i] = all[c], all[c].NullCount == rows
	}
	return slices.ContainsFunc(req.Filters, func(e expr.Expr) bool { return never(e, stats, null, req.Eval) })
}

// never reports whether a filter is certainly true for no row of a set of rows
// with the given bounds per column, of which some are all null.
func never(e expr.Expr, stats []catalog.ColumnStatistics, null []bool, o eval.Options) bool {
	if eval.Prune(e, stats) {
		return true
	}
	known := false
	e = expr.Rewrite(e, func(e expr.Expr) expr.Expr {
		switch x := e.(type) {
		case *expr.Column:
			if null[x.Index] {
				known = true
				return expr.Null(x.Typ)
			}
		case *expr.Call:
			if test := x.Fn.Name; test == "isnull" || test == "isnotnull" {
				if c, ok := x.Args[0].(*expr.Column); ok && stats[c.Index].NullCount == 0 {
					known = true
					return expr.Lit(test == "isnotnull", columnar.BoolType)
				}
			}
		}
		return e
	})
	if !known {
		return false
	}
	l, ok := eval.Fold(e, o).(*expr.Literal)
	return ok && l.Value != true
}

// less reports whether a is certainly less than b; nil is not known.
func less(a, b any) bool {
	if _, ok := a.(int64); ok {
		_, ok = b.(int64)
		return ok && eval.Order(a, b) < 0
	}
	if _, ok := a.(columnar.Int128); ok {
		_, ok = b.(columnar.Int128)
		return ok && eval.Order(a, b) < 0
	}
	return false
}

// limit is the range of a dynamic filter, as far as pruning has used it.
type limit struct {
	column   int
	min, max any
}

// excludes reports whether no value within the bounds lies in the range.
func (l *limit) excludes(s *catalog.ColumnStatistics) bool {
	return less(l.max, s.Min) || less(s.Max, l.min)
}

// limits returns the ranges of the dynamic filters, and whether they are others
// than the last time.
func (r *reader) limits(fs []connector.DynamicFilter) (changed bool) {
	fresh := r.spare[:0]
	for _, f := range fs {
		lo, hi := f.Range()
		fresh = append(fresh, limit{f.Column(), lo, hi})
	}
	if slices.Equal(fresh, r.ranged) {
		return false
	}
	r.spare, r.ranged = r.ranged, fresh
	return true
}

// rows is a range of rows of a row group.
type rows struct{ from, to int64 }

// segments cuts the rest of the row group at the borders of the pages of the
// columns that filters look at, and keeps the ranges in which rows may match.
func (r *reader) segments() ([]rows, error) {
	use := slices.Clone(r.first)
	for _, l := range r.ranged {
		use[l.column] = true
	}
	borders := []int64{r.at, r.rows}
	for i, c := range r.columns {
		if use[i] = use[i] && c.nest == nil; !use[i] {
			continue
		}
		if err := r.place(c); err != nil {
			return nil, err
		}
		if err := r.file.describe(&c.index, r.group, r.req.Columns[i]); err != nil {
			return nil, err
		}
		if c.index.bounds == nil {
			use[i] = false
			continue
		}
		for _, b := range c.index.rows {
			if b > r.at {
				borders = append(borders, b)
			}
		}
	}
	slices.Sort(borders)
	borders = slices.Compact(borders)
	var out []rows
	stats := make([]catalog.ColumnStatistics, len(r.columns))
	null := make([]bool, len(r.columns))
	for k := 0; k+1 < len(borders); k++ {
		for i, c := range r.columns {
			stats[i], null[i] = catalog.ColumnStatistics{Distinct: -1, NullCount: -1}, false
			if use[i] {
				at := c.index.at(borders[k])
				stats[i], null[i] = c.index.bounds[at], c.index.nulls[at]
			}
		}
		switch {
		case r.excluded(stats, null):
		case len(out) > 0 && out[len(out)-1].to == borders[k]:
			out[len(out)-1].to = borders[k+1]
		default:
			out = append(out, rows{borders[k], borders[k+1]})
		}
	}
	return out, nil
}

// excluded reports whether no row with columns between the given bounds, or null,
// can match.
func (r *reader) excluded(stats []catalog.ColumnStatistics, null []bool) bool {
	for i := range r.ranged {
		l := &r.ranged[i]
		if null[l.column] || l.excludes(&stats[l.column]) {
			return true
		}
	}
	return slices.ContainsFunc(r.req.Filters, func(e expr.Expr) bool { return never(e, stats, null, r.req.Eval) })
}

// place reads where a column's pages lie, once.
func (r *reader) place(c *column) (err error) {
	if !c.placed && c.nest == nil {
		c.placed = true
		c.index, err = r.file.places(r.group, c.leaf)
	}
	return err
}

// jump passes the rows up to another, which cannot match.
func (r *reader) jump(to int64) error {
	for _, c := range r.columns {
		if err := r.place(c); err != nil {
			return err
		}
		r.stats.PagesPruned += c.index.within(r.at, to)
		if err := c.skip(to - c.at); err != nil {
			return err
		}
	}
	r.stats.RowsPruned += to - r.at
	r.at = to
	return nil
}
