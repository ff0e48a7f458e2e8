package adapt

import (
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// split cuts a stage in two that aggregates a skewed partition: the first makes
// states of parts of it, the second unites them.
//
//	Aggregate complete              Aggregate final
//	  Read exchange 3        ──►      Exchange 9 hash [keys]
//	                                    Aggregate partial
//	                                      Read exchange 3, in parts
//
// States that are united already (final) are merged into states first.
func (r *rewriter) split(s *stage.Stage) (bool, error) {
	if !r.complete(s) || len(s.Drivers) != 1 || s.Drivers[0].Sources == nil || s.Drivers[0].Parts != nil || merges(&s.Drivers[0]) {
		return false, nil
	}
	d := &s.Drivers[0]
	for _, src := range d.Sources {
		out := r.outs[src.Exchange]
		if r.added(src.Exchange) || out == nil || !out.Exact() || out.Maps() < 2 || out.Maps()*d.Partitions > maxWork || d.Partitions < 2 {
			continue
		}
		agg := cutAt(s.Root, d, src)
		if agg == nil {
			continue
		}
		bytes := make([]int64, d.Partitions)
		total := int64(0)
		for p := range bytes {
			for t := range out.Maps() {
				bytes[p] += out.Bytes(t, p)
			}
			total += bytes[p]
		}
		slice := slice(total, r.Options)
		if most := slices.Max(bytes); most <= r.skewed(bytes) || most <= slice+slice/2 {
			continue
		}
		return true, r.divide(s, agg, d.Partitions)
	}
	return false, nil
}

// cutAt returns the aggregate nearest to a source whose rows need to meet there and
// nowhere else, if its parts could be united; nil if there is none.
func cutAt(root physical.Plan, d *stage.Driver, src physical.Plan) *physical.Aggregate {
	nodes := path(root, src)
	for i := len(nodes) - 2; i >= 0; i-- {
		a, ok := nodes[i].(*physical.Aggregate)
		if !ok || a.Mode.ToStates() {
			continue
		}
		for _, c := range a.Aggs {
			if _, partial := physical.StateTypes(c); !partial || c.Distinct {
				return nil
			}
		}
		for _, other := range d.Sources { // what comes in above is paired by partition
			if path(a, other) == nil {
				return nil
			}
		}
		first := &physical.Aggregate{Mode: physical.AggPartial, Child: a.Child, Out: a.Child.Schema()}
		if len(a.Keys) == 0 || !splittable(first, src) || !rowwise(nodes[:i]) {
			return nil
		}
		return a
	}
	return nil
}

// rowwise reports whether nodes need no rows to meet that an aggregate below them
// makes.
func rowwise(nodes []physical.Plan) bool {
	for _, n := range nodes {
		switch x := n.(type) {
		case *physical.Filter, *physical.Project, *physical.Expand, *physical.Generate, *physical.Accumulate, *physical.Sort, *physical.Write:
		case *physical.TopN:
			if !x.Partial {
				return false
			}
		case *physical.Limit:
			if !x.Partial {
				return false
			}
		case *physical.Aggregate:
			if !x.Mode.ToStates() {
				return false
			}
		case *physical.HashJoin:
			if !x.Shared {
				return false
			}
		case *physical.LoopJoin:
		default:
			return false
		}
	}
	return true
}

// divide puts an exchange below an aggregate of a stage, into so many partitions.
func (r *rewriter) divide(s *stage.Stage, a *physical.Aggregate, partitions int) error {
	first := *a
	first.Mode = physical.AggPartial
	if a.Mode == physical.AggFinal {
		first.Mode, first.Out = physical.AggMerge, a.Child.Schema()
	} else {
		first.Out = states(a)
	}
	out := &stage.Output{Exchange: r.nextExchange(), Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: partitions}}
	last := *a
	last.Mode, last.Keys = physical.AggFinal, nil
	for i, f := range first.Out.Fields[:len(a.Keys)] {
		out.Partitioning.Keys = append(out.Partitioning.Keys, i)
		last.Keys = append(last.Keys, &expr.Column{Index: i, Name: f.Name, Typ: f.Type, Null: f.Nullable})
	}
	last.Child = &physical.Source{Exchange: out.Exchange, Out: first.Out, Rows: a.Groups}
	w, err := r.g.Replace(len(r.g.Stages), &first, out, []string{fmt.Sprintf("aggregates parts of what stage %d was to aggregate at once", s.ID)})
	if err != nil {
		return err
	}
	_, err = r.g.Replace(s.ID, swap(s.Root, a, &last), s.Out, append(slices.Clip(s.Rewrites), fmt.Sprintf("unites the states of stage %d, since a partition is skewed", w.ID)))
	return err
}

// states is the schema of an aggregate's partial form.
func states(a *physical.Aggregate) *columnar.Schema {
	out := &columnar.Schema{}
	for i, k := range a.Keys {
		out.Fields = append(out.Fields, columnar.Field{Name: a.Out.Fields[i].Name, Type: k.Type(), Nullable: k.Nullable()})
	}
	for i, c := range a.Aggs {
		types, _ := physical.StateTypes(c)
		for _, t := range types {
			out.Fields = append(out.Fields, columnar.Field{Name: a.Out.Fields[len(a.Keys)+i].Name, Type: t, Nullable: true})
		}
	}
	return out
}
