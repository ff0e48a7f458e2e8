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
		if len(st.Inputs) > 0 && s.r.IntN(2) == 0 {
			st.Drivers[0] = s.cover(outputs[st.Inputs[0].Exchange])
		}
		s.tally.replanned++
		switch n := len(st.Inputs); {
		case n > 0 && st.Drivers[0].Parts == nil && s.r.IntN(3) == 0:
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

// partitions is how many partitions outputs have.
const partitions = 2

// cover is tasks that read each row of an exchange once: partitions whole, and in parts
// where it is known who wrote them.
func (s *sim) cover(out adapt.Output) stage.Driver {
	d := stage.Driver{Sources: []*physical.Source{{}}, Partitions: partitions}
	for p := range partitions {
		if out == nil || out.Maps() < 2 || s.r.IntN(2) == 0 {
			d.Parts = append(d.Parts, []stage.Part{stage.One(p)})
			continue
		}
		groups := make([][]int, 2+s.r.IntN(out.Maps()-1))
		for m := range out.Maps() {
			at := m % len(groups)
			groups[at] = append(groups[at], m)
		}
		for _, maps := range groups {
			d.Parts = append(d.Parts, []stage.Part{{From: p, To: p + 1, Maps: maps}})
		}
		s.tally.parted++
	}
	return d
}

// bytesOf and partOf carry what a task has read in what it adds to its accumulator.
func bytesOf(p stage.Part) []byte {
	b := []byte{byte(p.From), byte(p.To), 0}
	if p.Maps != nil {
		b[2] = 1
	}
	for _, m := range p.Maps {
		b = append(b, byte(m))
	}
	return b
}

func partOf(b []byte) stage.Part {
	p := stage.Part{From: int(b[0]), To: int(b[1])}
	if b[2] == 1 {
		p.Maps = []int{}
		for _, m := range b[3:] {
			p.Maps = append(p.Maps, int(m))
		}
	}
	return p
}

// checkParts compares what the tasks of a stage that reads in parts have read, those
// that count, with what its input holds.
func (s *sim) checkParts(j *job, needed []bool) {
	for _, st := range j.graph.Stages {
		if !needed[st.ID] || len(st.Drivers) == 0 || st.Drivers[0].Parts == nil {
			continue
		}
		for p := range partitions {
			for m := range j.tasks[st.Inputs[0].Stage] {
				times := 0
				for t := range j.tasks[st.ID] {
					if x, ok := s.parts[[3]int{j.id, st.ID, t}]; ok && x.From <= p && p < x.To && x.Has(m) {
						times++
					}
				}
				if times != 1 {
					s.fail("partition %d of what task %d of stage %d of job %d wrote is read %d times by stage %d", p, m, st.Inputs[0].Stage, j.id, times, st.ID)
				}
			}
		}
	}
}
