package join

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// residual is the part of a join's condition that is not an equality of keys,
// computed on candidate pairs.
type residual struct {
	test    *eval.Filter
	columns []int // positions in left ++ right that it needs
	batch   columnar.Batch
	sel     []uint16
}

func newResidual(e expr.Expr, left int, o eval.Options) (*residual, error) {
	r := &residual{}
	at := map[int]int{}
	bound := expr.Rewrite(e, func(e expr.Expr) expr.Expr {
		c, ok := e.(*expr.Column)
		if !ok {
			return e
		}
		i, ok := at[c.Index]
		if !ok {
			i = len(r.columns)
			at[c.Index] = i
			r.columns = append(r.columns, c.Index)
		}
		d := *c
		d.Index = i
		return &d
	})
	r.batch.Cols = make([]columnar.Vector, len(r.columns))
	var err error
	r.test, err = eval.CompileFilter(expr.Conjuncts(bound), o)
	return r, err
}

// filter keeps the pairs for which the condition is true, at the front, and
// returns how many. It works in the prober's pairScratch.
func (r *residual) filter(p *prober, probe, build []uint32) (int, error) {
	r.batch.Rows = len(probe)
	for i, at := range r.columns {
		if fromBuild, c := p.fromBuild(at); fromBuild {
			r.batch.Cols[i] = p.table.take(c, build, false, p.pairScratch)
		} else {
			r.batch.Cols[i] = p.pick(c, probe)
		}
	}
	sel, err := r.test.Select(&r.batch, p.pairScratch, r.sel[:0])
	if err != nil {
		return 0, err
	}
	r.sel = sel
	for k, i := range sel {
		probe[k], build[k] = probe[i], build[i]
	}
	return len(sel), nil
}
