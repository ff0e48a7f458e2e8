package adapt

import (
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/plan/logical"
	"github.com/millrace-engine/millrace/plan/physical"
	"github.com/millrace-engine/millrace/plan/stage"
)

// broadcast lets each executor read a side of a join whole that turned out small. The
// other side is then read where it lies, or, if its stage has not begun, computed
// where it is joined:
//
//	HashJoin                          HashJoin shared
//	  Read exchange 1 (open)   ──►      Scan
//	  Read exchange 2 (small)           ReadAll exchange 2
func (r *rewriter) broadcast(s *stage.Stage) (bool, error) {
	if r.Executors < 2 {
		return false, nil
	}
	for _, j := range exchanged(s.Root) {
		left := r.small(j, true)
		if !left && !r.small(j, false) {
			continue
		}
		d := *j
		d.Shared, d.BuildLeft, d.Together = true, left, false
		build, probe := &d.Right, d.Left
		if left {
			build, probe = &d.Left, d.Right
		}
		src := *(*build).(*physical.Source)
		src.Mode = physical.ReadAll
		*build = &src
		told := fmt.Sprintf("exchange %d is small: each executor reads it whole", src.Exchange)
		root := swap(s.Root, j, &d)
		if other, ok := probe.(*physical.Source); ok && r.movable(s, root, other) {
			if w := r.g.Writer(other.Exchange); r.fits(swap(root, other, w.Root), s.Out) {
				root = swap(root, other, w.Root)
				told += fmt.Sprintf(", and stage %d, which has not begun, is computed here", w.ID)
			}
		}
		_, err := r.g.Replace(s.ID, root, s.Out, append(slices.Clip(s.Rewrites), told))
		return true, err
	}
	return false, nil
}

// exchanged lists the joins below a node both sides of which are exchanged.
func exchanged(p physical.Plan) (out []*physical.HashJoin) {
	if j, ok := p.(*physical.HashJoin); ok && !j.Shared {
		out = append(out, j)
	}
	for _, k := range p.Children() {
		out = append(out, exchanged(k)...)
	}
	return out
}

// small reports whether a side of a join is read from a complete exchange that is
// small, and can be its build side in every executor: no row of it comes out because
// of what it does not match.
func (r *rewriter) small(j *physical.HashJoin, left bool) bool {
	src, ok := j.Right.(*physical.Source)
	if left {
		src, ok = j.Left.(*physical.Source)
	}
	if !ok || src.Mode != physical.ReadPartition || r.added(src.Exchange) {
		return false
	}
	switch {
	case j.Kind == logical.Inner:
	case left || j.Kind == logical.Right || j.Kind == logical.Full || j.BuildLeft:
		return false
	}
	out := r.outs[src.Exchange]
	if out == nil {
		return false
	}
	_, bytes := out.Total()
	return bytes <= r.Broadcast
}

// movable reports whether the stage that writes what a source reads may be computed
// in the source's place: it has not begun, nobody else reads it, and nothing above
// needs the rows as they are exchanged.
func (r *rewriter) movable(s *stage.Stage, root physical.Plan, src *physical.Source) bool {
	w := r.g.Writer(src.Exchange)
	if w == nil || !r.isOpen(w.ID) || src.Mode != physical.ReadPartition || len(s.Drivers) != 1 || w.Class == stage.Unstable || w.Out.Partitioning.Fixed {
		return false
	}
	for _, o := range r.g.Stages {
		for _, in := range o.Inputs {
			if in.Exchange == src.Exchange && (o.ID != s.ID || in.Leaf != src.Leaf) {
				return false
			}
		}
	}
	nodes := path(root, src)
	return len(nodes) > 0 && rowwise(nodes[:len(nodes)-1]) && sources(root, physical.ReadPartition) == 1
}

// sources counts the sources of a mode below a node.
func sources(p physical.Plan, mode physical.SourceMode) int {
	n := 0
	if s, ok := p.(*physical.Source); ok && s.Mode == mode {
		n++
	}
	for _, k := range p.Children() {
		n += sources(k, mode)
	}
	return n
}

// fits reports whether tasks of a plan have enough memory in what the job was
// admitted with.
func (r *rewriter) fits(p physical.Plan, out *stage.Output) bool {
	return r.TaskMemory == 0 || stage.MemoryOf(p, out).Task <= r.TaskMemory
}

// local reports whether a group of sources may read outputs where they lie, all
// partitions of some map tasks: it reads one exchange, for a join that was to be by its
// keys and is not any more, and nothing needs the rows as they are exchanged.
func (r *rewriter) local(s *stage.Stage, d *stage.Driver) bool {
	if !r.LocalRead || len(d.Sources) != 1 || r.Executors < 2 || r.fixed(d) {
		return false
	}
	nodes := path(s.Root, d.Sources[0])
	joined := false
	for i, n := range nodes[:len(nodes)-1] {
		if j, ok := n.(*physical.HashJoin); ok && j.Shared {
			if (j.Left == nodes[i+1]) == j.BuildLeft {
				return false
			}
			joined = true
		}
	}
	return joined && rowwise(nodes[:len(nodes)-1]) && r.g.Writer(d.Sources[0].Exchange).Out.Partitioning.Kind == physical.HashPartitioning
}

