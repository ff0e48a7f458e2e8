package sort

import (
	"math"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/exec/op"
)

// threshold tells scans that rows behind a value of the first sort key are not
// among the first: so many that come before it were seen already. It takes part
// as a runtime filter, which gets tighter.
type threshold struct {
	typ  columnar.Type
	last int64
	desc bool
}

// tighterThan reports whether t lets fewer values through than o.
func (t *threshold) tighterThan(o *threshold) bool {
	if t.desc {
		return t.last > o.last
	}
	return t.last < o.last
}

// publish makes a threshold known, unless another task's is tighter. Two tasks
// at once may leave the weaker one: it is right, too.
func (t *threshold) publish(id int, f *op.Filters) {
	if old, ok := f.Get(id); ok {
		if o, ok := old.(*threshold); ok && !t.tighterThan(o) {
			return
		}
	}
	f.Publish(id, t, true)
}

// Bind implements op.RuntimeFilter.
func (t *threshold) Bind(column int) connector.DynamicFilter { return boundThreshold{t, column} }

type boundThreshold struct {
	*threshold
	column int
}

// Column implements connector.DynamicFilter.
func (t boundThreshold) Column() int { return t.column }

// Range implements connector.DynamicFilter.
func (t boundThreshold) Range() (least, most any) {
	var x any = t.last
	if t.typ.Kind == columnar.Decimal {
		x = columnar.Int128Of(t.last)
	}
	if t.desc {
		return x, nil
	}
	return nil, x
}

// Select implements connector.DynamicFilter. Nulls come last where thresholds
// are used: they are dropped.
func (t boundThreshold) Select(v *columnar.Vector, sel, out []uint16) []uint16 {
	flat := *v
	if v.Enc != columnar.Flat {
		flat = kernel.Flatten(v, nil)
	}
	least, most := int64(math.MinInt64), t.last
	if t.desc {
		least, most = t.last, math.MaxInt64
	}
	switch flat.Width {
	case 1:
		return within(columnar.Values[int8](&flat), least, most, flat.Valid, sel, out)
	case 2:
		return within(columnar.Values[int16](&flat), least, most, flat.Valid, sel, out)
	case 4:
		return within(columnar.Values[int32](&flat), least, most, flat.Valid, sel, out)
	case 8:
		return within(columnar.Values[int64](&flat), least, most, flat.Valid, sel, out)
	}
	if sel != nil {
		return append(out, sel...)
	}
	for i := range v.Len {
		out = append(out, uint16(i))
	}
	return out
}

func within[T int8 | int16 | int32 | int64](vs []T, least, most int64, valid columnar.Bitmap, sel, out []uint16) []uint16 {
	if sel == nil {
		for i, x := range vs {
			if y := int64(x); y >= least && y <= most && (valid == nil || valid.Get(i)) {
				out = append(out, uint16(i))
			}
		}
		return out
	}
	for _, i := range sel {
		if y := int64(vs[i]); y >= least && y <= most && (valid == nil || valid.Get(int(i))) {
			out = append(out, i)
		}
	}
	return out
}
