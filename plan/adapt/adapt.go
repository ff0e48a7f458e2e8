package adapt

import (
	"maps"
	"slices"

	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// Output is what an exchange holds whose stage is complete.
type Output interface {
	// Maps returns how many map tasks wrote it.
	Maps() int
	// Executor returns where the output of a map task lies.
	Executor(mapTask int) string
	// Bytes returns about the size of a partition of the output of a map task.
	Bytes(mapTask, partition int) int64
	// Total returns the rows of all, and about their bytes.
	Total() (rows, bytes int64)
	// Exact reports whether Bytes knows each partition.
	Exact() bool
}

// Options say which rewrites there are and where they begin.
type Options struct {
	Executors, Slots int // of the cluster; Slots of all executors together
	Coalesce         bool
	// Advisory is up to how many bytes partitions are read together, Least from how
	// many on a task is worth it where there are fewer than slots ask for.
	Advisory, Least int64
	Skew            bool
	// SkewFactor is how many times the median a partition has that is split, if it has
	// SkewThreshold bytes.
	SkewFactor    float64
	SkewThreshold int64
	// Broadcast is the bytes up to which an exchanged side of a join is read whole by
	// each executor instead; 0: never.
	Broadcast int64
	// Shuffle is the bytes above which a broadcast side is exchanged instead; 0: never.
	Shuffle   int64
	LocalRead bool
	Empty     bool
	// TaskMemory is the most that a task of the job may be planned to need at least;
	// 0: no bound.
	TaskMemory int64
}

// maxWork bounds how many sizes a rewrite looks at: outputs times partitions.
const maxWork = 4 << 20

// rewriter is a graph while it is rewritten.
type rewriter struct {
	Options
	g    *stage.Graph
	open []int
	outs map[int]Output
}

// Rewrite plans the open stages of a graph again. Outputs are those of the exchanges,
// by id, whose stages are complete. It returns g itself if there is nothing to do.
func Rewrite(g *stage.Graph, open []int, outputs map[int]Output, o Options) (*stage.Graph, error) {
	r := &rewriter{Options: o, g: g.Clone(), outs: maps.Clone(outputs)}
	if r.outs == nil {
		r.outs = map[int]Output{}
	}
	changed, kept := false, datasets(g)
	for _, rule := range []struct {
		name  string
		on    bool
		apply func(*stage.Stage) (bool, error)
	}{
		{"empty", o.Empty, r.empty},
		{"broadcast", o.Broadcast > 0, r.broadcast},
		{"shuffled", o.Shuffle > 0, r.shuffled},
		{"split", o.Skew, r.split},
		{"sizes", o.Coalesce || o.Skew || o.LocalRead, r.sizes},
	} {
		if !rule.on {
			continue
		}
		needed := r.g.Needed()
		r.open = slices.DeleteFunc(slices.Clone(open), func(id int) bool { return kept[id] })
		for id := len(g.Stages); id < len(r.g.Stages); id++ {
			r.open = append(r.open, id)
		}
		for _, id := range r.open {
			if !needed[id] {
				continue
			}
			before := r.g.Clone()
			did, err := rule.apply(r.g.Stages[id])
			if err != nil {
				return nil, &BrokenError{Rewrite: rule.name, Stage: id, What: err.Error()}
			}
			if !did {
				continue
			}
			if err := Verify(r.g, r.outs); err != nil {
				return nil, broken(err, rule.name)
			}
			if err := unchanged(before, r.g); err != nil {
				return nil, broken(err, rule.name)
			}
			changed, needed = true, r.g.Needed()
		}
	}
	if !changed {
		return g, nil
	}
	return r.g, nil
}

// datasets reports, by stage, which make the partitions of a dataset that is kept, or
// what those are made of: these must be the same whenever they are made.
func datasets(g *stage.Graph) []bool {
	out, seen := make([]bool, len(g.Stages)), make([]bool, len(g.Stages))
	var mark func(id int)
	mark = func(id int) {
		if seen[id] {
			return
		}
		out[id], seen[id] = true, true
		for _, in := range g.Stages[id].Inputs {
			mark(in.Stage)
		}
	}
	for _, s := range g.Stages {
		for _, d := range s.Drivers {
			if d.Scan != nil && d.Scan.Dataset != nil {
				out[s.ID] = true
			}
		}
		for _, in := range s.Inputs {
			if in.Datasets != nil {
				mark(in.Stage)
			}
		}
	}
	return out
}

// complete reports whether everything that a stage reads is known.
func (r *rewriter) complete(s *stage.Stage) bool {
	for _, in := range s.Inputs {
		if r.outs[in.Exchange] == nil {
			return false
		}
	}
	return len(s.Inputs) > 0
}

// isOpen reports whether a stage may be changed.
func (r *rewriter) isOpen(id int) bool { return slices.Contains(r.open, id) }

// edit puts a copy of a stage, which may be changed, in its place.
func (r *rewriter) edit(s *stage.Stage) *stage.Stage {
	d := *s
	d.Drivers = slices.Clone(s.Drivers)
	d.Rewrites = slices.Clip(s.Rewrites)
	r.g.Stages[s.ID] = &d
	return &d
}

// added reports whether a rewrite has made an exchange: what it decided is not decided
// again, back and forth.
func (r *rewriter) added(exchange int) bool {
	w := r.g.Writer(exchange)
	return w == nil || w.ID > r.g.Result // as cut, the result is last
}

// nextExchange returns a number for a new exchange.
func (r *rewriter) nextExchange() int {
	n := 0
	for _, s := range r.g.Stages {
		if s.Out != nil {
			n = max(n, s.Out.Exchange)
		}
	}
	return n + 1
}

// swap returns a plan with one of its nodes replaced.
func swap(p, old, fresh physical.Plan) physical.Plan {
	if p == old {
		return fresh
	}
	kids := p.Children()
	if len(kids) == 0 {
		return p
	}
	out := make([]physical.Plan, len(kids))
	same := true
	for i, k := range kids {
		out[i] = swap(k, old, fresh)
		same = same && out[i] == k
	}
	if same {
		return p
	}
	return p.WithChildren(out)
}

// path returns the nodes from a plan down to one of its nodes, both included; nil if
// it is not below.
func path(p, to physical.Plan) []physical.Plan {
	if p == to {
		return []physical.Plan{p}
	}
	for _, k := range p.Children() {
		if rest := path(k, to); rest != nil {
			return append([]physical.Plan{p}, rest...)
		}
	}
	return nil
}
