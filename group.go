package millrace

import (
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// Grouped is a frame with grouping keys.
type Grouped struct {
	d    *DataFrame
	keys []any
	sets func(keys int) [][]int // of Rollup and Cube
}

// GroupBy groups by columns or expressions; without any, all rows are one group.
func (d *DataFrame) GroupBy(keys ...any) *Grouped { return &Grouped{d: d, keys: keys} }

// Rollup groups by all keys, by all but the last, … and over all rows. Keys that a
// group leaves out are null; functions.Grouping tells them from nulls of the data.
func (d *DataFrame) Rollup(keys ...any) *Grouped {
	return &Grouped{d, keys, func(n int) [][]int {
		sets := make([][]int, n+1)
		for i := range sets {
			for k := range n - i {
				sets[i] = append(sets[i], k)
			}
		}
		return sets
	}}
}

// maxCube bounds the keys of a cube, which has 2ⁿ groupings.
const maxCube = 12

// Cube groups by every subset of the keys.
func (d *DataFrame) Cube(keys ...any) *Grouped {
	return &Grouped{d, keys, func(n int) [][]int {
		sets := make([][]int, 1<<n)
		for i := range sets {
			for k := range n {
				if i>>(n-1-k)&1 == 0 {
					sets[i] = append(sets[i], k)
				}
			}
		}
		return sets
	}}
}

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
	if g.sets != nil && err == nil {
		if len(keys) > maxCube {
			err = diag.New(diag.InvalidArgument, "Rollup and Cube take at most %d keys, not %d", maxCube, len(keys))
		} else {
			a.Sets = g.sets(len(keys))
		}
	}
	return g.d.with(a, err)
}

// Agg computes aggregates over all rows.
func (d *DataFrame) Agg(aggregates ...any) *DataFrame { return d.GroupBy().Agg(aggregates...) }

// Count computes the keys and the number of rows, as column count.
func (g *Grouped) Count() *DataFrame {
	return g.Agg(call("count", Col("*")).As("count"))
}
