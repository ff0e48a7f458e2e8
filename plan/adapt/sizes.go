package adapt

import (
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// tasksPerSlot is how many tasks a slot gets at least, so that they even out; slicesPerSlot
// how many of those that read what is skewed: they take longest, and the last of them
// would run alone.
const (
	tasksPerSlot  = 4
	slicesPerSlot = 8
)

// sizes chooses what the tasks of a stage read that reads partitions: small ones
// together, skewed ones in parts.
func (r *rewriter) sizes(s *stage.Stage) (bool, error) {
	if !r.complete(s) {
		return false, nil
	}
	did := false
	for i := range s.Drivers {
		d := &s.Drivers[i]
		if d.Sources == nil || d.Parts != nil || d.Partitions < 2 || merges(d) {
			continue
		}
		if out := r.outs[d.Sources[0].Exchange]; r.local(s, d) && out.Maps()*d.Partitions <= maxWork {
			s = r.edit(s)
			s.Drivers[i].Parts = r.where(out, d.Partitions)
			s.Rewrites = append(s.Rewrites, fmt.Sprintf("%d tasks read exchange %d where it lies", len(s.Drivers[i].Parts), d.Sources[0].Exchange))
			did = true
			continue
		}
		in := r.measure(s, d)
		if in == nil {
			continue
		}
		parts, told := in.plan(r.Options, r.fixed(d))
		if told == nil {
			continue
		}
		s = r.edit(s)
		s.Drivers[i].Parts = parts
		s.Rewrites = append(s.Rewrites, told...)
		did = true
	}
	return did, nil
}

// merges reports whether a source merges sorted runs, which only whole partitions have.
func merges(d *stage.Driver) bool {
	return slices.ContainsFunc(d.Sources, func(x *physical.Source) bool { return x.Mode == physical.ReadMerge })
}

// fixed reports whether the user asked for the partitions of a group.
func (r *rewriter) fixed(d *stage.Driver) bool {
	return slices.ContainsFunc(d.Sources, func(x *physical.Source) bool {
		w := r.g.Writer(x.Exchange)
		return w == nil || w.Out.Partitioning.Fixed
	})
}

// measured is the sizes of what a group of sources reads.
type measured struct {
	sources []side
	bytes   []int64 // by partition, of all sources
	total   int64
}

// side is the sizes of one source.
type side struct {
	out   Output
	bytes []int64 // by partition
	least int64   // bytes from which a partition is skewed; 0: it is not to be split
}

// measure adds up what the partitions of a group hold.
func (r *rewriter) measure(s *stage.Stage, d *stage.Driver) *measured {
	m := &measured{bytes: make([]int64, d.Partitions)}
	for _, src := range d.Sources {
		out := r.outs[src.Exchange]
		if out == nil || out.Maps()*d.Partitions > maxWork {
			return nil
		}
		x := side{out: out, bytes: make([]int64, d.Partitions)}
		for p := range d.Partitions {
			for t := range out.Maps() {
				x.bytes[p] += out.Bytes(t, p)
			}
			m.bytes[p] += x.bytes[p]
			m.total += x.bytes[p]
		}
		if r.Skew && out.Exact() && out.Maps() > 1 && splittable(s.Root, src) {
			x.least = r.skewed(x.bytes)
		}
		m.sources = append(m.sources, x)
	}
	return m
}

// skewed returns from how many bytes on a partition is skewed.
func (r *rewriter) skewed(bytes []int64) int64 {
	sorted := slices.Sorted(slices.Values(bytes))
	median := sorted[len(sorted)/2]
	return max(int64(r.SkewFactor*float64(median)), r.SkewThreshold, 1)
}

// slice returns the bytes that a task is to read of a partition that is skewed, of all
// that there is.
func slice(total int64, o Options) int64 {
	return max(total/int64(slicesPerSlot*max(1, o.Slots)), o.Advisory)
}

// plan returns the parts of each task and, in words, what is other than a task per
// partition; nil: nothing.
func (m *measured) plan(o Options, fixed bool) (parts [][]stage.Part, told []string) {
	even := m.total / int64(tasksPerSlot*max(1, o.Slots))
	together := min(even, o.Advisory)
	slice := slice(m.total, o)
	skewed := make([]bool, len(m.bytes))
	for p := range m.bytes {
		for _, x := range m.sources {
			skewed[p] = skewed[p] || x.least > 0 && x.bytes[p] > x.least && x.bytes[p] > slice+slice/2
		}
		if skewed[p] { // what else there is should not be much smaller than its parts
			together = slice
		}
	}
	together = max(together, o.Least)
	whole := 0
	for p := 0; p < len(m.bytes); p++ {
		if skewed[p] {
			split := m.cut(p, slice)
			told = append(told, fmt.Sprintf("partition %d is skewed and read by %d tasks", p, len(split)))
			parts = append(parts, split...)
			continue
		}
		from, n := p, m.bytes[p]
		for o.Coalesce && !fixed && p+1 < len(m.bytes) && !skewed[p+1] && n+m.bytes[p+1] <= together {
			p++
			n += m.bytes[p]
		}
		same := make([]stage.Part, len(m.sources))
		for i := range same {
			same[i] = stage.Part{From: from, To: p + 1}
		}
		parts = append(parts, same)
		whole++
	}
	if n := len(m.bytes) - (len(told)); whole < n {
		told = append(told, fmt.Sprintf("%d partitions are coalesced into %d tasks", n, whole))
	}
	return parts, told
}

// cut returns the tasks that read a skewed partition: each source that is skewed in
// parts of some of its map tasks, each with each of the others.
func (m *measured) cut(p int, slice int64) [][]stage.Part {
	tasks := [][]stage.Part{nil}
	for _, x := range m.sources {
		choices := []stage.Part{stage.One(p)}
		if x.least > 0 && x.bytes[p] > x.least && x.bytes[p] > slice+slice/2 {
			choices = nil
			for _, maps := range groups(x.out, p, slice) {
				choices = append(choices, stage.Part{From: p, To: p + 1, Maps: maps})
			}
		}
		var next [][]stage.Part
		for _, t := range tasks {
			for _, c := range choices {
				next = append(next, append(slices.Clone(t), c))
			}
		}
		tasks = next
	}
	return tasks
}

// groups cuts the map tasks into groups of up to about so many bytes of a partition:
// rather more of them than some with twice as much as others.
func groups(out Output, p int, slice int64) (list [][]int) {
	sum := int64(0)
	var maps []int
	for t := range out.Maps() {
		size := out.Bytes(t, p)
		if len(maps) > 0 && sum+size > slice+slice/8 {
			list, maps, sum = append(list, maps), nil, 0
		}
		maps = append(maps, t)
		sum += size
	}
	return append(list, maps)
}

// splittable reports whether the rows of a partition that a source reads may go to
// several tasks: nothing above needs them together, and something above is worth it.
func splittable(root physical.Plan, src physical.Plan) bool {
	nodes := path(root, src)
	joins := false
	for i := len(nodes) - 2; i >= 0; i-- {
		switch x := nodes[i].(type) {
		case *physical.Filter, *physical.Project, *physical.Expand, *physical.Generate, *physical.Accumulate, *physical.Sort, *physical.Union, *physical.Write:
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
			joins = true
		case *physical.HashJoin:
			left := x.Left == nodes[i+1]
			if x.Shared {
				if left == x.BuildLeft {
					return false
				}
			} else if !divisible(x.Kind, left) {
				return false
			}
			joins = true
		case *physical.LoopJoin:
			if x.Left != nodes[i+1] {
				return false
			}
			joins = true
		default:
			return false
		}
	}
	return joins
}

// divisible reports whether the rows of a side of a join may be joined in parts, each
// with all rows of the other side: no row of the other side comes out because of what
// it does not match.
func divisible(k logical.JoinKind, left bool) bool {
	switch k {
	case logical.Inner:
		return true
	case logical.Left, logical.LeftSemi, logical.LeftAnti, logical.LeftSingle, logical.LeftMark:
		return left
	case logical.Right:
		return !left
	}
	return false
}
