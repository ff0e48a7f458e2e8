package stage

import (
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/plan/physical"
)

// Clone returns a copy of the graph whose list of stages may be changed; the stages
// are shared.
func (g *Graph) Clone() *Graph {
	return &Graph{Stages: slices.Clone(g.Stages), Result: g.Result, Query: g.Query}
}

// Writer returns the stage that writes an exchange.
func (g *Graph) Writer(exchange int) *Stage {
	for _, s := range g.Stages {
		if s.Out != nil && s.Out.Exchange == exchange {
			return s
		}
	}
	return nil
}

// Needed reports, by stage, whether the result depends on it.
func (g *Graph) Needed() []bool {
	out := make([]bool, len(g.Stages))
	var need func(id int)
	need = func(id int) {
		if out[id] {
			return
		}
		out[id] = true
		for _, in := range g.Stages[id].Inputs {
			need(in.Stage)
		}
	}
	need(g.Result)
	return out
}

// Replace puts a stage with another plan, whose exchanges are Sources already, in the
// place of the one with its id, or behind the last one. Leaves keep their identity:
// a scan that any stage had takes its tasks along. What follows from the plan is
// computed afresh, parts included: the caller sets those anew.
func (g *Graph) Replace(id int, root physical.Plan, out *Output, rewrites []string) (*Stage, error) {
	if id > len(g.Stages) {
		return nil, fmt.Errorf("stage %d of %d", id, len(g.Stages))
	}
	s := &Stage{ID: id, Out: out, Rewrites: rewrites}
	from := map[physical.Plan]Group{}
	for _, st := range g.Stages {
		for i, d := range st.Drivers {
			at := Group{st.ID, i}
			if d.Moved != nil {
				at = *d.Moved
			}
			if d.Scan != nil {
				from[d.Scan] = at
			}
		}
	}
	var origins []*Group // by leaf
	for _, l := range leaves(root) {
		var o *Group
		if at, ok := from[l]; ok {
			o = &at
		}
		origins = append(origins, o)
	}
	c := g.cutter()
	if err := c.complete(s, root); err != nil {
		return nil, err
	}
	for i, d := range s.Drivers {
		if d.Scan != nil {
			s.Drivers[i].Moved = origins[d.Leaves()[0]]
		}
	}
	for _, a := range g.Stages {
		if a.ID != id && applies(s.Root, a.Out) {
			s.Awaits = append(s.Awaits, a.ID)
			s.Class = max(s.Class, Unordered)
		}
	}
	if id == len(g.Stages) {
		g.Stages = append(g.Stages, s)
	} else {
		g.Stages[id] = s
	}
	return s, nil
}

// applies reports whether a plan uses a runtime filter that an exchange makes.
func applies(p physical.Plan, out *Output) (yes bool) {
	users(p, func(f physical.RuntimeFilter) {
		yes = yes || out != nil && slices.ContainsFunc(out.Filters, func(x physical.RuntimeFilter) bool { return x.ID == f.ID })
	})
	return yes
}

// cutter returns what knows the exchanges of the graph.
func (g *Graph) cutter() *cutter {
	c := &cutter{stages: g.Stages, byExchange: map[int]int{}, partitions: map[int]int{}}
	for _, s := range g.Stages {
		if s.Out != nil {
			c.byExchange[s.Out.Exchange] = s.ID
			c.partitions[s.Out.Exchange] = max(1, s.Out.Partitioning.Count)
		}
	}
	return c
}

// leaves lists the leaves below p in preorder.
func leaves(p physical.Plan) []physical.Plan {
	kids := p.Children()
	if len(kids) == 0 {
		return []physical.Plan{p}
	}
	var out []physical.Plan
	for _, k := range kids {
		out = append(out, leaves(k)...)
	}
	return out
}
