package filter

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/op"
	"github.com/millrace-engine/millrace/plan/physical"
)

// runtime applies the runtime filters of a node, from when on they are there.
type runtime struct {
	known *op.Filters
	state []applied
	sel   [2][]uint16
	out   columnar.Batch
}

// applied is one of them. It is given up when it drops too little.
type applied struct {
	physical.RuntimeFilter
	filter  connector.DynamicFilter
	in, out int
	off     bool
}

// trial is how many rows a filter is tried on.
const trial = 64 << 10

func newRuntime(fs []physical.RuntimeFilter, known *op.Filters) *runtime {
	r := &runtime{known: known}
	for _, f := range fs {
		r.state = append(r.state, applied{RuntimeFilter: f})
	}
	for i := range r.sel {
		r.sel[i] = make([]uint16, 0, columnar.MaxRows)
	}
	return r
}

// apply returns the batch with the rows that may be wanted, perhaps none. It is
// valid until the next call, as the batch itself.
func (r *runtime) apply(b *columnar.Batch) *columnar.Batch {
	sel, k := b.Sel, 0
	for i := range r.state {
		s := &r.state[i]
		if s.filter == nil {
			f, ok := r.known.Get(s.ID)
			if !ok {
				continue
			}
			s.filter = f.Bind(s.Column)
		}
		if s.off {
			continue
		}
		n := b.Rows
		if sel != nil {
			n = len(sel)
		}
		sel = s.filter.Select(&b.Cols[s.Column], sel, r.sel[k&1][:0])
		k++
		s.in, s.out = s.in+n, s.out+len(sel)
		s.off = s.in > trial && s.out*10 > s.in*9
	}
	if k == 0 {
		return b
	}
	r.out = *b
	r.out.Sel = sel
	return &r.out
}