// where returns tasks that read the outputs of an exchange where they lie: each some
// that are in one executor.
func (r *rewriter) where(out Output, partitions int) [][]stage.Part {
	var executors []string
	held := map[string][]int{}
	size := make([]int64, out.Maps())
	total := int64(0)
	for m := range out.Maps() {
		x := out.Executor(m)
		if held[x] == nil {
			executors = append(executors, x)
		}
		held[x] = append(held[x], m)
		for p := range partitions {
			size[m] += out.Bytes(m, p)
		}
		total += size[m]
	}
	limit := max(total/int64(tasksPerSlot*max(1, r.Slots)), r.Least)
	var tasks [][]stage.Part
	for _, x := range executors {
		var maps []int
		sum := int64(0)
		for _, m := range held[x] {
			if len(maps) > 0 && sum+size[m] > limit {
				tasks = append(tasks, []stage.Part{{To: partitions, Maps: maps}})
				maps, sum = nil, 0
			}
			maps, sum = append(maps, m), sum+size[m]
		}
		tasks = append(tasks, []stage.Part{{To: partitions, Maps: maps}})
	}
	return tasks
}

// shuffled exchanges both sides of a join whose build side was to be read whole by
// each executor and turned out too large for that.
//
//	HashJoin shared                   HashJoin
//	  Scan                     ──►      Exchange 8 hash [keys]
//	  ReadAll exchange 2                  Scan
//	                                    Exchange 9 hash [keys]
//	                                      Read exchange 2
func (r *rewriter) shuffled(s *stage.Stage) (bool, error) {
	for _, j := range wholly(s.Root) {
		build, probe, bk, pk := j.Right, j.Left, columnsOf(j.RightKeys), columnsOf(j.LeftKeys)
		if j.BuildLeft {
			build, probe, bk, pk = probe, build, pk, bk
		}
		src, ok := build.(*physical.Source)
		nodes := path(s.Root, j)
		if !ok || r.outs[src.Exchange] == nil || slices.Contains(bk, -1) || slices.Contains(pk, -1) || !rowwise(nodes[:len(nodes)-1]) || !dividable(j) {
			continue
		}
		out := r.outs[src.Exchange]
		w := r.g.Writer(src.Exchange)
		_, bytes := out.Total()
		if bytes <= r.Shuffle || w.Out.Partitioning.Kind != physical.Broadcast || out.Maps() > maxWork {
			continue
		}
		n := max(tasksPerSlot*r.Slots, min(int(bytes/max(1, r.Advisory)), 64*r.Slots))
		to := func(keys []int) *stage.Output {
			return &stage.Output{Exchange: r.nextExchange(), Partitioning: physical.Partitioning{Kind: physical.HashPartitioning, Count: n, Keys: keys}}
		}
		told := []string{fmt.Sprintf("for the join of stage %d: exchange %d is large", s.ID, src.Exchange)}
		if !r.fits(probe, to(pk)) {
			continue
		}
		a, err := r.g.Replace(len(r.g.Stages), probe, to(pk), told)
		if err != nil {
			return false, err
		}
		part := *src
		part.Mode = physical.ReadPartition
		b, err := r.g.Replace(len(r.g.Stages), &part, to(bk), told)
		if err != nil {
			return false, err
		}
		b.Drivers[0].Parts = r.where(out, max(1, w.Out.Partitioning.Count))
		d := *j
		d.Shared, d.RuntimeFilters = false, nil
		d.Left = &physical.Source{Exchange: a.Out.Exchange, Out: probe.Schema(), Rows: -1}
		d.Right = &physical.Source{Exchange: b.Out.Exchange, Out: src.Out, Rows: src.Rows}
		if d.BuildLeft {
			d.Left, d.Right = d.Right, d.Left
		}
		_, err = r.g.Replace(s.ID, swap(s.Root, j, &d), s.Out, append(slices.Clip(s.Rewrites), fmt.Sprintf("exchange %d is too large to be read whole by each executor: both sides of the join are exchanged", src.Exchange)))
		return true, err
	}
	return false, nil
}

// wholly lists the joins below a node whose build side each of several executors
// reads whole.
func wholly(p physical.Plan) (out []*physical.HashJoin) {
	if j, ok := p.(*physical.HashJoin); ok && j.Shared && !j.Together {
		out = append(out, j)
	}
	for _, k := range p.Children() {
		out = append(out, wholly(k)...)
	}
	return out
}

// dividable reports whether a join may be computed by partitions of its keys, so that
// no row of one decides about those of another.
func dividable(j *physical.HashJoin) bool {
	switch j.Kind {
	case logical.NullAwareAnti:
		return false
	case logical.LeftMark:
		return !j.Out.Fields[j.Out.Len()-1].Nullable
	}
	for i := range j.LeftKeys {
		if !j.LeftKeys[i].Type().Equal(j.RightKeys[i].Type()) { // P3
			return false
		}
	}
	return true
}
