package millrace

import (
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Grouped is a frame with grouping keys.
type Grouped struct {
	d    *DataFrame
	keys []any
}

// GroupBy groups by columns or expressions; without any, all rows are one group.
func (d *DataFrame) GroupBy(keys ...any) *Grouped { return &Grouped{d, keys} }

// Agg computes the keys and the given aggregates.
func (g *Grouped) Agg(aggregates ...any) *DataFrame {
	keys, err := list(g.keys)
	if err != nil {
		return g.d.with(g.d.plan, err)
	}
	aggs, err := list(aggregates)
	a := &logical.Aggregate{List: append(append([]expr.Expr{}, keys...), aggs...), Child: g.d.plan}
	for _, k := range keys {
		if alias, ok := k.(*expr.Alias); ok {
			k = alias.Arg
		}
		a.Keys = append(a.Keys, k)
	}
	return g.d.with(a, err)
}

// Agg computes aggregates over all rows.
func (d *DataFrame) Agg(aggregates ...any) *DataFrame { return d.GroupBy().Agg(aggregates...) }

// Count computes the keys and the number of rows, as column count.
func (g *Grouped) Count() *DataFrame {
	return g.Agg(call("count", Col("*")).As("count"))
}
