package driver

import (
	"slices"

	"github.com/millrace-engine/millrace/plan/adapt"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// rewrite plans open stages again as it likes: with other tasks, without an input,
// behind a stage that is new.
func (s *sim) rewrite(g *stage.Graph, open []int, outputs map[int]adapt.Output) (*stage.Graph, error) {
	if s.r.IntN(2) == 0 {
		return g, nil
	}
	for e, o := range outputs {
		if o.Maps() == 0 {
			s.fail("exchange %d is complete without outputs", e)
		}
	}
	g = g.Clone()
	for _, id := range open {
		if whole(g.Stages[id].Root) || s.r.IntN(2) == 0 {
			continue
		}
		st := *g.Stages[id]
		st.Inputs = slices.Clone(st.Inputs)
		st.Drivers = []stage.Driver{{Sources: []*physical.Source{{}}, Partitions: 1 + s.r.IntN(4)}}
		g.Stages[id] = &st
		s.tally.replanned++
		switch n := len(st.Inputs); {
		case n > 0 && s.r.IntN(3) == 0:
			at := s.r.IntN(n)
			between := &stage.Stage{ID: len(g.Stages), Root: st.Root, Class: max(stage.Unordered, g.Stages[st.Inputs[at].Stage].Class), Inputs: []stage.Input{st.Inputs[at]},
				Out: &stage.Output{Exchange: 100 + len(g.Stages)}, Drivers: []stage.Driver{{Sources: []*physical.Source{{}}, Partitions: 1 + s.r.IntN(3)}}}
			g.Stages = append(g.Stages, between)
			st.Inputs[at] = stage.Input{Exchange: between.Out.Exchange, Stage: between.ID}
			s.tally.inserted++
		case n > 1 && s.r.IntN(3) == 0:
			st.Inputs = st.Inputs[:n-1]
			s.tally.dropped++
		}
	}
	return g, nil
}
